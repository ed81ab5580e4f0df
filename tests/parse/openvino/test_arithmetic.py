"""Functions of two and more operands against OpenVINO, with every way to broadcast."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino.opset1 as op1
import openvino.opset13 as op13
import openvino.opset14 as op14
import openvino.opset15 as op15
import pytest

from nchw2nhwc.errors import ShapeError, SourceError, UnsupportedError
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.parse.openvino import read_openvino
from tests.parse.openvino.harness import Case, Input, agree, boolean, case, i32, model_of, saved
from tests.parse.openvino.ir_text import Written

PAIR = (Input((2, 3, 4)), Input((2, 3, 4), low=0.2, high=2))
POSITIVE = (Input((2, 3, 4), low=0.2, high=2), Input((2, 3, 4)))
INTEGERS = (i32(4, 6, low=-9, high=10), i32(4, 6, low=1, high=5))
NEGATIVE = (i32(4, 6, low=-9, high=10), i32(4, 6, low=-5, high=0))


def f32(value: object) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.asarray(value, np.float32)


def quantized(x: object, levels: int, *bounds: object, **options: object) -> object:
    return op13.fake_quantize(x, *map(f32, bounds), levels, **options)


CASES = [
    case("Add", op1.add, *PAIR, ops="Add"),
    case("Subtract", op1.subtract, *PAIR, ops="Sub"),
    case("Multiply", op1.multiply, *PAIR, ops="Mul"),
    case("Divide", op1.divide, *PAIR, ops="Div"),
    case("Divide integers downwards", op1.divide, i32(4, 6, low=0, high=10), i32(4, 6, low=1, high=5), ops="FloorDiv"),
    case("Divide negative integers downwards", op1.divide, *NEGATIVE, ops="FloorDiv", oracle="reference"),
    case("Power", op1.power, *POSITIVE, ops="Pow", tolerance=5e-6),
    case("Maximum", op1.maximum, *PAIR, ops="Maximum"),
    case("Minimum", op1.minimum, *PAIR, ops="Minimum"),
    case("Mod", op1.mod, *PAIR, ops="FMod", tolerance=1e-5),
    case("Mod of integers", op1.mod, *NEGATIVE, ops="FMod"),
    case("FloorMod", op1.floor_mod, *PAIR, ops="Mod", tolerance=1e-5),
    case("FloorMod of integers", op1.floor_mod, *NEGATIVE, ops="Mod"),
    case("SquaredDifference", op1.squared_difference, *PAIR, ops="SquaredDifference"),
    case("Equal", op1.equal, *INTEGERS, ops="Equal"),
    case("NotEqual", op1.not_equal, *INTEGERS, ops="NotEqual"),
    case("Less", op1.less, *PAIR, ops="Less"),
    case("LessEqual", op1.less_equal, *INTEGERS, ops="LessEqual"),
    case("Greater", op1.greater, *PAIR, ops="Greater"),
    case("GreaterEqual", op1.greater_equal, *INTEGERS, ops="GreaterEqual"),
    case("LogicalAnd", op1.logical_and, boolean(4, 5), boolean(4, 5), ops="LogicalAnd"),
    case("LogicalOr", op1.logical_or, boolean(4, 5), boolean(5), ops="LogicalOr"),
    case("LogicalXor", op1.logical_xor, boolean(4, 5), boolean(4, 5), ops="LogicalXor"),
    case("BitwiseAnd", op13.bitwise_and, *INTEGERS, ops="BitwiseAnd"),
    case("BitwiseOr", op13.bitwise_or, *INTEGERS, ops="BitwiseOr"),
    case("BitwiseXor", op13.bitwise_xor, *INTEGERS, ops="BitwiseXor"),
    case("numpy broadcasting of both", op1.add, (3, 1, 5), (2, 1, 4, 1), ops="Add"),
    case("numpy broadcasting of a scalar", op1.multiply, (3, 4), (), ops="Mul"),
    case("no broadcasting", lambda x, y: op1.add(x, y, "none"), *PAIR, ops="Add"),
    case("pdpd, aligned to the front", lambda x, y: op1.add(x, y, "pdpd"), (2, 3, 4, 5), (2, 3), ops="Reshape Add"),
    case("pdpd of a scalar", lambda x, y: op1.add(x, y, "pdpd"), (2, 3, 4), (), ops="Add"),
    case("Select", op1.select, boolean(3, 4), Input((3, 4)), Input((3, 4)), ops="Where"),
    case("Select broadcast", op1.select, boolean(3, 1), Input((4,)), Input((2, 1, 1)), ops="Where"),
    case("FakeQuantize", lambda x: quantized(x, 256, -1.5, 1.2, -1.5, 1.2), ops="FakeQuantize"),
    case("FakeQuantize of 4 levels by channel", lambda x: quantized(x, 4, [[[-1.0]], [[-2.0]], [[0.0]]], 1.0, -1.0,
                                                                    [[[1.0]], [[2.0]], [[3.0]]]),
         ops="FakeQuantize"),
    case("FakeQuantize of 2 levels", lambda x: quantized(x, 2, -0.5, 0.5, -1.0, 1.0), ops="FakeQuantize"),
    case("ConvertPromoteTypes of equals", lambda x, y: op14.convert_promote_types(x, y).outputs(), (2, 3), (2, 3), ops="Identity Identity"),
    case("ConvertPromoteTypes to float", lambda x, y: op14.convert_promote_types(x, y, promote_unsafe=True).outputs(), (2, 3), i32(2),
         ops="Identity Cast"),
    case("ConvertPromoteTypes of signed and unsigned", lambda x, y: op14.convert_promote_types(x, y, promote_unsafe=True).outputs(),
         Input((2, 3), np.int8, -5, 5), Input((2,), np.uint8, 0, 5), ops="Cast Cast"),
    case("ConvertPromoteTypes of a scalar", lambda x, y: op14.convert_promote_types(x, y, True, True).outputs(),
         Input((2, 3), np.uint8, 0, 5), Input((), np.int64, 0, 5), ops="Identity Cast"),
    case("ConvertPromoteTypes of u64", lambda x, y: op14.convert_promote_types(x, y, True).outputs(),
         Input((2, 3), np.uint64, 0, 5), Input((2,), np.int64, 0, 5), ops="Cast Cast"),
    *(case(f"{name} of {np.dtype(dtype).name}", op, Input((3, 4), dtype, low, 40), Input((4,), dtype, 0, 5))
      for name, op in (("BitwiseLeftShift", op15.bitwise_left_shift), ("BitwiseRightShift", op15.bitwise_right_shift))
      for dtype, low in ((np.int32, -40), (np.int64, -40), (np.uint8, 0))),
    case("BitwiseRightShift far", op15.bitwise_right_shift, Input((3, 4), np.int64, -40, 40), Input((4,), np.int64, 28, 63)),
    case("BitwiseRightShift of u32 far", op15.bitwise_right_shift, Input((3, 4), np.uint32, 0, 40), Input((4,), np.uint32, 28, 32)),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees_with_openvino(case: Case, tmp_path: Path) -> None:
    agree(case, tmp_path)


@pytest.mark.parametrize(("second", "axis", "shape"), [
    ((3, 4), 1, (3, 4, 1)), ((3, 1), 1, (3, 1, 1)), ((1, 3), 0, (1, 3, 1, 1)), ((2,), 0, (2, 1, 1, 1)), ((4, 5), -1, (4, 5)), ((5,), 3,
                                                                                                                               (5,)),
    ((3, 1, 1, 1), 1, (3, 1, 1))])
def test_pdpd_aligns_to_the_given_axis(second: tuple[int, ...], axis: int, shape: tuple[int, ...]) -> None:
    x, y = np.zeros((2, 3, 4, 5), np.float32), np.arange(np.prod(second), dtype=np.float32).reshape(second)
    data = {"auto_broadcast": "pdpd", "auto_broadcast.auto_broadcast_axis": axis}
    graph = read_openvino(*Written("Add", [x.shape, second], x.shape, data).files())
    np.testing.assert_array_equal(run(graph, {"in0": x, "in1": y})["op"], np.broadcast_to(y.reshape(shape), x.shape))


def test_pdpd_does_not_align_what_does_not_fit() -> None:
    data = {"auto_broadcast": "pdpd", "auto_broadcast.auto_broadcast_axis": 2}
    with pytest.raises(SourceError, match="cannot be broadcast"):
        read_openvino(*Written("Add", [(2, 3, 4), (3, 4)], (2, 3, 4), data).files())


def test_none_needs_equal_shapes() -> None:
    with pytest.raises(ShapeError, match="differ in shape"):
        read_openvino(*Written("Add", [(2, 3), (1, 3)], (2, 3), {"auto_broadcast": "none"}).files())


def test_division_of_integers_towards_zero() -> None:
    x, y = np.array([-7, 7, 9], np.int64), np.array([2, -2, 4], np.int64)
    graph = read_openvino(*Written("Divide", [x, y], (3,), {"m_pythondiv": "false"}).files())
    assert run(graph, {})["op"].tolist() == [-3, -3, 2]


def test_types_without_a_common_one(tmp_path: Path) -> None:
    mixed = case("x", lambda x, y: op14.convert_promote_types(op1.convert(x, "f8e4m3"), op1.convert(y, "f8e5m2"),
                                                              promote_unsafe=True).outputs(),
                 (2,), (2,))
    path = saved(model_of(mixed), tmp_path)
    with pytest.raises(UnsupportedError, match="no type for both"):
        read_openvino(path)
