"""Every decomposition against the op's own reference, on the cases of the op tests."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from nchw2nhwc.emit.tflite import native
from nchw2nhwc.ir.graph import Graph, Value
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ir.types import Array, TensorType
from nchw2nhwc.ir.verify import verify
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.rules import Elementwise
from nchw2nhwc.passes.constants import FOLDING
from nchw2nhwc.passes.decompose import DECOMPOSITIONS, decompose
from nchw2nhwc.passes.decompose.integers import float_of_uint64, in_wider_integers
from nchw2nhwc.passes.rewrite import rule_pass
from tests.ops.samples import op_cases
from tests.passes.nets import assert_close

FLOAT32 = np.dtype(np.float32)
TOLERANCE = 3e-6
"""Of the largest magnitude: some roundings of float32."""
LOOSER = {"Mish": 1e-4, "MVN": 1e-4, "GridSample": 1e-4}
"""Formulas whose error is relative to the operand, or to the distance between elements: the result may be far smaller, or larger."""
PARAMETERS = {"Conv": 1, "ConvTranspose": 1, "FullyConnected": 1, "FakeQuantize": 1, "BatchNorm": 1}
"""Ops whose operands from this one on are constants (of FakeQuantize and BatchNorm: sometimes)."""


def graph_of(op: Op, operands: tuple[Array, ...], constants_from: int) -> tuple[Graph, dict[str, Array]]:
    """A graph of one node, and its inputs; operands from `constants_from` on are constants."""
    graph, inputs = Graph("one"), {}
    values: list[Value] = []
    for k, array in enumerate(operands):
        if k < constants_from:
            values.append(graph.add_input(f"x{k}", TensorType(array.dtype, array.shape)))
            inputs[f"x{k}"] = array
        else:
            values.append(graph.constant(array, f"c{k}"))
    for k, value in enumerate(graph.add(op, values)):
        graph.add_output(value, f"y{k}")
    return graph, inputs


def in_float32(operands: tuple[Array, ...]) -> tuple[Array, ...]:
    return tuple(x.astype(FLOAT32) if x.dtype.kind not in "biu" else x for x in operands)


def examples(cls: type[Op]) -> int:
    """Windowed ops have more attributes than elementwise ones."""
    return 12 if isinstance(cls.rule, Elementwise) else 30


def draw_case(data: DataObject, cls: type[Op]) -> tuple[Op, tuple[Array, ...], Graph, dict[str, Array]]:
    op, operands = data.draw(op_cases(cls))
    assume(getattr(op, "activation", None) is not Activation.TANH or operands[0].dtype.kind not in "iu")
    assume(getattr(op, "dtype", FLOAT32) not in map(np.dtype, (np.float16, np.float64)))  # single precision has taken their place before
    operands = in_float32(operands)
    first = PARAMETERS.get(cls.__name__, len(operands))
    computed = cls.__name__ in ("FakeQuantize", "BatchNorm") and data.draw(st.booleans())
    return op, operands, *graph_of(op, operands, len(operands) if computed else first)


OF_OTHER_TYPES = (in_wider_integers, float_of_uint64)
"""Rules about element types that are not drawn; uint64 is tested with the emitter."""


@pytest.mark.parametrize("cls", DECOMPOSITIONS.classes, ids=lambda cls: cls.__name__)
def test_decomposed_is_the_same_as_the_reference(cls: type[Op]) -> None:
    seen: Counter[bool] = Counter()

    @settings(max_examples=examples(cls))
    @given(st.data())
    def check(data: DataObject) -> None:
        op, operands, graph, inputs = draw_case(data, cls)
        first = graph.nodes[0]
        wanted = op.run(*operands)
        before = run(graph, inputs)
        seen[decompose(lambda node: node is not first and not isinstance(node.op, cls))(graph) > 0] += 1
        verify(graph)
        after = run(graph, inputs)
        for name, expected, reference in zip(graph.output_names, before.values(), wanted):
            assert_close(after[name], np.asarray(reference, expected.dtype), LOOSER.get(op.name, TOLERANCE), str(op))
    check()
    assert seen[True] or all(rule in OF_OTHER_TYPES for rule in DECOMPOSITIONS.of_class(cls)), "no case was decomposed"


LEFT: dict[str, str] = {
    "BitwiseAnd": "no operator for integers", "BitwiseOr": "no operator for integers", "Pow": "of integers with negative exponents",
}
"""Ops of which TFLite can express only some, and nothing else can stand for the others."""


@pytest.mark.parametrize("cls", [c for c in DECOMPOSITIONS.classes if c.__name__ not in LEFT], ids=lambda cls: cls.__name__)
def test_what_tflite_lacks_is_decomposed_into_what_it_has(cls: type[Op]) -> None:
    @settings(max_examples=examples(cls))
    @given(st.data())
    def check(data: DataObject) -> None:
        op, operands, graph, inputs = draw_case(data, cls)
        wanted = op.run(*operands)
        decompose(native)(graph)
        rule_pass("fold", FOLDING)(graph)
        verify(graph)
        assert [n for n in graph.nodes if not native(n)] == [], str(op)
        after = run(graph, inputs)
        for name, value, reference in zip(graph.output_names, graph.outputs, wanted):
            assert_close(after[name], np.asarray(reference, value.type.dtype), LOOSER.get(op.name, TOLERANCE), str(op))
    check()
