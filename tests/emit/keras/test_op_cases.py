"""ONNX's node tests and the OpenVINO cases as Keras models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from onnx import ModelProto

pytest.importorskip("tensorflow", reason="TensorFlow is not installed")

import numpy as np

from nchw2nhwc.conversion import read
from nchw2nhwc.emit.keras import emit_keras
from nchw2nhwc.ir import Array
from nchw2nhwc.options import ConvertOptions
from nchw2nhwc.source import identify
from tests.emit.keras.runs import converted, run_model
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
    layout = converted(read(identify(model), ConvertOptions()))
    graph, made = layout.graph, emit_keras(layout.graph)

    def run(data: Mapping[str, Array]) -> dict[str, Sequence[Array]]:
        inputs = [np.asarray(data[v.name].transpose(layout.inputs[v.name]), v.type.dtype, order="C") for v in graph.inputs]
        perms = [layout.outputs[name] for name in graph.output_names]
        return {"Keras": [y.transpose(np.argsort(perm)) for y, perm in zip(run_model(made, inputs), perms, strict=True)]}

    return run


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
