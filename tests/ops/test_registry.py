"""What must hold of every op in the registry, found by class, rule and attributes, so that a new op is covered as soon as it exists."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NoKernel

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.dim import Dim, Size, evaluate, substitute
from nchw2nhwc.ir.types import Array, TensorType
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.rules import Elementwise, Last, Normalization, Reduction, Rule
from tests.ops.close import assert_close
from tests.ops.onnx_counterparts import COUNTERPARTS, Call
from tests.ops.onnx_oracle import run_onnx_reference, run_onnxruntime
from tests.ops.samples import ALL_OPS, op_cases

each_op = pytest.mark.parametrize("cls", ALL_OPS, ids=lambda cls: cls.__name__)


def type_of(x: Array) -> TensorType:
    return TensorType(x.dtype, x.shape)


def bound(types: Sequence[TensorType], results: Sequence[Array]) -> tuple[TensorType, ...]:
    """Types with the sizes of actual results for named dimensions: how many elements were kept."""
    open_ones = [(d.linear(), n) for t, x in zip(types, results) for d, n in zip(t.shape, x.shape) if isinstance(d, Dim)]
    sizes = {line[1]: (n - line[2]) // line[0] for line, n in open_ones if line is not None}
    return tuple(t.with_shape(tuple(evaluate(s, sizes) for s in t.shape)) for t in types)


# ---- completeness ----------------------------------------------------------------------------------------------------
@each_op
def test_is_complete(cls: type[Op]) -> None:
    """Rule, documentation of its own, inference, reference and a way to draw cases."""
    assert isinstance(cls.rule, Rule)
    text = vars(cls).get("__doc__")
    assert text
    assert not text.startswith(f"{cls.__name__}("), "this is what dataclass makes up"
    assert callable(getattr(cls, "infer", None))
    assert callable(getattr(cls, "reference", None))
    assert isinstance(op_cases(cls), st.SearchStrategy)


def test_the_registry_has_every_family() -> None:
    """A module that is no longer imported would silently take its ops out of all tests of this file."""
    found = {cls.__name__ for cls in ALL_OPS}
    assert {"Add", "Relu", "ReduceSum", "Softmax", "MVN", "Conv", "Resize", "Transpose", "Gather", "MatMul", "LSTM", "Sizes"} <= found
    assert not any(cls.abstract for cls in ALL_OPS)


# ---- inference -------------------------------------------------------------------------------------------------------
@each_op
@settings(max_examples=15)
@given(data=st.data())
def test_infer_says_what_the_reference_returns(cls: type[Op], data: DataObject) -> None:
    op, operands = data.draw(op_cases(cls))
    results = op.run(*operands)
    assert bound(op.infer_types(*map(type_of, operands)), results) == tuple(map(type_of, results))


@each_op
@settings(max_examples=10)
@given(data=st.data())
def test_infer_with_named_sizes(cls: type[Op], data: DataObject) -> None:
    """Some sizes become named dimensions, the same one wherever the size occurs; once bound, the result types are the static ones.

    Ops that treat axes alike must take any named size; others may ask for numbers, with a ShapeError.
    """
    op, operands = data.draw(op_cases(cls))
    static = tuple(map(type_of, operands))
    found = sorted({s for t in static for s in t.shape if isinstance(s, int) and s > 1})
    named = data.draw(st.sets(st.sampled_from(found))) if found else set()

    def rename(size: Size) -> Size:
        return Dim.symbol(f"d{size}") if size in named else size

    try:
        results = op.infer_types(*(t.with_shape(tuple(map(rename, t.shape))) for t in static))
    except ShapeError:
        assert not isinstance(op.rule, (Elementwise, Reduction, Normalization, Last))
        return
    plain = op.infer_types(*static)
    bindings = {f"d{size}": size for size in named}
    assert tuple(t.with_shape(tuple(substitute(s, bindings) for s in t.shape)) for t in results) == plain


# ---- meaning ---------------------------------------------------------------------------------------------------------
TOLERANCE = {"float16": 2e-3, "float32": 1e-5, "float64": 1e-6}
"""ONNX Runtime evaluates some ops on doubles in single precision."""


def expected(call: Call, results: int) -> list[Array]:
    """What ONNX Runtime computes or, where it has no kernel for the element type, ONNX's reference evaluator."""
    try:
        return run_onnxruntime(call.type, call.operands, call.opset, results, **call.attributes)
    except NoKernel:
        with np.errstate(all="ignore"):
            return run_onnx_reference(call.type, call.operands, call.opset, results, **call.attributes)


@pytest.mark.parametrize("cls", COUNTERPARTS, ids=lambda cls: cls.__name__)
@settings(max_examples=12)
@given(data=st.data())
def test_reference_agrees_with_onnx(cls: type[Op], data: DataObject) -> None:
    op, operands = data.draw(op_cases(cls))
    call = COUNTERPARTS[cls](op, operands)
    if call is None or not call.is_valid:
        return
    results = op.run(*operands)
    for result, found in zip(results, expected(call, len(results)), strict=True):
        wanted = found.reshape(result.shape) if call.widened else found
        assert (result.dtype, result.shape) == (wanted.dtype, wanted.shape)
        if result.dtype.kind == "f":
            tolerance = TOLERANCE[result.dtype.name]
            assert_close(result, wanted, rtol=tolerance, atol=tolerance)
        else:
            np.testing.assert_array_equal(result, wanted)
