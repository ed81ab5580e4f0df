"""Inputs: declared sizes, and those that the caller gives instead."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from onnx import TensorProto, ValueInfoProto, helper

from nchw2nhwc.errors import ConversionError, OptionError, SourceError, UnsupportedError
from nchw2nhwc.parse.onnx import read_onnx
from tests.parse.onnx.models import Dims, model, node, read, tensor


def types(*shapes: Dims, **options: object) -> list[str]:
    """The input types of a model whose inputs x, z, w have these shapes."""
    names = "xzw"[:len(shapes)]
    nodes = [node("Shape", name, f"{name}s") for name in names]
    source = model(nodes, [tensor(name, shape) for name, shape in zip(names, shapes)], [f"{name}s" for name in names])
    return [str(value.type).removeprefix("float32") for value in read(source, **options).inputs]


def test_named_sizes() -> None:
    """Equal names are equal sizes; names that say nothing are not."""
    assert types(("N", 3, "?", None), (1, "N", "?")) == ["[N, 3, x_2, x_3]", "[1, N, z_2]"]
    assert types((-1, "batch size*2"), ()) == ["[x_0, batch_size_2]", "[]"]
    assert types(("a", "b", "a + b"), ("a*b", "a + b")) == ["[a, b, a_b]", "[a_b_2, a_b]"]  # no expression of others is spelled so


@pytest.mark.parametrize(("shapes", "given", "wanted"), [
    ([("N", 3, "H")], {"x": [2, 3, 8]}, ["[2, 3, 8]"]),
    ([("N", 3, "H")], {"x": [-1, 3, 8]}, ["[N, 3, 8]"]),
    ([(1, 3, 4)], {"x": [-1, 3, 9]}, ["[x_0, 3, 9]"]),
    ([("N", 3), ("N", "M")], {"x": [4, 3]}, ["[4, 3]", "[4, M]"]),
    ([("N", 3), ("N", "M")], {"x": [4, 3], "z": [-1, 5]}, ["[4, 3]", "[4, 5]"]),
    ([("N", "N")], {"x": [4, 4]}, ["[4, 4]"]),
    ([()], {"x": []}, ["[]"]),
])
def test_given_shapes(shapes: list[Dims], given: dict[str, list[int]], wanted: list[str]) -> None:
    assert types(*shapes, input_shapes=given) == wanted


@pytest.mark.parametrize(("shapes", "batch", "given", "wanted"), [
    ([("N", 3), (1, 4)], 5, {}, ["[5, 3]", "[5, 4]"]),
    ([("N", 3), (1, 4)], -1, {}, ["[N, 3]", "[N, 4]"]),
    ([(1, 3), (1, 4)], -1, {}, ["[batch, 3]", "[batch, 4]"]),
    ([(1, "H"), ()], 2, {"x": [-1, 7]}, ["[2, 7]", "[]"]),
    ([("N", 3), (4, "N")], 2, {}, ["[2, 3]", "[2, 2]"]),
])
def test_batch(shapes: list[Dims], batch: int, given: dict[str, list[int]], wanted: list[str]) -> None:
    assert types(*shapes, batch=batch, input_shapes=given) == wanted


@pytest.mark.parametrize(("options", "message"), [
    ({"input_shapes": {"y": [1]}}, "there is no input 'y'"), ({"input_shapes": {"x": [1]}}, "has 2 axes, but 1 sizes"),
    ({"input_shapes": {"x": [0, 3]}}, "axis of size 0"), ({"input_shapes": {"x": [1, -2]}}, "axis of size -2"),
    ({"batch": 0}, "batch size cannot be 0"), ({"batch": -3}, "batch size cannot be -3"),
    ({"batch": 2, "input_shapes": {"x": [3, 3]}}, "batch of 3 by its shape and of 2"),
    ({"input_shapes": {"x": [3, 3], "z": [4, 4]}}, "dimension 'N' is given the sizes 3 and 4"),
])
def test_options_that_do_not_fit(options: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        types(("N", 3), ("N", 4), **options)


def test_given_sizes_may_contradict_fixed_ones() -> None:
    """A model is read again for the new sizes; only what its layers refuse is an error."""
    assert types((1, 3, 224), input_shapes={"x": [1, 3, 32]}) == ["[1, 3, 32]"]


# ---- inputs that are none ------------------------------------------------------------------------------------------------
def declared(change: Callable[[ValueInfoProto], object]) -> bytes:
    source = model([node("Shape", "x")])
    change(source.graph.input[0])
    return source.SerializeToString()


def sequence(info: ValueInfoProto) -> None:
    info.type.CopyFrom(helper.make_sequence_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, [1])))


@pytest.mark.parametrize(("content", "error", "message"), [
    (declared(lambda i: i.type.tensor_type.ClearField("shape")), UnsupportedError, "rank is dynamic"),
    (declared(lambda i: setattr(i.type.tensor_type, "elem_type", 77)), SourceError, "unknown element type 77"),
    (declared(lambda i: i.type.tensor_type.ClearField("elem_type")), SourceError, "unknown element type 0"),
    (declared(lambda i: setattr(i.type.tensor_type, "elem_type", TensorProto.STRING)), UnsupportedError, "string"),
    (declared(sequence), UnsupportedError, "no tensor, but a sequence"),
    (declared(lambda i: i.ClearField("type")), UnsupportedError, "no tensor, but a value of unknown type"),
    (declared(lambda i: setattr(i.type.tensor_type.shape.dim[0], "dim_value", -2)), SourceError, "negative size -2"),
    (declared(lambda i: setattr(i.type.tensor_type.shape.dim[0], "dim_value", 10**15)), SourceError, r"at least 10\^15 elements"),
    (declared(lambda i: setattr(i, "name", "")), SourceError, "an input has no name"),
])
def test_what_no_input_can_be(content: bytes, error: type[ConversionError], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        read_onnx(content)
    assert caught.value.where.file == "ONNX model"


def test_a_dynamic_rank_can_be_given() -> None:
    content = declared(lambda i: i.type.tensor_type.ClearField("shape"))
    assert str(read_onnx(content, input_shapes={"x": [2, -1, 4]}).inputs[0].type) == "float32[2, x_1, 4]"


def test_an_input_that_is_declared_twice() -> None:
    with pytest.raises(SourceError, match="'x' is declared twice"):
        read(model([node("Shape", "x")], [tensor("x"), tensor("x")]))


def test_initializers_are_no_inputs() -> None:
    """Old models declare both; the initializer wins, whatever the input's shape says."""
    graph = read(model([node("Add", "x w")], [tensor("x"), tensor("w", (9, 9))], constants={"w": np.ones(3, np.float32)}))
    assert [value.name for value in graph.inputs] == ["x"]
    assert str(graph.outputs[0].type) == "float32[2, 3]"


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32, np.uint8, np.bool_])
def test_element_types_of_inputs(dtype: type) -> None:
    assert read(model([node("Shape", "x")], [tensor("x", (2,), dtype)])).inputs[0].type.dtype == dtype
