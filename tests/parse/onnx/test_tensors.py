"""Tensors as arrays: every element type in every form, external data, and what contradicts itself."""

from __future__ import annotations

import os
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from nchw2nhwc.errors import ConversionError, Location, SourceError, UnsupportedError
from nchw2nhwc.ir import Array
from nchw2nhwc.parse.onnx import read_onnx
from nchw2nhwc.parse.onnx.tensors import ELEMENT_TYPES, TensorReader
from nchw2nhwc.parse.onnx.wire import NOTHING_OUTLINED
from tests.parse.onnx.models import model, node, sparse

WHERE = Location("m.onnx")


def read(tensor: TensorProto, folder: Path | None = None) -> Array:
    return TensorReader(NOTHING_OUTLINED, folder, WHERE).array(tensor, "initializer 'w'")


def raw(data_type: int, dims: list[int], content: bytes) -> TensorProto:
    return TensorProto(name="w", data_type=data_type, dims=dims, raw_data=content)


# ---- element types -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("number", ELEMENT_TYPES)
@pytest.mark.parametrize("shape", [(3, 5), (), (0, 2), (7,)])
def test_every_element_type(number: int, shape: tuple[int, ...]) -> None:
    """Raw and as numbers, as the onnx package writes them."""
    dtype = ELEMENT_TYPES[number]
    # A bare exponent has no zero.
    wanted = np.maximum(np.arange(np.prod(shape, dtype=int)) % 2, dtype.name == "float8_e8m0fnu").reshape(shape).astype(dtype)
    stored = numpy_helper.from_array(wanted, "w")
    assert stored.data_type == number
    found = read(stored)
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    assert np.array_equal(found.astype(np.float32), wanted.astype(np.float32))
    typed = helper.make_tensor("w", number, shape, wanted.astype(np.float32).ravel().tolist())
    assert np.array_equal(read(typed).astype(np.float32), wanted.astype(np.float32))


@pytest.mark.parametrize(("dtype", "values"), [
    (ml_dtypes.int4, [-8, 7, -1, 0, 3]), (ml_dtypes.uint4, [15, 0, 8]), (ml_dtypes.int2, [-2, 1, -1, 0, 1]), (ml_dtypes.uint2, [3, 0, 2]),
    (ml_dtypes.float4_e2m1fn, [-6, 0.5, 1.5]),
])
def test_elements_that_share_bytes(dtype: type, values: list[float]) -> None:
    assert read(numpy_helper.from_array(np.array(values, dtype))).astype(np.float32).tolist() == values


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16, np.int64])
def test_views_need_no_alignment(dtype: type) -> None:
    """The bytes of a tensor lie anywhere in the file."""
    wanted = np.arange(2000).astype(dtype)
    for shift in range(3):
        source = model([node("Shape", "w")], constants={"w": wanted, "n" * (shift + 1): np.ones(1)}, outputs=["w"])
        found = read_onnx(source.SerializeToString()).outputs[0].const
        assert found is not None
        assert found.base is not None
        assert np.array_equal(found.astype(np.float64) + 1, wanted.astype(np.float64) + 1)


def test_arrays_are_read_only() -> None:
    assert not read(numpy_helper.from_array(np.ones(3))).flags.writeable


# ---- contradictions ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("tensor", "message"), [
    (raw(TensorProto.FLOAT, [2, 2], b"\0" * 15), r"needs 16 bytes for float32\[2, 2\], but has 15"),
    (raw(TensorProto.FLOAT, [2, 2], b""), "but has 0"),
    (raw(TensorProto.INT4, [3], b"\0"), "needs 2 bytes"),
    (raw(TensorProto.FLOAT, [-2, -2], b"\0" * 16), "negative size -2"),
    (raw(TensorProto.FLOAT, [10**8, 10**7], b"\0" * 16), r"at least 10\^15 elements"),
    (raw(TensorProto.FLOAT, [2**62] * 40, b""), "claims to have 40 axes"),
    (raw(TensorProto.FLOAT, [2**62] * 30, b""), "elements"),
    (raw(TensorProto.FLOAT, [1000, 1000, 1000], b"\0" * 16), "needs 4000000000 bytes"),
    (raw(99, [1], b"\0"), "unknown element type 99"),
    (raw(0, [1], b"\0"), "unknown element type 0"),
    (TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3], float_data=[1, 2]), "needs 3 numbers .* but has 2 in float_data"),
    (TensorProto(name="w", data_type=TensorProto.INT64, dims=[3], int32_data=[1, 2, 3]), "has 0 in int64_data"),
    (TensorProto(name="w", data_type=TensorProto.INT4, dims=[3], int32_data=[1]), "needs 2 numbers"),
    (TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3]), "but has 0"),
])
def test_content_that_does_not_fit(tensor: TensorProto, message: str) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        read(tensor)
    assert str(caught.value).startswith("m.onnx: initializer 'w' ")


@pytest.mark.parametrize("kind", [TensorProto.STRING, TensorProto.COMPLEX64, TensorProto.COMPLEX128])
def test_types_that_are_not_supported(kind: int) -> None:
    with pytest.raises(UnsupportedError, match=r"string|complex"):
        read(raw(kind, [1], b"\0"))


