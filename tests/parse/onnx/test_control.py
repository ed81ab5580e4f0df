"""If, Loop and Scan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import pytest
from onnx import GraphProto, NodeProto, helper, numpy_helper

from nchw2nhwc.errors import ConversionError, SourceError, UnsupportedError
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ops.control import If, Loop
from tests.parse.onnx.models import Dims, assert_as_runtime, model, node, ops, output, read, tensor

RNG = np.random.default_rng(5)
CONSTANTS: Mapping[str, object] = {
    "w": RNG.normal(0, 0.3, (4, 3, 3, 3)).astype(np.float32), "v": RNG.normal(0, 0.3, (3, 3)).astype(np.float32),
    "ten": np.array(10), "thirty": np.array(30),
    "two": np.array(2), "yes": np.array(True), "half": np.array(0.5, np.float32), "limit": np.array(4.0, np.float32),
    "one": np.array(1), "zero": np.array(0), "nothing": np.zeros((0, 3), np.float32)}


def body(nodes: Sequence[NodeProto], inputs: Sequence[str], outputs: Sequence[str],
         constants: Mapping[str, object] | None = None) -> GraphProto:
    made = [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()]
    kinds = {"i": ((), np.int64), "go": ((), np.bool_)}
    return helper.make_graph(list(nodes), "body", [tensor(n, *kinds[n]) if n in kinds else output(n) for n in inputs],
                             [output(n) for n in outputs], made)


def whole(nodes: Sequence[NodeProto], dims: Dims, outputs: Sequence[str] = ("y",)) -> onnx.ModelProto:
    needed = {name for n in nodes for name in n.input} | {
        name for n in nodes for a in n.attribute if a.type == a.GRAPH for each in a.g.node for name in each.input}
    return model(nodes, [tensor("x", dims)], outputs, {k: v for k, v in CONSTANTS.items() if k in needed})


def with_convolutions(dims: Dims) -> onnx.ModelProto:
    """The mean of an image says which of two convolutions it goes through."""
    then = body([node("Conv", "r w", "a", pads=[1, 1, 1, 1]), node("Relu", "a", "t")], [], ["t"])
    other = body([node("Neg", "r", "n"), node("Conv", "n k", "o")], [], ["o"], {"k": np.ones((4, 3, 1, 1), np.float32)})
    nodes = [node("Relu", "x", "r"), node("ReduceMean", "r", "m", keepdims=0), node("Less", "m half", "c"),
             node("If", "c", "i", then_branch=then, else_branch=other), node("Neg", "i")]
    return whole(nodes, dims)


def counted(dims: Dims, steps: str = "thirty") -> onnx.ModelProto:
    """A carried value and a result that is put together, with a value from outside."""
    inner = body([node("Identity", "go", "more"), node("MatMul", "h v", "p"), node("Add", "p x", "q"), node("Tanh", "q", "h1"),
                  node("Cast", "i", "f", to=1), node("Add", "h1 f", "s")], ["i", "go", "h"], ["more", "h1", "s"])
    return whole([node("Loop", f"{steps} yes x", "y z", body=inner)], dims, ("y", "z"))


def conditional(dims: Dims) -> onnx.ModelProto:
    """As long as the sum is small, but at most ten times; two values change places."""
    inner = body([node("Add", "a b", "s"), node("ReduceMax", "s", "m", keepdims=0), node("Less", "m limit", "more")],
                 ["i", "go", "a", "b"], ["more", "b", "s"])
    return whole([node("Abs", "x", "p"), node("Mul", "p half", "q"), node("Loop", "ten - p q", "y z", body=inner)], dims, ("y", "z"))


def collecting_while(dims: Dims, *, first: str = "", steps: str = "ten") -> onnx.ModelProto:
    """Rows of results for as long as the sum is small; `first` says whether there is one at all."""
    inner = body([node("Add", "a b", "s"), node("ReduceMax", "s", "m", keepdims=0), node("Less", "m limit", "more"), node("Neg", "s", "n"),
                  node("Cast", "i", "f", to=1)], ["i", "go", "a", "b"], ["more", "b", "s", "n", "f"])
    nodes = [node("Abs", "x", "p"), node("Mul", "p half", "q"), node("ReduceMax", "x", "t", keepdims=0),
             *([node(first, "t limit", "go")] if first else []),
             node("Loop", f"{steps} {'go' if first else '-'} p q", "u v y z", body=inner)]
    nodes += [node("ReduceSum", "y", "s", keepdims=0)]  # of nothing ONNX Runtime does not know the shape
    return whole(nodes, dims, ("u", "s") if first else ("u", "v", "y", "z"))


def as_often_as_computed(dims: Dims, first: str = "Less") -> onnx.ModelProto:
    """A number of iterations that is computed, and a condition of the first one that is, too."""
    inner = body([node("Identity", "go", "more"), node("Mul", "h half", "h1"), node("Cast", "i", "f", to=1), node("Add", "h1 f", "s")],
                 ["i", "go", "h"], ["more", "h1", "s"])
    nodes = [node("ReduceMax", "x", "m", keepdims=0), node("Exp", "m", "e"), node("Cast", "e", "n", to=7), node(first, "m limit", "go"),
             node("Loop", "n go x", "y z", body=inner), node("ReduceSum", "z", "s", keepdims=0)]
    return whole(nodes, dims, ("y", "z") if first == "Less" else ("y", "s"))


def appending(dims: Dims, part: Sequence[NodeProto], steps: str = "n") -> onnx.ModelProto:
    """Two values that grow, one of them from nothing, and one that does not."""
    inner = body([node("Identity", "go", "more"), node("Mul", "h half", "h1"), *part, node("Cast", "g", "before", to=1),
                  node("Concat", "before r", "g1", axis=0), node("Concat", "k h1", "k1", axis=-1)], ["i", "go", "g", "h", "k"],
                 ["more", "g1", "h1", "k1"])
    nodes = [node("ReduceMax", "x", "m", keepdims=0), node("Exp", "m", "e"), node("Cast", "e", "n", to=7),
             node("Loop", f"{steps} yes nothing x x", "y z v", body=inner)]
    return whole(nodes, dims, ("y", "z", "v"))


def where_small(axis: int) -> list[NodeProto]:
    """Where numbers are below a limit, along the other axis."""
    return [node("ReduceMax", "h1", "t", axes=[axis], keepdims=0), node("Less", "t limit", "c")]


MEAN = [node("ReduceMean", "h1", "r", axes=[0])]
PART_OF_MEAN = [node("ReduceMean", "h1", "q", axes=[0]), *where_small(0), node("Compress", "q c", "r", axis=1)]


def scanned(dims: Dims, **more: object) -> onnx.ModelProto:
    """A recurrent cell over axis 1 of x."""
    inner = body([node("MatMul", "h v", "p"), node("Add", "p e", "q"), node("Tanh", "q", "h1"), node("Neg", "h1", "n")],
                 ["h", "e"], ["h1", "n"])
    nodes = [node("Gather", "x zero", "h0", axis=1),
             node("Scan", "h0 x", "y z", body=inner, num_scan_inputs=1, scan_input_axes=[1], **more)]
    return whole(nodes, dims, ("y", "z"))


MODELS: Mapping[str, onnx.ModelProto] = {
    "If around convolutions": with_convolutions((1, 3, 6, 6)),
    "Loop of a known number": counted((2, 3)), "short Loop": counted((2, 3), "two"),
    "Loop that ends early": conditional((2, 3)), "Scan": scanned((2, 6, 3)), "short Scan": scanned((2, 3, 3)),
    "Scan backwards": scanned((2, 6, 3), scan_input_directions=[1], scan_output_directions=[1], scan_output_axes=[-1]),
    "Scan of any batch": scanned(("N", 6, 3)), "Scan of any length": scanned((2, "T", 3), scan_output_axes=[1]),
    "Loop of any batch": counted(("N", 3)), "Loop that collects until it ends": collecting_while((2, 3)),
    "Loop that collects without a limit": collecting_while((2, 3), steps="-"),
    "Loop that collects nothing": collecting_while((2, 3), first="Greater"),
    "Loop of a computed number": as_often_as_computed((2, 3)), "Loop that never begins": as_often_as_computed((2, 3), "Greater"),
    "Loop of a computed number that appends": appending((2, 3), MEAN), "Loop that appends": appending((2, 3), MEAN, "thirty"),
    "Loop of a computed number that appends what has to fit": appending((2, 3), PART_OF_MEAN),
    "Loop of a computed number and any batch": as_often_as_computed(("N", 3)),
}


@pytest.mark.parametrize("name", MODELS)
def test_agrees_with_onnxruntime(name: str) -> None:
    assert_as_runtime(MODELS[name])


def test_what_becomes_of_them() -> None:
    assert [n.op for n in read(MODELS["If around convolutions"]).nodes if isinstance(n.op, If)]
    (loop,) = [n.op for n in read(MODELS["Scan"]).nodes if isinstance(n.op, Loop)]
    assert (loop.steps, loop.carried, loop.scans) == (6, 1, (0,))
    (loop,) = [n.op for n in read(MODELS["Loop that ends early"]).nodes if isinstance(n.op, Loop)]
    assert loop.conditional
    assert "Loop" not in ops(read(MODELS["short Loop"]))


def test_shapes_may_change_in_a_loop_that_is_written_out() -> None:
    inner = body([node("Identity", "go", "more"), node("Concat", "h x", "h1", axis=0)], ["i", "go", "h"], ["more", "h1"])
    assert assert_as_runtime(whole([node("Loop", "two yes x", body=inner)], (2, 3))).outputs[0].shape == (6, 3)


def test_a_loop_that_is_never_entered() -> None:
    inner = body([node("Identity", "go", "more"), node("Neg", "h", "h1")], ["i", "go", "h"], ["more", "h1"])
    assert_as_runtime(whole([node("Loop", "zero yes x", "z", body=inner), node("Neg", "z")], (2, 3)))


def collecting(going_on: NodeProto) -> NodeProto:
    """A Loop that puts a tensor at the end of a sequence in every iteration, and multiplies another one."""
    kind = helper.make_tensor_sequence_value_info
    nodes = [going_on, node("Mul", "h half", "h1"), node("SequenceInsert", "s h1", "s1")]
    before, after = (kind(name, onnx.TensorProto.FLOAT, None) for name in ("s", "s1"))
    inner = helper.make_graph(nodes, "body", [tensor("i", (), np.int64), tensor("go", (), np.bool_), before, output("h")],
                              [output("more"), after, output("h1")])
    return node("Loop", "ten yes e x", "all last", body=inner)


@pytest.mark.parametrize("going_on", [node("Identity", "go", "more"), node("Less", "i two", "more")])
def test_a_loop_that_carries_a_sequence(going_on: NodeProto) -> None:
    nodes = [node("SequenceEmpty", "", "e"), collecting(going_on), node("ConcatFromSequence", "all", "c", axis=1), node("Add", "c last")]
    graph = assert_as_runtime(whole(nodes, (2, 1)))
    assert graph.outputs[0].shape == (2, 10 if going_on.op_type == "Identity" else 3)
    assert "Loop" not in ops(graph)


def test_a_loop_that_carries_a_sequence_for_as_long_as_data_say() -> None:
    nodes = [node("SequenceEmpty", "", "e"), node("ReduceMax", "x", "m", keepdims=0), collecting(node("Less", "m half", "more")),
             node("ConcatFromSequence", "all", axis=1)]
    with pytest.raises(UnsupportedError, match="the number of iterations of a Loop over sequences depends on data"):
        read(whole(nodes, (2, 1)))


@pytest.mark.parametrize("backwards", [False, True])
def test_scan_of_a_batch(backwards: bool) -> None:
    """As opset 8 has it: the same as a scan of each element of the batch."""
    inner = body([node("Add", "h e", "h1"), node("Neg", "h1", "n")], ["h", "e"], ["h1", "n"])
    made = node("Scan", "- h0 x", "y z", body=inner, num_scan_inputs=1, **({"directions": [1]} if backwards else {}))
    rng = np.random.default_rng(0)
    x, start = rng.normal(size=(3, 4, 2)).astype(np.float32), rng.normal(size=(3, 2)).astype(np.float32)
    graph = read(model([made], [tensor("h0", (3, 2)), tensor("x", (3, 4, 2))], ("y", "z"), opset=8))
    found = run(graph, {"h0": start, "x": x})
    sums = np.cumsum(x[:, ::-1] if backwards else x, 1) + start[:, None]
    np.testing.assert_allclose(found["z"], -sums, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found["y"], sums[:, -1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("operands", "dims", "reason"), [
    ("n h0 x", (3, 4, 2), "lengths of the sequences"), ("- h0 x", (2, 4, 2), "not of one batch"),
    ("- h0 x", ("N", 4, 2), "not of one batch"),
])
def test_scans_of_a_batch_that_cannot_be(operands: str, dims: Dims, reason: str) -> None:
    inner = body([node("Add", "h e", "h1")], ["h", "e"], ["h1", "h1"])
    inputs = [tensor("n", (3,), np.int64), tensor("h0", (3, 2)), tensor("x", dims)]
    with pytest.raises(ConversionError, match=reason):
        read(model([node("Scan", operands, "y z", body=inner, num_scan_inputs=1)], inputs, ("y", "z"), opset=8))


GROWING = body([node("Identity", "go", "more"), *[node("Neg", f"h{k}", f"h{k + 1}") for k in range(20)],
                node("Concat", "h20 h20", "t", axis=0)], ["i", "go", "h0"], ["more", "t"])
ENDLESS = body([node("Neg", "h", "t")], ["i", "go", "h"], ["go", "t"])


@pytest.mark.parametrize(("made", "error", "reason"), [
    (node("Loop", "ten yes x", body=GROWING), UnsupportedError, r"float32\[2, 3\] at first and float32\[4, 3\] after an iteration"),
    (node("Loop", "- yes x", body=ENDLESS), SourceError, "never ends"),
    (node("Loop", "ten yes", body=ENDLESS), SourceError, "does not fit 0 carried"),
    (node("Loop", "ten yes x"), SourceError, "needs the graph 'body'"),
    (node("Scan", "x x", body=body([], ["h", "e"], ["h", "e"]), num_scan_inputs=3), SourceError, "a Scan over 3 of 2 operands"),
    (node("If", "x", then_branch=body([], [], ["x"]), else_branch=body([], [], ["x"])), ConversionError, "has 6 elements"),
])
def test_what_cannot_be(made: NodeProto, error: type[ConversionError], reason: str) -> None:
    with pytest.raises(error, match=reason) as caught:
        read(whole([made], (2, 3)))
    assert caught.value.where.type == made.op_type


def test_how_much_a_loop_appends_is_known() -> None:
    with pytest.raises(UnsupportedError, match="how many elements an iteration appends to axis 0"):
        read(appending((2, 3), [*where_small(1), node("Compress", "h1 c", "r", axis=0)]))


def test_branches_of_different_sizes() -> None:
    """The result has a size of its own, which is known once a branch has been computed."""
    branches = {"then_branch": body([node("Relu", "x", "t")], [], ["t"]),
                "else_branch": body([node("Concat", "x x", "t", axis=0)], [], ["t"])}
    nodes = [node("ReduceMean", "x", "m", keepdims=0), node("Less", "m half", "c"), node("If", "c", **branches)]
    graph = assert_as_runtime(whole(nodes, (2, 3)))
    assert str(graph.outputs[0].type) == "float32[y_size, 3]"


def test_branches_of_different_ranks() -> None:
    branches = {"then_branch": body([node("Relu", "x", "t")], [], ["t"]), "else_branch": body([node("Flatten", "m", "t")], [], ["t"])}
    nodes = [node("ReduceMean", "x", "n"), node("Flatten", "n", "m"), node("ReduceMean", "x", "k", keepdims=0),
             node("Less", "k half", "c"), node("If", "c", **branches)]
    source = whole(nodes, (2, 3, 1))
    with pytest.raises(UnsupportedError, match=r"result 1 is float32\[2, 3, 1\] in one branch and"):
        read(source)
