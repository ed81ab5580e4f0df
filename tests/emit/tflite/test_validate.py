"""Loading files in LiteRT, and naming the layer that it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nchw2nhwc.emit.tflite import emit
from nchw2nhwc.emit.tflite.model import Blob, Quantization, Tensor, options
from nchw2nhwc.emit.tflite.validate import validate
from nchw2nhwc.emit.tflite.writer import FlatBuffer
from nchw2nhwc.errors import TargetError
from nchw2nhwc.ir import Origin
from nchw2nhwc.ops.activation_functions import Relu, Sigmoid
from nchw2nhwc.ops.elementwise import Abs, Exp, Tanh
from tests.emit.tflite.graphs import FLOAT, graph_with_input


def chain() -> FlatBuffer:
    graph, x = graph_with_input(2, 3, 2, 2, 2, 1, 2)
    for op in (Relu(), Exp(), Tanh(), Sigmoid(), Abs()):
        x = graph.add1(op, [x], origin=Origin(f"layer_{op.name}", op.name))
    graph.add_output(x, "y")
    return emit(graph)


def test_a_sound_file_passes(tmp_path: Path) -> None:
    made = chain()
    made.write(tmp_path / "m.tflite")
    validate(tmp_path / "m.tflite", made)
    validate(str(tmp_path / "m.tflite"))
    validate(made.tobytes())


def test_the_layer_that_the_kernels_refuse_is_named() -> None:
    """A damaged operator: more operands than it has."""
    made = chain()
    operators = made.model.subgraphs[0].operators
    operators[3] = replace(operators[3], inputs=operators[3].inputs * 2)
    broken = FlatBuffer(made.model)
    with pytest.raises(TargetError) as caught:
        validate(broken.tobytes(), broken)
    assert "layer 'layer_Sigmoid' (Sigmoid): LiteRT without XNNPACK refuses the result: LOGISTIC" in str(caught.value)
    assert caught.value.advice


def test_the_layer_that_only_xnnpack_refuses_is_named() -> None:
    """A mean over seven axes, which XNNPACK takes and then fails to set up; emission itself never makes one."""
    made = chain()
    graph = made.model.subgraphs[0]
    source = graph.operators[1].outputs[0]
    axes = np.array([0], np.int32)
    made.model.blobs.append(Blob(axes, axes.dtype))
    graph.tensors.append(Tensor("axes", axes.dtype, (1,), buffer=1))
    shape = (1, 3, 2, 2, 2, 1, 2)
    for op in graph.operators[2:]:
        graph.tensors[op.outputs[0]] = Tensor(graph.tensors[op.outputs[0]].name, FLOAT, shape)
    graph.operators[2] = replace(graph.operators[2], code="MEAN", version=1, inputs=(source, len(graph.tensors) - 1),
                                 options=options("ReducerOptions", keepDims=True))
    broken = FlatBuffer(made.model)
    with pytest.raises(TargetError) as caught:
        validate(broken.tobytes(), broken)
    assert "layer 'layer_Tanh' (Tanh): LiteRT with XNNPACK refuses the result: MEAN" in str(caught.value)
    validate(broken.tobytes(), broken, xnnpack=False)


def test_without_the_model_the_message_is_kept() -> None:
    made = chain()
    operators = made.model.subgraphs[0].operators
    operators[3] = replace(operators[3], inputs=operators[3].inputs * 2)
    with pytest.raises(TargetError, match="LOGISTIC"):
        validate(FlatBuffer(made.model).tobytes())


def test_garbage_is_refused() -> None:
    with pytest.raises(TargetError, match="refuses"):
        validate(b"TFL3 but nothing else")


def _sum_of(scales: tuple[float, float, float], code: str = "ADD", table: str = "AddOptions") -> FlatBuffer:
    """An operator on two int8 inputs, with a scale for each of them and its result."""
    made = chain()
    graph = made.model.subgraphs[0]
    names = ("a", "b", "c")
    graph.tensors[:] = [Tensor(name, np.dtype(np.int8), (1, 2), quantization=Quantization((scale,))) for name, scale in zip(names, scales)]
    graph.operators[:] = [replace(graph.operators[0], code=code, version=2, inputs=(0, 1), outputs=(2,), options=options(table))]
    graph.inputs, graph.outputs, graph.input_names, graph.output_names = [0, 1], [2], ["a", "b"], ["c"]
    return FlatBuffer(made.model)


@pytest.mark.parametrize(("scales", "code", "table"), [
    ((0.1, 0.1, 0.1), "ADD", "AddOptions"), ((0.1, 0.1, 2e-7), "ADD", "AddOptions"), ((0.1, 0.1, 1e-12), "SUB", "SubOptions"),
    ((0.1, 0.1, 2.5e-6), "SQUARED_DIFFERENCE", "SquaredDifferenceOptions")])
def test_scales_that_kernels_take(scales: tuple[float, float, float], code: str, table: str, tmp_path: Path) -> None:
    made = _sum_of(scales, code, table)
    made.write(tmp_path / "m.tflite")
    validate(tmp_path / "m.tflite", made)
    validate(made.tobytes())


@pytest.mark.parametrize(("scales", "code", "table", "reason"), [
    ((0.0, 0.1, 0.1), "ADD", "AddOptions", "that of 'a' is 0"), ((0.1, -0.1, 0.1), "SUB", "SubOptions", "that of 'b' is -0.1"),
    ((0.1, 0.1, float("nan")), "MUL", "MulOptions", "that of 'c' is nan"),
    ((float("inf"), 0.1, 0.1), "ADD", "AddOptions", "that of 'a' is inf"), ((0.1, 0.1, 1e38), "ADD", "AddOptions", "that of 'c' is 1e.38"),
    ((0.1, 0.1, 1.9e-7), "ADD", "AddOptions", "too small for the result of ADD"),
    ((0.1, 0.1, 2.4e-6), "SQUARED_DIFFERENCE", "SquaredDifferenceOptions", "too small for the result")])
def test_scales_that_would_end_the_process(scales: tuple[float, float, float], code: str, table: str, reason: str, tmp_path: Path) -> None:
    """They are refused before LiteRT sees them, with the layer; nothing is loaded."""
    made = _sum_of(scales, code, table)
    made.write(tmp_path / "m.tflite")
    for result in (tmp_path / "m.tflite", made.tobytes()):
        with pytest.raises(TargetError, match=reason) as caught:
            validate(result, made)
        assert "layer_Relu" in str(caught.value)
