"""Tensors of an ONNX model as numpy arrays: views of the model's bytes, or of its external data files, wherever the format allows."""

from __future__ import annotations

import mmap
import os
from collections.abc import Mapping
from math import prod
from pathlib import Path, PurePosixPath, PureWindowsPath

import ml_dtypes
import numpy as np
from onnx import SparseTensorProto, TensorProto, numpy_helper

from nchw2nhwc.errors import Location, SourceError, UnsupportedError
from nchw2nhwc.ir.types import Array, DType
from nchw2nhwc.parse.onnx.wire import Outline

MAX_RANK = 32
MAX_ELEMENTS = 1 << 40
"""A shape with more elements than this is a mistake or an attack, not a model."""

MAX_DENSE_BYTES = 1 << 31
"""A sparse tensor is not made dense where that takes more: neither protobuf nor a TensorFlow Lite model holds it."""

_NUMPY = {"FLOAT": "float32", "DOUBLE": "float64", "BOOL": "bool"} | {
    name: name.lower() for name in ("UINT8", "INT8", "UINT16", "INT16", "INT32", "INT64", "FLOAT16", "UINT32", "UINT64")}
_ML_DTYPES = {"BFLOAT16": "bfloat16", "FLOAT8E4M3FN": "float8_e4m3fn", "FLOAT8E4M3FNUZ": "float8_e4m3fnuz", "FLOAT8E5M2": "float8_e5m2",
              "FLOAT8E5M2FNUZ": "float8_e5m2fnuz", "FLOAT8E8M0": "float8_e8m0fnu", "FLOAT4E2M1": "float4_e2m1fn",
              "UINT4": "uint4", "INT4": "int4", "UINT2": "uint2", "INT2": "int2"}
_BITS = {"float4_e2m1fn": 4, "uint4": 4, "int4": 4, "uint2": 2, "int2": 2}
"""Bits per element of the types that share bytes; all others have whole bytes."""

_TYPED_FIELDS = {"FLOAT": "float_data", "DOUBLE": "double_data", "INT64": "int64_data", "UINT64": "uint64_data", "UINT32": "uint64_data"}
"""Where content lies that is not raw; every other type uses `int32_data`."""


def _known_types() -> Mapping[int, DType]:
    numbers = dict(TensorProto.DataType.items())
    found = {numbers[name]: np.dtype(spelling) for name, spelling in _NUMPY.items()}
    # Older releases of onnx and of ml_dtypes lack some of the narrow types.
    narrow = {name: getattr(ml_dtypes, spelling, None) for name, spelling in _ML_DTYPES.items() if name in numbers}
    return found | {numbers[name]: np.dtype(dtype) for name, dtype in narrow.items() if dtype is not None}


ELEMENT_TYPES: Mapping[int, DType] = _known_types()
"""Numpy's (or ml_dtypes') element type for every number of `TensorProto.DataType` that is supported."""

_BESIDE = "Put the file into the model's folder, under the name that the model has for it."


def element_type(number: int, what: str) -> DType:
    """The element type that ONNX numbers so. Raises SourceError when ONNX has no such type, UnsupportedError for strings and complex."""
    dtype = ELEMENT_TYPES.get(number)
    if dtype is not None:
        return dtype
    names = {value: name for name, value in TensorProto.DataType.items()}
    if number == 0 or number not in names:
        raise SourceError(f"{what} has the unknown element type {number}")
    raise UnsupportedError(f"{what} has elements of type {names[number].lower()}, which no tensor of a TensorFlow Lite model can hold")


