"""Sources run whole, in part and in other shapes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import openvino
import pytest
from onnx import TensorProto, helper, numpy_helper
from openvino import opset8 as ops
from openvino import opset15 as op15

from nchw2nhwc import convert
from nchw2nhwc.checking import MissingRuntimeError, reference
from nchw2nhwc.errors import CheckError
from nchw2nhwc.interface import TensorInfo
from nchw2nhwc.ir import Array
from nchw2nhwc.source import Model, identify
from tests.checking.tensors import info

X = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
WEIGHTS = np.array([[[1.0], [10.0], [100.0]]], np.float32)


def onnx_model(batch: int | str = 1) -> onnx.ModelProto:
    """y = 3 * (x + w), z = -2 * (x + w), with a subgraph that reads `sum` from outside."""
    inner = [helper.make_empty_tensor_value_info("inner")]
    branch = helper.make_graph([helper.make_node("Mul", ["sum", "three"], ["inner"])], "b", [], inner)
    nodes = [helper.make_node("Add", ["x", "w"], ["sum"]), helper.make_node("If", ["yes"], ["y"], then_branch=branch, else_branch=branch),
             helper.make_node("Mul", ["sum", "two"], ["double"]), helper.make_node("Neg", ["double"], ["z"])]
    constants = {"w": WEIGHTS, "three": np.float32([3]), "two": np.float32([2]), "yes": np.array(True)}
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, 4])],
                              [helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, 3, 4]) for name in ("y", "z")],
                              [numpy_helper.from_array(np.asarray(a), name) for name, a in constants.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture
def ir(tmp_path: Path) -> Path:
    """y = relu(x + w) * 2 as IR, with the layers called sum, relu and y."""
    x = ops.parameter([1, 3, 4], np.float32, name="x")
    total = ops.add(x, ops.constant(WEIGHTS), name="sum")
    relu = ops.relu(total, name="relu")
    y = ops.multiply(relu, ops.constant(np.float32(2)), name="y")
    for node in (x, relu):
        node.output(0).set_names({f"{node.get_friendly_name()}_tensor"})
    openvino.save_model(openvino.Model([ops.result(y, name="end")], [x], "m"), tmp_path / "m.xml", compress_to_fp16=False)
    return tmp_path / "m.xml"


def run(model: Model, inputs: list[TensorInfo], outputs: list[TensorInfo], given: dict[str, Array]) -> dict[str, Array]:
    bin = Path(model).with_suffix(".bin").read_bytes() if isinstance(model, bytes) and model.startswith(b"<") else None
    return dict(reference(identify(model, bin), inputs, outputs, given).expected)


def test_onnx_from_everything_it_can_come_as(tmp_path: Path) -> None:
    model = onnx_model()
    onnx.save(model, tmp_path / "m.onnx")
    for source in (model, model.SerializeToString(), tmp_path / "m.onnx"):
        result = run(source, [info("x", (1, 3, 4))], [info("z", (1, 3, 4)), info("y", (1, 3, 4))], {"x": X})
        assert np.array_equal(result["y"], 3 * (X + WEIGHTS))
        assert np.array_equal(result["z"], -2 * (X + WEIGHTS))


def test_onnx_parts() -> None:
    shape = (1, 3, 4)
    result = run(onnx_model(), [info("x", shape)], [info("out", shape, tensor="sum")], {"x": X})
    assert np.array_equal(result["out"], X + WEIGHTS)
    result = run(onnx_model(), [info("in", shape, tensor="sum")], [info("y", shape), info("z", shape)], {"in": X})
    assert np.array_equal(result["y"], 3 * X)
    assert np.array_equal(result["z"], -2 * X)
    result = run(onnx_model(), [info("double", shape)], [info("z", shape)], {"double": X})
    assert np.array_equal(result["z"], -X)
    with pytest.raises(CheckError, match="no tensor 'nowhere'"):
        run(onnx_model(), [info("x", shape)], [info("nowhere", shape)], {"x": X})


def test_onnx_constants_that_are_outputs() -> None:
    """Under another name, too, which no node but one that passes them on computes."""
    graph = helper.make_graph([helper.make_node("Identity", ["c"], ["y"]), helper.make_node("Neg", ["x"], ["z"])], "g",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])],
                              [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in ("y", "z", "c")],
                              [numpy_helper.from_array(np.float32([3, 4]), "c")])
    converted = convert(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))
    assert converted.check().passed
    assert [each.tolist() for name, each in converted.run().items() if name != "z"] == [[3, 4]] * 2


def test_onnx_in_another_batch_than_it_declares() -> None:
    x = np.concatenate([X, X + 1])
    for batch in (1, "N"):
        result = run(onnx_model(batch), [info("x", (2, 3, 4))], [info("y", (2, 3, 4))], {"x": x})
        assert np.array_equal(result["y"], 3 * (x + WEIGHTS))


def test_onnx_that_does_not_run() -> None:
    model = onnx_model()
    model.graph.node[0].op_type = "NoSuchOp"
    with pytest.raises(CheckError, match="ONNX Runtime cannot run"):
        run(model, [info("x", (1, 3, 4))], [info("y", (1, 3, 4))], {"x": X})


def test_onnx_that_only_the_reference_knows() -> None:
    node = helper.make_node("Adagrad", ["r", "t", "x", "g", "h"], ["y", "new"], domain="ai.onnx.preview.training")
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xgh"]
    constants = [numpy_helper.from_array(np.asarray(a), name) for name, a in (("r", np.float32(0.1)), ("t", np.int64(0)))]
    graph = helper.make_graph([node], "g", inputs, [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid(node.domain, 1)], ir_version=8)
    given = {name: np.full(2, value, np.float32) for name, value in (("x", 1), ("g", 3), ("h", 16))}
    found = run(model, [info(name, (2,)) for name in "xgh"], [info("y", (2,))], given)
    np.testing.assert_allclose(found["y"], 1 - 0.1 * 3 / 5, rtol=1e-6)


def test_ir_whole_in_part_and_by_any_name(ir: Path) -> None:
    shape = (1, 3, 4)
    sums = X + WEIGHTS
    for name, tensor, expected in (("y", "y", 2 * sums), ("e", "end", 2 * sums), ("r", "relu_tensor", sums), ("s", "sum", sums)):
        assert np.array_equal(run(ir, [info("x", shape)], [info(name, shape, tensor=tensor)], {"x": X})[name], expected)
    result = run(ir, [info("in", shape, tensor="relu")], [info("y", shape), info("same", shape, tensor="relu")], {"in": -X})
    assert np.array_equal(result["y"], -2 * X)
    assert np.array_equal(result["same"], -X)
    with pytest.raises(CheckError, match="no tensor 'nowhere'"):
        run(ir, [info("x", shape)], [info("nowhere", shape)], {"x": X})


def test_ir_in_another_shape_and_from_bytes(ir: Path) -> None:
    x = np.concatenate([X, X + 1])
    assert np.array_equal(run(ir, [info("x", (2, 3, 4))], [info("y", (2, 3, 4))], {"x": x})["y"], 2 * (x + WEIGHTS))
    source = identify(ir.read_bytes(), ir.with_suffix(".bin").read_bytes())
    assert np.array_equal(reference(source, [info("x", (1, 3, 4))], [info("y", (1, 3, 4))], {"x": X}).expected["y"], 2 * (X + WEIGHTS))
    source = identify(ir.read_bytes(), ir.with_suffix(".bin"))
    assert np.array_equal(reference(source, [info("x", (1, 3, 4))], [info("y", (1, 3, 4))], {"x": X}).expected["y"], 2 * (X + WEIGHTS))


def test_ir_that_does_not_run(ir: Path) -> None:
    ir.write_text(ir.read_text().replace('type="ReLU"', 'type="NoSuchOp"'))
    with pytest.raises(CheckError, match="OpenVINO cannot run"):
        run(ir, [info("x", (1, 3, 4))], [info("y", (1, 3, 4))], {"x": X})


def test_a_missing_runtime_is_named(monkeypatch: pytest.MonkeyPatch, ir: Path) -> None:
    for package, model in (("onnxruntime", onnx_model()), ("openvino", ir)):
        with monkeypatch.context() as patch:
            patch.setitem(__import__("sys").modules, package, None)
            patch.setitem(__import__("sys").modules, "onnxruntime.capi", None)
            with pytest.raises(MissingRuntimeError, match=f"{package} is not installed"):
                run(model, [info("x", (1, 3, 4))], [info("y", (1, 3, 4))], {"x": X})


def bfloat16_model(*, whole: bool) -> onnx.ModelProto:
    """y = relu(x w + 1/2) in bfloat16, in a branch too, for which ONNX Runtime has no kernels; of float32 data unless it is bfloat16 as a
    whole."""
    kind = TensorProto.BFLOAT16 if whole else TensorProto.FLOAT
    weights = helper.make_tensor("w", TensorProto.BFLOAT16, [4, 5], np.linspace(-1, 1, 20))
    one = helper.make_node("Constant", [], ["one"], value=helper.make_tensor("c", TensorProto.BFLOAT16, [1], [0.5]))
    branch = helper.make_graph([one, helper.make_node("Add", ["p", "one"], ["q"])], "b", [], [helper.make_empty_tensor_value_info("q")])
    nodes = [helper.make_node("Cast", ["x"], ["h"], to=TensorProto.BFLOAT16), helper.make_node("MatMul", ["h", "w"], ["p"]),
             helper.make_node("If", ["yes"], ["s"], then_branch=branch, else_branch=branch), helper.make_node("Relu", ["s"], ["r"]),
             helper.make_node("Cast", ["r"], ["y"], to=kind)]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", kind, [3, 4])],
                              [helper.make_tensor_value_info("y", kind, [3, 5])], [weights, numpy_helper.from_array(np.array(True), "yes")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("whole", [False, True])
def test_bfloat16_is_checked_in_float32(whole: bool) -> None:
    found = convert(bfloat16_model(whole=whole)).check()
    assert found.passed
    assert found.max_rel_error < 1e-6
    assert not found.uniform


def test_ranks_that_depend_on_open_sizes(tmp_path: Path) -> None:
    """OpenVINO's CPU plugin does not take them: the model is run with the sizes that are given."""
    x = ops.parameter([-1, 1, 4], np.float32, name="x")
    openvino.save_model(openvino.Model([ops.relu(op15.squeeze(x), name="y")], [x], "m"), tmp_path / "m.xml", compress_to_fp16=False)
    converted = convert(tmp_path / "m.xml")
    assert converted.outputs[0].source_shape == (-1, 4)
    assert converted.check().passed
