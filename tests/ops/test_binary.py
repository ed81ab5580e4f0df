"""Binary ops: integers, mixed types, OpenVINO's own ops, broadcasting of one operand to the other, errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject
from openvino import opset13 as ov

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.dim import Dim
from nchw2nhwc.ir.types import DType, TensorType
from nchw2nhwc.ops import binary as b
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.base import Op
from tests.ops.close import assert_close
from tests.ops.onnx_oracle import run_onnxruntime
from tests.ops.openvino_oracle import run_openvino
from tests.ops.samples import op_cases

F32, I32, I64 = np.dtype(np.float32), np.dtype(np.int32), np.dtype(np.int64)
N, M = Dim.symbol("N"), Dim.symbol("M")


def f32(*shape: int | Dim) -> TensorType:
    return TensorType(F32, shape)


# ---- integers --------------------------------------------------------------------------------------------------------
def test_division_and_both_remainders_by_signs() -> None:
    x, y = np.array([7, -7, 7, -7], np.int32), np.array([2, 2, -2, -2], np.int32)
    np.testing.assert_array_equal(b.Div().reference(x, y), [3, -3, -3, 3])
    np.testing.assert_array_equal(b.FloorDiv().reference(x, y), [3, -4, -4, 3])
    np.testing.assert_array_equal(b.Mod().reference(x, y), [1, 1, -1, -1])
    np.testing.assert_array_equal(b.FMod().reference(x, y), [1, -1, 1, -1])


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint8", "uint64"])
def test_division_of_every_integer_type_truncates(dtype: str) -> None:
    x, y = (v.ravel().astype(dtype) for v in np.meshgrid(np.arange(-9, 10), [-4, -3, -1, 1, 2, 5]))
    y = np.where(y == 0, np.asarray(1, dtype), y)
    wanted = [int(p) // int(q) if (int(p) < 0) == (int(q) < 0) else -(abs(int(p)) // abs(int(q))) for p, q in zip(x, y)]
    result = b.Div().reference(x, y)
    assert result.dtype == x.dtype
    np.testing.assert_array_equal(result, wanted)


def test_division_of_large_integers_is_exact() -> None:
    np.testing.assert_array_equal(b.Div().reference(np.array([2**62 + 1]), np.array([1])), [2**62 + 1])


@pytest.mark.parametrize(("base", "exponent"), [(F32, I64), (F32, I32), (I32, F32), (I64, I32), (I64, F32)], ids=lambda t: t.name)
def test_power_has_the_type_of_its_base(base: DType, exponent: DType) -> None:
    x, y = np.array([1, 2, 3, 5], base), np.array([0, 3, 2, 1], exponent)
    result = b.Pow().reference(x, y)
    (wanted,) = run_onnxruntime("Pow", [x, y])
    assert result.dtype == wanted.dtype == base
    assert b.Pow().infer(TensorType(base, (4,)), TensorType(exponent, (4,))).dtype == base
    np.testing.assert_array_equal(result, wanted)


def test_integers_to_negative_powers() -> None:
    x, y = np.array([1, -1, -1, 2, -3]), np.array([-2, -1, -2, -1, -3])
    np.testing.assert_array_equal(b.Pow().reference(x, y), [1, -1, 1, 0, 0])


# ---- OpenVINO --------------------------------------------------------------------------------------------------------
@given(data=st.data())
def test_fake_quantize_agrees_with_openvino(data: DataObject) -> None:
    op, operands = data.draw(op_cases(b.FakeQuantize).filter(lambda case: case[1][0].dtype == F32))
    assert isinstance(op, b.FakeQuantize)
    (wanted,), (result,) = run_openvino(lambda *p: ov.fake_quantize(*p, op.levels), operands), op.run(*operands)
    assert_close(result, wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("levels", "limits"), [(11, (-5, 5, -5, 5)), (256, (0, 12.75, 0, 255)), (16, (3, -3, 0, 1))])
def test_fake_quantize_of_halves_and_of_a_reversed_range(levels: int, limits: tuple[float, ...]) -> None:
    x = np.arange(-20, 20, 0.25, dtype=np.float32)
    bounds = [np.asarray(v, np.float32) for v in limits]
    (wanted,) = run_openvino(lambda *p: ov.fake_quantize(*p, levels), [x, *bounds])
    np.testing.assert_array_equal(b.FakeQuantize(levels).reference(x, *bounds), wanted)


@pytest.mark.parametrize(("op", "build"), [
    (b.FMod(), ov.mod), (b.Mod(), ov.floor_mod), (b.SquaredDifference(), ov.squared_difference),
], ids=lambda v: getattr(v, "__name__", str(v)))
@pytest.mark.parametrize("dtype", [F32, I32], ids=lambda t: t.name)
def test_ops_that_onnx_lacks_agree_with_openvino(op: Op, build: object, dtype: DType) -> None:
    random = np.random.default_rng(1)
    x, y = random.integers(-20, 20, (3, 40)).astype(dtype), (random.integers(1, 7, 40) * random.choice([-1, 1], 40)).astype(dtype)
    (wanted,), (result,) = run_openvino(build, [x, y]), op.run(x, y)  # type: ignore[arg-type]
    np.testing.assert_array_equal(result, wanted)


# ---- the rest --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("activation", "wanted"), [
    (Activation.NONE, [-8, -0.5, 0.5, 8]), (Activation.RELU, [0, 0, 0.5, 8]), (Activation.RELU6, [0, 0, 0.5, 6]),
    (Activation.RELU_N1_TO_1, [-1, -0.5, 0.5, 1]), (Activation.TANH, np.tanh([-8, -0.5, 0.5, 8])),
])
@pytest.mark.parametrize("cls", [b.Add, b.Sub, b.Mul, b.Div], ids=lambda c: c.__name__)
def test_the_activation_comes_last(cls: type[b.Arithmetic], activation: Activation, wanted: list[float]) -> None:
    x = np.array([-8, -0.5, 0.5, 8], np.float32)
    neutral = np.array(0 if cls in (b.Add, b.Sub) else 1, np.float32)
    result = cls(activation).reference(x, neutral)
    assert result.dtype == F32
    assert_close(result, wanted, rtol=1e-6)


def test_maximum_and_minimum_pass_nan_on() -> None:
    x, y = np.array([np.nan, 1.0], np.float32), np.array([1.0, np.nan], np.float32)
    assert np.isnan(b.Maximum().reference(x, y)).all()
    assert np.isnan(b.Minimum().reference(x, y)).all()


def test_named_sizes_meet_ones_and_numbers() -> None:
    assert b.Add().infer(f32(N, 3, 1), f32(3, M)) == f32(N, 3, M)
    assert b.Add().infer(f32(N, 4), f32(7, 4)) == f32(7, 4)
    assert b.Where().infer(TensorType(np.dtype(np.bool_), (N, 1)), f32(5), f32(1)) == f32(N, 5)
    assert b.Equal().infer(f32(N), f32(1)) == TensorType(np.dtype(np.bool_), (N,))


@pytest.mark.parametrize(("op", "operands", "message"), [
    (b.Add(), (f32(2, 3), f32(4)), "do not broadcast"),
    (b.Add(), (f32(N), f32(M)), "do not broadcast"),
    (b.Add(), (f32(2), TensorType(I32, (2,))), "different element types: float32, int32"),
    (b.LogicalAnd(), (f32(2), f32(2)), "LogicalAnd takes boolean operands, not float32"),
    (b.BitwiseXor(), (f32(2), f32(2)), "BitwiseXor takes boolean or integer operands"),
    (b.Where(), (f32(2), f32(2), f32(2)), "Where takes boolean operands"),
    (b.PRelu(), (f32(1, 3), f32(2, 1)), r"slope of shape float32\[2, 1\] does not broadcast to float32\[1, 3\]"),
    (b.PRelu(), (f32(3), f32(1, 3)), "slope of shape"),
    (b.FakeQuantize(1), (f32(2),) * 5, "at least 2 levels"),
    (b.FakeQuantize(4), (f32(2), f32(), f32(), f32(2, 2), f32()), "output_low of shape"),
], ids=lambda v: str(v) if isinstance(v, Op) else "")
def test_operands_that_do_not_fit(op: Op, operands: tuple[TensorType, ...], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        op.infer_types(*operands)


def test_arithmetic_takes_symbolic_contents() -> None:
    """Shape arithmetic applies Add, Sub, Mul and Neg to arrays of sizes."""
    x, y = np.array([N, 2], object), np.array([3, M], object)
    assert list(b.Add().reference(x, y)) == [N + 3, M + 2]
    assert list(b.Sub().reference(x, y)) == [N - 3, 2 - M]
    assert list(b.Mul().reference(x, y)) == [N * 3, M * 2]
