"""Arithmetic, comparisons and logic against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import NodeProto, TensorProto

from nchw2nhwc.errors import ConversionError
from nchw2nhwc.ir.interpreter import run
from tests.parse.onnx.models import assert_as_runtime, model, node, read, tensor


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean"])
@pytest.mark.parametrize("opset", [8, 14])
def test_broadcasting(op: str, opset: int) -> None:
    assert_as_runtime(model([node(op, "x z")], [tensor("x", ("N", 1, 4)), tensor("z", (3, 1))], opset=opset), rtol=1e-4)


@pytest.mark.parametrize("op", ["Max", "Min", "Sum", "Mean"])
@pytest.mark.parametrize("count", [1, 3])
def test_any_number_of_operands(op: str, count: int) -> None:
    assert_as_runtime(model([node(op, "x z w"[:2 * count - 1])], [tensor(name, (2, 3)) for name in "xzw"[:count]], opset=13))


@pytest.mark.parametrize(("base", "exponent", "opset"),
                         [(np.float32, np.float32, 7), (np.float32, np.int64, 12), (np.int32, np.float32, 13),
                                                         (np.int64, np.int64, 15)])
def test_powers_of_different_types(base: type, exponent: type, opset: int) -> None:
    nodes = [node("Abs", "x", "a"), node("Pow", "a e")]
    assert_as_runtime(model(nodes, [tensor("x", (2, 3), base)], constants={"e": np.array([0, 1, 2], exponent)}, opset=opset), rtol=1e-4)


def test_parametric_relu() -> None:
    constants = {"s": np.array([[[0.1]], [[0.5]]], np.float32)}
    assert_as_runtime(model([node("PRelu", "x s")], [tensor("x", ("N", 2, 3, 3))], constants=constants, opset=9))


@pytest.mark.parametrize(("fmod", "dtype", "wanted"), [(0, np.int32, [1, 2, -2, -1]), (1, np.int32, [1, -1, 1, -1]),
                                                       (1, np.float32, [1.0, -1.0, 1.0, -1.0])])
def test_remainders(fmod: int, dtype: type, wanted: list[float]) -> None:
    source = model([node("Mod", "x d", fmod=fmod)], [tensor("x", (4,), dtype)], constants={"d": np.array([3, 3, -3, -3], dtype)})
    inputs = {"x": np.array([7, -7, 7, -7], dtype)}
    assert run(read(source), inputs)["y"].tolist() == wanted


def test_integer_division_truncates() -> None:
    source = model([node("Div", "x d")], [tensor("x", (4,), np.int32)], constants={"d": np.array([2, 2, -2, -2], np.int32)})
    assert run(read(source), {"x": np.array([7, -7, 7, -7], np.int32)})["y"].tolist() == [3, -3, -3, 3]


@pytest.mark.parametrize(("op", "opset"), [("Equal", 11), ("Less", 9), ("LessOrEqual", 12), ("Greater", 9), ("GreaterOrEqual", 16)])
def test_comparisons(op: str, opset: int) -> None:
    assert_as_runtime(model([node(op, "x z")], [tensor("x", (3, 4)), tensor("z", (4,))], opset=opset))


@pytest.mark.parametrize("op", ["And", "Or", "Xor", "BitwiseAnd", "BitwiseOr", "BitwiseXor"])
def test_logic(op: str) -> None:
    dtype = np.int32 if op.startswith("Bitwise") else np.bool_
    assert_as_runtime(model([node(op, "x z")], [tensor("x", (3, 4), dtype), tensor("z", (4,), dtype)], opset=18))


def test_negations() -> None:
    assert_as_runtime(model([node("Not", "x", "a"), node("BitwiseNot", "i", "b")],
                            [tensor("x", (5,), np.bool_), tensor("i", (5,), np.int32)],
                            ["a", "b"], opset=18))


def test_where() -> None:
    nodes = [node("Cast", "x", "c", to=TensorProto.BOOL), node("Where", "c x z")]
    assert_as_runtime(model(nodes, [tensor("x", ("N", 1)), tensor("z", (3,))]))


@pytest.mark.parametrize(("source", "message"), [
    (node("Add", "x i"), "different element types"), (node("Add", "x"), "needs 2"), (node("Add", "x z"), "do not broadcast"),
    (node("And", "x x"), "boolean"), (node("Where", "x x x"), "boolean"), (node("Sum", "x - x"), "is absent"),
    (node("Max", ""), "no operand"),
    (node("Mean", ""), "no operand"), (node("PRelu", "x z"), "do not broadcast"),
])
def test_operands_that_do_not_fit(source: NodeProto, message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        read(model([source], constants={"i": np.zeros(3, np.int32), "z": np.zeros(5, np.float32)}))