# ---- external data -----------------------------------------------------------------------------------------------------
def external(**entries: object) -> TensorProto:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2, 2], data_location=TensorProto.EXTERNAL)
    for key, value in entries.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, str(value)
    return tensor


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model's folder, w.data of 32 bytes in it, and a file beside it that is none of its business."""
    inside = tmp_path / "model"
    (inside / "sub").mkdir(parents=True)
    (inside / "w.data").write_bytes(np.arange(8, dtype=np.float32).tobytes())
    (inside / "sub" / "v.data").write_bytes(np.arange(4, dtype=np.float32).tobytes())
    (inside / "empty").write_bytes(b"")
    (tmp_path / "secret").write_bytes(b"\0" * 64)
    (inside / "way_out").symlink_to(tmp_path / "secret")
    (inside / "out").symlink_to(tmp_path)
    (inside / "alias").symlink_to(inside / "w.data")
    return inside


@pytest.mark.parametrize(("entries", "first"), [
    ({"location": "w.data"}, 0), ({"location": "w.data", "offset": 16, "length": 16}, 4), ({"location": "w.data", "offset": 4}, 1),
    ({"location": "sub/v.data", "length": 16, "checksum": "none"}, 0), ({"location": "alias"}, 0), ({"location": "./w.data"}, 0),
])
def test_external_data(folder: Path, entries: dict[str, object], first: int) -> None:
    assert read(external(**entries), folder).tolist() == [[first, first + 1], [first + 2, first + 3]]


@pytest.mark.parametrize(("entries", "message"), [
    ({}, "external file '', which is not inside"),
    ({"location": "missing"}, "which is missing"),
    ({"location": "../secret"}, "not inside the model's folder"),
    ({"location": "sub/../../secret"}, "not inside the model's folder"),
    ({"location": "..\\secret"}, "not inside the model's folder"),
    ({"location": "/etc/passwd"}, "not inside the model's folder"),
    ({"location": "C:\\secret"}, "not inside the model's folder"),
    ({"location": "way_out"}, "not inside the model's folder"),
    ({"location": "out/secret"}, "not inside the model's folder"),
    ({"location": "sub"}, "which is missing"),
    ({"location": "w\0.data"}, "cannot be read|missing"),
    ({"location": "n" * 5000}, "cannot be read|missing"),
    ({"location": "empty"}, "has 0"),
    ({"location": "w.data", "offset": 20}, "lies at bytes 20 to 36 of 'w.data', which has 32"),
    ({"location": "w.data", "offset": 10**15}, "which has 32"),
    ({"location": "w.data", "offset": -4}, "offset '-4'"),
    ({"location": "w.data", "offset": "x"}, "offset 'x'"),
    ({"location": "w.data", "offset": "9" * 30}, "no number of bytes"),
    ({"location": "w.data", "length": 12}, "needs 16 bytes for its shape, but its external data has 12"),
    ({"location": "w.data", "length": 20}, "needs 16 bytes for its shape, but its external data has 20"),
])
def test_external_data_that_does_not_fit(folder: Path, entries: dict[str, object], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read(external(**entries), folder)


def test_external_data_needs_a_folder() -> None:
    with pytest.raises(SourceError, match="not read from a file"):
        read(external(location="w.data"))


def test_a_model_with_external_data(tmp_path: Path) -> None:
    wanted = np.random.default_rng(0).standard_normal((30, 50)).astype(np.float32)
    onnx.save(model([node("Identity", "w")], constants={"w": wanted}), tmp_path / "m.onnx", save_as_external_data=True, location="m.data",
              size_threshold=0)
    graph = read_onnx(tmp_path / "m.onnx")
    assert graph.outputs[0].const is not None
    assert np.array_equal(graph.outputs[0].const, wanted)
    os.remove(tmp_path / "m.data")
    with pytest.raises(ConversionError, match=r"m.onnx: initializer 'w' lies in the external file 'm.data', which is missing"):
        read_onnx(tmp_path / "m.onnx")


# ---- sparse tensors ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("values", "places", "dims", "wanted"), [
    ([2, 5], [1, 5], [2, 3], [[0, 2, 0], [0, 0, 5]]), ([2, 5], [[0, 1], [1, 2]], [2, 3], [[0, 2, 0], [0, 0, 5]]),
    ([], [], [2, 2], [[0, 0], [0, 0]]), ([4], [[2]], [3], [0, 0, 4]), ([], [], [0, 2], np.zeros((0, 2))),
])
def test_sparse_tensors(values: list[float], places: list[int], dims: list[int], wanted: object) -> None:
    found = TensorReader(NOTHING_OUTLINED, None, WHERE).dense(sparse("w", values, places, dims), "initializer 'w'")
    assert found.dtype == np.float32
    assert np.array_equal(found, wanted)


@pytest.mark.parametrize(("values", "places", "dims", "message"), [
    ([2, 5], [1], [2, 3], r"values of shape \[2\] and int64 indices of shape \[1\]"), ([[2, 5]], [1, 2], [2, 3], "make no sparse tensor"),
    ([2, 5], [[0], [1]], [2, 3], r"indices of shape \[2, 1\], which make no sparse tensor of shape \[2, 3\]"),
    ([2], [6], [2, 3], r"m.onnx: initializer 'w' has indices outside of its shape \[2, 3\]"), ([2], [[0, -1]], [2, 3], "indices outside"),
    ([2], [0], [-2, 3], "negative size -2"), ([2], [0], [1 << 20, 1 << 10], "is sparse, and .* elements are too many"),
])
def test_sparse_tensors_that_do_not_fit(values: list[float], places: list[int], dims: list[int], message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        TensorReader(NOTHING_OUTLINED, None, WHERE).dense(sparse("w", values, places, dims), "initializer 'w'")
