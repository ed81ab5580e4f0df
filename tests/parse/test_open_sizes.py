"""Open sizes, held to what the ops of a model need."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import openvino
import pytest
from onnx import NodeProto
from openvino import opset13 as ops

from nchw2nhwc import convert
from nchw2nhwc.errors import ShapeError
from nchw2nhwc.interface import size_rules
from nchw2nhwc.parse.openvino import read_openvino
from tests.parse.onnx.models import Dims, assert_as_runtime, model, node, read, tensor
from tests.parse.onnx.test_reader import branch
from tests.parse.openvino.harness import saved

IMAGE: Dims = ("N", 3, "H", "W")
WEIGHTS = np.random.default_rng(0).standard_normal((3, 3, 3, 3)).astype(np.float32)


def halvings(count: int) -> list[NodeProto]:
    """`count` convolutions that halve an image and round up, then resizes that double it and are added to what was there before."""
    names = ["x", *(f"c{k}" for k in range(count))]
    nodes = [node("Conv", f"{before} w", after, strides=[2, 2], pads=[1, 1, 1, 1]) for before, after in pairwise(names)]
    for k in range(count, 0, -1):
        source = names[count] if k == count else f"s{k}"
        nodes += [node("Resize", f"{source} - two", f"u{k}"), node("Add", f"u{k} {names[k - 1]}", "y" if k == 1 else f"s{k - 1}")]
    return nodes


def image_model(nodes: list[NodeProto]) -> onnx.ModelProto:
    return model(nodes, [tensor("x", IMAGE)], constants={"w": WEIGHTS, "two": np.array([1, 1, 2, 2], np.float32)})


@pytest.mark.parametrize("count", [1, 3, 5])
def test_a_multiple_of_what_is_halved(count: int) -> None:
    graph = read(image_model(halvings(count)))
    step = 2**count
    assert str(graph.inputs[0].type) == f"float32[N, 3, {step}*H/{step}, {step}*W/{step}]"
    assert graph.outputs[0].shape == graph.inputs[0].shape
    assert any(f"axis 2 of 'x' to be a multiple of {step}" in note for note in graph.notes)


def test_a_size_that_is_known_is_not_touched() -> None:
    nodes = halvings(2)
    assert str(read(image_model(nodes), input_shapes={"x": (-1, 3, 64, -1)}).inputs[0].type) == "float32[N, 3, 64, 4*W/4]"
    with pytest.raises(ShapeError, match="do not broadcast"):
        read(image_model(nodes), input_shapes={"x": (-1, 3, 63, -1)})


def test_sizes_of_several_inputs_that_meet() -> None:
    inputs = [tensor("x", ("N", "L", 3)), tensor("z", ("M", "K", 3)), tensor("v", ("P", 3))]
    graph = assert_as_runtime(model([node("Add", "x z", "a"), node("Add", "a v", "y")], inputs), unknown=4)
    assert [str(v.type) for v in graph.inputs] == ["float32[N, L, 3]", "float32[N, L, 3]", "float32[L, 3]"]


MEETING: dict[str, tuple[NodeProto, list[tuple[Dims, type[np.generic]]]]] = {
    "GatherND": (node("GatherND", "a b", batch_dims=1), [(("N", 4, 3), np.float32), (("M", 2, 1), np.int64)]),
    "ScatterElements": (node("ScatterElements", "a b c", axis=1),
                       [(("N", 4), np.float32), (("N", 4), np.int64), (("K", 4), np.float32)]),
    "ScatterND": (node("ScatterND", "a b c"), [((5, 3), np.float32), (("N", 1), np.int64), (("M", 3), np.float32)]),
    "ReverseSequence": (node("ReverseSequence", "a b", batch_axis=0, time_axis=1), [(("N", 4), np.float32), (("M",), np.int64)]),
    "GridSample": (node("GridSample", "a b"), [(("N", 2, 4, 5), np.float32), (("M", 3, 2, 2), np.float32)]),
    "Compress": (node("Compress", "a b", axis=0), [(("N", 4), np.float32), (("M",), np.bool_)]),
}


@pytest.mark.parametrize("name", MEETING)
def test_sizes_of_several_inputs_that_index_one_another(name: str) -> None:
    """What has to be equal gets one name, as where elements meet."""
    reader, inputs = MEETING[name]
    graph = read(model([reader], [tensor(letter, *given) for letter, given in zip("abc", inputs)], opset=20))
    assert len({str(size) for v in graph.inputs for size in v.shape if not isinstance(size, int)}) == 1
    assert any("to be equal" in note or "needs" in note for note in graph.notes)


def test_caches_that_grow_by_the_same_step() -> None:
    """Each input has names of its own, as torch.export gives them: sums that have to be equal, and a batch that stays the batch."""
    inputs = [tensor("x", ("B", "S", 3)), tensor("k", ("C", "P", 3)), tensor("v", ("D", "Q", 3)), tensor("z", ("E", 3))]
    nodes = [node("Concat", "k x", "keys", axis=1), node("Concat", "v x", "values", axis=1), node("Add", "keys values", "a"),
             node("Shape", "z", "n", start=0, end=1), node("Concat", "n rest", "flat", axis=0), node("Reshape", "a flat")]
    graph = assert_as_runtime(model(nodes, inputs, constants={"rest": np.array([-1])}, opset=17), unknown=5)
    assert [str(v.type) for v in graph.inputs] == ["float32[B, S, 3]", "float32[B, P, 3]", "float32[B, P, 3]", "float32[B, 3]"]


def test_sizes_that_are_equal_where_those_of_their_inputs_are() -> None:
    """Two images of one network are compared behind layers with strides: they are as large as each other."""
    inputs = [tensor("a", IMAGE), tensor("b", ("M", 3, "G", "V"))]
    nodes = [node("Conv", "a w", "c", strides=[2, 2], pads=[1, 1, 1, 1]), node("Conv", "b w", "d", strides=[2, 2], pads=[1, 1, 1, 1]),
             node("Flatten", "c", "e", axis=2), node("Flatten", "d", "f", axis=2), node("Sub", "e f", "y")]
    graph = assert_as_runtime(model(nodes, inputs, constants={"w": WEIGHTS}), unknown=6)
    assert [str(v.type) for v in graph.inputs] == ["float32[N, 3, H, W]", "float32[N, 3, H, W]"]
    assert graph.notes == ["'y' (Sub) needs axis 0 of 'b' to be N", "'y' (Sub) needs axis 2 of 'b' to be H",
                           "'y' (Sub) needs axis 3 of 'b' to be W"]


def test_a_mask_that_is_cut_to_the_length_of_what_it_hides() -> None:
    """As optimum exports decoders with caches: the mask's size has a name that is spelled like the sum which it is cut to."""
    inputs = [tensor("x", ("B", "S", 3)), tensor("past", ("B", "P", 3)), tensor("mask", ("B", "P + S"))]
    nodes = [node("Concat", "past x", "keys", axis=1), node("ReduceSum", "keys", "scores", axes=[2], keepdims=0),
             node("Shape", "scores", "n"), node("Gather", "n one", "l"), node("Slice", "mask zero l one", "m"),
             node("Add", "scores m", "y")]
    source = model(nodes, inputs, constants={"zero": np.array([0]), "one": np.array([1])}, opset=11)
    graph = read(source)
    assert [str(v.type) for v in graph.inputs] == ["float32[B, S, 3]", "float32[B, P, 3]", "float32[B, P + S]"]
    assert convert(source).check().passed


