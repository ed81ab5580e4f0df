"""The law every op obeys: for each signature `(l_in, l_out)` that its rule offers,

    relayout(op, signature).reference(stored(x, l_in)) == stored(op.reference(x), l_out)

whatever frames the operands are stored in. Covers every op class of the registry.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from nchw2nhwc.ir.graph import Graph, Node, Value
from nchw2nhwc.ir.types import Array, TensorType
from nchw2nhwc.layout.families import Placement, Signature, View, family_of
from nchw2nhwc.layout.problem import Problem
from nchw2nhwc.layout.tensor import Frame, Layout, Tensor, axis_of, flat
from nchw2nhwc.ops.activation_functions import Relu
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.matmul import FullyConnected
from nchw2nhwc.ops.movement import Reshape, Transpose
from nchw2nhwc.ops.rules import GatherAxis, Rule
from tests.ops.samples import ALL_OPS, op_cases

SIGNATURES = 12


def stored(x: Array, tensor: Tensor, frame: Frame) -> Array:
    """The array of `tensor` as it is stored in `frame`."""
    position = {f: k for k, f in enumerate(tensor.source)}
    whole = {f: x.shape[axis_of(f)] for f in tensor.source if tensor.axis(axis_of(f)) == (f,)}  # maybe known only now
    factors = x.reshape([whole.get(f, tensor.size(f)) for f in tensor.source])
    return factors.transpose([position[f] for f in flat(frame)]).reshape([prod(whole.get(f, tensor.size(f)) for f in g) for g in frame])


class Case:
    """A graph around one op: axes of its data operands are cut by Reshapes, and stored in random orders on both sides."""

    def __init__(self, data: DataObject, op: Op, operands: Sequence[Array]) -> None:
        self.data, self.op, self.operands = data, op, operands
        self.graph = Graph("law")
        values = [self._operand(k, x) for k, x in enumerate(operands)]
        outputs = self.graph.add(op, values)
        self.node: Node = outputs[0].producer  # type: ignore[assignment]
        for k, value in enumerate(outputs):
            self.graph.add_output(self._shuffled(value), f"y{k}")
        sources = [[tuple(range(v.rank))] for v in self.graph.inputs]
        problem = Problem(self.graph, sources, [[tuple(range(v.rank))] for v in self.graph.outputs])
        self.view: View[Rule] = problem.tensors.views[self.node]
        self.signatures = problem.signatures(self.node)

    def _operand(self, index: int, x: Array) -> Value:
        constant = index > 0 and (isinstance(self.op, FullyConnected) or isinstance(self.op.rule, GatherAxis) or self.flag())
        if constant:
            return self.graph.constant(x)
        pieces = [p for s in x.shape for p in ((2, s // 2) if s > 2 and s % 2 == 0 and self.flag() else (s,))]
        perm = self.data.draw(st.permutations(range(len(pieces))))
        value = self.graph.add_input(f"x{index}", TensorType(x.dtype, tuple(pieces[p] for p in perm)))
        (value,) = self.graph.add(Transpose(tuple(int(p) for p in np.argsort(perm))), [value])
        return self.graph.add1(Reshape(x.shape), [value])

    def _shuffled(self, value: Value) -> Value:
        perm = tuple(self.data.draw(st.permutations(range(value.rank))))
        value = self.graph.add1(Transpose(perm), [value])
        return self.graph.add1(Relu(), [value]) if value.type.dtype.kind == "f" else value

    def flag(self) -> bool:
        return self.data.draw(st.booleans())

    def frame(self, tensor: Tensor, layout: Layout) -> Frame:
        """Any frame of `layout`: neighbours merged, axes of size 1 anywhere."""
        groups: list[Layout] = []
        for f in layout:
            if self.data.draw(st.integers(0, 3)) == 0:
                groups.append(())
            if groups and groups[-1] and self.data.draw(st.integers(0, 3)) == 0:
                groups[-1] = (*groups[-1], f)
            else:
                groups.append((f,))
        return tuple(groups) if self.flag() else tensor.plain_frame(layout)


def check(case: Case, signature: Signature, placement: Placement) -> None:
    view = case.view
    inputs = [stored(x, t, f) for x, t, f in zip(case.operands, view.ins, placement.ins)]
    results = case.op.run(*case.operands)
    if placement.op is None:
        found: Sequence[Array] = inputs
    else:
        found = placement.op.run(*([inputs[k] for k in placement.operands] if placement.operands else inputs))
    for got, expected, tensor, frame, layout in zip(found, results, view.outs, placement.outs, signature.outs):
        assert flat(frame) == layout
        wanted = stored(expected, tensor, frame)
        assert got.shape == wanted.shape
        if got.dtype.kind == "f":
            half = got.dtype == np.float16
            np.testing.assert_allclose(got, wanted, rtol=2e-3 if half else 1e-4, atol=1e-2 if half else 1e-5)
        else:
            np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("cls", ALL_OPS, ids=lambda cls: cls.__name__)
@settings(max_examples=25)
@given(data=st.data())
def test_law(cls: type[Op], data: DataObject) -> None:
    op, operands = data.draw(op_cases(cls))
    case = Case(data, op, operands)
    view = case.view
    assert case.signatures, f"{op} has no signature"
    for signature in case.signatures[:SIGNATURES]:
        for tensor, layout in zip((*view.ins, *view.outs), (*signature.ins, *signature.outs)):
            assert tensor.fixed or sorted(layout) == sorted(tensor.source)
        actual = [None if t.fixed or case.flag() else case.frame(t, la) for t, la in zip(view.ins, signature.ins)]
        wish = [case.frame(t, la) if case.flag() else None for t, la in zip(view.outs, signature.outs)]
        check(case, signature, family_of(view.rule).place(view, signature, actual, wish))
