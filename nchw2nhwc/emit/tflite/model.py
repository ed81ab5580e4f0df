"""A TFLite file as plain data, between the lowerings that make it and the writer that serialises it.

Names follow the TFLite schema (https://github.com/google-ai-edge/LiteRT, `schema.fbs`): a model has buffers and subgraphs, a subgraph has
tensors and operators, and everything refers to everything by index.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import ml_dtypes
import numpy as np

from nchw2nhwc.emit.tflite.integers import Plan
from nchw2nhwc.errors import Location
from nchw2nhwc.ir import Array, DType

OptionValue: TypeAlias = int | float | bool | tuple[int, ...]

TYPES: Mapping[DType, str] = {np.dtype(key): name for key, name in (
    (np.float32, "FLOAT32"), (np.float16, "FLOAT16"), (np.float64, "FLOAT64"), (ml_dtypes.bfloat16, "BFLOAT16"), (np.bool_, "BOOL"),
    (np.int8, "INT8"), (np.int16, "INT16"), (np.int32, "INT32"), (np.int64, "INT64"),
    (np.uint8, "UINT8"), (np.uint16, "UINT16"), (np.uint32, "UINT32"), (np.uint64, "UINT64"))}
"""The schema's name of every element type that a tensor can have here."""


_NUMBERS = {"FLOAT32": 0, "FLOAT16": 1, "INT32": 2, "UINT8": 3, "INT64": 4, "BOOL": 6, "INT16": 7, "INT8": 9, "FLOAT64": 10, "UINT64": 12,
            "UINT32": 15, "UINT16": 16, "BFLOAT16": 18}
"""`TensorType` of the schema."""

DELEGATE_RANK = 4
"""How many axes delegates for GPUs take."""

DATA_OPERANDS: Mapping[str, int] = {"SPLIT": 1, "SELECT_V2": 1, "SCATTER_ND": 1, "TRANSPOSE_CONV": 2, "CONV_3D_TRANSPOSE": 2}
"""Where an operator's data is among its operands, if it is not the first."""


@dataclass(frozen=True)
class Options:
    """The attributes of an operator: a table of the schema such as `Conv2DOptions`, and its fields."""

    table: str
    fields: tuple[tuple[str, OptionValue], ...] = ()


@dataclass(frozen=True)
class CustomOptions:
    """The attributes of a custom operator, which the file has as a FlexBuffers map."""

    fields: tuple[tuple[str, float | int | bool], ...] = ()


def options(table: str, /, **fields: OptionValue) -> Options:
    """An options table; fields are spelled as the schema's Python classes spell them (`strideW`)."""
    return Options(table, tuple(fields.items()))


def type_number(dtype: DType) -> int:
    """The schema's number for an element type."""
    return _NUMBERS[TYPES[dtype]]


@dataclass(frozen=True)
class Quantization:
    """What the integers of a tensor stand for: `(q - zero_point) * scale`, with one scale, or one for each position along `axis`; the zero
    point is one for all, or one for each scale."""

    scales: tuple[float, ...]
    zero_point: int | tuple[int, ...] = 0
    axis: int = 0


@dataclass(frozen=True)
class Tensor:
    """One tensor of a subgraph.

    `shape` is what the file loads with; `signature` holds -1 for every size that may change, None when none may. `buffer` is an index into
    the model's buffers, 0 for a tensor that is computed. A variable keeps its content from one run to the next one. `decided`: data decides
    a size, so that there may be no elements.
    """

    name: str
    dtype: DType
    shape: tuple[int, ...]
    signature: tuple[int, ...] | None = None
    buffer: int = 0
    variable: bool = False
    quantization: Quantization | None = None
    decided: bool = False


@dataclass(frozen=True)
class Operator:
    """One operator: builtin code by name, or the name of a custom operator, which has `CustomOptions`; its version, tensor indices (-1: an
    operand that is left out), and where it comes from."""

    code: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Options | CustomOptions | None = None
    origin: Location = field(default_factory=Location)


@dataclass
class Subgraph:
    """Tensors and operators in execution order. `inputs` and `outputs` are tensor indices; the interface calls them by their names."""

    name: str
    tensors: list[Tensor] = field(default_factory=list)
    operators: list[Operator] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    input_names: list[str] = field(default_factory=list)
    output_names: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Blob:
    """The content of a buffer: an array in any memory layout, and the element type it is stored with (converted while it is written)."""

    array: Array
    dtype: DType

    @property
    def nbytes(self) -> int:
        """Bytes in the file."""
        return int(self.array.size) * self.dtype.itemsize

    def content(self) -> Array:
        """The bytes as a flat uint8 array; a copy only if the array is not contiguous or its type changes."""
        flat = np.ascontiguousarray(self.array, self.dtype).reshape(-1)
        return flat.view(np.uint8)


@dataclass
class Model:
    """A whole file. Buffer 0 is the schema's empty one; `blobs[k]` is the content of buffer k + 1. `metadata` is free-form, by name;
    `files` stand in a ZIP archive behind the model."""

    subgraphs: list[Subgraph]
    blobs: list[Blob]
    metadata: dict[str, bytes] = field(default_factory=dict)
    description: str = "nchw2nhwc"
    files: dict[str, bytes] = field(default_factory=dict)
    plan: Plan = field(default_factory=Plan)
    """What the file holds as integers because the source does."""
    kept: int = 0
    """How many constants are integers that are made float32 when the file is loaded."""
