"""The inputs and outputs of a conversion, as source and result know them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nchw2nhwc.ir import Array, Dim, DType, Shape, TensorType, bounds
from nchw2nhwc.ir.draws import Draw
from nchw2nhwc.ir.preprocessing import Preprocessing

METADATA = "nchw2nhwc.interface"
"""The name under which a result's own metadata holds its inputs and outputs as the report describes them (JSON)."""


@dataclass(frozen=True)
class TensorInfo:
    """One input or output: `result = source.transpose(perm)`.

    `source_shape` is in the source's axis order, `shape` in the result's; -1 is a dimension of any size. `dtype` is the result's element
    type. `tensor` is the source's name of the tensor (the same as `name` unless a cut renamed it; "" if it has none) and `source_type` its
    element type and shape there, with names for the dimensions of any size. `preprocessing` is what the result does to raw data first; data
    for an input is raw then, and the source gets `to_network` of it. `draw` says how the numbers of an input are distributed that the
    source draws at random.
    """

    name: str
    source_shape: tuple[int, ...]
    shape: tuple[int, ...]
    dtype: DType
    perm: tuple[int, ...]
    source_type: TensorType
    tensor: str
    preprocessing: Preprocessing | None = None
    draw: Draw | None = None

    @property
    def given_type(self) -> TensorType:
        """The element type and shape of data for an input, in the source's order of axes: the source's own unless data is raw."""
        return self.source_type if self.preprocessing is None else self.source_type.with_dtype(self.preprocessing.raw_dtype)

    def to_network(self, array: Array) -> Array:
        """What the source takes for data of `given_type`."""
        return array if self.preprocessing is None else self.preprocessing.apply(array)

    def to_result(self, array: Array) -> Array:
        """An array of the source's axis order and type as the result takes it."""
        return np.asarray(array.transpose(self.perm), self.dtype, order="C")

    def to_source(self, array: Array) -> Array:
        """An array of the result's axis order in the source's (a view)."""
        return array.transpose(np.argsort(self.perm))


_CHANNELS_LAST = {3: "NWC", 4: "NHWC", 5: "NDHWC"}


def layout_name(info: TensorInfo) -> str:
    """A declared layout in words."""
    rank = len(info.perm)
    if info.perm == tuple(range(rank)):
        return "as in the source"
    if info.perm == (0, *range(2, rank), 1):
        return _CHANNELS_LAST.get(rank, "channels last")
    return f"axes {','.join(map(str, info.perm))}"


def size_rules(inputs: Sequence[TensorInfo]) -> list[str]:
    """What the sizes of inputs have to be where they are open, in words: multiples, and bounds."""
    rules = []
    for info in inputs:
        for axis, size in enumerate(info.source_type.shape):
            factor, _, rest = (isinstance(size, Dim) and size.linear()) or (1, "", 0)
            least, most = bounds(size) if isinstance(size, Dim) else (None, None)
            parts = [f"a multiple of {factor}" + (f" and {rest}" if rest else "")] if factor > 1 else []
            parts += [f"at least {least}"] if least is not None and least > factor + rest else []
            parts += [] if most is None else [f"at most {most}"]
            if parts:
                rules.append(f"axis {axis} of '{info.name}' is {', '.join(parts)}")
    return rules


def describe(name: str, tensor: str, source: TensorType, result: TensorType, perm: tuple[int, ...],
             preprocessing: Preprocessing | None = None, draw: Draw | None = None) -> TensorInfo:
    """The `TensorInfo` of a tensor from its types on both sides."""
    assert tuple(source.shape[a] for a in perm) == result.shape, f"'{name}': {source} stored as {perm} is not {result}"
    return TensorInfo(name, numbers(source.shape), numbers(result.shape), result.dtype, perm, source, tensor, preprocessing, draw)


def numbers(shape: Shape) -> tuple[int, ...]:
    """A shape with -1 for every size that is not known."""
    return tuple(s if isinstance(s, int) else -1 for s in shape)
