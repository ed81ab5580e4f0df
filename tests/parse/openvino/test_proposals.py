"""Proposals of regions against OpenVINO."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino.opset9 as op9
import pytest

from nchw2nhwc.errors import SourceError
from nchw2nhwc.parse.openvino import read_openvino
from tests.parse.openvino.harness import Build, Case, Input, agree, case, given, made, model_of, saved

USUAL = {"base_size": 16, "pre_nms_topn": 40, "post_nms_topn": 10, "nms_thresh": 0.7, "feat_stride": 16, "min_size": 4,
         "ratio": [0.5, 1.0, 2.0], "scale": [1.0, 2.0], "clip_before_nms": True, "clip_after_nms": False, "normalize": False,
         "box_size_scale": 1.0, "box_coordinate_scale": 1.0, "framework": ""}
PROBS, DELTAS = Input((2, 12, 4, 5), low=0, high=1), Input((2, 24, 4, 5), low=-0.5, high=0.5)
SIZES, BOTH_SCALES = given([64, 80, 1.2], np.float32), given([64, 80, 1.0, 2.0], np.float32)


def proposal(opset: int, **attributes: object) -> Build:
    return made(opset, "Proposal", **{**USUAL, **attributes})


ANCHORS = given(np.sort(np.random.default_rng(1).uniform(0, 60, (4, 5, 3, 2, 2)), 3).reshape(4, 5, 3, 4), np.float32)
CHANGES, GIVEN = Input((2, 12, 4, 5), low=-0.5, high=0.5), Input((2, 3, 4, 5), low=0, high=1)


def generated(**attributes: object) -> Build:
    usual = {"min_size": 2.0, "nms_threshold": 0.6, "pre_nms_count": 40, "post_nms_count": 10}
    return lambda *xs: op9.generate_proposals(*xs, **{**usual, **attributes}).outputs()  # type: ignore[arg-type]


ONE = (given([60, 70, 1.0], np.float32), given(np.reshape(ANCHORS.values, (60, 4)), np.float32), Input((12, 4, 5), low=-0.5, high=0.5),
       Input((3, 4, 5), low=0, high=1))

CASES = [
    case("Proposal-1", proposal(1), PROBS, DELTAS, SIZES, tolerance=1e-5),
    case("Proposal-1 with both scales", proposal(1, min_size=12), PROBS, DELTAS, BOTH_SCALES, tolerance=1e-5),
    case("Proposal-4", proposal(4), PROBS, DELTAS, SIZES, tolerance=1e-5),
    case("Proposal-4 clipped afterwards", proposal(4, clip_before_nms=False, clip_after_nms=True, nms_thresh=0.3), PROBS, DELTAS, SIZES,
         tolerance=1e-5),
    case("Proposal-4 normalized", proposal(4, normalize=True, min_size=10), PROBS, DELTAS, SIZES, tolerance=1e-5),
    case("Proposal-1 of more than there are", proposal(1, post_nms_topn=50, pre_nms_topn=1000, box_size_scale=5.0, nms_thresh=0.2,
                                                       box_coordinate_scale=10.0, min_size=1), PROBS, DELTAS, SIZES, tolerance=1e-5),
    case("Proposal-4 of TensorFlow", proposal(4, framework="tensorflow", nms_thresh=0.5), PROBS, DELTAS, SIZES, tolerance=1e-5),
    case("Proposal-4 of TensorFlow of large boxes", proposal(4, framework="tensorflow", min_size=12), PROBS, DELTAS, BOTH_SCALES,
         tolerance=1e-5),
    case("Proposal-4 of TensorFlow normalized", proposal(4, framework="tensorflow", normalize=True), PROBS, DELTAS, SIZES, tolerance=1e-5),
    case("Proposal-4 of TensorFlow clipped afterwards", proposal(4, framework="tensorflow", clip_before_nms=False, clip_after_nms=True),
         PROBS, DELTAS, SIZES, tolerance=1e-5),
    case("GenerateProposals", generated(), given([[60, 70, 1.0], [50, 60, 1.1]], np.float32), ANCHORS, CHANGES, GIVEN, tolerance=1e-5),
    case("GenerateProposals in pixels", generated(normalized=False, roi_num_type="i32"),
         given([[60, 70, 1, 2], [50, 60, 1, 1]], np.float32), ANCHORS, CHANGES, GIVEN, tolerance=1e-5),
    case("GenerateProposals of a few", generated(pre_nms_count=12, post_nms_count=30, nms_threshold=0.3), given([[60, 70, 1.0]] * 2,
                                                                                                                np.float32),
         ANCHORS, CHANGES, GIVEN, tolerance=1e-5),
    case("ExperimentalDetectronGenerateProposalsSingleImage",
         made(6, "ExperimentalDetectronGenerateProposalsSingleImage", min_size=2.0, nms_threshold=0.6, pre_nms_count=40, post_nms_count=10),
         *ONE, tolerance=1e-5),
    case("ExperimentalDetectronGenerateProposalsSingleImage of more than there are",
         made(6, "ExperimentalDetectronGenerateProposalsSingleImage", min_size=1.0, nms_threshold=0.2, pre_nms_count=30,
              post_nms_count=40), *ONE, tolerance=1e-5),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees_with_openvino(case: Case, tmp_path: Path) -> None:
    agree(case, tmp_path)


def test_a_threshold_that_falls_is_in_no_model(tmp_path: Path) -> None:
    path = saved(model_of(case("x", generated(), given([[60, 70, 1.0]] * 2, np.float32), ANCHORS, CHANGES, GIVEN)), tmp_path)
    text = path.read_text()
    assert 'nms_eta="1"' in text
    path.write_text(text.replace('nms_eta="1"', 'nms_eta="0.9"'))
    with pytest.raises(SourceError, match="nms_eta"):
        read_openvino(path)
