"""Detectron's ops against OpenVINO."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.parse.openvino import read_openvino
from tests.parse.openvino.harness import Build, Case, Input, agree, case, given, made, model_of, saved

RNG = np.random.default_rng(2)


def boxes(count: int, scale: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.sort(RNG.uniform(0, scale, (count, 2, 2)), 1).reshape(count, 4)


def grid(flatten: bool, h: int = 0, w: int = 0, stride: tuple[float, float] = (0.0, 0.0)) -> Build:
    return made(6, "ExperimentalDetectronPriorGridGenerator", flatten=flatten, h=h, w=w, stride_x=stride[0], stride_y=stride[1])


def features(aligned: bool, *scales: int) -> Build:
    return made(6, "ExperimentalDetectronROIFeatureExtractor", output_size=3, sampling_ratio=2, pyramid_scales=list(scales),
                aligned=aligned)


def detected(most: int, **attributes: object) -> Build:
    usual = {"score_threshold": 0.05, "nms_threshold": 0.5, "max_delta_log_wh": 4.135, "num_classes": 4, "post_nms_count": 9,
             "max_detections_per_image": most, "class_agnostic_box_regression": False, "deltas_weights": [10.0, 10.0, 5.0, 5.0]}
    return made(6, "ExperimentalDetectronDetectionOutput", **{**usual, **attributes})


GRID = (Input((3, 4)), Input((1, 8, 4, 5)), Input((1, 3, 64, 81)))
REGIONS = given(np.concatenate([boxes(5, 60), boxes(5, 300), boxes(5, 900), np.tile(boxes(1, 60)[:, :2], 2)]), np.float32)
LEVELS = (Input((1, 3, 40, 50)), Input((1, 3, 20, 25)), Input((1, 3, 10, 13)))
FOUND = (given(boxes(20, 60), np.float32), Input((20, 16)), Input((20, 4), low=-0.5, high=1), given([[70, 80, 1]], np.float32))

CASES = [
    case("ExperimentalDetectronPriorGridGenerator", grid(True), *GRID),
    case("ExperimentalDetectronPriorGridGenerator in a grid", grid(False), *GRID),
    case("ExperimentalDetectronPriorGridGenerator with strides", grid(True, 4, 5, (7.0, 5.0)), *GRID),
    case("ExperimentalDetectronTopKROIs", made(6, "ExperimentalDetectronTopKROIs", max_rois=5), (10, 4), (10,)),
    case("ExperimentalDetectronROIFeatureExtractor", features(False, 4, 8, 16), REGIONS, *LEVELS, tolerance=1e-5),
    case("ExperimentalDetectronROIFeatureExtractor aligned", features(True, 4, 8, 16), REGIONS, *LEVELS, tolerance=1e-5),
    case("ExperimentalDetectronROIFeatureExtractor of one level", features(False, 16), REGIONS, LEVELS[0], tolerance=1e-5),
    case("ExperimentalDetectronDetectionOutput by class", detected(40), *FOUND, tolerance=1e-5),
    case("ExperimentalDetectronDetectionOutput of the best", detected(8), *FOUND, tolerance=1e-5),
    case("ExperimentalDetectronDetectionOutput of a few", detected(20, score_threshold=0.7, nms_threshold=0.2), *FOUND, tolerance=1e-5),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees_with_openvino(case: Case, tmp_path: Path) -> None:
    agree(case, tmp_path)


def test_a_grid_of_another_size_is_not_supported(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="a grid of 3 by 6"):
        read_openvino(saved(model_of(case("x", grid(True, 3, 6), *GRID)), tmp_path))
