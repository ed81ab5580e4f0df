"""Models that ONNX Runtime does not run as they are run one operator after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from nchw2nhwc import convert
from nchw2nhwc.checking import onnx_operators
from nchw2nhwc.errors import CheckError
from nchw2nhwc.ir import Array

F32 = TensorProto.FLOAT


def model(nodes: Sequence[onnx.NodeProto], inputs: Mapping[str, tuple[int, Sequence[int]]], outputs: Mapping[str, int], opset: int,
          constants: Mapping[str, Array] | None = None) -> onnx.ModelProto:
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info(name, *each) for name, each in inputs.items()],
                              [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs.items()],
                              [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


@pytest.mark.parametrize("kind", ["INT4", "UINT4", "FLOAT8E4M3FN", "FLOAT8E5M2"])
def test_inputs_that_the_runtime_has_no_arrays_of(kind: str) -> None:
    nodes = [helper.make_node("Cast", ["q"], ["real"], to=F32), helper.make_node("Mul", ["real", "step"], ["scaled"]),
             helper.make_node("Conv", ["x", "scaled"], ["y"])]
    number = getattr(TensorProto, kind)
    converted = convert(model(nodes, {"x": (F32, [1, 3, 8, 8]), "q": (number, [4, 3, 3, 3])}, {"y": F32}, 21, {"step": np.float32([0.5])}))
    drawn = np.random.default_rng(3).integers(0, 8, (4, 3, 3, 3)).astype(helper.tensor_dtype_to_np_dtype(number))
    assert converted.check({"x": np.ones((1, 3, 8, 8), np.float32), "q": drawn}).max_rel_error < 1e-6
    assert converted.check().passed


def test_outputs_that_the_runtime_makes_bits_of() -> None:
    """ONNX Runtime gives float8 as the bytes that they are stored in."""
    node = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT8E4M3FN)
    converted = convert(model([node], {"x": (F32, [1, 6])}, {"y": TensorProto.FLOAT8E4M3FN}, 19))
    assert converted.check({"x": np.float32([[0, 1, -3.3, 0.01, 400, -17]])}).max_rel_error == 0


def test_operators_with_an_older_definition_that_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """They run in ONNX Runtime, of any size."""
    monkeypatch.setattr(onnx_operators, "REFERENCE_ELEMENTS", 0)
    nodes = [helper.make_node("RoiAlign", ["x", "rois", "which"], ["aligned"], output_height=2, output_width=3, sampling_ratio=2),
             helper.make_node("GlobalLpPool", ["aligned"], ["pooled"], p=2), helper.make_node("Relu", ["pooled"], ["y"])]
    constants = {"rois": np.float32([[0, 0, 6, 5], [1, 2, 7, 7]]), "which": np.array([0, 0])}
    converted = convert(model(nodes, {"x": (F32, [1, 3, 8, 8])}, {"y": F32}, 22, constants))
    assert converted.check().passed


def test_operators_of_which_there_is_a_reference_only() -> None:
    out = helper.make_empty_tensor_value_info("out")
    step = helper.make_graph([helper.make_node("Swish", ["inner"], ["out"], alpha=0.5)], "b", [], [out])
    same = helper.make_graph([helper.make_node("Identity", ["inner"], ["out"])], "b", [], [out])
    nodes = [helper.make_node("Constant", [], ["two"], value_float=2.0), helper.make_node("Mul", ["x", "two"], ["inner"]),
             helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0), helper.make_node("Greater", ["sum", "two"], ["large"]),
             helper.make_node("If", ["large"], ["chosen"], then_branch=step, else_branch=same), helper.make_node("Neg", ["chosen"], ["y"])]
    converted = convert(model(nodes, {"x": (F32, [2, 3])}, {"y": F32}, 24))
    for value in (-1, 3):
        assert converted.check({"x": np.full((2, 3), value, np.float32)}).max_rel_error < 1e-6


def test_kernels_that_refuse_while_they_run() -> None:
    """ConvInteger with a zero point for each channel."""
    node = helper.make_node("ConvInteger", ["x", "w", "", "zeros"], ["y"])
    constants = {"w": np.arange(32, dtype=np.uint8).reshape(2, 1, 4, 4), "zeros": np.uint8([3, 9])}
    converted = convert(model([node], {"x": (TensorProto.UINT8, [1, 1, 5, 5])}, {"y": TensorProto.INT32}, 10, constants))
    assert converted.check().max_rel_error == 0


@pytest.mark.parametrize("place", [3, -2])
def test_indices_past_the_end_are_no_reason_to_take_another_implementation(place: int) -> None:
    """ONNX's reference implementation wraps them."""
    node = helper.make_node("GatherElements", ["x", "i"], ["y"], "pick")
    converted = convert(model([node], {"x": (F32, ["n"])}, {"y": F32}, 13, {"i": np.array([place])}))
    with pytest.raises(CheckError, match="ONNX Runtime cannot run the model") as error:
        converted.check({"x": np.float32([7])})
    assert (error.value.where.layer, error.value.where.type) == ("pick", "GatherElements")


def test_what_neither_runs_is_named() -> None:
    nodes = [helper.make_node("Relu", ["x"], ["r"]), helper.make_node("MaxRoiPool", ["r", "rois"], ["y"], "pool", pooled_shape=[2, 2])]
    rois = np.float32([[7, 0, 0, 3, 3]])
    converted = convert(model(nodes, {"x": (F32, [1, 3, 8, 8]), "rois": (F32, [1, 5])}, {"y": F32}, 22))
    with pytest.raises(CheckError, match=r"ONNX Runtime cannot run the model.*ONNX's reference implementation") as error:
        converted.check({"x": np.ones((1, 3, 8, 8), np.float32), "rois": rois})
    assert (error.value.where.layer, error.value.where.type) == ("pool", "MaxRoiPool")


def test_operands_that_are_too_large_for_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_operators, "REFERENCE_ELEMENTS", 5)
    cast = helper.make_node("Cast", ["x"], ["y"], "cast", to=TensorProto.FLOAT8E5M2)
    converted = convert(model([cast], {"x": (F32, [2, 3])}, {"y": TensorProto.FLOAT8E5M2}, 19))
    with pytest.raises(CheckError, match="too large for ONNX's reference implementation") as error:
        converted.check()
    assert (error.value.where.layer, error.value.where.type) == ("cast", "Cast")
