"""Cases of control flow: small bodies that use what is difficult, such as outputs that are inputs or constants."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from nchw2nhwc.ir.graph import Graph, Value
from nchw2nhwc.ir.types import Array, TensorType
from nchw2nhwc.ops.activation_functions import Relu
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add, Less, Mul, Sub
from nchw2nhwc.ops.control import If, Loop
from nchw2nhwc.ops.elementwise import Cast, Tanh
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.options import FORMS
from tests.ops.sampling import Case, arrays, sampler, shapes

FLOAT, INT = np.dtype(np.float32), np.dtype(np.int64)
SCALAR = TensorType(INT)


def body_for(operands: Sequence[Array], *first: TensorType) -> tuple[Graph, list[Value]]:
    """An empty body that takes such operands, and its inputs."""
    graph = Graph("body")
    types = [*first, *(TensorType(x.dtype, x.shape) for x in operands)]
    return graph, [graph.add_input(f"in{k}", t) for k, t in enumerate(types)]


def returning(graph: Graph, *results: Value) -> Graph:
    for k, value in enumerate(results):
        graph.add_output(value, f"out{k}")
    return graph


@sampler(If)
def branches(_: type[Op]) -> SearchStrategy[Case]:
    """Two operands and two results; a branch may give an operand or a constant, or one value twice."""
    @st.composite
    def cases(draw: DrawFn) -> Case:
        shape = draw(shapes())
        operands = [draw(arrays(shape, FLOAT)) for _ in range(2)]
        found = []
        for _ in range(2):
            graph, (x, y) = body_for(operands)
            choices = [x, y, graph.add1(Add(), [x, y]), graph.add1(Relu(), [graph.add1(Mul(), [x, x])]),
                       graph.constant(np.full(shape, 0.5, FLOAT))]
            found.append(returning(graph, *(draw(st.sampled_from(choices)) for _ in range(2))))
            graph.prune()
        return If(*found), (np.asarray(draw(st.booleans())), *operands)
    return cases()


@sampler(Loop)
def loops(_: type[Op]) -> SearchStrategy[Case]:
    """With a number of iterations, which an operand may say, or a condition; carried values may change places, and parts are put together
    along any axis."""
    @st.composite
    def cases(draw: DrawFn) -> Case:
        shape, kind = draw(shapes()), draw(st.sampled_from(["condition", "steps", "count"]))
        steps = draw(st.sampled_from([6, 7, 4, 2, 1]))
        a, b, fixed = (draw(arrays(shape, FLOAT)) for _ in range(3))
        table = draw(arrays((steps, *shape), FLOAT))
        graph, (number, x, y, z, rows) = body_for([a, b, fixed, table], SCALAR)
        now = graph.add1(Gather(0), [rows, number])
        mixed = graph.add1(Tanh(), [graph.add1(Add(), [graph.add1(Sub(), [x, z]), now])])
        counted = graph.add1(Add(), [mixed, graph.add1(Cast(FLOAT), [number])])
        state = [y, mixed] if draw(st.booleans()) else [mixed, draw(st.sampled_from([y, mixed, counted]))]
        if kind == "condition":
            more = graph.add1(Less(), [number, graph.constant(np.asarray(steps - 2, INT))])
            op = Loop(returning(graph, more, *state), 2)
        else:
            scans = tuple(draw(st.lists(st.integers(0, len(shape) - 1), max_size=2)))
            whole = returning(graph, *state, *(draw(st.sampled_from([counted, y, z])) for _ in scans))
            op = Loop(whole, 2, steps, scans, draw(st.sampled_from(FORMS)))
            op = op if kind == "steps" else Loop(whole, 2, None, scans, count="count")
        graph.prune()
        condition = [np.asarray(draw(st.sampled_from([True, True, False])))] if kind == "condition" else []
        number = [np.asarray(draw(st.integers(-1, steps)), INT)] if kind == "count" else []
        return op, (*condition, *number, a, b, fixed, table)
    return cases()
