"""Poolings against OpenVINO."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino.opset1 as op1
import openvino.opset8 as op8
import openvino.opset14 as op14
import openvino.opset16 as op16
import pytest

from nchw2nhwc import convert
from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.parse.openvino import read_openvino
from tests.parse.openvino.harness import Build, Case, Input, agree, case, model_of, saved

IMAGE = Input((2, 3, 9, 8))
ROUNDINGS = ("floor", "ceil", "ceil_torch")


def i64(*values: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.asarray(values, np.int64)


CASES = [
    case("MaxPool-1", lambda x: op1.max_pool(x, [2, 2], [0, 0], [0, 0], [2, 2]), IMAGE, ops="MaxPool"),
    case("MaxPool-1 ceil", lambda x: op1.max_pool(x, [2, 3], [0, 1], [1, 0], [3, 3], "ceil"), IMAGE, ops="MaxPool"),
    case("MaxPool-1 same_upper", lambda x: op1.max_pool(x, [2, 2], [0, 0], [0, 0], [3, 3], "floor", "same_upper"), IMAGE, ops="MaxPool"),
    case("MaxPool-1 same_lower", lambda x: op1.max_pool(x, [2, 2], [0, 0], [0, 0], [2, 3], "floor", "same_lower"), IMAGE, ops="MaxPool"),
    case("MaxPool-1 1D", lambda x: op1.max_pool(x, [2], [1], [1], [3]), (2, 3, 9), ops="MaxPool"),
    case("MaxPool-1 3D", lambda x: op1.max_pool(x, [1, 2, 2], [0, 0, 1], [0, 0, 1], [2, 2, 3]), (1, 2, 4, 6, 6), ops="MaxPool"),
    case("MaxPool-8 dilated", lambda x: op8.max_pool(x, [1, 2], [2, 1], [1, 1], [1, 1], [3, 2]).output(0), IMAGE, ops="MaxPool"),
    *(case(f"{name} where, from axis {axis}", lambda x, opset=opset, axis=axis, kind=kind:
           opset.max_pool(x, [2, 1], [1, 2], [1, 0], [0, 1], [2, 3], "floor", "explicit", kind, axis).outputs(), (2, 3, 7, 9))
      for name, opset, axis, kind in (("MaxPool-8", op8, 0, "i64"), ("MaxPool-8", op8, 2, "i32"), ("MaxPool-14", op14, -3, "i64"))),
    case("MaxPool-8 ceil", lambda x: op8.max_pool(x, [2, 2], [1, 1], [0, 0], [0, 0], [2, 2], "ceil").output(0), IMAGE, ops="MaxPool"),
    *(case(f"MaxPool-14 {rounding}, {begin} {end}", lambda x, rounding=rounding, begin=begin, end=end:
           op14.max_pool(x, [2, 2], [1, 1], begin, end, [3, 3], rounding).output(0), IMAGE, ops="MaxPool")
      for rounding in ROUNDINGS for begin, end in (([0, 0], [0, 0]), ([1, 1], [1, 1]))),
    case("MaxPool-14 whose last window begins past the data", lambda x: op14.max_pool(x, [3, 3], [1, 1], [0, 0], [0, 0], [1, 1],
                                                                                      "ceil").output(0),
         (1, 2, 9, 11), ops="Pad MaxPool"),
    *(case(f"AvgPool-1 {rounding}, {begin} {end}, {'excluded' if exclude else 'counted'}",
           lambda x, rounding=rounding, begin=begin, end=end, exclude=exclude: op1.avg_pool(x, [2, 2], begin, end, [3, 3], exclude,
                                                                                            rounding), IMAGE,
           ops="AvgPool") for rounding in ROUNDINGS[:2] for begin, end in (([0, 0], [0, 0]), ([1, 0], [1, 1]), ([1, 1],
                                                                           [1, 1])) for exclude in (False, True)),
    *(case(f"AvgPool-1 {auto}, {'excluded' if exclude else 'counted'}",
           lambda x, auto=auto, exclude=exclude: op1.avg_pool(x, [2, 2], [0, 0], [0, 0], [3, 2], exclude, "floor",
                                                              auto), IMAGE, ops="AvgPool")
      for auto in ("same_upper", "same_lower", "valid") for exclude in (False, True)),
    *(case(f"AvgPool-14 ceil_torch, {begin} {end}, {'excluded' if exclude else 'counted'}",
           lambda x, begin=begin, end=end, exclude=exclude: op14.avg_pool(x, [2, 3], begin, end, [2, 2], exclude,
                                                                          "ceil_torch"), IMAGE, ops="AvgPool")
      for begin, end in (([0, 0], [0, 0]), ([1, 1], [1, 1])) for exclude in (False, True)),
    *(case(f"AvgPool-14 ceil_torch past the padding, {kernel} {strides} {begin} {end}",
           lambda x, kernel=kernel, strides=strides, begin=begin, end=end: op14.avg_pool(x, strides, begin, end, kernel, False,
                                                                                         "ceil_torch"), IMAGE, ops="AvgPool")
      for kernel, strides, begin, end in (([3, 3], [2, 2], [1, 1], [1, 1]), ([3, 2], [2, 3], [1, 0], [0, 1]),
                                          ([2, 2], [3, 2], [0, 1], [1, 1]), ([4, 3], [3, 3], [0, 1], [2, 2]))),
    case("AdaptiveAvgPool", lambda x: op8.adaptive_avg_pool(x, i64(4, 3)), IMAGE, ops="AdaptiveAvgPool"),
    case("AdaptiveAvgPool to one", lambda x: op8.adaptive_avg_pool(x, i64(1, 1)), IMAGE, ops="ReduceMean"),
    case("AdaptiveMaxPool", lambda x: op8.adaptive_max_pool(x, i64(4, 3), "i32").output(0), IMAGE, ops="AdaptiveMaxPool"),
    case("AdaptiveMaxPool to one", lambda x: op8.adaptive_max_pool(x, i64(1), "i32").output(0), (2, 3, 7), ops="ReduceMax"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees_with_openvino(case: Case, tmp_path: Path) -> None:
    agree(case, tmp_path)


def test_average_pool_with_dilations(tmp_path: Path) -> None:
    """OpenVINO's CPU plugin does not run AvgPool-16, so the result is compared with the mean of the elements."""
    path = saved(model_of(case("x", lambda x: op16.avg_pool(x, [1, 1], [0, 0], [0, 0], [2, 2], False, dilations=[2, 3]), IMAGE)), tmp_path)
    (node,) = read_openvino(path).nodes
    x = np.random.default_rng(0).normal(size=(2, 3, 9, 8)).astype(np.float32)
    expected = (x[..., :7, :5] + x[..., 2:, :5] + x[..., :7, 3:] + x[..., 2:, 3:]) / 4
    np.testing.assert_allclose(node.op.run(x)[0], expected, rtol=1e-5, atol=1e-6)


