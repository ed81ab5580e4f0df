"""Operators that move elements, against ONNX Runtime, with fixed and with symbolic sizes."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto

from nchw2nhwc.errors import ConversionError, SourceError
from nchw2nhwc.ir.printer import to_text
from tests.parse.onnx.models import Dims, assert_as_runtime, model, node, ops, read, tensor

INT64 = np.int64
LAST, FIRST = np.iinfo(INT64).max, np.iinfo(INT64).min


@pytest.mark.parametrize(("shape", "wanted", "allowzero"), [
    ((2, 3, 4), [4, -1], 0), ((2, 3, 4), [0, 12], 0), ((2, 3, 4), [0, 0, 2, 2], 0), ((2, 3, 4), [-1], 0), ((2, 3, 4), [2, 3, 4], 0),
    ((0, 3), [3, 0], 1), ((1, 1), [], 0), ((2, 3), [2, -1, 3], 0),
])
def test_reshape(shape: Dims, wanted: list[int], allowzero: int) -> None:
    assert_as_runtime(model([node("Reshape", "x s", allowzero=allowzero)], [tensor("x", shape)], constants={"s": np.array(wanted, INT64)}))


@pytest.mark.parametrize(("shape", "wanted", "result"), [
    (("N", 3, 4), [0, -1], "[N, 12]"), (("N", 3, 4), [-1, 4], "[3*N, 4]"), (("N", 4, "W"), [0, 2, 2, -1], "[N, 2, 2, W]"),
    (("N", 6, "W"), [-1, 6], "[N*W, 6]"), (("N", "C"), [-1], "[C*N]"),
])
def test_reshape_of_symbolic_sizes(shape: Dims, wanted: list[int], result: str) -> None:
    graph = assert_as_runtime(model([node("Reshape", "x s")], [tensor("x", shape)], constants={"s": np.array(wanted, INT64)}), unknown=5)
    assert str(graph.outputs[0].type) == f"float32{result}"


@pytest.mark.parametrize(("shape", "wanted", "message"), [
    ((2, 3), [5, -1], "cannot be given the shape"), ((2, 3), [-1, -1], "more than one size open"), ((2, 3), [2, -3], "negative size -3"),
    ((2, 3), [2, 3, 0], "keeps axis 2"), (("N", "M", 3), [5, 4], "has to be 20"), (("N", 3), [7], "has to be"),
    ((2, 3), [7], "elements"), ((0, 3), [0, -1], "cannot be"),
])
def test_reshapes_that_do_not_fit(shape: Dims, wanted: list[int], message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        read(model([node("Reshape", "x s")], [tensor("x", shape)], constants={"s": np.array(wanted, INT64)}))


def test_a_size_that_a_reshape_divides() -> None:
    graph = read(model([node("Reshape", "x s")], [tensor("x", ("N", 3))], constants={"s": np.array([4, -1], INT64)}))
    assert str(graph.inputs[0].type) == "float32[4*N/4, 3]"
    assert str(graph.outputs[0].type) == "float32[4, 3*N/4]"


def test_a_reshape_to_a_computed_shape() -> None:
    nodes = [node("Mul", "x zero", "m"), node("ReduceSum", "m", "r", keepdims=0), node("Cast", "r", "i", to=TensorProto.INT64),
             node("Add", "i sizes", "s"), node("Reshape", "x s")]
    constants = {"zero": np.zeros((), np.float32), "sizes": np.array([4, -1])}
    graph = assert_as_runtime(model(nodes, [tensor("x", (2, 3, 4))], constants=constants))
    assert "DynamicReshape" in ops(graph)


def test_shape_arithmetic_is_carried_out_while_reading() -> None:
    """(N, 6, H, W) to (N, 3, 2, H*W) by the chain that exporters write."""
    nodes = [node("Shape", "x", "s"), node("Gather", "s zero", "n", axis=0), node("Slice", "s i2 i4", "hw"),
             node("ReduceProd", "hw", "p", axes=[0]), node("Unsqueeze", "n i0", "n1"), node("Concat", "n1 c p", "t", axis=0),
             node("Reshape", "x t")]
    constants = {"zero": np.array(0), "i0": np.array([0]), "i2": np.array([2]), "i4": np.array([4]), "c": np.array([3, 2])}
    graph = assert_as_runtime(model(nodes, [tensor("x", ("N", 6, "H", "W"))], constants=constants), unknown=4)
    assert ops(graph) == ["Reshape"]
    assert str(graph.outputs[0].type) == "float32[N, 3, 2, H*W]"


@pytest.mark.parametrize(("nodes", "constants", "opset"), [
    ([node("Squeeze", "x", axes=[0, 2])], {}, 7), ([node("Squeeze", "x", axes=[-2])], {}, 11),
    ([node("Squeeze", "x a")], {"a": np.array([0])}, 13),
    ([node("Squeeze", "x")], {}, 7), ([node("Squeeze", "x")], {}, 13), ([node("Unsqueeze", "x", axes=[0, 4])], {}, 7),
    ([node("Unsqueeze", "x", axes=[-1, 1])], {}, 11), ([node("Unsqueeze", "x a")], {"a": np.array([5, 1, -4])}, 13),
    *[([node("Flatten", "x", axis=axis)], {}, 11) for axis in (0, 1, 3, 4, -1)], ([node("Flatten", "x")], {}, 7),
    ([node("Transpose", "x")], {}, 7), ([node("Transpose", "x", perm=[1, 0, 3, 2])], {}, 13),
    ([node("Expand", "x s")], {"s": np.array([2, 1, 1, 5, 4])}, 8), ([node("Expand", "x s")], {"s": np.array([4])}, 13),
    ([node("Tile", "x r")], {"r": np.array([2, 1, 3, 2])}, 7), ([node("Tile", "x r")], {"r": np.array([1, 1, 1, 1])}, 13),
    ([node("Gather", "x i", axis=1)], {"i": np.array([[0, 2], [1, -1]])}, 11), ([node("Gather", "x i", axis=-1)], {"i": np.array(2)}, 13),
    ([node("Concat", "x x x", axis=1)], {}, 7), ([node("Concat", "x", axis=-1)], {}, 11),
])
def test_shapes(nodes: list[object], constants: dict[str, object], opset: int) -> None:
    assert_as_runtime(model(nodes, [tensor("x", (1, 3, 1, 4))], constants=constants, opset=opset))  # type: ignore[arg-type]


@pytest.mark.parametrize(("nodes", "constants", "result"), [
    ([node("Expand", "x s")], {"s": np.array([2, 1, 1, 4])}, "[2, N, H, 4]"),
    ([node("Shape", "u", "r"), node("Tile", "v r")], {"v": np.ones((1, 1, 3), np.float32)}, "[N, H, 3]"),
    ([node("Shape", "u", "r"), node("Expand", "v r")], {"v": np.ones((1, 1), np.float32)}, "[N, H, 1]"),
    ([node("Flatten", "x", axis=2)], {}, "[H*N, 4]"),
    ([node("Squeeze", "u a")], {"a": np.array([2])}, "[N, H]"),
])
def test_shapes_of_symbolic_sizes(nodes: list[object], constants: dict[str, object], result: str) -> None:
    inputs = [tensor("x", ("N", "H", 4)), tensor("u", ("N", "H", 1))]
    graph = assert_as_runtime(model(nodes, inputs, constants=constants), unknown=3)  # type: ignore[arg-type]
    assert str(graph.outputs[0].type) == f"float32{result}"


@pytest.mark.parametrize(("nodes", "message"), [
    ([node("Squeeze", "x a")], "axis 1 .* cannot go"),
    ([node("Unsqueeze", "x twice")], "name an axis twice"),
    ([node("Unsqueeze", "x far")], "axis 9 does not exist"),
    ([node("Transpose", "x", perm=[0, 1, 1])], "permutation"),
    ([node("Transpose", "x", perm=[0, 1, 5])], "perm 5 does not exist"),
    ([node("Concat", "x x", axis=3)], "axis 3 does not exist"),
    ([node("Tile", "x a")], "needs one number for each axis"),
    ([node("Expand", "x s7")], "broadcast"),
    ([node("DepthToSpace", "x", blocksize=2)], "axes N, C, H and W"),
    ([node("Split", "x", "y z", axis=1)], "equal parts"),
    ([node("Split", "x a", "y z", axis=1)], "2 results, but 1 sizes"),
])
def test_operands_that_do_not_fit(nodes: list[object], message: str) -> None:
    constants = {"a": np.array([1]), "twice": np.array([0, 0]), "far": np.array([9]), "s7": np.array([7, 7, 7])}
    with pytest.raises(ConversionError, match=message):
        read(model(nodes, [tensor("x", ("N", 3, 4))], constants=constants))  # type: ignore[arg-type]


# ---- slices ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("starts", "ends", "axes", "steps"), [
    ([1], [3], [0], [1]), ([-3], [LAST], [1], [1]), ([LAST], [FIRST], [1], [-1]), ([-1], [-9], [0], [-2]), ([4], [0], [0], [-1]),
    ([0, 5], [9, 1], [1, 0], [2, -2]), ([2], [2], [0], [1]), ([1, -2], [-1, LAST], None, None), ([0], [6], [0], [1]),
    ([-100], [100], [0], [3]), ([-9], [FIRST], [0], [-1]),
    ([5], [-7], [0], [-1]), ([3], [1], [1], [1]),
])
def test_slice(starts: list[int], ends: list[int], axes: list[int] | None, steps: list[int] | None) -> None:
    constants = {"s": np.array(starts), "e": np.array(ends)}
    constants |= {} if axes is None else {"a": np.array(axes), "t": np.array(steps)}
    operands = "x s e" if axes is None else "x s e a t"
    assert_as_runtime(model([node("Slice", operands)], [tensor("x", (6, 5))], constants=constants))


def test_slice_by_attributes() -> None:
    assert_as_runtime(model([node("Slice", "x", starts=[1, -3], ends=[LAST, -1], axes=[0, 1])], [tensor("x", (6, 5))], opset=9))


def test_a_slice_that_cuts_nothing_off_is_left_out() -> None:
    constants = {"s": np.array([0, FIRST]), "e": np.array([LAST, 6]), "a": np.array([0, 1])}
    graph = read(model([node("Slice", "x s e a", "z"), node("Relu", "z")], [tensor("x", ("N", 6))], constants=constants))
    assert ops(graph) == ["Identity", "Relu"]


def test_slice_to_symbolic_ends() -> None:
    nodes = [node("Shape", "u", "n"), node("Slice", "x zero n zero")]
    graph = assert_as_runtime(model(nodes, [tensor("x", ("M", 3)), tensor("u", ("N",))], constants={"zero": np.array([0])}), unknown=4)
    assert "min" in str(graph.outputs[0].type)


@pytest.mark.parametrize(("starts", "ends", "axes", "steps"),
                         [([0], [1, 2], [0], [1]), ([0], [1], [0, 1], [1]), ([0, 0], [1, 1], [0, 0], [1, 1]),
                                                               ([0], [1], [0], [0]), ([0], [1], [2], [1])])
def test_slices_that_do_not_fit(starts: list[int], ends: list[int], axes: list[int], steps: list[int]) -> None:
    constants = {"s": np.array(starts), "e": np.array(ends), "a": np.array(axes), "t": np.array(steps)}
    with pytest.raises(SourceError, match=r"fit together|does not exist"):
        read(model([node("Slice", "x s e a t")], [tensor("x", (6, 5))], constants=constants))


# ---- splits and pads ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("source", "opset"), [
    (node("Split", "x", "y z w", axis=1), 7), (node("Split", "x", "y z", axis=1, split=[2, 4]), 11),
    (node("Split", "x s", "y z", axis=-2), 13),
    (node("Split", "x", "y z w", axis=1), 13), (node("Split", "x", "y z w v", axis=2, num_outputs=4), 18),
    (node("Split", "x s", "y z", axis=1), 18),
])
def test_split(source: object, opset: int) -> None:
    outputs = list(source.output)  # type: ignore[attr-defined]
    assert_as_runtime(model([source], [tensor("x", ("N", 6, 7))], outputs, {"s": np.array([5, 1])}, opset=opset))  # type: ignore[list-item]


@pytest.mark.parametrize(("pads", "mode"), [
    ([0, 1, 2, 3], "constant"), ([1, 0, 0, 2], "edge"), ([1, 2, 3, 1], "reflect"), ([-1, 0, 0, -2], "constant"),
    ([-1, 2, 3, -1], "constant"),
    ([0, 0, 0, 0], "constant"), ([-1, 1, 1, 0], "edge"),
])
def test_pad(pads: list[int], mode: str) -> None:
    inputs = [tensor("x", (4, 5))]
    assert_as_runtime(model([node("Pad", "x", pads=pads, mode=mode, value=1.5)], inputs, opset=7))
    constants = {"p": np.array(pads), "v": np.array(-2.5, np.float32)}
    assert_as_runtime(model([node("Pad", "x p v", mode=mode)], inputs, constants=constants, opset=13))


def test_pad_of_named_axes() -> None:
    constants = {"p": np.array([1, -1]), "a": np.array([-1])}
    assert_as_runtime(model([node("Pad", "x p - a")], [tensor("x", (4, 5))], constants=constants, opset=18))


def test_pad_of_integers() -> None:
    constants = {"p": np.array([1, 0, 0, 2]), "v": np.array(7)}
    assert_as_runtime(model([node("Pad", "x p v")], [tensor("x", (4, 5), INT64)], constants=constants))


@pytest.mark.parametrize(("pads", "mode", "message"),
                         [([1, 2, 3], "constant", "two numbers for each"), ([0] * 4, "mirror", "no padding mode 'mirror'")])
def test_pads_that_do_not_fit(pads: list[int], mode: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read(model([node("Pad", "x p", mode=mode)], constants={"p": np.array(pads)}))


def test_large_constants_are_reshaped_as_views() -> None:
    """What becomes of weights costs no memory before something changes them."""
    graph = read(model([node("Flatten", "w", "v"), node("MatMul", "x v")], [tensor("x", (1, 200))],
                       constants={"w": np.ones((200, 10, 10), np.float32)}))
    assert ops(graph) == ["MatMul"]
    assert graph.nodes[0].input(1).const is not None
    assert graph.nodes[0].input(1).const.base is not None  # type: ignore[union-attr]
    assert "200, 100" in to_text(graph)
