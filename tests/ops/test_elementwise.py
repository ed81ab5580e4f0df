"""What the registry's tests and ONNX cannot say about the elementwise ops: spellings of OpenVINO, exactness, limits, errors."""

from __future__ import annotations

import math
from collections.abc import Callable

import ml_dtypes
import numpy as np
import pytest
from openvino import opset13 as ov

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.types import TensorType
from nchw2nhwc.ops import activation_functions as act
from nchw2nhwc.ops import elementwise as ew
from nchw2nhwc.ops.base import Op
from tests.ops.close import assert_close
from tests.ops.openvino_oracle import run_openvino

FLOATS = np.concatenate([np.random.default_rng(0).normal(0, 3, 200), np.arange(-8, 8.5, 0.5)]).astype(np.float32)


@pytest.mark.parametrize(("op", "build"), [
    (ew.Round(), lambda x: ov.round(x, "half_to_even")),
    (ew.Round("half_away_from_zero"), lambda x: ov.round(x, "half_away_from_zero")),
    (act.HardSwish(), ov.hswish),
    (act.HardSigmoid(1 / 6, 0.5), ov.hsigmoid),
    (act.Mish(), ov.mish),
    (act.Softplus(), ov.softplus),
    (act.Swish(1.7), lambda x: ov.swish(x, np.float32(1.7))),
    (act.Selu(1.6, 1.1), lambda x: ov.selu(x, np.float32(1.6), np.float32(1.1))),
    (act.HardSigmoid(0.3, 0.4), lambda x: ov.hard_sigmoid(x, np.float32(0.3), np.float32(0.4))),
    (act.Gelu(), lambda x: ov.gelu(x, "erf")),
    (act.Gelu(approximate=True), lambda x: ov.gelu(x, "tanh")),
    (act.Clip(-1.3, 2.2), lambda x: ov.clamp(x, -1.3, 2.2)),
], ids=lambda v: getattr(v, "__name__", str(v)))
def test_reference_agrees_with_openvino(op: Op, build: Callable[..., object]) -> None:
    (wanted,), (result,) = run_openvino(build, [FLOATS]), op.run(FLOATS)
    assert result.dtype == np.float32
    assert_close(result, wanted, rtol=2e-6, atol=2e-6)


def test_integer_clip_rounds_its_bounds_inwards() -> None:
    x = np.arange(-6, 7, dtype=np.int32)
    (wanted,) = run_openvino(lambda p: ov.clamp(p, -1.3, 2.7), [x])
    np.testing.assert_array_equal(act.Clip(-1.3, 2.7).reference(x), wanted)


def test_integer_clip_is_exact_where_floats_are_not() -> None:
    x = np.array([2**62 + 1, -(2**62) - 1, 5])
    np.testing.assert_array_equal(act.Clip(-math.inf, 1e30).reference(x), x)
    np.testing.assert_array_equal(act.Clip(0, 2**62 + 1).reference(x), [2**62 + 1, 0, 5])


def test_the_upper_bound_wins_where_bounds_cross() -> None:
    np.testing.assert_array_equal(act.Clip(3.0, 1.0).reference(np.array([0.0, 2.0, 4.0], np.float32)), [1, 1, 1])


def test_clip_without_bounds_and_with_nan() -> None:
    x = np.array([np.nan, -1, 2], np.float32)
    np.testing.assert_array_equal(act.Clip(None, None).reference(x), x)
    np.testing.assert_array_equal(act.Clip(0.0, 1.0).reference(x), [np.nan, 0, 1])


@pytest.mark.parametrize("op", [
    act.Sigmoid(), act.Softplus(), act.Mish(), act.Swish(), act.Gelu(), act.Gelu(approximate=True), act.Elu(), act.Celu(), act.Selu(),
], ids=lambda v: getattr(v, "__name__", str(v)))
def test_no_overflow_at_large_arguments(op: Op) -> None:
    (result,) = op.run(np.array([-3e4, -900, 900, 3e4], np.float32))
    assert np.all(np.isfinite(result))


def test_sigmoid_keeps_its_relative_precision_at_very_negative_arguments() -> None:
    assert_close(act.Sigmoid().reference(np.array([-60.0], np.float32)), [math.exp(-60)], rtol=1e-6)


def test_rounding_away_is_not_fooled_by_the_number_just_below_a_half() -> None:
    below = np.nextafter(np.float32(0.5), np.float32(0))
    x = np.array([below, -below, 0.5, -0.5, 2.5, -2.5], np.float32)
    np.testing.assert_array_equal(ew.Round("half_away_from_zero").reference(x), [0, 0, 1, -1, 3, -3])


def test_cast_truncates_and_wraps() -> None:
    np.testing.assert_array_equal(ew.Cast(np.dtype(np.int32)).reference(np.array([-1.9, 1.9, 0.4])), [-1, 1, 0])
    np.testing.assert_array_equal(ew.Cast(np.dtype(np.uint8)).reference(np.array([-1, 256, 7])), [255, 0, 7])
    np.testing.assert_array_equal(ew.Cast(np.dtype(np.bool_)).reference(np.array([0.5, 0.0, np.nan])), [True, False, True])


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "int4", "uint4"])
def test_cast_to_narrow_types_and_back(name: str) -> None:
    narrow = np.dtype(getattr(ml_dtypes, name))
    x = np.arange(0, 6, dtype=np.float32)
    stored = ew.Cast(narrow).reference(x)
    assert stored.dtype == narrow
    np.testing.assert_array_equal(ew.Cast(np.dtype(np.float32)).reference(stored), x)


@pytest.mark.parametrize("op", [ew.Exp(), act.Gelu(), act.Relu(), ew.Neg(), act.Sigmoid(), ew.Round(), ew.Floor()], ids=str)
def test_bfloat16_stays_bfloat16(op: Op) -> None:
    x = np.array([-1.5, 0.25, 2.0], ml_dtypes.bfloat16)
    (result,), (wanted,) = op.run(x), op.run(x.astype(np.float32))
    assert result.dtype == x.dtype
    np.testing.assert_array_equal(result, wanted.astype(x.dtype))


@pytest.mark.parametrize(("op", "dtype", "message"), [
    (ew.Exp(), np.int32, "Exp takes floating point operands, not int32"),
    (ew.LogicalNot(), np.float32, "LogicalNot takes boolean operands, not float32"),
    (ew.Abs(), np.bool_, "Abs takes floating point or integer operands, not bool"),
    (ew.BitwiseNot(), np.float32, "BitwiseNot takes boolean or integer operands, not float32"),
    (ew.Round("up"), np.float32, "Round has no mode 'up'; there are half_to_even, half_away_from_zero"),
])
def test_wrong_operands_and_attributes(op: Op, dtype: type, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        op.infer_types(TensorType(np.dtype(dtype), (2,)))