def test_positions_of_maxima_that_are_not_supported_when_they_are_used(tmp_path: Path) -> None:
    """Of windows of different sizes."""
    path = saved(model_of(case("x", lambda x: op8.adaptive_max_pool(x, i64(4, 3), "i32").outputs(), Input((1, 3, "?", "?")))), tmp_path)
    with pytest.raises(UnsupportedError, match=r"result 1 of AdaptiveMaxPool layer"):
        read_openvino(path)


@pytest.mark.parametrize("build", [
    lambda x: op8.max_pool(x, [1, 2], [1, 1], [0, 1], [0, 1], [2, 3], axis=2).outputs(),
    lambda x: op8.max_pool(x, [2, 3], [1, 1], [0, 0], [0, 0], [2, 2], rounding_type="ceil").outputs()[:1],
    lambda x: op8.adaptive_max_pool(x, i64(4, 3), "i32").outputs()[:1],
    lambda x: op1.max_pool(x, [3, 2], [0, 0], [1, 0], [2, 2], "ceil").outputs(),
    lambda x: op1.avg_pool(x, [3, 2], [1, 1], [1, 1], [3, 3], False, "ceil").outputs(),
    lambda x: op14.avg_pool(x, [2, 2], [1, 1], [1, 1], [3, 2], False, "ceil_torch").outputs()],
    ids=["positions", "maxima", "adaptive maxima", "maxima of padding", "means of padding", "means past padding"])
def test_images_of_any_size(build: Build, tmp_path: Path) -> None:
    converted = convert(saved(model_of(case("x", build, Input((1, 3, "?", "?")))), tmp_path))
    assert converted.outputs[0].source_shape[2:] in ((-1, -1), (4, 3))
    assert converted.check().passed


def test_the_rounding_of_an_open_size(tmp_path: Path) -> None:
    """Where no size decides, the number of windows stays an expression."""
    path = saved(model_of(case("x", lambda x: op1.max_pool(x, [2, 2], [0, 0], [0, 0], [3, 3], "ceil"), Input((1, 3, "?", "?")))), tmp_path)
    graph = read_openvino(path)
    assert str(graph.outputs[0].shape[2]) == "(in0_2//2)"


