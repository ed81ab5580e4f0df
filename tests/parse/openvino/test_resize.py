"""Interpolate against OpenVINO, in all versions and modes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino
import openvino.opset1 as op1
import openvino.opset10 as op10
import openvino.opset11 as op11
import pytest

from nchw2nhwc.errors import SourceError, UnsupportedError
from nchw2nhwc.parse.openvino import read_openvino
from tests.parse.openvino.harness import Case, Input, agree, case, model_of, saved

IMAGE = Input((1, 2, 5, 6))
SIZES, SCALES = Input((2,), np.int64, 2, 12), Input((2,), np.float32, 0.5, 2.5)
COORDINATES = ("half_pixel", "pytorch_half_pixel", "asymmetric", "tf_half_pixel_for_nn", "align_corners")
NEAREST = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil", "simple")


def i64(*values: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.asarray(values, np.int64)


def v1(x: object, sizes: list[int], axes: list[int], mode: str, **options: object) -> object:
    return op1.interpolate(x, i64(*sizes), {"axes": axes, "mode": mode, **options})


def v4(x: object, mode: str, sizes: list[int] | None = None, scales: list[float] | None = None, axes: list[int] | None = None,
       coordinates: str = "half_pixel", nearest: str = "round_prefer_floor", **options: object) -> object:
    over = axes or [2, 3]
    by = "scales" if sizes is None else "sizes"
    return op10.interpolate(x, i64(*(sizes or [1] * len(over))), np.asarray(scales or [1.0] * len(over), np.float32), mode, by,
                           axes=i64(*over), coordinate_transformation_mode=coordinates, nearest_mode=nearest, **options)


def v11(x: object, mode: str, sizes: list[int] | None = None, scales: list[float] | None = None, axes: list[int] | None = None,
        **options: object) -> object:
    by = "scales" if sizes is None else "sizes"
    return op11.interpolate(x, i64(*sizes) if sizes is not None else np.asarray(scales, np.float32), mode, by,
                            axes=None if axes is None else i64(*axes), **options)


CASES = [
    *(case(f"v4 nearest {coordinates} {nearest} to {sizes}", lambda x, c=coordinates, n=nearest,
           s=sizes: v4(x, "nearest", s, coordinates=c, nearest=n), IMAGE)
      for coordinates in COORDINATES for nearest in NEAREST for sizes in ([11, 3],)),
    *(case(f"v4 {mode} {coordinates} to {sizes}", lambda x, m=mode, c=coordinates, s=sizes: v4(x, m, s, coordinates=c), IMAGE,
           ops="Resize", tolerance=1e-5)
      for mode in ("linear", "linear_onnx", "cubic") for coordinates in COORDINATES for sizes in ([11, 13], [3, 2])),
    *(case(f"v4 {mode} by scales", lambda x, m=mode: v4(x, m, scales=[1.7, 0.6], coordinates="asymmetric", nearest="floor"), IMAGE,
           ops="Resize", tolerance=1e-5)
      for mode in ("nearest", "linear_onnx", "cubic")),
    case("v4 by scales that keep the size", lambda x: v4(x, "linear_onnx", scales=[1.1, 2.0]), IMAGE, ops="Resize", tolerance=1e-5),
    case("v4 to the same size", lambda x: v4(x, "linear_onnx", [5, 6]), IMAGE, ops="Identity"),
    case("v4 nearest, all axes", lambda x: op10.interpolate(x, i64(1, 2, 10, 12), np.ones(4, np.float32), "nearest", "sizes",
                                                            axes=i64(0, 1, 2, 3)), IMAGE,
         ops="Resize"),
    case("v4 nearest of the channels", lambda x: v4(x, "nearest", [4, 12], axes=[1, 3], coordinates="asymmetric", nearest="floor"), IMAGE,
         ops="Transpose Resize Transpose"),
    case("v4 linear over two axes of three", lambda x: v4(x, "linear", [7, 8], axes=[1, 2]), (2, 5, 6), ops="Reshape Resize Reshape",
         tolerance=1e-5),
    case("v4 linear over both axes of two", lambda x: v4(x, "linear", [7, 8], axes=[0, 1]), (5, 6), ops="Reshape Resize Reshape",
         tolerance=1e-5),
    case("v4 linear of channels-last data", lambda x: v4(x, "linear", [7, 8], axes=[1, 2]), (1, 5, 6, 3),
         ops="Transpose Resize Transpose", tolerance=1e-5),
    case("v4 linear over three axes", lambda x: v4(x, "linear", [5, 2, 7], axes=[2, 3, 4]), (1, 2, 3, 4, 5), ops="Resize", tolerance=1e-5),
    case("v4 linear_onnx over three axes", lambda x: v4(x, "linear_onnx", [5, 2, 7], axes=[2, 3, 4]), (1, 2, 3, 4, 5), ops="Resize",
         tolerance=1e-5),
    case("v4 linear antialias", lambda x: v4(x, "linear", [4, 5], antialias=True), (1, 2, 11, 17), ops="Resize", tolerance=1e-5,
         oracle="reference"),
    case("v4 linear antialias of one axis", lambda x: v4(x, "linear", [11, 5], antialias=True), (1, 2, 11, 17), ops="Resize",
         tolerance=1e-5, oracle="reference"),
    case("v4 linear antialias that enlarges", lambda x: v4(x, "linear", [7, 9], antialias=True), IMAGE, ops="Resize", tolerance=1e-5),
    case("v4 nearest, padded", lambda x: v4(x, "nearest", [14, 16], pads_begin=[0, 0, 1, 1], pads_end=[0, 0, 1, 1]), IMAGE,
         ops="Pad Resize"),
    case("v4 nearest, tf_half_pixel_for_nn, one axis of two", lambda x: v4(x, "nearest", [5, 12], coordinates="tf_half_pixel_for_nn",
                                                                           nearest="round_prefer_ceil"),
         IMAGE),
    case("v4 cubic, coefficient", lambda x: v4(x, "cubic", [11, 13], cube_coeff=-0.5), IMAGE, ops="Resize", tolerance=1e-5),
    case("v11 linear_onnx", lambda x: v11(x, "linear_onnx", [11, 13], axes=[2, 3]), IMAGE, ops="Resize", tolerance=1e-5),
    case("v11 nearest by scales of all axes", lambda x: v11(x, "nearest", scales=[1.0, 1.0, 2.0, 3.0]), IMAGE, ops="Resize"),
    case("v11 bilinear_pillow down", lambda x: v11(x, "bilinear_pillow", [3, 4], axes=[2, 3]), (1, 2, 7, 11), ops="Resize", tolerance=1e-5),
    case("v11 bilinear_pillow up and down", lambda x: v11(x, "bilinear_pillow", [9, 4], axes=[2, 3]), (1, 2, 7, 11), ops="Resize",
         tolerance=1e-5),
    case("v11 bicubic_pillow", lambda x: v11(x, "bicubic_pillow", [3, 16], axes=[2, 3], cube_coeff=-0.5), (1, 2, 7, 11), ops="Resize",
         tolerance=1e-5),
    case("v11 bicubic_pillow, coefficient", lambda x: v11(x, "bicubic_pillow", [3, 16], axes=[2, 3]), (1, 2, 7, 11), ops="Resize",
         tolerance=1e-5,
         oracle="reference"),
    case("v11 bicubic_pillow by scales", lambda x: v11(x, "bicubic_pillow", scales=[0.55, 1.3], axes=[2, 3], cube_coeff=-0.5),
         (1, 2, 7, 11), ops="Resize", tolerance=1e-5),
    *(case(f"v1 {mode}, corners {'aligned' if align else 'not aligned'}", lambda x, m=mode,
           a=align: v1(x, [11, 13], [2, 3], m, align_corners=a), IMAGE,
           ops="Resize", tolerance=1e-5) for mode in ("nearest", "linear", "cubic") for align in (False, True)),
    case("v1 nearest up and down", lambda x: v1(x, [12, 3], [2, 3], "nearest", align_corners=False), IMAGE, ops="Resize Resize"),
    case("v1 linear of three axes", lambda x: v1(x, [12], [2], "linear", align_corners=False), (1, 2, 5), ops="Resize", tolerance=1e-5),
    case("v1 linear of five axes", lambda x: v1(x, [5, 2, 7], [2, 3, 4], "linear", align_corners=False), (1, 2, 3, 4, 5), ops="Resize",
         tolerance=1e-5),
    *(case(f"v4 {mode} by computed sizes", lambda x, n, m=mode: op10.interpolate(x, n, np.ones(2, np.float32), m, "sizes", axes=i64(2, 3)),
           IMAGE, SIZES, tolerance=1e-5) for mode in ("nearest", "linear_onnx", "cubic")),
    case("v4 nearest, simple, by computed scales", lambda x, n: op10.interpolate(x, i64(1, 1), n, "nearest", "scales", axes=i64(2, 3),
                                                                                 nearest_mode="simple"), IMAGE, SCALES),
    case("v11 bicubic_pillow by computed sizes", lambda x, n: op11.interpolate(x, n, "bicubic_pillow", "sizes", axes=i64(2, 3),
                                                                               cube_coeff=-0.5), IMAGE, SIZES, tolerance=1e-5),
    case("v1 linear by computed sizes", lambda x, n: op1.interpolate(x, n, {"axes": [2, 3], "mode": "linear", "align_corners": False}),
         IMAGE, SIZES, tolerance=1e-5),
    case("v1 axes in another order", lambda x: v1(x, [11, 13], [3, 2], "nearest", align_corners=False), IMAGE, ops="Resize"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees_with_openvino(case: Case, tmp_path: Path) -> None:
    agree(case, tmp_path)


def test_area_is_not_supported(tmp_path: Path) -> None:
    path = saved(model_of(case("x", lambda x: v1(x, [11, 13], [2, 3], "area"), IMAGE)), tmp_path)
    with pytest.raises(UnsupportedError, match="mode 'area'"):
        read_openvino(path)


def test_antialias_both_ways_is_not_supported(tmp_path: Path) -> None:
    path = saved(model_of(case("x", lambda x: v4(x, "linear", [11, 3], antialias=True), IMAGE)), tmp_path)
    with pytest.raises(UnsupportedError, match="shrinks one axis and enlarges another"):
        read_openvino(path)


@pytest.mark.parametrize(("scale", "size"), [(2.0, "2*in0_2"), (0.5, "in0_2/2"), (1.5, "3*in0_2/2")])
def test_scales_of_open_sizes(scale: float, size: str, tmp_path: Path) -> None:
    path = saved(model_of(case("x", lambda x: v4(x, "nearest", scales=[scale, scale]), Input((1, 2, "?", "?")))), tmp_path)
    assert str(read_openvino(path).outputs[0].shape[2]) == size


def test_scales_of_open_sizes_that_are_no_fractions(tmp_path: Path) -> None:
    path = saved(model_of(case("x", lambda x: v4(x, "nearest", scales=[0.3, 0.3]), Input((1, 2, "?", "?")))), tmp_path)
    with pytest.raises(UnsupportedError, match="is scaled by"):
        read_openvino(path)


def test_scales_that_are_not_positive(tmp_path: Path) -> None:
    path = saved(model_of(case("x", lambda x: v4(x, "nearest", scales=[2.0, 3.0]), IMAGE)), tmp_path)
    weights = path.with_suffix(".bin").read_bytes()
    path.with_suffix(".bin").write_bytes(weights.replace(np.float32(3).tobytes(), np.float32(-3).tobytes()))
    with pytest.raises(SourceError, match="a scale of -3"):
        read_openvino(path)


def test_nearest_elements_of_open_sizes(tmp_path: Path) -> None:
    """Up or down is certain, though the size is open."""
    def doubled(x: openvino.Output) -> openvino.Node:
        size = op10.multiply(op10.slice(op10.shape_of(x), i64(2), i64(4), i64(1)), i64(2, 2))
        return op1.interpolate(x, size, {"axes": [2, 3], "mode": "nearest", "align_corners": False})
    path = saved(model_of(case("x", doubled, Input((1, 2, "?", "?")))), tmp_path)
    assert str(read_openvino(path).outputs[0].type) == "float32[1, 2, 2*in0_2, 2*in0_3]"
