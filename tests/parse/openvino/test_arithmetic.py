"""Functions of two and more operands against OpenVINO, with every way to broadcast."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino.opset1 as op1
import openvino.opset13 as op13
import openvino.opset14 as op14
import pytest

from nchw2nhwc.errors import SourceError, UnsupportedError
from nchw2nhwc.parse.openvino import read_openvino
from tests.parse.openvino.harness import Case, Input, agree, boolean, case, i32, model_of, saved

PAIR = (Input((2, 3, 4)), Input((2, 3, 4), low=0.2, high=2))
POSITIVE = (Input((2, 3, 4), low=0.2, high=2), Input((2, 3, 4)))
INTEGERS = (i32(4, 6, low=-9, high=10), i32(4, 6, low=1, high=5))
NEGATIVE = (i32(4, 6, low=-9, high=10), i32(4, 6, low=-5, high=0))


def f32(value: object) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.asarray(value, np.float32)


def quantized(x: object, levels: int, *bounds: object, **options: object) -> object:
    return op13.fake_quantize(x, *map(f32, bounds), levels, **options)


CASES = [
    case("Add", lambda x, y: op1.add(x, y), *PAIR, ops="Add"),
    case("Subtract", lambda x, y: op1.subtract(x, y), *PAIR, ops="Sub"),
    case("Multiply", lambda x, y: op1.multiply(x, y), *PAIR, ops="Mul"),
    case("Divide", lambda x, y: op1.divide(x, y), *PAIR, ops="Div"),
    case("Divide integers downwards", lambda x, y: op1.divide(x, y), i32(4, 6, low=0, high=10), i32(4, 6, low=1, high=5), ops="FloorDiv"),
    case("Power", lambda x, y: op1.power(x, y), *POSITIVE, ops="Pow", tolerance=5e-6),
    case("Maximum", lambda x, y: op1.maximum(x, y), *PAIR, ops="Maximum"),
    case("Minimum", lambda x, y: op1.minimum(x, y), *PAIR, ops="Minimum"),
    case("Mod", lambda x, y: op1.mod(x, y), *PAIR, ops="FMod", tolerance=1e-5),
    case("Mod of integers", lambda x, y: op1.mod(x, y), *NEGATIVE, ops="FMod"),
    case("FloorMod", lambda x, y: op1.floor_mod(x, y), *PAIR, ops="Mod", tolerance=1e-5),
    case("FloorMod of integers", lambda x, y: op1.floor_mod(x, y), *NEGATIVE, ops="Mod"),
    case("SquaredDifference", lambda x, y: op1.squared_difference(x, y), *PAIR, ops="SquaredDifference"),
    case("Equal", lambda x, y: op1.equal(x, y), *INTEGERS, ops="Equal"),
    case("NotEqual", lambda x, y: op1.not_equal(x, y), *INTEGERS, ops="NotEqual"),
    case("Less", lambda x, y: op1.less(x, y), *PAIR, ops="Less"),
    case("LessEqual", lambda x, y: op1.less_equal(x, y), *INTEGERS, ops="LessEqual"),
    case("Greater", lambda x, y: op1.greater(x, y), *PAIR, ops="Greater"),
    case("GreaterEqual", lambda x, y: op1.greater_equal(x, y), *INTEGERS, ops="GreaterEqual"),
    case("LogicalAnd", lambda x, y: op1.logical_and(x, y), boolean(4, 5), boolean(4, 5), ops="LogicalAnd"),
    case("LogicalOr", lambda x, y: op1.logical_or(x, y), boolean(4, 5), boolean(5), ops="LogicalOr"),
    case("LogicalXor", lambda x, y: op1.logical_xor(x, y), boolean(4, 5), boolean(4, 5), ops="LogicalXor"),
    case("BitwiseAnd", lambda x, y: op13.bitwise_and(x, y), *INTEGERS, ops="BitwiseAnd"),
    case("BitwiseOr", lambda x, y: op13.bitwise_or(x, y), *INTEGERS, ops="BitwiseOr"),
    case("BitwiseXor", lambda x, y: op13.bitwise_xor(x, y), *INTEGERS, ops="BitwiseXor"),
    case("numpy broadcasting of both", lambda x, y: op1.add(x, y), (3, 1, 5), (2, 1, 4, 1), ops="Add"),
    case("numpy broadcasting of a scalar", lambda x, y: op1.multiply(x, y), (3, 4), (), ops="Mul"),
    case("no broadcasting", lambda x, y: op1.add(x, y, "none"), *PAIR, ops="Add"),
    case("pdpd, aligned to the front", lambda x, y: op1.add(x, y, "pdpd"), (2, 3, 4, 5), (2, 3), ops="Reshape Add"),
    case("pdpd of a scalar", lambda x, y: op1.add(x, y, "pdpd"), (2, 3, 4), (), ops="Add"),
    case("Select", lambda c, x, y: op1.select(c, x, y), boolean(3, 4), Input((3, 4)), Input((3, 4)), ops="Where"),
    case("Select broadcast", lambda c, x, y: op1.select(c, x, y), boolean(3, 1), Input((4,)), Input((2, 1, 1)), ops="Where"),
    case("FakeQuantize", lambda x: quantized(x, 256, -1.5, 1.2, -1.5, 1.2), ops="FakeQuantize"),
    case("FakeQuantize of 4 levels by channel", lambda x: quantized(x, 4, [[[-1.0]], [[-2.0]], [[0.0]]], 1.0, -1.0, [[[1.0]], [[2.0]], [[3.0]]]),
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
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees_with_openvino(case: Case, tmp_path: Path) -> None:
    agree(case, tmp_path)


def edited(case: Case, folder: Path, old: str, new: str) -> Path:
    """The IR of a case with a piece of text replaced."""
    path = saved(model_of(case), folder)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return path


@pytest.mark.parametrize(("second", "axis", "shape"), [((3, 4), 1, (3, 4, 1)), ((3, 1), 1, (3, 1, 1)), ((1, 3), 0, (1, 3, 1, 1)), ((2,), 0, (2, 1, 1, 1)),
                                                       ((4, 5), -1, (4, 5)), ((5,), 3, (5,)), ((3, 1, 1, 1), 1, (3, 1, 1))])
def test_pdpd_aligns_to_the_given_axis(second: tuple[int, ...], axis: int, shape: tuple[int, ...], tmp_path: Path) -> None:
    numpy_case = case("x", lambda x, y: op1.add(x, op1.reshape(y, np.asarray(shape), False)), (2, 3, 4, 5), second)
    path = edited(numpy_case, tmp_path, 'auto_broadcast="numpy"', f'auto_broadcast="pdpd" auto_broadcast.auto_broadcast_axis="{axis}"')
    text = path.read_text()
    assert read_openvino(path).outputs[0].shape == (2, 3, 4, 5), text


def test_pdpd_does_not_align_what_does_not_fit(tmp_path: Path) -> None:
    path = edited(case("x", lambda x, y: op1.add(x, y), (2, 3, 4), (3, 4)), tmp_path, 'auto_broadcast="numpy"', 'auto_broadcast="pdpd" auto_broadcast.auto_broadcast_axis="2"')
    with pytest.raises(SourceError, match="cannot be broadcast"):
        read_openvino(path)


def test_none_needs_equal_shapes(tmp_path: Path) -> None:
    path = edited(case("x", lambda x, y: op1.add(x, y), (2, 3), (1, 3)), tmp_path, 'auto_broadcast="numpy"', 'auto_broadcast="none"')
    with pytest.raises(SourceError, match="differ in shape"):
        read_openvino(path)


def test_division_of_integers_towards_zero(tmp_path: Path) -> None:
    path = edited(case("x", lambda x, y: op1.divide(x, y), *NEGATIVE), tmp_path, 'm_pythondiv="true"', 'm_pythondiv="false"')
    assert [node.op.name for node in read_openvino(path).nodes] == ["Div"]


def test_types_without_a_common_one(tmp_path: Path) -> None:
    mixed = case("x", lambda x, y: op14.convert_promote_types(op1.convert(x, "f8e4m3"), op1.convert(y, "f8e5m2"), promote_unsafe=True).outputs(),
                 (2,), (2,))
    path = saved(model_of(mixed), tmp_path)
    with pytest.raises(UnsupportedError, match="no type for both"):
        read_openvino(path)
