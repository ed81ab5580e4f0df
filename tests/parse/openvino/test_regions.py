"""Pooling of regions of interest against OpenVINO."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino.opset2 as op2
import pytest

from tests.parse.openvino.harness import Build, Case, Input, agree, case, given


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