@pytest.mark.parametrize("inputs", [[tensor("x", ("N", 7, 3)), tensor("z", ("L",))], [tensor("x", ("N", "L", 3)), tensor("z", ("L",))]])
def test_the_last_elements_as_many_as_another_axis_has(inputs: list[onnx.ValueInfoProto]) -> None:
    """T5 takes the last rows of its relative positions."""
    nodes = [node("Shape", "z", "l"), node("Neg", "l", "m"), node("Slice", "x m far one", "y")]
    source = model(nodes, inputs, constants={"far": np.array([1 << 40]), "one": np.array([1])})
    for unknown in (1, 4, 7):
        assert_as_runtime(source, unknown=unknown)


def test_a_slice_up_to_elements_before_the_end() -> None:
    """Its end is a position, as where what is pooled is cut to what a source computes: the axis has so many elements."""
    nodes = [node("Shape", "x", "l", start=1, end=2), node("Sub", "l five", "e"), node("Slice", "x zero e one", "y")]
    graph = assert_as_runtime(model(nodes, [tensor("x", ("N", "L", 4))], opset=17, constants={
        "five": np.array([5]), "zero": np.array([0]), "one": np.array([1])}), unknown=9)
    assert graph.notes == ["'y' (Slice) needs axis 1 of 'x' to be at least 5"]


