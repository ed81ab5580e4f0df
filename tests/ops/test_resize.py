"""Resize: every mode against ONNX Runtime and ONNX's reference evaluator, both storage forms, and errors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.dim import Dim
from nchw2nhwc.ir.types import Array, TensorType
from nchw2nhwc.ops.resize import COORDINATE_MODES, MODES, NEAREST_MODES, Resize, interpolation_matrix, nearest_indices
from tests.ops import samples_spatial  # noqa: F401  (registers the samplers)
from tests.ops.onnx_oracle import run_onnx_reference, run_onnxruntime
from tests.ops.sampling import Case, strategy

F32 = np.dtype(np.float32)
SIZES = [((4, 7), (8, 4)), ((3, 9), (8, 2)), ((1, 6), (4, 1)), ((5, 4), (5, 6))]
"""Spatial sizes before and after: up, down, from 1, to 1 and unchanged; no position falls on an element but where nothing is resized."""
ROI = (0.11, -0.17, 0.73, 1.13)


def image(*spatial: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=(2, 3, *spatial)).astype(np.float32)


def onnx_operands(op: Resize, x: Array) -> list[Array | None]:
    """x, roi, scales and sizes as ONNX Resize takes them."""
    rank = len(op.sizes)
    roi = None if op.roi is None else np.array([0, 0, *op.roi[:rank], 1, 1, *op.roi[rank:]], np.float32)
    if op.scales is not None:
        return [x, roi, np.array([1, 1, *op.scales], np.float32)]
    return [x, roi, None, np.array([*x.shape[:2], *op.sizes], np.int64)]


def onnx_attributes(op: Resize) -> dict[str, object]:
    return {"mode": op.mode, "coordinate_transformation_mode": op.coordinate_mode, "nearest_mode": op.nearest_mode,
            "exclude_outside": int(op.exclude_outside), "antialias": int(op.antialias), "cubic_coeff_a": op.cubic_coeff_a,
            "extrapolation_value": op.extrapolation_value}


def onnxruntime_resize(op: Resize, x: Array) -> Array:
    operands = onnx_operands(op, x)
    constants = tuple(k for k, operand in enumerate(operands) if k and operand is not None)
    return run_onnxruntime("Resize", operands, constants=constants, **onnx_attributes(op))[0]


def reference_resize(op: Resize, x: Array) -> Array:
    return run_onnx_reference("Resize", onnx_operands(op, x), **onnx_attributes(op))[0]


def ops(mode: str, coordinates: str, sizes: tuple[int, ...]) -> list[Resize]:
    """All that a mode has: nearest modes, or exclude_outside and antialias."""
    plain = Resize(sizes, None, mode, coordinates, roi=ROI if coordinates == "tf_crop_and_resize" else None, extrapolation_value=7.0)
    if mode == "nearest":
        return [replace(plain, nearest_mode=nearest) for nearest in NEAREST_MODES]
    return [replace(plain, exclude_outside=exclude, antialias=anti, cubic_coeff_a=-0.5 if exclude else -0.75)
            for exclude in (False, True) for anti in (False, True)]


def close(actual: Array, expected: Array, op: Resize) -> None:
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=2e-5, err_msg=str(op))


@pytest.mark.parametrize(("coordinates", "before", "after"), [
    (coordinates, before, after) for coordinates in COORDINATE_MODES for before, after in SIZES
    if coordinates != "tf_crop_and_resize" or before[0] != after[0]])
@pytest.mark.parametrize("mode", MODES)
def test_is_onnxruntime(mode: str, coordinates: str, before: tuple[int, ...], after: tuple[int, ...]) -> None:
    """ONNX Runtime does not crop an axis that keeps its size (tested below); exclude_outside it has for cubic and antialiased modes."""
    for op in ops(mode, coordinates, after):
        if mode != "linear" or op.antialias or not op.exclude_outside:
            close(op.reference(image(*before)), onnxruntime_resize(op, image(*before)), op)


@pytest.mark.parametrize(("coordinates", "before", "after"), [
    (coordinates, before, after) for coordinates in COORDINATE_MODES for before, after in SIZES
    if coordinates != "tf_half_pixel_for_nn" and (coordinates != "pytorch_half_pixel" or 1 not in after)])
@pytest.mark.parametrize("mode", MODES)
def test_is_onnx_reference(mode: str, coordinates: str, before: tuple[int, ...], after: tuple[int, ...]) -> None:
    """The evaluator lacks the deprecated tf_half_pixel_for_nn; for a result of size 1 it samples pytorch_half_pixel at -0.5, where ONNX's
    text, PyTorch and ONNX Runtime say 0."""
    for op in ops(mode, coordinates, after):
        close(op.reference(image(*before)), reference_resize(op, image(*before)), op)


@pytest.mark.parametrize("mode", MODES)
def test_an_axis_that_keeps_its_size_is_cropped_all_the_same(mode: str) -> None:
    op = Resize((5, 6), None, mode, "tf_crop_and_resize", roi=(0.0, 0.3, 0.7, 0.8))
    x = image(5, 6)
    np.testing.assert_allclose(op.reference(x), reference_resize(op, x), rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("coordinates", ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"])
@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("scales", [(1.6, 2.3), (0.7, 0.6), (2.5, 0.5)])
def test_scales_that_leave_a_fraction(mode: str, coordinates: str, scales: tuple[float, ...]) -> None:
    """The source's scale counts, not the one that follows from the sizes."""
    x = image(4, 7)
    op = Resize(tuple(int(n * s) for n, s in zip((4, 7), scales)), scales, mode, coordinates)
    np.testing.assert_allclose(op.reference(x), onnxruntime_resize(op, x), rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("nearest", ["round_prefer_floor", "round_prefer_ceil"])
@pytest.mark.parametrize(("before", "after"), [(14, 19), (18, 39), (7, 2), (26, 13), (9, 21)])
def test_ties_are_decided_in_spite_of_rounding_errors(nearest: str, before: int, after: int) -> None:
    x = np.arange(before, dtype=np.float32).reshape(1, 1, 1, -1)
    for coordinates in ("half_pixel", "asymmetric"):
        op = Resize((1, after), None, "nearest", coordinates, nearest)
        np.testing.assert_array_equal(op.reference(x), onnxruntime_resize(op, x), err_msg=coordinates)


@pytest.mark.parametrize(("mode", "before", "after"), [("nearest", (5,), (8,)), ("linear", (5,), (8,)), ("nearest", (2, 3, 4), (4, 3, 7)),
                                                       ("linear", (2, 3, 4), (4, 3, 7))])
def test_one_and_three_spatial_axes(mode: str, before: tuple[int, ...], after: tuple[int, ...]) -> None:
    op = Resize(after, None, mode, "asymmetric", "floor")
    np.testing.assert_allclose(op.reference(image(*before)), onnxruntime_resize(op, image(*before)), rtol=1e-5, atol=1e-6)


@settings(max_examples=60)
@given(strategy(Resize))
def test_both_forms_agree(case: Case) -> None:
    op, (x,) = case
    (expected,), (actual,) = op.run(x), replace(op, channels_last=True).run(np.moveaxis(x, 1, -1))
    np.testing.assert_allclose(np.moveaxis(actual, -1, 1), expected, rtol=1e-5, atol=1e-6)


@settings(max_examples=60)
@given(strategy(Resize))
def test_matrices_are_the_resize(case: Case) -> None:
    op, (x,) = case
    if op.roi is not None:
        return
    product = x.astype(np.float64)
    for k, (before, after) in enumerate(zip(x.shape[2:], op.sizes)):
        matrix = interpolation_matrix(before, after, op, k)
        np.testing.assert_allclose(matrix.sum(1), 1, atol=1e-6)
        product = np.moveaxis(np.tensordot(product, matrix, (k + 2, 1)), -1, k + 2)
    np.testing.assert_allclose(op.run(x)[0], product, rtol=2e-3, atol=1e-2 if x.dtype == np.float16 else 1e-5)


def test_indices_of_nearest() -> None:
    op = Resize((6,), None, "nearest", "asymmetric", "floor")
    np.testing.assert_array_equal(nearest_indices(3, 6, op, 0), [0, 0, 1, 1, 2, 2])


def test_nearest_keeps_integers() -> None:
    x = np.array([[[2**31 - 1, -2**31]]], np.int32)
    np.testing.assert_array_equal(Resize((4,), None, "nearest", "asymmetric", "floor").reference(x)[0, 0], np.repeat(x[0, 0], 2))


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32])
def test_integers_are_truncated(dtype: type[np.integer[Any]]) -> None:
    x = np.array([0, 3, 100, 120, 50], dtype).reshape(1, 1, 1, 5)
    op = Resize((1, 9), None, "linear")
    np.testing.assert_array_equal(op.reference(x), onnxruntime_resize(op, x))
    overshooting = replace(op, mode="cubic").reference(np.array([0, 0, 255, 255], np.uint8).reshape(1, 1, 1, 4))
    assert overshooting.ravel()[1] == 0