class TensorReader:
    """Turns the tensors of one model into arrays. `folder` is where its external data may lie: None for a model that is no file."""

    def __init__(self, outlined: Outline, folder: Path | None, where: Location) -> None:
        self._outlined, self._folder, self._where = outlined, folder, where
        self._files: dict[str, memoryview] = {}

    def array(self, tensor: TensorProto, what: str) -> Array:
        """The content of `tensor`, read-only. Raises SourceError, naming it as `what`, where it contradicts its type and shape."""
        try:
            dtype, shape = element_type(tensor.data_type, what), tensor_shape(tuple(tensor.dims), what)
            if tensor.data_location == TensorProto.EXTERNAL:
                return _viewed(self._external(tensor, byte_count(dtype, shape), what), dtype, shape)
            if tensor.HasField("raw_data"):
                raw = self._outlined.blob(tensor.raw_data)
                _require_bytes(len(raw), dtype, shape, what)
                return _viewed(raw, dtype, shape)
            return _typed(tensor, dtype, shape, what)
        except (SourceError, UnsupportedError) as error:
            raise error.at(self._where) from None

    def dense(self, sparse: SparseTensorProto, what: str) -> Array:
        """The content of `sparse` with its zeros. Raises SourceError where its parts contradict each other, UnsupportedError where it
        would be too large."""
        values = self.array(sparse.values, f"the values of {what}")
        places = self.array(sparse.indices, f"the indices of {what}")
        try:
            shape = tensor_shape(tuple(sparse.dims), what)
            flat = _positions(places, values.shape, shape, what)
            if byte_count(values.dtype, shape) > MAX_DENSE_BYTES:
                raise UnsupportedError(f"{what} is sparse, and {list(shape)} elements are too many to store all of them")
        except (SourceError, UnsupportedError) as error:
            raise error.at(self._where) from None
        result: Array = np.zeros(prod(shape), values.dtype)
        result[flat] = values
        return result.reshape(shape)

    def _external(self, tensor: TensorProto, length: int, what: str) -> memoryview:
        """The bytes of a tensor that lie in another file."""
        entries = {entry.key: entry.value for entry in tensor.external_data}
        content = self._file(entries.get("location", ""), what)
        offset, declared = (_number(entries.get(key, str(default)), key, what) for key, default in (("offset", 0), ("length", length)))
        if declared != length:
            raise SourceError(f"{what} needs {length} bytes for its shape, but its external data has {declared}")
        if offset + length > len(content):
            raise SourceError(f"{what} lies at bytes {offset} to {offset + length} of '{entries['location']}', which has {len(content)}",
                              advice="The external data file is truncated, or belongs to another model.")
        return content[offset:offset + length]

    def _file(self, location: str, what: str) -> memoryview:
        """An external data file, mapped; it must lie in the model's folder, symbolic links followed."""
        if location in self._files:
            return self._files[location]
        if self._folder is None:
            raise SourceError(f"{what} lies in the external file '{location}', but the model was not read from a file",
                              advice="Give the model's path, or load its external data first (onnx.load).")
        spellings = PurePosixPath(location), PureWindowsPath(location)
        if not location or any(path.anchor or ".." in path.parts for path in spellings):
            raise SourceError(f"{what} lies in the external file '{location}', which is not inside the model's folder",
                              advice=_BESIDE)
        folder = Path(os.path.realpath(self._folder))
        try:
            path = Path(os.path.realpath(folder / location))
            if not path.is_relative_to(folder) or not path.is_file():
                reason = "is missing" if path.is_relative_to(folder) else "is not inside the model's folder"
                raise SourceError(f"{what} lies in the external file '{location}', which {reason}", advice=_BESIDE)
            self._files[location] = mapped(path)
        except (OSError, ValueError) as error:
            raise SourceError(f"{what} lies in the external file '{location}', which cannot be read: {error}",
                              advice=_BESIDE) from None
        return self._files[location]


