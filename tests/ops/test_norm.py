"""Normalisations against OpenVINO and against their formulas."""

from __future__ import annotations

import numpy as np
import pytest
from openvino import opset13 as ov

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.dim import Dim
from nchw2nhwc.ir.types import TensorType
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.norm import LRN, MVN, BatchNorm, NormalizeL2
from tests.ops.close import assert_close
from tests.ops.onnx_oracle import run_onnxruntime
from tests.ops.openvino_oracle import run_openvino

N, C = Dim.symbol("N"), Dim.symbol("C")
X = np.random.default_rng(3).normal(0.5, 2, (2, 3, 4, 3)).astype(np.float32)


def f32(*shape: int | Dim) -> TensorType:
    return TensorType(np.dtype(np.float32), shape)


@pytest.mark.parametrize("axes", [(1,), (2, 3), (0, 2), (1, 2, 3)], ids=str)
@pytest.mark.parametrize("variance", [True, False])
@pytest.mark.parametrize("inside", [True, False])
def test_mvn_agrees_with_openvino(axes: tuple[int, ...], inside: bool, variance: bool) -> None:
    where = "inside_sqrt" if inside else "outside_sqrt"
    (wanted,) = run_openvino(lambda p: ov.mvn(p, np.array(axes), variance, 0.3, where), [X])
    assert_close(MVN(axes, 0.3, inside, variance).reference(X), wanted, rtol=2e-6, atol=2e-6)


def test_mvn_is_layer_and_instance_normalisation() -> None:
    scale, shift = np.array([2, 0.5, 1], np.float32), np.array([1, -1, 0], np.float32)
    (wanted,) = run_onnxruntime("LayerNormalization", [X, scale, shift], axis=3, epsilon=1e-3)
    assert_close(np.float32(MVN((3,), 1e-3).reference(X)) * scale + shift, wanted, rtol=1e-5, atol=1e-5)
    (wanted,) = run_onnxruntime("InstanceNormalization", [X, scale, shift], epsilon=1e-3)
    column = (3, 1, 1)
    assert_close(np.float32(MVN((2, 3), 1e-3).reference(X)) * scale.reshape(column) + shift.reshape(column), wanted, rtol=1e-5, atol=1e-5)


def test_mvn_of_a_large_offset_keeps_its_precision() -> None:
    x = np.array([[10_000.0, 10_001.0, 10_002.0]], np.float32)
    assert_close(MVN((1,), 0.0).reference(x), [[-1.2247449, 0, 1.2247449]], rtol=1e-6)


@pytest.mark.parametrize("axes", [(1,), (2, 3), (1, 2, 3)], ids=str)
@pytest.mark.parametrize("epsilon", [1e-6, 5.0])
def test_normalize_l2_agrees_with_openvino(axes: tuple[int, ...], epsilon: float) -> None:
    (wanted,) = run_openvino(lambda p: ov.normalize_l2(p, np.array(axes), epsilon, "add"), [X])
    assert_close(NormalizeL2(axes, epsilon).reference(X), wanted, rtol=2e-6, atol=2e-6)


def test_normalize_l2_with_a_least_sum() -> None:
    x = np.array([[3.0, 4.0], [0.3, 0.4]], np.float32)
    assert_close(NormalizeL2((1,), 1.0, "max").reference(x), [[0.6, 0.8], [0.3, 0.4]], rtol=1e-6)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("shape", [(2, 5), (1, 4, 3), (2, 5, 1, 3), (1, 3, 2, 2, 2)], ids=str)
def test_lrn_is_onnx_formula(shape: tuple[int, ...], size: int) -> None:
    """Written as ONNX's documentation has it: its reference evaluator mixes up images and channels, its runtime takes odd sizes."""
    x = np.random.default_rng(4).normal(0, 2, shape).astype(np.float32)
    total = np.zeros_like(x)
    for c in range(shape[1]):
        first, last = max(0, c - (size - 1) // 2), min(shape[1] - 1, c + -(-(size - 1) // 2))
        total[:, c] = np.sum(x[:, first:last + 1] ** 2, axis=1)
    assert_close(LRN(size, 0.5, 0.75, 1.5).reference(x), x / (1.5 + 0.5 / size * total) ** 0.75, rtol=1e-5)


@pytest.mark.parametrize("size", [2, 3, 4, 5, 6])
def test_lrn_and_openvino_sizes(size: int) -> None:
    """The class's documentation says how OpenVINO's even sizes are expressed. Its CPU kernel rounds the bias down, so it is whole."""
    (wanted,) = run_openvino(lambda p: ov.lrn(p, np.array([1]), 0.5, 0.75, 2.0, size), [X])
    op = LRN(size, 0.5, 0.75, 2.0) if size % 2 else LRN(size - 1, 0.5 * (size - 1) / size, 0.75, 2.0)
    assert_close(op.reference(X), wanted, rtol=1e-5)


def test_lrn_channels_last_is_the_same_moved() -> None:
    moved = np.moveaxis(LRN(3, 0.5).reference(X), 1, -1)
    np.testing.assert_array_equal(LRN(3, 0.5, channels_last=True).reference(np.moveaxis(X, 1, -1)), moved)


def test_batch_norm_along_any_axis() -> None:
    parameters = [np.array(v, np.float32) for v in ([2, 1, 0.5], [0, 1, -1], [0.5, 0, 1], [1, 4, 0.25])]
    (wanted,) = run_onnxruntime("BatchNormalization", [X, *parameters], epsilon=0.01)
    assert_close(BatchNorm(0.01).reference(X, *parameters), wanted, rtol=1e-5, atol=1e-6)
    moved = BatchNorm(0.01, 3).reference(np.moveaxis(X, 1, 3), *parameters)
    assert_close(np.moveaxis(moved, 3, 1), wanted, rtol=1e-5, atol=1e-6)


def test_named_sizes() -> None:
    assert BatchNorm().infer(f32(N, C, 2), *[f32(3)] * 4) == f32(N, C, 2)
    assert BatchNorm().infer(f32(N, C, 2), *[f32(C)] * 4) == f32(N, C, 2)
    assert MVN((1, 2), 0.1).infer(f32(N, C, 2)) == f32(N, C, 2)


@pytest.mark.parametrize(("op", "operands", "message"), [
    (BatchNorm(), (f32(1, 3), f32(3), f32(3), f32(2), f32(3)), r"mean float32\[2\] does not fit the 3 channels \(axis 1\)"),
    (BatchNorm(), (f32(1, 3), f32(3, 1), f32(3), f32(3), f32(3)), "scale .* does not fit"),
    (BatchNorm(axis=2), (f32(1, 3), f32(3), f32(3), f32(3), f32(3)), "BatchNorm over axes"),
    (MVN((2, 1), 0.1), (f32(1, 2, 3),), "MVN over axes"),
    (MVN((1,), 0.1), (TensorType(np.dtype(np.int32), (1, 2)),), "MVN takes floating point operands, not int32"),
    (NormalizeL2((1,), 0.1, "mean"), (f32(1, 2),), "NormalizeL2 has no mode 'mean'; there are add, max"),
    (LRN(3), (f32(4),), "a batch and a channel axis"),
    (LRN(0), (f32(1, 4),), "over 0 channels"),
], ids=lambda v: str(v) if isinstance(v, Op) else "")
def test_operands_that_do_not_fit(op: Op, operands: tuple[TensorType, ...], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        op.infer_types(*operands)