def test_symbolic_sizes() -> None:
    height = Dim.symbol("H")
    op = Resize((2 * height, 8))
    assert op.infer(TensorType(F32, (1, 3, height, 4))).shape == (1, 3, 2 * height, 8)
    assert replace(op, channels_last=True).infer(TensorType(F32, (1, height, 4, 3))).shape == (1, 2 * height, 8, 3)
    assert op.bind({"H": 3}).sizes == (6, 8)
    with pytest.raises(ShapeError, match="must be known"):
        op.reference(image(3, 4))


@pytest.mark.parametrize(("op", "reason"), [
    (Resize((8,)), "1 spatial axes"),
    (Resize((8, 8), (2.0,)), "one for each spatial axis"),
    (Resize((8, 8), (2.0, 0.0)), "must be positive"),
    (Resize((8, 0)), "cannot be resized"),
    (Resize((8, 8), mode="sinc"), "no mode 'sinc'"),
    (Resize((8, 8), coordinate_mode="middle"), "no coordinate_mode 'middle'"),
    (Resize((8, 8), nearest_mode="up"), "no nearest_mode 'up'"),
    (Resize((8, 8), coordinate_mode="tf_crop_and_resize"), "region of interest"),
    (Resize((8, 8), roi=ROI), "region of interest"),
    (Resize((8, 8), coordinate_mode="tf_crop_and_resize", roi=(0.0, 1.0)), "region of interest"),
])
def test_attributes_that_do_not_fit(op: Resize, reason: str) -> None:
    with pytest.raises(ShapeError, match=reason):
        op.infer(TensorType(F32, (1, 3, 4, 4)))