def _positions(places: Array, values: tuple[int, ...], shape: tuple[int, ...], what: str) -> Array:
    """Where the values of a sparse tensor lie among its elements in row-major order: its indices are such numbers, or one row of an index
    per axis for each value. Raises SourceError where they are something else, or are outside of `shape`."""
    if len(values) != 1 or places.dtype != np.int64 or places.shape not in (values, (*values, len(shape))):
        raise SourceError(f"{what} has values of shape {list(values)} and {places.dtype.name} indices of shape {list(places.shape)}, "
                          f"which make no sparse tensor of shape {list(shape)}")
    indices, limits = np.asarray(places, np.int64), np.asarray([prod(shape)] if places.ndim == 1 else shape, np.int64)
    if ((indices < 0) | (indices >= limits)).any():
        raise SourceError(f"{what} has indices outside of its shape {list(shape)}")
    strides = [prod(shape[axis + 1:]) for axis in range(len(shape))]
    return indices if indices.ndim == 1 else indices @ np.asarray(strides, np.int64)


def mapped(path: Path) -> memoryview:
    """A file's content, mapped into memory. Raises OSError."""
    with path.open("rb") as file:
        if not path.stat().st_size:
            return memoryview(b"")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def tensor_shape(dims: tuple[int, ...], what: str) -> tuple[int, ...]:
    """`dims` as a shape. Raises SourceError when they are negative or too large to be meant."""
    if min(dims, default=0) < 0:
        raise SourceError(f"{what} has the negative size {min(dims)} in its shape {list(dims)}")
    if len(dims) > MAX_RANK:
        raise SourceError(f"{what} claims to have {len(dims)} axes; at most {MAX_RANK} are possible")
    if prod(dims) > MAX_ELEMENTS:
        raise SourceError(f"{what} claims the shape {list(dims)}, which is {rounded(prod(dims))} elements")
    return dims


def rounded(count: int) -> str:
    """A very large number as the power of ten below it: no float holds all of them."""
    return f"at least 10^{len(str(count)) - 1}"


def byte_count(dtype: DType, shape: tuple[int, ...]) -> int:
    """Bytes of a tensor as ONNX stores it: types of less than a byte share bytes."""
    return (prod(shape) * _BITS.get(dtype.name, 8 * dtype.itemsize) + 7) // 8


def _require_bytes(have: int, dtype: DType, shape: tuple[int, ...], what: str) -> None:
    need = byte_count(dtype, shape)
    if have != need:
        raise SourceError(f"{what} needs {need} bytes for {dtype.name}{list(shape)}, but has {have}")


def _number(text: str, key: str, what: str) -> int:
    """A non-negative decimal number in the description of external data."""
    if not (text.isascii() and text.isdigit()) or len(text) > 20:
        raise SourceError(f"{what} has external data with the {key} '{text}', which is no number of bytes")
    return int(text)


def _viewed(raw: memoryview | bytes, dtype: DType, shape: tuple[int, ...]) -> Array:
    """Stored bytes as an array: a view of them, except for types that share bytes, which are spread out."""
    bits = _BITS.get(dtype.name)
    if bits is None:
        return np.frombuffer(raw, dtype.newbyteorder("<") if dtype.kind in "iufb" else dtype).reshape(shape)
    packed = np.frombuffer(raw, np.uint8)
    spread = np.stack([packed >> shift & (1 << bits) - 1 for shift in range(0, 8, bits)], -1).ravel()[:prod(shape)].reshape(shape)
    if dtype.name.startswith("float"):
        return spread.view(dtype)
    half = 1 << bits - 1
    return (spread.astype(np.int8) if dtype.name.startswith("uint") else (spread.astype(np.int8) ^ half) - half).astype(dtype)


def _typed(tensor: TensorProto, dtype: DType, shape: tuple[int, ...], what: str) -> Array:
    """The content of a tensor that is stored as numbers, one or (types that share bytes) several to an entry."""
    field = _TYPED_FIELDS.get(TensorProto.DataType.Name(tensor.data_type), "int32_data")
    have, need = len(getattr(tensor, field)), byte_count(dtype, shape) if dtype.name in _BITS else prod(shape)
    if have != need:
        raise SourceError(f"{what} needs {need} numbers for {dtype.name}{list(shape)}, but has {have} in {field}")
    array: Array = numpy_helper.to_array(tensor)
    return array.reshape(shape)
