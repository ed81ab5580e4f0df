"""What is rewritten for devices: every rule against the op's own reference, and whole files in LiteRT against their sources."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

import nchw2nhwc
from nchw2nhwc.ir.graph import Graph
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ir.types import Array, TensorType
from nchw2nhwc.ir.verify import verify
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.activation_functions import Gelu, Relu
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add, Greater, Mul, Where
from nchw2nhwc.ops.elementwise import Exp
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.matmul import FullyConnected, MatMul
from nchw2nhwc.ops.movement import Concat, Expand, Pad, Reshape, Slice, Split, Transpose
from nchw2nhwc.ops.reduce import ReduceMax, ReduceMean, Softmax
from nchw2nhwc.passes.decompose import decompose
from nchw2nhwc.passes.rewrite import RuleSet, rule_pass
from nchw2nhwc.targets import TABLES
from nchw2nhwc.targets.passes import stored_passes
from nchw2nhwc.targets.rewrites import EXPAND_AS_TILE, EXTREMES, REWRITES, TILE_AS_EXPAND
from nchw2nhwc.targets.rules_rank import EQUAL_RANKS, POINTWISE, grouped, lower_ranks, require_reshaped
from tests.emit.tflite.test_chains import shifted
from tests.ops.samples import op_cases
from tests.parse.onnx.models import model, node, tensor
from tests.passes.decompose.test_registry import graph_of, in_float32
from tests.passes.nets import Net, assert_close

RNG = np.random.default_rng(0)
TOLERANCE = 3e-6


# ---- before layout -------------------------------------------------------------------------------------------------------------
ALL = RuleSet(REWRITES, EXTREMES, EXPAND_AS_TILE, TILE_AS_EXPAND)


@pytest.mark.parametrize("cls", ALL.classes, ids=lambda cls: cls.__name__)
def test_rewritten_is_the_same_as_the_reference(cls: type[Op]) -> None:
    seen: Counter[bool] = Counter()

    @settings(max_examples=25)
    @given(st.data())
    def check(data: DataObject) -> None:
        op, operands = data.draw(op_cases(cls))
        operands = in_float32(operands)
        graph, inputs = graph_of(op, operands, 1)
        first = graph.nodes[0]
        wanted = op.run(*operands)
        seen[decompose(lambda node: node is not first, first=ALL)(graph) > 0] += 1
        verify(graph)
        for expected, actual in zip(wanted, run(graph, inputs).values()):
            assert_close(actual, np.asarray(expected, actual.dtype), TOLERANCE, str(op))
    check()
    if cls is Gather:  # one place is seldom drawn
        graph, inputs = graph_of(Gather(1), (np.arange(12.0, dtype=np.float32).reshape(2, 3, 2), np.array(-1)), 1)
        assert decompose(lambda node: not isinstance(node.op, Gather), first=REWRITES)(graph) == 1
        np.testing.assert_array_equal(run(graph, inputs)["y0"], inputs["x0"][:, -1])
    else:
        assert seen[True], "no case was rewritten"


# ---- stored graphs ---------------------------------------------------------------------------------------------------------------
SIZES = st.sampled_from((1, 2, 2, 3))


@st.composite
def many_axes(draw: st.DrawFn) -> tuple[Op, tuple[Array, ...]]:
    """An op on tensors of four to six axes, with equal sizes, ones and broadcasting."""
    rank = draw(st.integers(4, 6))
    shape = draw(st.lists(SIZES, min_size=rank, max_size=rank))
    x = RNG.standard_normal(shape).astype(np.float32)
    axis = draw(st.integers(0, rank - 1))
    other = RNG.standard_normal([s if draw(st.booleans()) else 1 for s in shape[draw(st.integers(0, rank - 1)):]]).astype(np.float32)
    n, cut = shape[axis], draw(st.integers(0, shape[axis] - 1))
    ends: list[int | None] = [None] * rank
    start = [cut if k == axis else None for k in range(rank)]
    pads = tuple(draw(st.integers(0, 2)) if k == axis else 0 for k in range(rank))
    axes = tuple(sorted(draw(st.sets(st.integers(0, rank - 1), min_size=1, max_size=3))))
    w = RNG.standard_normal((2, shape[-1])).astype(np.float32)
    return draw(st.sampled_from([
        (Relu(), (x,)), (Gelu(), (x,)), (Add(Activation.RELU), (x, other)), (Mul(), (other, x)), (Where(), (x > 0, x, other)),
        (Transpose(tuple(draw(st.permutations(range(rank))))), (x,)), (Softmax(rank - 1), (x,)),
        (ReduceMean(axes, draw(st.booleans())), (x,)), (ReduceMax(axes, draw(st.booleans())), (x,)),
        (FullyConnected(True), (x, w)), (FullyConnected(False), (x, w, w[:, 0])), (Gather(axis), (x, np.array([n - 1, 0]))),
        (MatMul(adjoint_b=True), (x, x)), (Expand((2, *(2 if s == 1 else s for s in shape))), (x,)),
        (Concat(axis), (x, x)), (Pad(pads, pads), (x,)), (Split(axis, (cut, n - cut)), (x,)),
        (Slice(tuple(start), tuple(ends), (1,) * rank), (x,))]))


@settings(max_examples=150)
@given(many_axes(), st.sampled_from((3, 4, 5)))
def test_fewer_axes(case: tuple[Op, tuple[Array, ...]], most: int) -> None:
    op, operands = case
    if 0 in getattr(op, "sizes", (1,)):
        return
    graph, inputs = graph_of(op, operands, 1)
    wanted = op.run(*operands)
    changed = rule_pass("ranks", lower_ranks(most))(graph)
    verify(graph)
    for expected, actual in zip(wanted, run(graph, inputs).values()):
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6, err_msg=str(op))
    ranks = [v.rank for n in graph.nodes if not isinstance(n.op, Reshape) for v in (*n.inputs, *n.outputs) if v is not None]
    assert not changed or max(ranks, default=0) <= most
    if isinstance(op, (Transpose, Relu, FullyConnected)):
        assert max(ranks, default=0) <= max(most, 2)


@pytest.mark.parametrize(("op", "operands", "changed"), [
    (Relu(), ((1, 1, 3, 2, 4),), True), (Relu(), ((1, 2, 3, 1, 4),), False), (Greater(), ((1, 1, 3, 2, 4),) * 2, False),
    (Transpose((0, 2, 1, 4, 3)), ((1, 2, 3, 1, 4),), True), (Transpose((4, 3, 2, 1, 0)), ((2, 3, 2, 3, 2),), False),
    (Softmax(4), ((1, 1, 2, 3, 4),), True), (ReduceMean((1, 3), True), ((2, 3, 2, 3, 4),), False),
    (Slice((None, None, 1, None, None), (None,) * 5, (1,) * 5), ((1, 1, 3, 2, 4),), True)])
def test_axes_stay_where_the_device_would_refuse_fewer_too(op: Op, operands: tuple[tuple[int, ...], ...], changed: bool) -> None:
    """Truth values are not reshaped, and only the three innermost axes may be larger than 1."""
    arrays = [RNG.standard_normal(shape).astype(np.float32) for shape in operands]
    graph, inputs = graph_of(op, tuple(arrays), len(arrays))
    rules = lower_ranks(4, lambda dtype: dtype == np.float32, 3)
    assert bool(rule_pass("ranks", rules)(graph)) is changed
    np.testing.assert_allclose(run(graph, inputs)["y0"], op.run(*arrays)[0], rtol=1e-5, atol=1e-6)
    if changed:
        assert all(max((1, *v.shape[:-3])) == 1 for n in graph.nodes if not isinstance(n.op, Reshape) for v in (*n.inputs, *n.outputs)
                   if v is not None)


def test_groups() -> None:
    assert grouped([0, 0, 0, 0, None], 3) == [[0, 1, 2], [3], [4]]
    assert grouped([None, None, None], 2) == [[0], [1], [2]]
    assert grouped([1, 0, 0, 1], 3) == [[0], [1, 2], [3]]


@pytest.mark.parametrize("shape", [(2, 3), (3,), (1, 3), (4, 2, 3)])
def test_operands_of_as_many_axes(shape: tuple[int, ...]) -> None:
    x, y = (RNG.standard_normal(s).astype(np.float32) for s in ((1, 4, 2, 3), shape))
    graph, inputs = graph_of(Add(), (x, y), 2)
    assert rule_pass("equal", EQUAL_RANKS)(graph) == (len(shape) > 1)
    np.testing.assert_array_equal(run(graph, inputs)["y0"], x + y)
    assert all(len(v.shape) in (0, 1, 4) for n in graph.nodes if isinstance(n.op, Add) for v in n.inputs if v is not None)


@pytest.mark.parametrize("op", [Pad((1, 0), (0, 2)), Slice((0, 1), (None, None), (1, 1))], ids=lambda op: op.name)
def test_axes_for_pads_and_slices(op: Op) -> None:
    x = RNG.standard_normal((2, 3)).astype(np.float32)
    graph, inputs = graph_of(op, (x,), 1)
    assert rule_pass("more", EQUAL_RANKS)(graph) == 1
    np.testing.assert_array_equal(run(graph, inputs)["y0"], op.run(x)[0])
    assert all(n.input(0).rank == 3 for n in graph.nodes if isinstance(n.op, type(op)))


def test_ranks_stay_of_what_the_device_does_not_reshape() -> None:
    graph, _ = graph_of(Slice((0, 1), (None, None), (1, 1)), (np.zeros((2, 3), np.int64),), 1)
    for device, rewrites in (("gpu", 0), ("micro", 1)):
        rules = EQUAL_RANKS.guarded(lambda node: require_reshaped(node, lambda dtype: TABLES[device].computes("RESHAPE", dtype)))  # noqa: B023
        assert rule_pass("more", rules)(graph) == rewrites


@pytest.mark.parametrize(("device", "lead", "gathers"), [
    ("edgetpu", (2, 3), 1), ("edgetpu", (3,), 0), ("edgetpu", (1, 3), 0), ("gpu", (2, 3), 0)])
def test_moves_that_a_device_would_refuse_one_by_one_are_one_gather(device: str, lead: tuple[int, ...], gathers: int) -> None:
    net = Net(np.float32)
    graph = net.output(net(Exp(), shifted(net, net.input(*lead, 4, 7)))).graph
    inputs = {graph.inputs[0].name: RNG.standard_normal((*lead, 4, 7)).astype(np.float32)}
    before = run(graph, inputs)
    for step in stored_passes(device):
        step(graph)
    assert [node.op.name for node in graph.nodes].count("Gather") == gathers
    for name, array in run(graph, inputs).items():
        np.testing.assert_array_equal(array, before[name])


def test_layers_that_such_moves_read_are_one() -> None:
    """As in files for the CPU, which have fewer operators for it."""
    net = Net(np.float32)
    x = net(Exp(), net.input(2, 3, 4, 5))
    graph = net.output(*(net(Exp(), shifted(net, net(FullyConnected(), x, net.random_const(7, 5)))) for _ in range(2))).graph
    inputs = {graph.inputs[0].name: RNG.standard_normal((2, 3, 4, 5)).astype(np.float32)}
    before = run(graph, inputs)
    for step in stored_passes("edgetpu"):
        step(graph)
    names = [node.op.name for node in graph.nodes]
    assert (names.count("FullyConnected"), names.count("Gather")) == (1, 2)
    for name, array in run(graph, inputs).items():
        np.testing.assert_allclose(array, before[name], rtol=1e-5)


def test_rows_of_another_width() -> None:
    x, w = (RNG.standard_normal(s).astype(np.float32) for s in ((2, 2, 3), (4, 6)))
    graph, inputs = graph_of(FullyConnected(False), (x, w), 1)
    assert rule_pass("rows", EQUAL_RANKS)(graph) == 1
    np.testing.assert_allclose(run(graph, inputs)["y0"], x.reshape(2, 6) @ w.T, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("keep", [True, False])
def test_rows_as_windows(keep: bool) -> None:
    x, w = (RNG.standard_normal(s).astype(np.float32) for s in ((2, 2, 3), (4, 3)))
    op = FullyConnected(keep, Activation.RELU)
    graph = Graph("one")
    value = graph.add_input("x", TensorType(x.dtype, x.shape))
    graph.add_output(graph.add1(op, [value, graph.constant(w), graph.constant(w[:, 0])]), "y")
    assert rule_pass("rows", POINTWISE)(graph) == 1
    np.testing.assert_allclose(run(graph, {"x": x})["y"], op.reference(x, w, w[:, 0]), rtol=1e-5, atol=1e-6)


# ---- files -----------------------------------------------------------------------------------------------------------------------
def attention() -> onnx.ModelProto:
    """Windows of an image, with attention inside of each: six axes, picks of single places, additions of fewer axes."""
    c = {"w": RNG.standard_normal((8, 24)).astype(np.float32), "b": RNG.standard_normal((4, 4)).astype(np.float32),
         "split": np.array([1, 8, 2, 2, 2, 2], np.int64), "win": np.array([4, 4, 8], np.int64), "qkv": np.array([4, 4, 3, 2, 4], np.int64),
         **{f"k{k}": np.array(k, np.int64) for k in range(3)}}
    nodes = [node("Reshape", "x split", "a"), node("Transpose", "a", "t", perm=[0, 2, 4, 3, 5, 1]), node("Reshape", "t win", "r"),
             node("MatMul", "r w", "m"), node("Reshape", "m qkv", "f"), node("Transpose", "f", "g", perm=[2, 0, 3, 1, 4]),
             *(node("Gather", f"g k{k}", f"p{k}", axis=0) for k in range(3)), node("Transpose", "p1", "pt", perm=[0, 1, 3, 2]),
             node("MatMul", "p0 pt", "s"), node("Add", "s b", "sb"), node("Softmax", "sb", "z", axis=-1), node("MatMul", "z p2", "y")]
    return model(nodes, [tensor("x", [1, 8, 4, 4])], constants=c)


def one(op: str, shape: tuple[int, ...] = (1, 4, 6, 6), constants: dict[str, object] | None = None,
        **attributes: object) -> onnx.ModelProto:
    return model([node(op, " ".join(["x", *(constants or {})]), "y", **attributes)], [tensor("x", shape)], constants=constants,
                 opset=20 if op == "Gelu" else 17)


W = {"w": RNG.standard_normal((6, 4, 3, 3, 3)).astype(np.float32)}
CASES = {
    "attention": attention(), "Gelu": one("Gelu"), "HardSwish": one("HardSwish"), "LeakyRelu": one("LeakyRelu", alpha=0.2),
    "PRelu": one("PRelu", constants={"s": RNG.standard_normal((4, 6, 6)).astype(np.float32)}), "Ceil": one("Ceil"), "Sign": one("Sign"),
    "ArgMax": one("ArgMax", axis=1), "ArgMin": one("ArgMin", axis=-1, keepdims=0), "LogSoftmax": one("LogSoftmax", axis=1),
    "Expand": one("Expand", (1, 4, 1, 6), {"to": np.array([2, 4, 3, 6], np.int64)}),
    "Tile": one("Tile", constants={"n": np.array([1, 2, 1, 3], np.int64)}),
    "Clip": one("Clip", constants={"a": np.float32(0), "b": np.float32(1)}),
    "Conv3D": one("Conv", (1, 4, 5, 6, 6), W, pads=[1] * 6, strides=[2, 1, 2]),
}

_INT64 = {"ArgMax": "CAST", "ArgMin": "CAST"}
LEFT = {"gpu": {**_INT64, "Conv3D": "RESHAPE"}, "nnapi": {**_INT64, "Sign": "SIGN", "Conv3D": "RESHAPE"}, "micro": _INT64}
"""What no rewrite spares: int64 results and five axes of the interface, and what the device has nothing for."""


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("target", ["gpu", "nnapi", "micro"])
def test_files_for_devices(target: str, case: str) -> None:
    converted = nchw2nhwc.convert(CASES[case], target=target)
    assert converted.check().passed
    assert {each.op for each in converted.fallbacks()} <= {LEFT[target].get(case, "")}


@pytest.mark.parametrize("case", ["Gelu", "HardSwish", "LeakyRelu", "attention"])
def test_files_for_the_edge_tpu(case: str) -> None:
    converted = nchw2nhwc.convert(CASES[case], target="edgetpu")
    result = converted.check()
    assert result.passed
    assert result.tolerance == 1e-2
    if case != "attention":
        assert converted.fallbacks() == ()
    noted = any("GELU is computed as" in note for note in converted.graph.notes)
    assert noted == (case == "Gelu")


def test_every_device_is_rewritten_for_without_circles() -> None:
    """Rules of a device never undo one another, whatever the device lacks."""
    for case, source in CASES.items():
        for target in TABLES:
            assert nchw2nhwc.convert(source, target=target).result_ops, case


@pytest.mark.parametrize(("picked", "codes"), [(4, {"UNPACK"}), (2, {"STRIDED_SLICE"})])
def test_most_of_what_is_picked_one_by_one_is_unpacked(picked: int, codes: set[str]) -> None:
    """Where the device has that, a comparison of each part is one of the whole."""
    nodes = [node("Softmax", "x", "s", axis=1)]
    for k in range(picked):
        nodes += [node("Gather", f"s i{k}", f"g{k}", axis=1), node("Greater", f"g{k} t", f"b{k}")]
    source = model(nodes, [tensor("x", (6, 5))], [f"b{k}" for k in range(picked)],
                   {"t": np.float32(0.2), **{f"i{k}": np.array(k) for k in range(picked)}})
    converted = nchw2nhwc.convert(source, target="gpu")
    found = converted.operator_counts()
    assert found.keys() & {"UNPACK", "STRIDED_SLICE", "GATHER"} == codes
    assert found["GREATER"] == (1 if picked > 2 else picked)
    assert converted.check().passed
