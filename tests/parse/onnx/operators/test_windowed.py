"""Convolutions and poolings against ONNX Runtime, with fixed and with symbolic sizes."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.errors import ConversionError, ShapeError, SourceError
from nchw2nhwc.ops.windowed import Conv, ConvTranspose
from tests.parse.onnx.models import Dims, assert_as_runtime, model, node, ops, read, tensor

RNG = np.random.default_rng(1)


def weights(*shape: int) -> object:
    return RNG.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(("x", "w", "attributes"), [
    ((1, 2, 9), (3, 2, 3), {"strides": [2], "pads": [1, 0]}),
    ((2, 4, 8, 7), (6, 2, 3, 2), {"group": 2, "dilations": [2, 1], "pads": [2, 0, 1, 1]}),
    ((1, 2, 5, 6, 7), (3, 2, 2, 3, 1), {"strides": [1, 2, 2]}),
    ((1, 3, 8, 9), (3, 1, 3, 3), {"group": 3, "kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
    *[((1, 2, size, 9), (3, 2, 3, 4), {"auto_pad": pad, "strides": [stride, 2]})
      for pad in ("SAME_UPPER", "SAME_LOWER", "VALID") for size in (7, 8) for stride in (1, 2, 3)],
])
@pytest.mark.parametrize("opset", [7, 11, 22])
def test_conv(x: Dims, w: tuple[int, ...], attributes: dict[str, object], opset: int) -> None:
    assert_as_runtime(model([node("Conv", "x w b", **attributes)], [tensor("x", x)], opset=opset,
                            constants={"w": weights(*w), "b": weights(w[0])}))


@pytest.mark.parametrize(("x", "w", "attributes"), [
    ((1, 2, 5), (2, 3, 3), {"strides": [2], "pads": [1, 1], "output_padding": [1]}),
    ((2, 4, 4, 5), (4, 3, 3, 2), {"group": 2, "dilations": [2, 1], "strides": [2, 3]}),
    ((1, 2, 3, 4, 3), (2, 2, 2, 3, 1), {"strides": [1, 2, 2]}),
    ((1, 2, 4, 4), (2, 3, 3, 3), {"strides": [2, 2], "output_shape": [8, 8]}),
    ((1, 2, 4, 4), (2, 3, 3, 3), {"strides": [2, 2], "output_shape": [8, 7], "auto_pad": "SAME_UPPER"}),
    ((1, 2, 4, 4), (2, 3, 3, 3), {"strides": [2, 2], "output_shape": [8, 7], "auto_pad": "SAME_LOWER"}),
    ((1, 2, 3, 3), (2, 3, 3, 3), {"strides": [3, 2], "output_shape": [10, 8]}),
    *[((1, 2, 4, 5), (2, 3, k, 3), {"strides": [2, 3], "auto_pad": pad})
      for pad in ("SAME_UPPER", "SAME_LOWER", "VALID") for k in (2, 3, 4)],
])
@pytest.mark.parametrize("opset", [7, 11])
def test_conv_transpose(x: Dims, w: tuple[int, ...], attributes: dict[str, object], opset: int) -> None:
    groups = attributes.get("group", 1)
    assert isinstance(groups, int)
    assert_as_runtime(model([node("ConvTranspose", "x w b", **attributes)], [tensor("x", x)], opset=opset,
                            constants={"w": weights(*w), "b": weights(w[1] * groups)}))


@pytest.mark.parametrize(("op", "attributes", "opset"), [
    ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2]}, 7),
    ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "storage_order": 0}, 8),
    ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1, "pads": [0, 0, 1, 1]}, 10),
    ("MaxPool", {"kernel_shape": [2, 3], "dilations": [2, 2], "pads": [1, 1, 0, 1]}, 12),
    ("MaxPool", {"kernel_shape": [3, 2], "strides": [2, 2], "auto_pad": "SAME_LOWER"}, 11),
    ("AveragePool", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}, 7),
    ("AveragePool", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 0, 1, 1], "count_include_pad": 1}, 7),
    ("AveragePool", {"kernel_shape": [3, 2], "strides": [2, 2], "auto_pad": "SAME_UPPER"}, 11),
    ("AveragePool", {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}, 11),
    ("AveragePool", {"kernel_shape": [2, 2], "dilations": [2, 3]}, 19),
    ("LpPool", {"kernel_shape": [2, 3], "p": 3, "strides": [2, 1]}, 11),
    ("GlobalAveragePool", {}, 7),
    ("GlobalMaxPool", {}, 7),
    *[("GlobalLpPool", {"p": p}, 7) for p in (1, 2, 3)],
])
def test_pool(op: str, attributes: dict[str, object], opset: int) -> None:
    assert_as_runtime(model([node(op, "x", **attributes)], [tensor("x", (2, 3, 8, 9))], opset=opset))


@pytest.mark.parametrize(("x", "attributes"), [
    ((2, 3, 8, 9), {"kernel_shape": [2, 2], "strides": [2, 2]}),
    (("N", 3, 8, 9), {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 1, 1], "storage_order": 1}),
    ((1, 2, 8, 9), {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1, "dilations": [1, 2]}),
    ((2, 2, 8, 7), {"kernel_shape": [3, 3], "strides": [2, 3], "auto_pad": "SAME_LOWER"}),
    ((2, 3, 9), {"kernel_shape": [3], "strides": [2]}),
    ((2, 2, 4, 5, 6), {"kernel_shape": [2, 2, 3], "pads": [1, 0, 1, 0, 1, 1], "storage_order": 1}),
])
def test_positions_of_maxima(x: Dims, attributes: dict[str, object]) -> None:
    """Counted through the whole operand, rows or columns first."""
    assert_as_runtime(model([node("MaxPool", "x", "y where", **attributes)], [tensor("x", x)], ["y", "where"], opset=12))


def test_pooled_and_unpooled() -> None:
    """Maxima return to where they were; the positions of equal ones are those of the first."""
    source = model([node("Relu", "x", "r"), node("MaxPool", "r", "z where", kernel_shape=[2, 2], strides=[2, 2]),
                    node("MaxUnpool", "z where", kernel_shape=[2, 2], strides=[2, 2])], [tensor("x", ("N", 3, 8, 6))])
    assert_as_runtime(source)


def test_same_padding_of_symbolic_sizes() -> None:
    """It does not depend on the size with stride 1 and for multiples of the stride, which sizes are then held to."""
    source = model([node("Conv", "x w", "z", auto_pad="SAME_UPPER"), node("DepthToSpace", "z", "u", blocksize=2),
                    node("MaxPool", "u", "y", kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_LOWER")],
                   [tensor("x", ("N", 2, "H", "W"))], constants={"w": weights(4, 2, 3, 5)})
    graph = assert_as_runtime(source, unknown=5)
    assert str(graph.outputs[0].type) == "float32[N, 1, H, W]"
    strided = model([node("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 3], auto_pad="SAME_UPPER")], [tensor("x", (1, 1, "H", "W"))])
    graph = assert_as_runtime(strided, unknown=6)
    assert str(graph.inputs[0].type) == "float32[1, 1, 2*H/2, 3*W/3]"


def test_transposed_padding_of_symbolic_sizes() -> None:
    constants = {"w": weights(2, 3, 4, 4)}
    same = model([node("ConvTranspose", "x w", strides=[2, 2], auto_pad="SAME_UPPER")], [tensor("x", (1, 2, "H", "W"))],
                 constants=constants)
    (step,) = assert_as_runtime(same, unknown=5).nodes
    assert isinstance(step.op, ConvTranspose)
    assert (step.op.pads_begin, step.op.pads_end) == ((1, 1), (1, 1))
    with pytest.raises(ShapeError, match="the padding depends on the size 'H'"):
        read(model([node("ConvTranspose", "x w", strides=[2, 2], output_shape=[8, 8])], [tensor("x", (1, 2, "H", 4))], constants=constants))


def test_output_shape_with_all_axes() -> None:
    """Some exporters write the batch and the channels too."""
    constants = {"w": weights(2, 3, 3, 3)}
    graphs = [read(model([node("ConvTranspose", "x w", strides=[2, 2], output_shape=shape)], [tensor("x", (1, 2, 4, 4))],
                         constants=constants))
              for shape in ([8, 8], [1, 3, 8, 8])]
    assert graphs[0].nodes[0].op == graphs[1].nodes[0].op


def test_weights_of_a_conv_may_be_computed() -> None:
    graph = assert_as_runtime(model([node("Mul", "w s", "v"), node("Conv", "x v")], [tensor("x", (1, 2, 5, 5)), tensor("s", (1,))],
                                    constants={"w": weights(3, 2, 3, 3)}))
    assert isinstance(graph.nodes[-1].op, Conv)


@pytest.mark.parametrize(("attributes", "message"), [
    ({"kernel_shape": [3, 3, 3]}, "kernel_shape is"),
    ({"kernel_shape": [2, 3]}, "kernel_shape is"),
    ({"strides": [0, 1]}, "at least 1"),
    ({"strides": [1]}, "do not fit the spatial axes"),
    ({"dilations": [-1, 1]}, "at least 1"),
    ({"pads": [1, 1]}, "do not fit the spatial axes"),
    ({"pads": [-1, 0, 0, 0]}, "negative"),
    ({"auto_pad": "SAME"}, "auto_pad 'SAME' does not exist"),
    ({"group": 0}, "group"),
    ({"group": 2}, "group"),
    ({"wonder": 1}, "has no attribute 'wonder'"),
    ({"strides": 1}, "of the wrong type"),
])
def test_a_conv_that_contradicts_itself(attributes: dict[str, object], message: str) -> None:
    with pytest.raises(ConversionError, match=message) as caught:
        read(model([node("Conv", "x w", **attributes)], [tensor("x", (1, 2, 5, 5))], constants={"w": weights(3, 2, 3, 3)}))
    assert (caught.value.where.layer, caught.value.where.type) == ("y", "Conv")


@pytest.mark.parametrize(("op", "attributes", "message"), [
    ("MaxPool", {}, "needs the attribute 'kernel_shape'"),
    ("MaxPool", {"kernel_shape": [2]}, "do not fit the spatial axes"),
    ("AveragePool", {"kernel_shape": [0, 2]}, "at least 1"),
    ("LpPool", {"kernel_shape": [2, 2], "p": 0}, "no norm with p=0"),
    ("GlobalLpPool", {"p": 0}, "no norm with p=0"),
])
def test_a_pool_that_contradicts_itself(op: str, attributes: dict[str, object], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read(model([node(op, "x", **attributes)], [tensor("x", (1, 2, 5, 5))]))


def test_global_pools_are_reductions() -> None:
    assert ops(read(model([node("GlobalAveragePool", "x")], [tensor("x", (1, 2, 5, 5))]))) == ["ReduceMean"]
