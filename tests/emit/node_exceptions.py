"""ONNX's backend tests whose conversion is refused, and why: one list, which the tests of both targets and `benchmarks/node_tests.py` use.

Patterns are regular expressions for whole names of cases; those that end in " constants" have all inputs but the first as constants.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

WHILE_READING: Mapping[str, Sequence[str]] = {
    "random numbers: no two runs agree": (
        r"test_bernoulli(_double|_seed)?(_expanded)?", r"test_training_dropout(_default)?(_mask)?( constants)?",
        r"test_training_dropout_zero_ratio(_mask)?"),
    "images are decoded by no operator of the targets": (r"test_image_decoder_\w+",),
    "the gradient of a network is another network": (r"test_gradient_of_\w+",),
    "strings: no tensor of a target holds them": (r"test_strnorm_model_\w+",),
    "ranks that data decides: which axes have size 1 and go, a number in one branch and a vector in the other": (
        r"test_affine_grid_2d(_align_corners)?_expanded", "test_affine_grid_3d_align_corners_expanded"),
}
"""What cannot be read."""

DISPUTED: Mapping[str, str] = {
    "test_resize_downsample_scales_linear_align_corners": "a size that is no whole number counts as such",
    "test_resize_downsample_scales_cubic_align_corners": "a size that is no whole number counts as such",
}
"""Cases in which ONNX Runtime, which computes what results are checked with, contradicts ONNX's reference, and how the reference
differs. What ONNX Runtime says is expected of them."""
