"""Errors about sizes that are not known name the inputs that are open."""

from __future__ import annotations

import onnx
import pytest
from onnx import TensorProto, helper

import nchw2nhwc
from nchw2nhwc.errors import ConversionError
from nchw2nhwc.source.open_sizes import DECIDED_BY_DATA


def network(op: str, inputs: dict[str, list[int | str]], **attributes: object) -> onnx.ModelProto:
    """One op on inputs of these shapes."""
    entries = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()]
    graph = helper.make_graph([helper.make_node(op, list(inputs), ["y"], name="the layer", **attributes)], "g", entries,
                              [helper.make_empty_tensor_value_info("y")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(("model", "options", "flag"), [
    (network("Det", {"x": [2, 4, 4]}), {"input_shape": {"x": [2, -1, -1]}}, "--input-shape x=2,4,4"),
    (network("Det", {"x": ["b", "n", "n"]}), {}, "--input-shape x=N,N,N"),
    (network("Det", {"x": ["b", "n", "n"]}), {"batch": 3}, "--input-shape x=3,N,N"),
    (network("Conv", {"x": [1, 3, 8, 8], "w": [4, 3, 3, 3]}, auto_pad="SAME_UPPER", strides=[2, 2]), {"input_shape": {"w": [4, 3, -1, 3]}},
     "--input-shape w=4,3,3,3")])
def test_the_flag_has_the_inputs_and_their_sizes(model: onnx.ModelProto, options: dict[str, object], flag: str) -> None:
    with pytest.raises(ConversionError) as error:
        nchw2nhwc.convert(model, **options)
    assert flag in error.value.advice
    assert error.value.where.layer == "the layer"


def test_what_data_decides_cannot_be_fixed() -> None:
    graph = helper.make_graph(
        [helper.make_node("NonZero", ["x"], ["at"]), helper.make_node("Transpose", ["at"], ["rows"], perm=[1, 0]),
         helper.make_node("Cast", ["rows"], ["square"], to=TensorProto.FLOAT),
         helper.make_node("Det", ["square"], ["y"], name="the layer")],
        "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 4])], [helper.make_empty_tensor_value_info("y")])
    with pytest.raises(ConversionError) as error:
        nchw2nhwc.convert(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))
    assert error.value.advice == DECIDED_BY_DATA
