"""Sizes that are known only when the model runs: those of inputs, and those that data decides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="TensorFlow is not installed")

import keras

from nchw2nhwc.emit.keras import emit_keras, native
from nchw2nhwc.emit.keras.files import serving
from nchw2nhwc.ir import Array, Dim, Graph, Shape, TensorType, Value
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add, BitwiseAnd
from nchw2nhwc.ops.dynamic import DynamicBroadcast, DynamicIota, DynamicReduce, DynamicReshape
from nchw2nhwc.ops.elementwise import BitCast
from nchw2nhwc.ops.indexing import GatherND, ReverseSequence, ScatterND
from nchw2nhwc.ops.movement import Concat, Expand, Reshape, Slice
from nchw2nhwc.ops.sizes import Sizes
from tests.emit.keras.runs import assert_close, check_converted, run_model

A, B, C = (Dim.symbol(name) for name in "abc")
FLOAT, INT32, INT64 = (np.dtype(name) for name in ("float32", "int32", "int64"))
SIZES = ((3, 3, 3), (2, 3, 4), (1, 2, 2), (4, 1, 3))


def graph_of(op: Op, operands: Sequence[Shape | TensorType | Array]) -> Graph:
    """An op of inputs, float32 unless they say otherwise, and constants."""
    graph = Graph("net")
    values: list[Value] = []
    for k, each in enumerate(operands):
        known = each if isinstance(each, (TensorType, np.ndarray)) else TensorType(FLOAT, each)
        values.append(graph.constant(known) if isinstance(known, np.ndarray) else graph.add_input(f"x{k}", known))
    graph.add_output(graph.add(op, values)[0], "y")
    return graph


def with_sizes(graph: Graph, *shape: Dim) -> Graph:
    """With an input more, which shows sizes that no other one has."""
    graph.add_input("sizes", TensorType(FLOAT, shape))
    return graph


def drawn(graph: Graph, sizes: Sequence[int]) -> dict[str, Array]:
    """Random inputs of these sizes a, b, c."""
    bound, rng = dict(zip("abc", sizes)), np.random.default_rng(0)
    shapes = {v.name: [s.evaluate(bound) if isinstance(s, Dim) else s for s in v.shape] for v in graph.inputs}
    return {v.name: (rng.standard_normal(shapes[v.name]) * 9).astype(v.type.dtype) for v in graph.inputs}


def check(graph: Graph, *given: dict[str, Array]) -> None:
    """One model, called and as a graph of a model that its configuration makes, on inputs of different sizes (default: `SIZES`)."""
    model = emit_keras(graph).model
    again = keras.Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    function = serving(again, [v.name for v in graph.inputs], ["y"])
    for data in given or [drawn(graph, sizes) for sizes in SIZES]:
        wanted, fed = [run(graph, data)["y"]], [data[v.name] for v in graph.inputs]
        assert_close(run_model(model, fed), wanted)
        assert_close([np.asarray(function(*fed)["y"])], wanted)


# ---- sizes of inputs ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("a", "b"), [((A, 3, B), (A, 1, 1)), ((A, B, 3), (B, 1)), ((A, B), (A, 1)), ((A, 2, B, C), (2, 1, 1)),
                                      ((A, 1, B), (1, C, 1)), ((A, B, C), (C,)), ((B, 1), (A, B, C)), ((A, 1, 1, 1), (1, 3, 1, 3))])
def test_sums_in_which_any_size_may_equal_another(a: Shape, b: Shape) -> None:
    """Keras looks for biases when the model runs, when all sizes are known."""
    check(graph_of(Add(), [a, b]))


@pytest.mark.parametrize(("before", "after"), [
    ((A, 4, B, C), (A, 2, 2, B, C)), ((A, 4, B, C), (A * 2, 2, B, C)), ((A, B * 6, 4), (A, B, 2, 3, 4)),
    ((2, A, B), (2 * A, B)), ((A * 2, B), (A, B, 2)), ((A, 2 * B, 3 * C, 2), (A, B, 2, C, 3, 2)), ((A, B), (B, A)), ((A,), (A, 1))])
def test_shapes(before: Shape, after: Shape) -> None:
    check(with_sizes(graph_of(Reshape(after), [before]), A, B, C))


@pytest.mark.parametrize(("operand", "after"), [
    ((1, B), (A, B)), ((A, 1, 1), (A, 3, B)), (np.ones(1, FLOAT), (A, B)), (np.arange(2, dtype=FLOAT), (A // 2 + B % 3, C, 2)),
    (np.ones((1, 3), np.bool_), (A * B, 3)), (np.zeros((), INT32), (A,))])
def test_expansion(operand: Shape | Array, after: Shape) -> None:
    check(with_sizes(graph_of(Expand(after), [operand]), A, B, C))


@pytest.mark.parametrize("op", [
    Slice((None, None), (A, None), (1, 1)), Slice((None, A), (None, None), (1, 1)), Slice((A // 2, 1), (A, B), (1, 2)),
    Slice((None, B), (None, None), (1, -1)), Slice((None, -2), (None, None), (1, 1))])
def test_slices(op: Slice) -> None:
    check(graph_of(op, [(A + 1, B + 2)]))


def test_sizes_as_tensors() -> None:
    graph = graph_of(Sizes((A, 3, A * B // 2 - 1, B % 2), INT64), [])
    check(with_sizes(graph, A, 2 * B + 1))


def test_positions_of_elements() -> None:
    graph = graph_of(GatherND(1), [(A, B, C), TensorType(INT64, (A, 2, 2))])
    assert not native(graph.nodes[0])
    for a, b, c in SIZES:
        rows = np.random.default_rng(0).integers(-1, [b, c], (a, 2, 2))
        data = {**drawn(graph, (a, b, c)), "x1": rows}
        check_converted(graph_of(GatherND(1), [(A, B, C), TensorType(INT64, (A, 2, 2))]), data, [run(graph, data)["y"]])


@pytest.mark.parametrize("reduction", ["none", "add", "max", "mul"])
def test_updates(reduction: str) -> None:
    graph = graph_of(ScatterND(reduction), [(A, B, C), TensorType(INT64, (2, 2)), (2, C)])
    check(graph, *({**drawn(graph, sizes), "x1": np.array([[0, -1], [-1, 0]])} for sizes in ((2, 3, 4), (3, 2, 1))))


def test_reversed_sequences() -> None:
    graph = graph_of(ReverseSequence(0, 1), [(A, B, 2), TensorType(INT32, (A,))])
    for a, b, _ in SIZES:
        data = {**drawn(graph, (a, b)), "x1": np.arange(a, dtype=INT32) % b + 1}
        again = graph_of(ReverseSequence(0, 1), [(A, B, 2), TensorType(INT32, (A,))])
        check_converted(again, data, [run(graph, data)["y"]])


def test_bits() -> None:
    check(graph_of(BitCast(INT32), [(A, B)]))
    check(graph_of(BitwiseAnd(), [TensorType(INT32, (A, B)), TensorType(INT32, (1, B))]))


# ---- sizes that data decides ---------------------------------------------------------------------------------------------
def test_positions_up_to_a_number() -> None:
    check(graph_of(DynamicIota("n"), [TensorType(INT64, ())]), *({"x0": np.asarray(n, INT64)} for n in (3, 0, -2, 1)))


@pytest.mark.parametrize("x", [np.asarray(5, INT64), np.arange(2, dtype=FLOAT).reshape(2, 1)])
def test_broadcast_to_a_shape(x: Array) -> None:
    m, n = Dim.symbol("m", None, 0), Dim.symbol("n", None, 0)
    shape = (m, 2, n)
    check(graph_of(DynamicBroadcast(shape), [x, TensorType(INT64, (3,))]),
          *({"x1": np.array(each)} for each in ([1, 2, 3], [4, 2, 1], [0, 2, 3], [3, 2, 0])))


def test_broadcast_of_what_may_have_the_size_or_be_one() -> None:
    n = Dim.symbol("n")
    graph = graph_of(DynamicBroadcast((n, 2, n)), [(A, 2, B), TensorType(INT64, (3,))])
    check(graph, *({**drawn(graph, sizes), "x1": np.array([3, 2, 3])} for sizes in ((3, 3), (1, 3), (3, 1))))


def test_the_shape_that_data_gives() -> None:
    m, n = Dim.symbol("m"), Dim.symbol("n")
    graph = graph_of(DynamicReshape((m, n, 2)), [(A, B), TensorType(INT32, (3,))])
    check(graph, *({"x0": np.arange(12, dtype=FLOAT).reshape(size), "x1": np.array(shape, INT32)}
                   for size, shape in (((3, 4), (2, 3, 2)), ((2, 6), (6, 1, 2)))))


def test_axes_that_data_decides_are_refused() -> None:
    graph = graph_of(DynamicReduce("ReduceSum", True, (A, B)), [(A, B), TensorType(INT64, (1,))])
    assert not native(graph.nodes[0])


# ---- nothing at all ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("shape", [(0, 2), (2, 0, 1)])
def test_constants_without_elements_keep_their_shape(shape: tuple[int, ...]) -> None:
    nothing = np.zeros(shape, INT32)
    graph = with_sizes(graph_of(Concat(shape.index(0)), [nothing, TensorType(INT32, shape)]), A)
    check(graph)
    alone = Graph("net")
    alone.add_input("x", TensorType(FLOAT, (0, 3)))
    alone.add_output(alone.constant(np.ones(2, FLOAT)), "y")
    check(alone, {"x": np.zeros((0, 3), FLOAT)})
