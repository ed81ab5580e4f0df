"""Products of matrices against numpy's einsum, ONNX Runtime and TFLite's definition, and errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.dim import Dim, Size
from nchw2nhwc.ir.types import Array, TensorType
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.matmul import FullyConnected, MatMul
from tests.ops import samples_spatial  # noqa: F401  (registers the samplers)
from tests.ops.onnx_oracle import run_onnxruntime
from tests.ops.sampling import Case, strategy

F32 = np.dtype(np.float32)
N, K = Dim.symbol("N"), Dim.symbol("K")


def floats(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@settings(max_examples=50)
@given(strategy(MatMul))
def test_matmul_is_onnx(case: Case) -> None:
    op, (a, b) = case
    assert isinstance(op, MatMul)
    a, b = (np.asarray(x, np.float32) for x in (a, b))
    plain = [np.swapaxes(x, -1, -2).copy() if adjoint else x for x, adjoint in ((a, op.adjoint_a), (b, op.adjoint_b))]
    np.testing.assert_allclose(op.reference(a, b), run_onnxruntime("MatMul", plain)[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("a", "b", "expected"), [
    ((N, 2, K), (K, 4), (N, 2, 4)),
    ((N, 8, 2, 3), (1, 8, 3, 4), (N, 8, 2, 4)),
    ((1, 2, 3), (N, 3, 4), (N, 2, 4)),
])
def test_symbolic_matmul(a: tuple[Size, ...], b: tuple[Size, ...], expected: tuple[Size, ...]) -> None:
    assert MatMul().infer(TensorType(F32, a), TensorType(F32, b)).shape == expected
    swapped = [TensorType(F32, (*shape[:-2], shape[-1], shape[-2])) for shape in (a, b)]
    assert MatMul(True, True).infer(*swapped).shape == expected


def test_integer_matmul_is_exact() -> None:
    a = np.array([[2**24 + 1, 1]], np.int32)
    assert MatMul().reference(a, np.array([[1], [2]], np.int32)).item() == 2**24 + 3


def test_half_precision_is_rounded_once() -> None:
    ones = np.ones((1, 4096), np.float16)
    assert MatMul(adjoint_b=True).reference(ones, ones).item() == 4096
    assert FullyConnected().reference(ones, ones, np.ones(1, np.float16)).item() == 4096


def test_fully_connected_keeps_leading_axes() -> None:
    x, w, bias = floats(2, 3, 4), floats(5, 4, seed=1), floats(5, seed=2)
    expected = np.einsum("abk,mk->abm", x, w) + bias
    np.testing.assert_allclose(FullyConnected().reference(x, w, bias), expected, rtol=1e-5, atol=1e-6)
    positive = FullyConnected(activation=Activation.RELU).reference(x, w, bias)
    np.testing.assert_allclose(positive, np.maximum(expected, 0), rtol=1e-5, atol=1e-6)


def test_fully_connected_reads_rows_of_any_shape() -> None:
    x, w = floats(2, 3, 4), floats(5, 6, seed=1)
    np.testing.assert_allclose(FullyConnected(False).reference(x, w), x.reshape(4, 6) @ w.T, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("op", "x", "w", "expected"), [
    (FullyConnected(), (N, 7, 4), (5, 4), (N, 7, 5)),
    (FullyConnected(False), (N, 7, 4), (5, 28), (N, 5)),
    (FullyConnected(False), (N, 7, 4), (5, 4), (7 * N, 5)),
])
def test_symbolic_fully_connected(op: FullyConnected, x: tuple[Size, ...], w: tuple[Size, ...], expected: tuple[Size, ...]) -> None:
    assert op.infer(TensorType(F32, x), TensorType(F32, w)).shape == expected


@pytest.mark.parametrize(("op", "shapes", "reason"), [
    (MatMul(), [(3,), (3, 4)], "at least two axes"),
    (MatMul(), [(2, 3), (4, 5)], "3 columns meet 4 rows"),
    (MatMul(True), [(2, 3), (3, 5)], "2 columns meet 3 rows"),
    (MatMul(adjoint_b=True), [(2, 3), (3, 5)], "3 columns meet 5 rows"),
    (MatMul(), [(2, N), (K, 5)], "N columns meet K rows"),
    (MatMul(), [(2, 2, 3), (3, 3, 5)], "do not broadcast"),
    (FullyConnected(), [(2, 3), (3, 4, 1)], "must have two axes"),
    (FullyConnected(), [(2, 3), (5, 4)], "does not end with the 4 columns"),
    (FullyConnected(), [(), (5, 4)], "does not end with"),
    (FullyConnected(), [(2, 4), (5, 4), (4,)], r"must have shape \[5\]"),
    (FullyConnected(False), [(2, 3), (5, 4)], "cannot be read as rows of 4"),
    (FullyConnected(False), [(N, 3), (5, 4)], "cannot be read as rows of 4"),
])
def test_operands_that_do_not_fit(op: Op, shapes: list[tuple[Size, ...]], reason: str) -> None:
    with pytest.raises(ShapeError, match=reason):
        op.infer_types(*(TensorType(F32, shape) for shape in shapes))


def test_different_element_types() -> None:
    with pytest.raises(ShapeError, match="different element types"):
        MatMul().infer(TensorType(F32, (2, 2)), TensorType(np.dtype(np.float64), (2, 2)))
