"""Reductions: axes and keepdims, precision, integers, extremes, named sizes, errors."""

from __future__ import annotations

import numpy as np
import pytest
from openvino import opset13 as ov

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.dim import Dim
from nchw2nhwc.ir.types import TensorType
from nchw2nhwc.ops import reduce as r
from nchw2nhwc.ops.base import REGISTRY, Op
from nchw2nhwc.ops.kinds import BOOL
from tests.ops.close import assert_close
from tests.ops.openvino_oracle import run_openvino

F32 = np.dtype(np.float32)
N = Dim.symbol("N")
REDUCTIONS = [cls for cls in REGISTRY.values() if issubclass(cls, r.Reduce)]


def f32(*shape: int | Dim) -> TensorType:
    return TensorType(F32, shape)


# ---- axes ------------------------------------------------------------------------------------------------------------
def test_result_shapes() -> None:
    x = f32(N, 3, 4, 5)
    assert r.ReduceSum((2, 3), True).infer(x) == f32(N, 3, 1, 1)
    assert r.ReduceSum((0, 2), False).infer(x) == f32(3, 5)
    assert r.ReduceSum((), False).infer(x) == x
    assert r.ArgMax(1, False).infer(x) == TensorType(np.dtype(np.int64), (N, 4, 5))
    assert r.ArgMin(0, True, dtype=np.dtype(np.int32)).infer(x) == TensorType(np.dtype(np.int32), (1, 3, 4, 5))


@pytest.mark.parametrize(("cls", "of_one"), [
    (r.ReduceSum, lambda x: x), (r.ReduceMean, lambda x: x), (r.ReduceMax, lambda x: x), (r.ReduceMin, lambda x: x),
    (r.ReduceProd, lambda x: x), (r.ReduceL1, np.abs), (r.ReduceL2, np.abs), (r.ReduceSumSquare, np.square),
    (r.ReduceLogSum, np.log), (r.ReduceLogSumExp, lambda x: x),
], ids=lambda v: getattr(v, "__name__", ""))
def test_without_axes_every_element_is_a_sum_of_its_own(cls: type[r.Reduce], of_one: np.ufunc) -> None:
    x = np.array([[0.5, 2.0], [3.0, 0.25]], np.float32)
    assert_close(cls((), False).reference(x), of_one(x), rtol=1e-6)


