"""Nothing is overwritten that is still to be read, where LiteRT shares memory between tensors."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.emit.tflite import emit
from nchw2nhwc.emit.tflite.in_place import keep_apart
from nchw2nhwc.emit.tflite.model import Operator, Subgraph, Tensor
from nchw2nhwc.ir import Graph, TensorType, Value
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add, Div, Mul, Sub
from nchw2nhwc.ops.elementwise import Cos, Exp, Neg
from nchw2nhwc.ops.movement import Reshape
from nchw2nhwc.ops.reduce import Softmax
from tests.emit.tflite.runs import check_file, codes

F32 = np.dtype(np.float32)


def reshaped_and_read_again(op: Op, side: int, shapes: list[tuple[int, ...]]) -> Graph:
    """`v = exp(x) + 1/4`, whose memory is exp(x)'s; `op` of v reshaped; then v is read once more."""
    graph = Graph("shared", "shared.onnx")

    def constant(shape: tuple[int, ...], content: float) -> Value:
        return graph.constant(np.full(shape, content, np.float32))

    value = graph.add1(Add(), [graph.add1(Exp(), [graph.add_input("x", TensorType(F32, (2, 4)))]), constant((2, 4), 0.25)])
    view = value
    for shape in shapes:
        view = graph.add1(Reshape(shape), [view])
    operands = [view] if isinstance(op, Softmax) else [view, constant(shapes[-1], 0.5)]
    graph.add_output(graph.add1(Cos(), [graph.add1(op, operands[::-1] if side else operands)]), "first")
    graph.add_output(graph.add1(Neg(), [value]), "second")
    return graph


@pytest.mark.parametrize("shapes", [[(4, 2)], [(8,), (4, 2)]], ids=str)
@pytest.mark.parametrize(("op", "side"), [(Add(), 0), (Add(), 1), (Sub(), 1), (Mul(), 0), (Div(), 0), (Softmax(1), 0)], ids=str)
def test_a_value_that_is_read_again_stays(op: Op, side: int, shapes: list[tuple[int, ...]]) -> None:
    graph = reshaped_and_read_again(op, side, shapes)
    x = np.linspace(-1, 1, 8, dtype=np.float32).reshape(2, 4)
    content = check_file(graph, {"x": x}, list(run(graph, {"x": x}).values()))
    assert codes(content).count("MAXIMUM") == 1


def test_nothing_is_copied_without_need() -> None:
    """Where the value's memory is its own, or nobody reads it later."""
    graph = Graph("apart", "apart.onnx")
    value = graph.add1(Exp(), [graph.add_input("x", TensorType(F32, (2, 4)))])
    view = graph.add1(Reshape((8,)), [value])
    graph.add_output(graph.add1(Cos(), [graph.add1(Mul(), [view, graph.constant(np.full((8,), 0.5, np.float32))])]), "first")
    graph.add_output(graph.add1(Neg(), [value]), "second")
    assert "MAXIMUM" not in codes(emit(graph).tobytes())


def test_sizes_that_are_not_known_may_be_equal() -> None:
    tensors = [Tensor(name, F32, (1, 2), (-1, 2)) for name in "xabcdeyz"]
    steps = [("EXP", (0,), 1), ("ADD", (1, 1), 2), ("RESHAPE", (2,), 3), ("MUL", (3, 3), 4), ("NEG", (2,), 7), ("COS", (4,), 6)]
    operators = [Operator(code, 1, inputs, (output,)) for code, inputs, output in steps]
    subgraph = Subgraph("main", tensors, operators, [0], [6, 7])
    assert keep_apart(subgraph) == 0  # two readers of operand 0
    subgraph.operators[1] = Operator("ADD", 1, (1, 5), (2,))
    subgraph.operators[3] = Operator("MUL", 1, (3, 5), (4,))
    assert keep_apart(subgraph) == 1
    assert [operator.code for operator in subgraph.operators] == ["EXP", "ADD", "RESHAPE", "MAXIMUM", "MUL", "NEG", "COS"]
    assert subgraph.tensors[-1].name == "c/copy"
    assert keep_apart(subgraph) == 0
