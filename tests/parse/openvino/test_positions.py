"""Position-sensitive pooling and rotated regions against OpenVINO."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino.opset1 as op1
import openvino.opset15 as op15
import pytest

from tests.parse.openvino.harness import Build, Case, Input, agree, case, given
from tests.parse.openvino.test_regions import regions


def sensitive(depth: int, cells: int, scale: float, bins: tuple[int, int] = (1, 1), mode: str = "average") -> Build:
    return lambda x, rois: op1.psroi_pooling(x, rois, depth, cells, scale, *bins, mode)


def deformable(depth: int, cells: int, scale: float, bins: tuple[int, int], std: float, parts: int) -> Build:
    return lambda x, rois, *offsets: op1.deformable_psroi_pooling(x, rois, depth, scale, cells, "bilinear_deformable", *bins, std, parts,
                                                                  *offsets)


def rotated(count: int) -> Input:
    rng = np.random.default_rng(count)
    return given(np.concatenate([rng.uniform(0, 40, (count, 2)), rng.uniform(1, 30, (count, 2)), rng.uniform(-3, 3, (count, 1))], 1),
                 np.float32)


def aligned(clockwise: bool, samples: int = 2, images: int = 2) -> Build:
    return lambda x, rois: op15.roi_align_rotated(x, rois, np.arange(8, dtype=np.int32) % images, 3, 4, samples, 0.3, clockwise)


CASES = [
    case("PSROIPooling average", sensitive(2, 3, 0.0625), (1, 18, 7, 9), regions(9, 1, 140, 110), tolerance=1e-5),
    case("PSROIPooling average of a batch beyond the image", sensitive(2, 2, 0.5), (2, 8, 7, 9), regions(12, 2, 18, 14, 0.3),
         tolerance=1e-5),
    case("PSROIPooling bilinear", sensitive(2, 3, 1.0, (2, 3), "bilinear"), (1, 12, 7, 9), regions(7, 1, 1, 1), tolerance=1e-5),
    case("PSROIPooling bilinear of a batch beyond the image", sensitive(1, 2, 1.0, (3, 2), "bilinear"), (2, 6, 7, 9),
         regions(9, 2, 1, 1, 0.3), tolerance=1e-5),
    case("PSROIPooling bilinear of one cell", sensitive(2, 1, 1.0, (2, 2), "bilinear"), (2, 8, 7, 9), regions(6, 2, 1, 1), tolerance=1e-5),
    case("DeformablePSROIPooling", deformable(2, 3, 0.0625, (4, 4), 0.1, 3), (1, 18, 7, 9), regions(6, 1, 140, 110), (6, 2, 3, 3),
         tolerance=1e-5),
    case("DeformablePSROIPooling of classes", deformable(4, 2, 0.25, (2, 3), 0.2, 4), (2, 16, 7, 9), regions(5, 2, 36, 28, 0.3),
         (5, 4, 4, 4), tolerance=1e-5),
    case("DeformablePSROIPooling without offsets", deformable(2, 2, 0.25, (2, 2), 0.1, 2), (1, 8, 7, 9), regions(5, 1, 36, 28),
         tolerance=1e-5),
    case("ROIAlignRotated clockwise", aligned(True), (2, 3, 9, 12), rotated(8), tolerance=1e-5),
    case("ROIAlignRotated counterclockwise", aligned(False), (2, 3, 9, 12), rotated(8), tolerance=1e-5),
    case("ROIAlignRotated of as many samples as elements", aligned(True, 0), (2, 3, 9, 12), rotated(8), tolerance=1e-5),
    case("ROIAlignRotated of one sample", aligned(False, 1, 1), (1, 3, 9, 12), rotated(8), tolerance=1e-5),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees_with_openvino(case: Case, tmp_path: Path) -> None:
    agree(case, tmp_path)
