"""The tables of devices."""

from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from onnx import TensorProto, helper

import nchw2nhwc
from nchw2nhwc.emit.tflite.model import TYPES, Model, Operator, Subgraph, Tensor, options
from nchw2nhwc.errors import OptionError
from nchw2nhwc.options import CPU, DEVICES
from nchw2nhwc.targets import TABLES
from nchw2nhwc.targets.fallbacks import fallbacks
from tests.parse.onnx.models import model, node, tensor

RNG = np.random.default_rng(0)


def test_every_device_has_a_table() -> None:
    assert {CPU, *TABLES} == set(DEVICES)


@pytest.mark.parametrize("name", TABLES)
def test_rows_are_of_operators_that_exist(name: str) -> None:
    table = TABLES[name]
    known = {dtype.name for dtype in TYPES}
    for code, row in table.rows.items():
        assert hasattr(schema.BuiltinOperator, code) or code == "TFLite_Detection_PostProcess", code
        assert row.source, code
        assert set(row.types) <= known, code
        assert all(need.text for need in row.needs)
    assert table.sources
    assert set(table.types) <= known


def refused(target: str, *nodes: object, shape: tuple[int | str, ...] = (1, 4, 6, 6), dtype: type = np.float32,
            outputs: tuple[str, ...] = ("y",), **constants: object) -> dict[str, str]:
    """Why `target` does not run the operators of a file that was made for the CPU."""
    source = model(list(nodes), [tensor("x", list(shape), dtype)], list(outputs), constants=constants)  # type: ignore[arg-type]
    converted = nchw2nhwc.convert(source)
    return {each.op: each.reason for each in fallbacks(converted.flatbuffer().model, TABLES[target])}


def test_an_operator_that_is_not_there() -> None:
    assert refused("gpu", node("Ceil", "x")) == {"CEIL": "the GPU delegate has no CEIL"}
    assert refused("micro", node("Ceil", "x")) == {}


def test_versions_types_and_axes() -> None:
    five = (1, 2, 3, 4, 5)
    assert "at most 4 axes" in refused("gpu", node("Relu", "x"), shape=five)["RELU"]
    assert "it computes int32" in refused("gpu", node("Add", "x x"), dtype=np.int32)["ADD"]
    assert "version" in refused("nnapi", node("Transpose", "x", perm=[4, 2, 0, 3, 1]), shape=(2, 3, 4, 5, 6))["TRANSPOSE"]
    w = RNG.standard_normal((4, 2, 3, 3)).astype(np.float32)
    assert "version 6" in refused("nnapi", node("Conv", "x w", group=2), w=w)["CONV_2D"]
    assert refused("gpu", node("Conv", "x w", group=2), w=w) == {}


def test_truth_values_on_the_gpu() -> None:
    greater = node("Greater", "x z", "g")
    assert refused("gpu", greater, node("Where", "g x z", "y"), z=np.float32(0)) == {}
    assert "only reader" in refused("gpu", greater, node("Not", "g", "y"), z=np.float32(0))["GREATER"]


def test_open_sizes() -> None:
    assert "fixed sizes" in refused("micro", node("Relu", "x"), shape=("N", 4))["RELU"]
    assert refused("nnapi", node("Relu", "x"), shape=("N", 4)) == {}


def test_the_edge_tpu_is_judged_as_quantized() -> None:
    w = RNG.standard_normal((4, 4)).astype(np.float32)
    assert refused("edgetpu", node("MatMul", "x w"), shape=(1, 4), w=w) == {}
    assert "one list" in refused("edgetpu", node("MatMul", "x w"), shape=(3, 4), w=w)["FULLY_CONNECTED"]
    assert "has no EXP" in refused("edgetpu", node("Exp", "x"))["EXP"]


@pytest.mark.parametrize(("code", "shape", "result", "axis", "refusal"), [
    ("SQUEEZE", (1, 1, 5, 10), (5, 10), None, ""), ("SQUEEZE", (1, 5, 1, 10), (5, 10), None, "axes of size 1 in front only"),
    ("PACK", (1, 5, 3), (1, 5, 3, 1), 3, ""), ("PACK", (4, 5, 3), (1, 4, 5, 3), 0, "another axis than the batch"),
    ("PACK", (5, 3), (1, 5, 3), 0, "")])
def test_the_edge_tpu_on_operators_that_rearrange(code: str, shape: tuple[int, ...], result: tuple[int, ...], axis: int | None,
                                                  refusal: str) -> None:
    tensors = [Tensor("x", np.dtype(np.int8), shape), Tensor("y", np.dtype(np.int8), result)]
    attributes = None if axis is None else options("PackOptions", axis=axis, valuesCount=1)
    file = Model([Subgraph("main", tensors, [Operator(code, 1, (0,), (1,), attributes)], [0], [1], ["x"], ["y"])], [])
    reasons = [each.reason for each in fallbacks(file, TABLES["edgetpu"])]
    assert reasons == [f"the Edge TPU needs {refusal}"] * bool(refusal)


def test_sizes_that_devices_fix() -> None:
    source = model([node("Relu", "x")], [tensor("x", ["N", 3, 4, 4])])
    for target in ("edgetpu", "micro"):
        converted = nchw2nhwc.convert(source, target=target)
        assert converted.inputs[0].shape[0] == 1
        assert converted.options.batch == 1
        assert nchw2nhwc.convert(source, target=target, batch=2).inputs[0].shape[0] == 2
        with pytest.raises(OptionError, match="takes fixed sizes, and input 'x'"):
            nchw2nhwc.convert(model([node("Relu", "x")], [tensor("x", [1, 3, "H", 4])]), target=target)
    assert nchw2nhwc.convert(source, target="gpu").inputs[0].shape[0] == -1


def test_the_report_and_a_target_that_does_not_exist() -> None:
    source = helper.make_model(helper.make_graph(
        [node("Ceil", "x", "a"), helper.make_node("Round", ["a"], ["y"], name="rounding")], "g", [tensor("x")],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]), ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    report = nchw2nhwc.convert(source, target="GPU").report["target"]
    assert report == {"name": "gpu", "file": "float32", "ops": 4, "fallbacks": [
        {"op": "ROUND", "layer": "rounding", "type": "Round", "reason": "the GPU delegate has no ROUND"}]}
    assert nchw2nhwc.convert(source).report["target"] is None
    with pytest.raises(OptionError, match="choose from cpu, gpu, edgetpu, nnapi, micro"):
        nchw2nhwc.convert(source, target="tpu")
