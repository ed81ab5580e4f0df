"""The inputs of an ONNX model: their element types and shapes, with those that the caller gives instead."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from onnx import TensorShapeProto, ValueInfoProto

from nchw2nhwc.errors import Location, OptionError, SourceError, UnsupportedError
from nchw2nhwc.ir.dim import Dim, Shape, Size
from nchw2nhwc.ir.types import DType, TensorType
from nchw2nhwc.parse.onnx.tensors import element_type, tensor_shape

DYNAMIC = -1
"""How callers, and some exporters, write a size that is not known."""

SIZES = "Sizes are at least 1, or -1 for dynamic."

_ENCODE = "Encode it before the model: leave the layers that read it out of what is exported."

UNNAMED = ("", "?")
"""Names of dimensions that say nothing: two of them need not be equal."""

_ARITHMETIC = re.compile(r"[^\w.:#$/-]+")
"""What names of dimensions have that are written as arithmetic, such as "past + sequence"."""


@dataclass(frozen=True)
class Input:
    """A declared input: every size is a number, or the named dimension that stands for it."""

    name: str
    dtype: DType
    shape: Shape

    @property
    def type(self) -> TensorType:
        return TensorType(self.dtype, self.shape)


def declared_inputs(infos: Iterable[ValueInfoProto], ranks: Mapping[str, int], where: Location) -> list[Input]:
    """The inputs as the model declares them; `ranks` by name for those that it declares without a shape.

    Raises SourceError or UnsupportedError where one is no tensor of a known rank."""
    found: dict[str, Input] = {}
    names: dict[str, str] = {}
    for info in infos:
        what = f"input '{info.name}'"
        kind = info.type.WhichOneof("value")
        if not info.name or info.name in found:
            raise SourceError(f"{what} is declared twice" if info.name else "an input has no name", where)
        if kind != "tensor_type":
            raise UnsupportedError(f"{what} is no tensor, but a {(kind or 'value of unknown type').removesuffix('_type')}", where, _ENCODE)
        try:
            dtype = element_type(info.type.tensor_type.elem_type, what)
        except UnsupportedError as error:
            error.advice = error.advice or _ENCODE
            raise error.at(where) from None
        except SourceError as error:
            raise error.at(where) from None
        if info.type.tensor_type.HasField("shape"):
            shape = _shape(info.name, info.type.tensor_type.shape, names, where)
        elif info.name in ranks:
            shape = tuple(Dim.symbol(f"{info.name}_{axis}") for axis in range(ranks[info.name]))
        else:
            raise UnsupportedError(f"{what} has no shape: its rank is dynamic", where, f"Give its sizes with --input-shape {info.name}=...")
        found[info.name] = Input(info.name, dtype, shape)
    return list(found.values())


def _shape(name: str, proto: TensorShapeProto, names: dict[str, str], where: Location) -> Shape:
    """A declared shape; `names` are those of the model's dimensions, by what it calls them."""
    sizes: list[Size] = []
    for axis, dim in enumerate(proto.dim):
        unknown = dim.WhichOneof("value") != "dim_value" or dim.dim_value == DYNAMIC
        symbol = _named(dim.dim_param, names) if dim.dim_param not in UNNAMED else f"{name}_{axis}"
        sizes.append(Dim.symbol(symbol) if unknown else dim.dim_value)
    try:
        tensor_shape(tuple(s for s in sizes if isinstance(s, int)), f"input '{name}'")
    except SourceError as error:
        raise error.at(where) from None
    return tuple(sizes)


def _named(name: str, names: dict[str, str]) -> str:
    """A name of one dimension that no expression of several is spelled like."""
    if name not in names:
        plain = _ARITHMETIC.sub("_", name)
        taken = sum(_ARITHMETIC.sub("_", other) == plain for other in names)
        names[name] = f"{plain}_{taken + 1}" if taken else plain
    return names[name]


# ---- what the caller gives instead -----------------------------------------------------------------------------------
def reshaped(inputs: Sequence[Input], input_shapes: Mapping[str, Sequence[int]], batch: int | None) -> list[Input]:
    """The inputs with other sizes. A named dimension that is given a size in one input has it in all of them.

    `input_shapes`: sizes by input name, -1 for dynamic; `batch`: the size of axis 0 of every input that has axes, -1 for dynamic.
    Raises OptionError for names, ranks and sizes that do not fit.
    """
    unknown = [name for name in input_shapes if name not in {i.name for i in inputs}]
    if unknown:
        raise OptionError(f"there is no input '{unknown[0]}'", advice=f"The inputs are: {', '.join(i.name for i in inputs)}.")
    given = {i.name: _given(i, input_shapes[i.name]) for i in inputs if i.name in input_shapes}
    if batch is not None:
        _apply_batch(inputs, given, batch)
    fixed = _fixed(inputs, given)
    shapes = {i.name: given.get(i.name, i.shape) for i in inputs}
    return [Input(i.name, i.dtype, tuple(fixed.get(s, s) if isinstance(s, Dim) else s for s in shapes[i.name])) for i in inputs]


def _given(declared: Input, sizes: Sequence[int]) -> Shape:
    """The shape that the caller asks for: -1 keeps a named dimension's name."""
    if len(sizes) != len(declared.shape):
        raise OptionError(f"input '{declared.name}' has {len(declared.shape)} axes, but {len(sizes)} sizes are given for it")
    wrong = [s for s in sizes if s < 1 and s != DYNAMIC]
    if wrong:
        raise OptionError(f"input '{declared.name}' cannot have an axis of size {wrong[0]}", advice=SIZES)
    return tuple(_dynamic(declared, axis) if size == DYNAMIC else int(size) for axis, size in enumerate(sizes))


def _dynamic(declared: Input, axis: int) -> Size:
    size = declared.shape[axis]
    return size if isinstance(size, Dim) else Dim.symbol(f"{declared.name}_{axis}")


def _apply_batch(inputs: Sequence[Input], given: dict[str, Shape], batch: int) -> None:
    """Put the batch size into axis 0 of every input. A dynamic one is the same for all inputs."""
    if batch < 1 and batch != DYNAMIC:
        raise OptionError(f"the batch size cannot be {batch}", advice=SIZES)
    size: Size = batch
    if batch == DYNAMIC:
        size = next((i.shape[0] for i in inputs if i.shape and isinstance(i.shape[0], Dim)), Dim.symbol("batch"))
    for i in inputs:
        shape = given.get(i.name, i.shape)
        if shape and i.name in given and isinstance(shape[0], int) and shape[0] != size:
            raise OptionError(f"input '{i.name}' is given a batch of {shape[0]} by its shape and of {batch} by the batch size")
        if shape:
            given[i.name] = (size, *shape[1:])


def _fixed(inputs: Sequence[Input], given: Mapping[str, Shape]) -> dict[Dim, Size]:
    """The named dimensions that get a number, because an input that has them is given one."""
    fixed: dict[Dim, Size] = {}
    for i in inputs:
        for old, new in zip(i.shape, given.get(i.name, ())):
            if isinstance(old, Dim) and old != new and fixed.setdefault(old, new) != new:
                raise OptionError(f"dimension '{old}' is given the sizes {fixed[old]} and {new}",
                                  advice="The model names it in several places, which therefore have to be equal.")
    return fixed
