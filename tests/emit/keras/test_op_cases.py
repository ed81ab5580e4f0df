"""ONNX's node tests and the OpenVINO cases as Keras models."""

from __future__ import annotations

from pathlib import Path

import pytest
from onnx import ModelProto

pytest.importorskip("tensorflow", reason="TensorFlow is not installed")

from nchw2nhwc import conversion
from nchw2nhwc.check.keras import run_keras
from nchw2nhwc.options import ConvertOptions
from nchw2nhwc.progress import Stages
from nchw2nhwc.source import identify
from tests.emit.node_exceptions import WHILE_READING
from tests.emit.op_cases import Exceptions, OpCaseTests, Run

EXCEPTIONS = Exceptions(refused={
    **WHILE_READING,
    "a functional model needs an input that has elements": (
        "test_constant", r"test_optional_has_element_empty_\w+", r"test_reduce_\w+_empty_set(_\w+)? constants",
        "test_reshape_allowzero_reordered constants", r"test_split_zero_size_splits_opset\d+ constants", r"test_tri[lu]_zero constants"),
    "a functional model has no loops that a condition ends": (r"Loop (that ends early|without a limit)",),
    "a functional model has no loops of a number of iterations that data decides": (
        r"test_loop11( constants)?", r"test_range_\w+_delta_expanded( constants)?"),
    "TensorFlow shows no bits of truth values": ("test_bitcast_bool_to_uint8",),
    "Keras computes with no uint64": (r"test_bitshift_\w+_uint64",),
    "a functional model has no sizes, and no axes, that data decides": (
        r"test_reduce_(?!\w*default)\w+_(do_not_|negative_axes_)?keep_?dims_(example|random)(_expanded)?",
        r"test_reduce_\w+_((desc|asc|negative)_axes|empty_set(_non_reduced_axis_zero)?)(_expanded)?",
        r"test_reduce_(max|min)_(bool_inputs|empty_set_bool)",
        r"test_(blackman|hamming|hann)window(_symmetric)?(_expanded)?", r"test_center_crop_pad_\w+", r"test_onehot_\w+",
        r"test_(constant|edge|reflect|wrap)_pad", r"test_constant_pad_(negative_)?axes", r"test_range_\w+_delta( constants)?",
        r"test_(resize|upsample)_\w+", r"test_tile(_precomputed)?", r"test_stft(_with_window)?", r"test_constantofshape_\w+",
        r"test_affine_grid_\dd(_align_corners|_expanded)?", r"test_col2im(_\w+)?", "test_dft_irfft", r"test_melweightmatrix( constants)?",
        r"test_expand_dim_(un)?changed", "test_maxunpool_export_with_output_shape",
        r"test_reshape_\w+", r"test_squeeze(_negative_axes)?", r"test_unsqueeze_\w+",
        r"v\d+ .* by computed (sizes|scales)", r"Range (down from|of halves up to) a number"),
    "Keras cannot repeat along": ("Range up to a size", "Range of floats up to a size"),
    "a functional model does not compute with sizes that are not known": ("ShapeOf with open sizes", "LSTMSequence of an open batch"),
})


def keras_model(model: ModelProto | Path) -> Run:
    """The model, without TFLite having a say."""
    made = conversion.run(identify(model), ConvertOptions(), Stages(), "keras")
    network = made.keras()
    return lambda data: {"Keras": list(run_keras(network, made.inputs, made.outputs, data).values())}


class TestKeras(OpCaseTests):
    exceptions = EXCEPTIONS
    target = staticmethod(keras_model)
