"""Element types: what OpenVINO writes is what the parser reads."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import openvino
import openvino.opset13 as op13
import pytest

from nchw2nhwc.errors import SourceError, UnsupportedError
from nchw2nhwc.parse.openvino import read_openvino
from nchw2nhwc.parse.openvino.elements import ELEMENTS, decode, element_of
from tests.parse.openvino.harness import saved

PLAIN = {"f64": np.float64, "f32": np.float32, "f16": np.float16, "i64": np.int64, "i32": np.int32, "i16": np.int16, "i8": np.int8,
         "u64": np.uint64, "u32": np.uint32, "u16": np.uint16, "u8": np.uint8, "boolean": np.bool_, "bf16": ml_dtypes.bfloat16,
         "f8e4m3": ml_dtypes.float8_e4m3fn, "f8e5m2": ml_dtypes.float8_e5m2}
PACKED = {"u1": (1, np.uint8, range(2)), "u4": (4, ml_dtypes.uint4, range(16)), "i4": (4, ml_dtypes.int4, range(-8, 8))}


@pytest.mark.parametrize("name", sorted(PLAIN))
def test_constants_of_whole_bytes(name: str, tmp_path: Path) -> None:
    """Written by OpenVINO from numpy's bytes, so equal bytes are equal numbers."""
    array = np.arange(6).reshape(2, 3).astype(PLAIN[name])
    content = np.frombuffer(array.tobytes(), np.uint8).copy()
    tensor = openvino.Tensor(content, openvino.Shape([2, 3]), getattr(openvino.Type, name))
    model = openvino.Model([op13.result(openvino.op.Constant(tensor))], [])
    value = read_openvino(saved(model, tmp_path)).outputs[0]
    assert value.const is not None
    assert value.const.dtype == array.dtype
    np.testing.assert_array_equal(value.const, array)


@pytest.mark.parametrize("name", sorted(PACKED))
@pytest.mark.parametrize("count", [1, 5, 16])
def test_constants_of_parts_of_bytes(name: str, count: int, tmp_path: Path) -> None:
    """The oracle is OpenVINO's own conversion to 32-bit integers."""
    bits, dtype, numbers = PACKED[name]
    content = np.random.default_rng(count).integers(0, 256, (count * bits + 7) // 8).astype(np.uint8)
    constant = openvino.op.Constant(openvino.Tensor(content, openvino.Shape([count]), getattr(openvino.Type, name)))
    whole = openvino.Model([op13.result(op13.convert(constant, "u8" if name == "u1" else "i32"))], [])
    expected = openvino.compile_model(whole, "CPU")({})[0]
    value = read_openvino(saved(openvino.Model([op13.result(constant)], []), tmp_path)).outputs[0].const
    assert value is not None
    assert value.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(value.astype(np.int32), expected.astype(np.int32))
    assert set(value.astype(int).tolist()) <= set(numbers)


def test_whole_bytes_are_viewed_in_place() -> None:
    content = np.arange(64, dtype=np.uint8)
    array = decode(content[8:40], ELEMENTS["f32"], (2, 4))
    assert np.shares_memory(array, content)


def test_a_view_that_would_not_be_aligned_is_a_copy() -> None:
    content = np.frombuffer(bytes(64), np.uint8)
    array = decode(content[3:35], ELEMENTS["i64"], (4,))
    assert array.flags.aligned


def test_any_byte_but_zero_is_true() -> None:
    array = decode(np.array([0, 1, 2, 255], np.uint8), ELEMENTS["boolean"], (4,))
    assert array.dtype == np.bool_
    assert array.view(np.uint8).tolist() == [0, 1, 1, 1]


def test_a_scalar_and_an_empty_tensor() -> None:
    assert decode(np.array([5, 0, 0, 0], np.uint8), ELEMENTS["i32"], ()) == 5
    assert decode(np.zeros(0, np.uint8), ELEMENTS["u4"], (0, 3)).shape == (0, 3)


def test_narrow_floats_of_parts_of_bytes() -> None:
    array = decode(np.array([0x21, 0x0F], np.uint8), ELEMENTS["f4e2m1"], (3,))
    assert array.astype(np.float32).tolist() == [0.5, 1.0, -6.0]


def test_codes_of_normal_floats(tmp_path: Path) -> None:
    """The oracle is OpenVINO's own conversion to float32."""
    content = np.random.default_rng(4).permutation(np.arange(256)).astype(np.uint8)
    constant = openvino.op.Constant(openvino.Tensor(content, openvino.Shape([2, 256]), openvino.Type.nf4))
    model = openvino.Model([op13.result(op13.convert(constant, "f32"))], [])
    value = read_openvino(saved(model, tmp_path)).outputs[0]
    numbers = value.const
    assert numbers is not None
    np.testing.assert_array_equal(numbers, openvino.compile_model(model, "CPU")({})[0])


@pytest.mark.parametrize("name", ["string", "nf4", "u3", "u6", "dynamic"])
def test_types_that_openvino_has_and_numpy_has_not(name: str) -> None:
    with pytest.raises(UnsupportedError, match=f"'{name}' is not supported"):
        element_of(name)


@pytest.mark.parametrize("name", ["", "f33", "float", "FP32"])
def test_what_is_no_type(name: str) -> None:
    with pytest.raises(SourceError, match="is no element type"):
        element_of(name)
