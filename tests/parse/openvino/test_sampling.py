"""Ops that read images at computed positions against OpenVINO."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openvino.opset1 as op1
import openvino.opset3 as op3
import openvino.opset8 as op8
import openvino.opset9 as op9
import openvino.opset15 as op15
import pytest

from tests.parse.openvino.harness import Case, Input, agree, case, given

X = Input((2, 3, 6, 5))
GRID = Input((2, 4, 3, 2), low=-1.4, high=1.4)
ROIS = Input((3, 4), low=0, high=9)


def sampled(mode: str, padding: str, align: bool) -> Case:
    attributes = {"mode": mode, "padding_mode": padding, "align_corners": align}
    return case(f"GridSample {mode} {padding}{' aligned' if align else ''}", lambda x, grid: op9.grid_sample(x, grid, attributes), X, GRID,
                tolerance=2e-5)


REGIONS = given([[1, 0.5, 9, 11], [3, 2, 3.4, 2.9], [-2, 4, 5, 14]], np.float32)


def roi(mode: str, aligned: str, opset: object, samples: int = 2, scale: float = 0.4, images: Sequence[int] = (0, 1, 1)) -> object:
    def build(x: object, rois: object) -> object:
        more = {} if opset is op3 else {"aligned_mode": aligned}
        return opset.roi_align(x, rois, np.array(images), 2, 3, samples, scale, mode, **more)  # type: ignore[attr-defined]
    return build


def deformed(opset: object, group: int = 1, shares: int = 1, mask: bool = False, **more: object) -> object:
    def build(x: object, offsets: object, *masks: object) -> object:
        filters = np.random.default_rng(0).standard_normal((4, 4 // group, 3, 3)).astype(np.float32)
        extra = {"mask": masks[0]} if mask else {}
        return opset.deformable_convolution(x, offsets, filters, [1, 2], [1, 1], [1, 1], [1, 1],  # type: ignore[attr-defined]
                                            group=group, deformable_group=shares, **extra, **more)
    return build


DATA = Input((2, 4, 5, 6))


CASES = [
    *(sampled(mode, padding, align) for mode in ("bilinear", "bicubic", "nearest") for padding in ("zeros", "border", "reflection")
      for align in (False, True)),
    case("ROIAlign-3 avg", roi("avg", "", op3), X, ROIS), case("ROIAlign-3 max", roi("max", "", op3), X, ROIS),
    case("ROIAlign-9 half pixel", roi("avg", "half_pixel", op9), X, ROIS),
    case("ROIAlign-9 half pixel for nn", roi("max", "half_pixel_for_nn", op9, scale=0.3), X, ROIS),
    case("ROIAlign-9 asymmetric", roi("avg", "asymmetric", op9, 3), X, ROIS),
    case("ROIAlign-3 of as many samples as elements", roi("avg", "", op3, 0, 1.0), (2, 3, 12, 10), REGIONS, tolerance=1e-5),
    case("ROIAlign-9 half pixel of as many samples as elements", roi("avg", "half_pixel", op9, 0, 0.8), (2, 3, 12, 10), REGIONS,
         tolerance=1e-5),
    case("ROIAlign-9 largest of as many samples as elements", roi("max", "half_pixel", op9, 0, 0.8), (2, 3, 12, 10), REGIONS,
         tolerance=1e-5),
    case("ROIAlign-9 of as many samples of one image", roi("avg", "half_pixel_for_nn", op9, 0, 0.8, [0, 0, 0]), (1, 3, 12, 10), REGIONS,
         tolerance=1e-5),
    case("DeformableConvolution-1", deformed(op1), DATA, (2, 18, 5, 3), tolerance=1e-5),
    case("DeformableConvolution-8 groups", deformed(op8, 2, 2), DATA, (2, 36, 5, 3), tolerance=1e-5),
    case("DeformableConvolution-8 mask", deformed(op8, 1, 2, True), DATA, (2, 36, 5, 3), (2, 18, 5, 3), tolerance=1e-5),
    *(case(f"DeformableConvolution-8 {pad}", deformed(op8, auto_pad=pad), DATA, (2, 18, 5, 3), tolerance=1e-5)
      for pad in ("same_upper", "same_lower")),
    case("DeformableConvolution-8 valid", deformed(op8, auto_pad="valid"), DATA, (2, 18, 3, 2), tolerance=1e-5),
    case("DeformableConvolution-8 fading", deformed(op8, bilinear_interpolation_pad=True), DATA, (2, 18, 5, 3), tolerance=1e-5),
    case("Col2Im", lambda x: op15.col2im(x, np.array([5, 7]), np.array([2, 3]), [2, 1], [1, 2], [1, 0], [0, 1]), (2, 12, 12)),
    case("Col2Im without a batch", lambda x: op15.col2im(x, np.array([4, 4]), np.array([2, 2])), (8, 9)),
    case("ExtractImagePatches", lambda x: op3.extract_image_patches(x, [2, 3], [1, 2], [2, 1], "valid"), (2, 3, 6, 7)),
    case("ExtractImagePatches same_upper", lambda x: op3.extract_image_patches(x, [3, 2], [2, 2], [1, 1], "same_upper"), (1, 2, 5, 7)),
    case("ExtractImagePatches same_lower", lambda x: op3.extract_image_patches(x, [2, 2], [3, 1], [1, 1], "same_lower"), (1, 2, 5, 7)),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees_with_openvino(case: Case, tmp_path: Path) -> None:
    agree(case, tmp_path)