def test_a_table_that_is_long_enough() -> None:
    """Position embeddings are cut to the length of the sequence, which therefore cannot be longer than the table."""
    nodes = [node("Shape", "x", "l", start=1, end=2), node("Slice", "table zero l one", "p"), node("Add", "x p", "y")]
    source = model(nodes, [tensor("x", ("N", "L", 4))], constants={
        "table": np.ones((1, 77, 4), np.float32), "zero": np.array([0]), "one": np.array([1])})
    graph = read(source)
    assert str(graph.outputs[0].type) == "float32[N, L, 4]"
    assert graph.notes == ["'y' (Add) needs axis 1 of 'x' to be at most 77"]


@pytest.mark.parametrize(("stride", "rows", "most"), [(2, 8, 16), (3, 5, 15)])
def test_a_table_that_is_long_enough_for_part_of_a_length(stride: int, rows: int, most: int) -> None:
    """As above, behind a convolution with a stride: its result has as many rows as the quotient, rounded up."""
    nodes = [node("Conv", "x w", "c", strides=[stride], pads=[1, 1]), node("Shape", "c", "l", start=2, end=3),
             node("Slice", "table zero l two", "p"), node("Add", "c p", "y")]
    graph = assert_as_runtime(model(nodes, [tensor("x", ("N", 3, "L"))], constants={
        "w": np.ones((3, 3, 3), np.float32), "table": np.arange(3 * rows, dtype=np.float32).reshape(1, 3, rows), "zero": np.array([0]),
        "two": np.array([2])}, opset=17), unknown=2)
    assert graph.notes == [f"'y' (Add) needs axis 2 of 'x' to be at most {most}"]


@pytest.mark.parametrize(("nodes", "constants", "reason", "advice"), [
    ([node("Flatten", "x", "f"), node("Gemm", "f k", "y")], {"k": np.ones((48, 2), np.float32)},
     "axis 2 of 'x' and axis 3 of 'x' cannot be of any size, because H*W has to be 16", "--input-shape x=-1,3,4,4"),
    ([node("AveragePool", "x", "p", kernel_shape=[7, 7]), node("Flatten", "p", "f"), node("Gemm", "f k", "y")],
     {"k": np.ones((3, 2), np.float32)}, "H*W - 6*H - 6*W + 36 has to be 1", "--input-shape x=-1,3,7,7"),  # and not 5x5
    ([node("MaxPool", "x", "p", kernel_shape=[2, 1], strides=[4, 1]), node("Squeeze", "p k", "y")], {"k": np.array([2])},
     "axis 2 of 'x' cannot be of any size", "--input-shape x=-1,3,2,-1"),
    ([node("Reshape", "x k", "r"), node("Squeeze", "r", "y")], {"k": np.array([-1, 3])}, "which axes of float32[H*N*W, 3] have size 1",
     "--input-shape x=-1,3,-1,16"),
    ([node("Slice", "x one end every", "s"), node("Reshape", "s k", "y")],
     {"one": np.array([1, 1, 1]), "end": np.array([1 << 40] * 3), "every": np.array([0, 2, 3]), "k": np.array([-1, 90])},
     "%90) has to be 0", "--input-shape x=-1,3,-1,31"),
])
def test_what_has_to_be_fixed_names_the_flag(nodes: list[NodeProto], constants: dict[str, object], reason: str, advice: str) -> None:
    with pytest.raises(ShapeError) as caught:
        read(model(nodes, [tensor("x", IMAGE)], constants=constants))
    assert reason in caught.value.reason
    assert advice in caught.value.advice


