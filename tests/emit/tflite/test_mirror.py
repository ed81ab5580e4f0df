"""Images that are turned around, so that SAME pads them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import onnx
import pytest

from nchw2nhwc import convert
from nchw2nhwc.emit.tflite.mirror import mirror
from nchw2nhwc.emit.tflite.mirrored_ops import turned
from nchw2nhwc.ir import Array, Graph, Value
from nchw2nhwc.ir.interpreter import run, steps
from nchw2nhwc.ir.stored import Stored
from nchw2nhwc.ir.verify import verify
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.activation_functions import Relu
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add, Mul
from nchw2nhwc.ops.elementwise import Exp
from nchw2nhwc.ops.matmul import FullyConnected
from nchw2nhwc.ops.movement import Concat, Pad, Reshape, Slice, Split, Transpose
from nchw2nhwc.ops.pooling import AvgPool, MaxPool
from nchw2nhwc.ops.reduce import ReduceMax, ReduceMean, Softmax
from nchw2nhwc.ops.resize import Resize
from nchw2nhwc.ops.windowed import Conv
from tests.emit.tflite.graphs import graph_with_input, random
from tests.parse.onnx.models import model, node, tensor
from tests.passes.nets import assert_close


def _conv(graph: Graph, x: Value, filters: int, kernel: int = 3, stride: int = 2, pad: int = 1, *, groups: int = 1) -> Value:
    weights = graph.constant(random(filters, kernel, kernel, int(str(x.shape[-1])) // groups, seed=len(graph)))
    op = Conv((stride,) * 2, (1, 1), (pad,) * 2, (pad,) * 2, groups, channels_last=True)
    return graph.add1(op, (x, weights, graph.constant(random(filters, seed=1))), source=f"t{len(graph)}")


def _stored(graph: Graph) -> dict[str, Stored]:
    """As layout says it of channels-last tensors."""
    found = {}
    for value in [v for n in graph.nodes for v in n.outputs]:
        rank = value.rank
        order = (0, *range(2, rank), 1) if rank == 4 else tuple(range(rank))
        sizes = [value.shape[order.index(k)] for k in range(rank)]
        pieces = [k for k in order if sizes[k] != 1]
        ranks = {axis: k for k, axis in enumerate(sorted(pieces))}
        found[value.name] = Stored(value.origin, tuple((int(str(s)),) if s != 1 else () for s in sizes), tuple(ranks[k] for k in pieces))
    return found


def _check(graph: Graph, *, turned_around: bool = True) -> list[str]:
    """The same results before and after, and tensors that are what is said of them; the ops that are there then."""
    inputs = {v.name: random(*[int(str(s)) for s in v.shape], seed=3) for v in graph.inputs}
    stored, source = _stored(graph), {v.origin: array for v, array in steps(graph, inputs) if v.origin}
    before, known = run(graph, inputs), dict(_stored(graph))
    wanted = {name: known[v.name].to_source(source[v.origin], _source_shape(v)) for v in [v for n in graph.nodes for v in n.outputs]
              if (name := v.origin)}
    assert bool(mirror(graph, stored)) is turned_around
    verify(graph)
    for name, array in run(graph, inputs).items():
        assert_close(array, before[name], 1e-5)
    for value, array in steps(graph, inputs):
        if value.origin:
            found = stored[value.name].to_source(array, _source_shape(value))
            assert_close(found, wanted[value.origin], 1e-5)
            np.testing.assert_array_equal(stored[value.name].to_stored(found, array.shape), array)
    return [n.op.name for n in graph.nodes]


def _source_shape(value: Value) -> tuple[int, ...]:
    sizes = tuple(int(str(s)) for s in value.shape)
    return (sizes[0], sizes[-1], *sizes[1:-1]) if len(sizes) == 4 else sizes


def _reversals(names: Sequence[str]) -> int:
    return sum(name == "Slice" for name in names)


def test_a_classifier() -> None:
    """One reversal of the image, whatever the number of steps; of odd sizes as well."""
    graph, x = graph_with_input(1, 18, 12, 3)
    for k in range(3):
        x = graph.add1(Relu(), (_conv(graph, x, 4 + k),), source=f"r{k}")
    graph.add_output(graph.add1(ReduceMean((1, 2), False), (x,)), "y")
    assert _check(graph) == ["Slice", *["Conv", "Relu"] * 3, "ReduceMean"]


def test_maps_come_out_as_they_were() -> None:
    graph, x = graph_with_input(1, 16, 16, 3)
    for _ in range(4):
        x = _conv(graph, x, 4)
    graph.add_output(x, "y")
    assert _reversals(_check(graph)) == 1, "the last map has one element"
    graph, x = graph_with_input(1, 32, 32, 3)
    for _ in range(4):
        x = _conv(graph, x, 4)
    graph.add_output(x, "y")
    assert _reversals(_check(graph)) == 2


def test_a_residual_block() -> None:
    """The 1x1 convolution of stride 2 reads other rows in a mirror; it is still one operator less."""
    graph, x = graph_with_input(1, 32, 32, 3)
    x = graph.add1(MaxPool((3, 3), (2, 2), (1, 1), (1, 1), (1, 1), channels_last=True), (_conv(graph, x, 4),))
    beside = _conv(graph, x, 8, 1, 2, 0)
    x = graph.add1(Add(Activation.RELU), (_conv(graph, _conv(graph, x, 8), 8, 3, 1), beside), source="sum")
    graph.add_output(graph.add1(ReduceMax((1, 2), True), (_conv(graph, x, 4),)), "y")
    names = _check(graph)
    assert _reversals(names) == 2  # one reversal, one that leaves rows out


_INSIDE: dict[str, Callable[[Graph, Value], Value]] = {
    "scale": lambda g, x: g.add1(Mul(), (x, g.constant(random(4)))),
    "map": lambda g, x: g.add1(Mul(), (x, g.constant(random(1, 8, 8, 1)))),
    "squeeze and excite": lambda g, x: g.add1(Mul(), (x, g.add1(Exp(), (g.add1(ReduceMean((1, 2), True), (x,)),)))),
    "parts": lambda g, x: g.add1(Concat(3), tuple(reversed(g.add(Split(3, (1, 3)), (x,))))),
    "slice": lambda g, x: g.add1(Slice((None, None, None, 1), (None, None, None, 3), (1, 1, 1, 1)), (x,)),
    "softmax": lambda g, x: g.add1(Softmax(3), (x,)),
    "mean of channels": lambda g, x: g.add1(ReduceMean((3,), True), (x,)),
    "layer": lambda g, x: g.add1(FullyConnected(), (x, g.constant(random(5, 4)))),
    "zeros": lambda g, x: g.add1(Pad((0, 2, 0, 0), (0, 0, 2, 0)), (x,)),
    "average": lambda g, x: g.add1(AvgPool((3, 3), (2, 2), (1, 1), (1, 1), (1, 1), channels_last=True), (x,)),
    "average with zeros": lambda g, x: g.add1(
        AvgPool((3, 3), (2, 2), (1, 1), (1, 1), (1, 1), count_include_pad=True, channels_last=True), (x,)),
    "linear": lambda g, x: g.add1(Resize((16, 16), mode="linear", channels_last=True), (x,)),
    "corners": lambda g, x: g.add1(Resize((13, 11), mode="linear", coordinate_mode="align_corners", channels_last=True), (x,)),
    "nearest": lambda g, x: g.add1(Resize((16, 16), coordinate_mode="asymmetric", nearest_mode="floor", channels_last=True), (x,)),
    "depthwise": lambda g, x: _conv(g, x, 4, 5, 1, 2, groups=4),
}


@pytest.mark.parametrize("inside", _INSIDE.values(), ids=_INSIDE)
def test_what_is_the_same_in_a_mirror(inside: Callable[[Graph, Value], Value]) -> None:
    graph, x = graph_with_input(1, 32, 32, 3)
    x = _conv(graph, inside(graph, _conv(graph, _conv(graph, x, 4), 4)), 4)
    graph.add_output(graph.add1(ReduceMean((1, 2), True), (x,)), "y")
    assert _reversals(_check(graph)) == 1 + (inside is _INSIDE["slice"])


_OUTSIDE: dict[str, Callable[[Graph, Value], Value]] = {
    "transpose": lambda g, x: g.add1(Transpose((0, 2, 1, 3)), (x,)),
    "view": lambda g, x: g.add1(Reshape((1, 4, 16, 4)), (x,)),
    "rows": lambda g, x: g.add1(Concat(1), (x, x)),
    "part": lambda g, x: g.add1(Slice((None, 2, None, None), (None,) * 4, (1, 1, 1, 1)), (x,)),
    "asymmetric": lambda g, x: g.add1(Resize((16, 16), mode="linear", coordinate_mode="asymmetric", channels_last=True), (x,)),
    "open": lambda g, x: g.add1(Mul(), (x, g.constant(random(8, 8, 4)))),
}


@pytest.mark.parametrize("outside", _OUTSIDE.values(), ids=_OUTSIDE)
def test_what_is_not(outside: Callable[[Graph, Value], Value]) -> None:
    """It is turned back for that."""
    graph, x = graph_with_input(1, 32, 32, 3)
    x = outside(graph, _conv(graph, _conv(graph, x, 4), 4))
    last = graph.nodes[-1]
    graph.add_output(x, "y")
    assert turned(last) is None
    graph.outputs, graph.output_names = [], []
    for _ in range(2):
        x = _conv(graph, x, 4)
    graph.add_output(graph.add1(ReduceMean((1, 2), True), (x,)), "y")
    _check(graph)


@pytest.mark.parametrize(("stride", "pad", "size"), [(1, 1, 16), (2, 0, 16), (2, 1, 15)])
def test_what_needs_no_padding_stays(stride: int, pad: int, size: int) -> None:
    graph, x = graph_with_input(1, size, size, 3)
    graph.add_output(graph.add1(ReduceMean((1, 2), True), (_conv(graph, x, 4, 3, stride, pad),)), "y")
    _check(graph, turned_around=False)


def test_one_padding_is_no_reason() -> None:
    graph, x = graph_with_input(1, 16, 16, 3)
    graph.add_output(_conv(graph, x, 4), "y")
    _check(graph, turned_around=False)


def _network() -> onnx.ModelProto:
    rng = np.random.default_rng(0)
    shapes = {"a": (8, 3, 3, 3), "b": (8, 1, 3, 3), "c": (6, 8, 3, 3)}
    constants: dict[str, Array] = {name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
    common: dict[str, Op | list[int]] = {"strides": [2, 2], "pads": [1, 1, 1, 1]}
    nodes = [node("Conv", "x a", "p", **common), node("Relu", "p", "q"), node("Conv", "q b", "r", group=8, **common),
             node("Conv", "r c", "s", **common), node("GlobalAveragePool", "s", "y")]
    return model(nodes, [tensor("x", (1, 3, 32, 32))], constants=constants)


def test_a_file_says_so() -> None:
    """No padding is left, every tensor inside is compared through what the file says of it, and devices get what they take."""
    converted = convert(_network())
    assert converted.check().passed
    counts = Counter(converted.operator_counts())
    assert (counts["REVERSE_V2"], counts["PAD"]) == (1, 0)
    assert {stored.mirrored for stored in converted.inner_tensors.values()} == {(), (2, 3)}
    for device in ("gpu", "edgetpu"):
        assert "REVERSE_V2" not in convert(_network(), target=device).operator_counts()
