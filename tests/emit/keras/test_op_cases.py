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
from tests.emit.op_cases import EVERYWHERE, Exceptions, Run, all_names, complaints, onnx_cases, openvino_cases
from tests.parse.onnx.node_cases import subjects
from tests.parse.openvino.all_cases import FAMILIES

EXCEPTIONS = Exceptions(refused={
    **EVERYWHERE,
    "a functional model needs an input that has elements": (
        "test_constant", r"test_constantofshape_\w+", r"test_(blackman|hamming|hann)window(_symmetric)?", r"test_range_\w+_delta",
        r"test_reduce_\w+_empty_set(_\w+)?", "test_reshape_allowzero_reordered", r"test_split_zero_size_splits_opset\d+",
        "test_tri[lu]_zero"),
    "a functional model does not compute with sizes that are not known": ("ShapeOf with open sizes",),
})


def keras_model(model: ModelProto | Path) -> Run:
    """The model, without TFLite having a say."""
    made = conversion.run(identify(model), ConvertOptions(), Stages(), "keras")
    network = made.keras()
    return lambda data: {"Keras": list(run_keras(network, made.inputs, made.outputs, data).values())}


@pytest.mark.parametrize("subject", subjects())
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_onnx(subject: str) -> None:
    wrong = complaints(onnx_cases(subject), keras_model, EXCEPTIONS)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_openvino(family: str, tmp_path: Path) -> None:
    wrong = complaints(openvino_cases(FAMILIES[family], tmp_path), keras_model, EXCEPTIONS)
    assert not wrong, "\n".join(wrong)


def test_every_exception_is_about_a_case() -> None:
    assert EXCEPTIONS.unused(all_names()) == []
