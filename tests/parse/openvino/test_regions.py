"""Pooling of regions of interest against OpenVINO."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino.opset2 as op2
import pytest

from nchw2nhwc import convert
from tests.parse.openvino.harness import Build, Case, Input, agree, case, given, model_of, saved


def regions(count: int, batch: int, width: float, height: float, beyond: float = 0.0) -> Input:
    """Regions of an image of this size: the number of the image, then left, top, right and bottom, some of them `beyond` its edges."""
    rng = np.random.default_rng(count)
    ends = np.sort(rng.uniform(-beyond, 1 + beyond, (count, 2, 2)), 1) * [width, height]
    return given(np.concatenate([rng.integers(0, batch, (count, 1)), ends.reshape(count, 4)], 1), np.float32)


def pooled(size: list[int], scale: float, method: str) -> Build:
    return lambda x, rois: op2.roi_pooling(x, rois, output_size=size, spatial_scale=scale, method=method)


CASES = [
    case("ROIPooling max", pooled([3, 2], 0.5, "max"), (1, 2, 7, 9), regions(9, 1, 18, 14)),
    case("ROIPooling max of a batch", pooled([7, 7], 0.0625, "max"), (2, 3, 10, 13), regions(20, 2, 200, 150)),
    case("ROIPooling max beyond the image", pooled([2, 3], 1.0, "max"), (2, 3, 6, 5), regions(20, 2, 5, 6, 0.5)),
    case("ROIPooling max of one cell", pooled([1, 1], 1.0, "max"), (1, 3, 6, 5), regions(8, 1, 5, 6)),
    case("ROIPooling bilinear", pooled([4, 3], 1.0, "bilinear"), (1, 2, 7, 9), regions(9, 1, 1, 1), tolerance=1e-5),
    case("ROIPooling bilinear of a batch beyond the image", pooled([3, 3], 1.0, "bilinear"), (2, 2, 7, 9), regions(12, 2, 1, 1, 0.3),
         tolerance=1e-5),
    case("ROIPooling bilinear of one cell", pooled([1, 1], 1.0, "bilinear"), (2, 2, 7, 9), regions(6, 2, 1, 1), tolerance=1e-5),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees_with_openvino(case: Case, tmp_path: Path) -> None:
    agree(case, tmp_path)


@pytest.mark.parametrize(("channels", "build"), [
    (3, pooled([2, 3], 1.0, "max")),
    (3, pooled([2, 3], 0.125, "bilinear")),
    (12, lambda x, rois: op2.psroi_pooling(x, rois, 3, 2, 0.5, 1, 1, "average")),
    (12, lambda x, rois: op2.psroi_pooling(x, rois, 3, 2, 0.125, 2, 2, "bilinear")),
    (12, lambda x, rois: op2.deformable_psroi_pooling(x, rois, 3, 0.5, 2, "bilinear_deformable", 2, 2, 0.1, 2)),
], ids=["max", "bilinear", "means of positions", "positions", "moved positions"])
def test_any_number_of_regions(channels: int, build: Build, tmp_path: Path) -> None:
    """OpenVINO runs PSROIPooling for known numbers alone, so the check gives it one."""
    converted = convert(saved(model_of(case("x", build, Input((1, channels, 8, 9)), Input(("?", 5)))), tmp_path))
    rng = np.random.default_rng(1)
    for count in (2, 5):
        ends = np.sort(rng.uniform(0, 8, (count, 2, 2)), 1).reshape(count, 4)
        given = {"in0": rng.normal(size=(1, channels, 8, 9)).astype(np.float32), "in1": np.insert(ends, 0, 0, 1).astype(np.float32)}
        assert converted.check(given).max_rel_error < 1e-5
