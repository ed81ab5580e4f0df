"""ONNX's node tests and the OpenVINO cases as Keras models."""

from __future__ import annotations

from pathlib import Path

import pytest
from onnx import ModelProto

pytest.importorskip("tensorflow", reason="TensorFlow is not installed")

from nchw2nhwc import conversion
from nchw2nhwc.checking.keras import run_keras
from nchw2nhwc.options import ConvertOptions
from nchw2nhwc.progress import Stages
from nchw2nhwc.source import identify
from tests.emit.node_exceptions import WHILE_READING
from tests.emit.op_cases import Exceptions, OpCaseTests, Run

EXCEPTIONS = Exceptions(refused={
    **WHILE_READING,
    "a functional model needs an input": ("test_constant", r"test_optional_has_element_empty_\w+"),
    "a functional model has no loops that a condition ends": (r"Loop (that ends early|without a limit)",),
    "a functional model has no loops of a number of iterations that data decides": (
        r"test_loop11( constants)?", r"test_range_\w+_delta_expanded( constants)?"),
    "TensorFlow shows no bits of truth values": ("test_bitcast_bool_to_uint8",),
    "Keras computes with no uint64": (r"test_bitshift_\w+_uint64",),
    "a functional model has no axes that data decides": (
        r"test_reduce_(?!\w*default)\w+_(do_not_|negative_axes_)?keep_?dims_(example|random)(_expanded)?",
        r"test_reduce_\w+_(desc|asc|negative)_axes(_expanded)?", r"test_reduce_(max|min)_bool_inputs"),
})


def keras_model(model: ModelProto | Path) -> Run:
    """The model, without TFLite having a say."""
    made = conversion.run(identify(model), ConvertOptions(), Stages(), "keras")
    network = made.keras()
    return lambda data: {"Keras": list(run_keras(network, made.inputs, made.outputs, data).values())}


class TestKeras(OpCaseTests):
    exceptions = EXCEPTIONS
    target = staticmethod(keras_model)