@pytest.mark.parametrize(("nodes", "constants", "shape", "needs"), [
    ([node("Add", "x k", "y")], {"k": np.ones((1, 3, 8, 1), np.float32)}, "[N, 3, 8, W]", "axis 2 of 'x' is 8"),
    ([node("MatMul", "x k", "y")], {"k": np.ones((1575, 2), np.float32)}, "[N, 3, H, 1575]", "axis 3 of 'x' is 1575"),
    ([node("Conv", "x w", "c", strides=[2, 2], pads=[1, 1, 1, 1]), node("Resize", "c - s", "r"), node("Add", "x r", "a"),
      node("MatMul", "a k", "y")], {"w": np.ones((3, 3, 3, 3), np.float32), "s": np.array([1, 1, 2, 2], np.float32),
                                    "k": np.ones((64, 2), np.float32)}, "[N, 3, 2*H/2, 64]", "axis 3 of 'x' is 64"),
    ([node("Squeeze", "x one", "t"), node("GRU", "t w r", "y", hidden_size=2)],
     {"one": np.array([0]), "w": np.ones((1, 6, 40), np.float32), "r": np.ones((1, 6, 2), np.float32)}, "[1, 3, H, 40]",
     "axis 0 of 'x' is 1"),
    ([node("Transpose", "x", "t", perm=[0, 3, 1, 2]), node("Conv", "t k", "y")], {"k": np.ones((4, 8, 1, 1), np.float32)}, "[N, 3, H, 8]",
     "axis 3 of 'x' is 8"),
])
def test_a_size_that_can_be_one_number_only(nodes: list[NodeProto], constants: dict[str, object], shape: str, needs: str) -> None:
    graph = read(model(nodes, [tensor("x", IMAGE)], constants=constants))
    assert str(graph.inputs[0].type) == f"float32{shape}"
    assert f"{needs}, the only size that fits" in graph.fixed_sizes


def test_an_axis_that_is_long_enough_for_a_part() -> None:
    """The file that is written begins with as many elements."""
    nodes = [node("Slice", "x first last zero", "p"), node("Squeeze", "p zero", "y")]
    constants = {"first": np.array([3]), "last": np.array([4]), "zero": np.array([0])}
    converted = convert(model(nodes, [tensor("x", ("N", 2))], constants=constants))
    assert size_rules(converted.inputs) == ["axis 0 of 'x' is at least 4"]
    assert converted.check().passed


def test_what_a_branch_needs_is_not_certain() -> None:
    """The layer may never run."""
    body = branch(node("Squeeze", "x axes", "r"))
    nodes = [node("If", "c", "y", then_branch=body, else_branch=branch(node("ReduceSum", "x axes", "r", keepdims=0)))]
    inputs = [tensor("x", ("N", 3)), tensor("c", (), np.bool_)]
    source = model(nodes, inputs, constants={"axes": np.array([0])})
    with pytest.raises(ShapeError, match="N has to be 1") as caught:
        read(source)
    assert "--input-shape x=1,3. If this branch is never taken" in caught.value.advice
    assert "--input-value NAME=VALUE" in caught.value.advice


def test_axes_of_size_1_go_where_no_other_can_have_that_size() -> None:
    nodes = [node("AveragePool", "x", "p", kernel_shape=[5, 1]), node("ReduceMean", "p", "m", axes=[3]), node("Squeeze", "m", "y")]
    converted = convert(model(nodes, [tensor("x", (1, 3, "H", 8))]))
    assert converted.inputs[0].source_shape == (1, 3, -1, 8)
    assert size_rules(converted.inputs) == ["axis 2 of 'x' is at least 6"]
    assert converted.check().passed


def test_the_sizes_of_the_source_itself_are_proposed() -> None:
    source = model([node("Add", "x k", "y")], [tensor("x", (1, 3, 24, 40))], constants={"k": np.ones((3, 24, 40), np.float32)})
    with pytest.raises(ShapeError) as caught:
        read(source, input_shapes={"x": (1, 3, -1, -1)})
    assert "--input-shape x=1,3,24,40" in caught.value.advice


def test_causal_attention_of_any_length(tmp_path: Path) -> None:
    """OpenVINO's, of which what is looked at follows from the lengths."""
    q, k = (ops.parameter(openvino.PartialShape([2, length, 4]), np.float32, name=name) for name, length in (("q", -1), ("k", -1)))
    xml = saved(openvino.Model([ops.result(ops.scaled_dot_product_attention(q, k, k, causal=True))], [q, k], "net"), tmp_path)
    converted = convert(xml)
    assert converted.outputs[0].source_shape == (2, -1, 4)
    assert converted.check().passed


def test_openvino(tmp_path: Path) -> None:
    x = ops.parameter(openvino.PartialShape([-1, 3, -1, -1]), np.float32, name="x")
    halved = ops.max_pool(x, [2, 2], [1, 1], [0, 0], [0, 0], [2, 2], rounding_type="ceil").output(0)
    doubled = ops.interpolate(halved, np.array([2, 2], np.float32), "nearest", "scales", axes=np.array([2, 3], np.int32))
    xml = saved(openvino.Model([ops.result(ops.add(x, doubled))], [x], "net"), tmp_path)
    assert str(read_openvino(xml).inputs[0].type) == "float32[x_0, 3, 2*x_2/2, 2*x_3/2]"
