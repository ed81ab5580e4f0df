"""What is done to raw data before it is what the source takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nchw2nhwc.ir.types import Array, DType

_Doubles = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

RAW = ":raw"
"""Behind the name of the source's tensor: the tensor of raw data that it is computed from."""

PREPROCESSING = "Preprocessing"
"""The type of the layer that nodes of preprocessing belong to; its name is that of the input."""


@dataclass(frozen=True)
class Preprocessing:
    """`(x - mean) / scale` of raw data `x`, whose channels are reversed before that if `reverse` says so.

    `tensor` is the source's input. `mean` and `scale` hold one number for all channels or one for each, in the order in which the source
    takes its channels; they lie along `axis` of the source's order, which is None where it does not matter. `raw_dtype` is the element type
    of raw data, `dtype` what the source takes.
    """

    tensor: str
    axis: int | None
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    reverse: bool
    raw_dtype: DType
    dtype: DType

    @property
    def raw(self) -> str:
        """What raw data is called among the source's tensors."""
        return self.tensor + RAW

    def along(self, numbers: tuple[float, ...], rank: int) -> _Doubles:
        """Numbers of the channels as a float64 constant that broadcasts with data of `rank` axes, in the source's order."""
        content = np.array(numbers, np.float64)
        return content.reshape(()) if content.size == 1 or self.axis is None else content.reshape(-1, *[1] * (rank - self.axis - 1))

    def apply(self, x: Array) -> Array:
        """What the source takes for raw data, both in the source's order of axes."""
        turned = self._turned(np.asarray(x, np.float64))
        return np.asarray((turned - self.along(self.mean, x.ndim)) / self.along(self.scale, x.ndim)).astype(self.dtype)

    def undo(self, x: _Doubles) -> _Doubles:
        """Raw data, of floating point numbers, for which the source gets `x`."""
        return self._turned(x * self.along(self.scale, x.ndim) + self.along(self.mean, x.ndim))

    def _turned(self, x: _Doubles) -> _Doubles:
        return np.flip(x, self.axis) if self.reverse else x

    def __str__(self) -> str:
        """As a formula, without what changes nothing."""
        text = "reversed x" if self.reverse else "x"
        if any(self.mean):
            text = f"({text} - {_numbers(self.mean)})"
        return f"{text} / {_numbers(self.scale)}" if any(s != 1 for s in self.scale) else text.removeprefix("(").removesuffix(")")


def _numbers(numbers: tuple[float, ...]) -> str:
    listed = ", ".join(f"{n:g}" for n in numbers)
    return listed if len(numbers) == 1 else f"[{listed}]"