@pytest.mark.parametrize("cls", REDUCTIONS, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("axes", [(2,), (-1,), (1, 0), (0, 0)], ids=str)
def test_axes_that_do_not_exist_or_are_out_of_order(cls: type[r.Reduce], axes: tuple[int, ...]) -> None:
    x = TensorType(np.dtype(np.bool_) if cls.kinds == BOOL else F32, (2, 2))
    with pytest.raises(ShapeError, match=f"{cls.__name__} over axes .* of an operand of rank 2"):
        cls(axes).infer_types(x)


@pytest.mark.parametrize("op", [r.Softmax(2), r.LogSoftmax(3), r.CumSum(2), r.ArgMax(2), r.ArgMin(5)], ids=str)
def test_an_axis_that_does_not_exist(op: Op) -> None:
    with pytest.raises(ShapeError, match="of an operand of rank 2"):
        op.infer_types(f32(2, 2))


def test_argmax_of_nothing() -> None:
    with pytest.raises(ShapeError, match="has no elements"):
        r.ArgMax(1).infer_types(f32(2, 0))


@pytest.mark.parametrize(("op", "wanted"), [
    (r.ReduceSum((0,)), 0), (r.ReduceProd((0,)), 1), (r.ReduceMax((0,)), -np.inf), (r.ReduceMin((0,)), np.inf),
    (r.ReduceLogSumExp((0,)), -np.inf),
], ids=str)
def test_reductions_of_nothing(op: Op, wanted: float) -> None:
    """ONNX from opset 20 on: the neutral element."""
    (result,) = op.run(np.zeros((0, 2), np.float32))
    np.testing.assert_array_equal(result, [[wanted, wanted]])


def test_integer_extremes_of_nothing() -> None:
    np.testing.assert_array_equal(r.ReduceMax((0,)).reference(np.zeros((0, 1), np.int8)), [[-128]])
    np.testing.assert_array_equal(r.ReduceMin((0,)).reference(np.zeros((0, 1), np.uint8)), [[255]])


# ---- numbers ---------------------------------------------------------------------------------------------------------
def test_long_sums_do_not_lose_small_terms() -> None:
    x = np.full(2**20, 0.1, np.float32)
    assert r.ReduceSum((0,), False).reference(x) == np.float32(2**20 * np.float64(np.float32(0.1)))
    half = np.full(70_000, 1, np.float16)
    assert r.ReduceMean((0,), False).reference(half) == 1


def test_log_sum_exp_does_not_overflow() -> None:
    x = np.array([[1000.0, 1000.0], [-1000.0, -1000.0], [-np.inf, -np.inf], [np.inf, 0.0]], np.float32)
    wanted = [1000 + np.log(2), -1000 + np.log(2), -np.inf, np.inf]
    assert_close(r.ReduceLogSumExp((1,), False).reference(x), wanted, rtol=1e-6)


def test_softmax_does_not_overflow() -> None:
    x = np.array([[1000.0, 1000.0, -np.inf], [-1000.0, -1001.0, -5000.0]], np.float32)
    assert_close(r.Softmax(1).reference(x)[0], [0.5, 0.5, 0])
    assert_close(r.LogSoftmax(1).reference(x)[1], np.array([-0.31326169, -1.31326169, -4000.31326169]), rtol=1e-6)


def test_integer_mean_truncates_and_sum_wraps() -> None:
    np.testing.assert_array_equal(r.ReduceMean((0,), False).reference(np.array([-3, 0], np.int32)), -1)
    np.testing.assert_array_equal(r.ReduceSum((0,), False).reference(np.array([100, 100], np.int8)), -56)
    np.testing.assert_array_equal(r.ReduceSumSquare((0,), False).reference(np.array([100, 2], np.int32)), 10_004)


def test_large_integers_are_exact() -> None:
    x = np.array([2**53, 1, 2])
    assert r.ReduceSum((0,), False).reference(x) == 2**53 + 3
    assert r.CumSum(0).reference(x).tolist() == [2**53, 2**53 + 1, 2**53 + 3]
    assert r.ReduceProd((0,), False).reference(np.array([2**53 + 1, 3])) == 3 * 2**53 + 3


@pytest.mark.parametrize("axes", [(1,), (0, 3), (0, 1, 2, 3)], ids=str)
@pytest.mark.parametrize("keepdims", [True, False])
def test_logical_reductions_agree_with_openvino(axes: tuple[int, ...], keepdims: bool) -> None:
    x = np.random.default_rng(2).random((2, 3, 2, 3)) < 0.7
    for op, build in ((r.ReduceAnd(axes, keepdims), ov.reduce_logical_and), (r.ReduceOr(axes, keepdims), ov.reduce_logical_or)):
        (wanted,), (result,) = run_openvino(lambda p, build=build: build(p, np.array(axes), keepdims), [x]), op.run(x)
        np.testing.assert_array_equal(result, wanted)


def test_the_last_of_equal_extremes() -> None:
    x = np.array([[1, 3, 3, 0], [5, 5, 5, 5]], np.float32)
    np.testing.assert_array_equal(r.ArgMax(1, False).reference(x), [1, 0])
    np.testing.assert_array_equal(r.ArgMax(1, False, select_last_index=True).reference(x), [2, 3])
    np.testing.assert_array_equal(r.ArgMin(1, False, select_last_index=True).reference(x), [3, 3])


def test_cumulative_sums() -> None:
    x = np.array([1, 2, 3], np.int32)
    results = {(e, v): r.CumSum(0, e, v).reference(x).tolist() for e in (False, True) for v in (False, True)}
    assert results == {(False, False): [1, 3, 6], (False, True): [6, 5, 3], (True, False): [0, 1, 3], (True, True): [5, 3, 0]}
