"""Errors of the tensors inside a result, in the order in which it computes them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LayerError:
    """How far one tensor of the result is from the source's.

    `tensor` is the source's name of it, `layer` and `type` the source's layer that makes it. `max_abs` is the largest difference, `max_rel`
    the same relative to the tensor's largest magnitude in the source, `rms` the root of the mean squared difference, `cosine` that of the
    angle between both (1 where they point the same way). For integers and truth values `max_rel` is the share of elements that differ.
    Infinite where one side has a NaN or an infinity that the other has not, or where shapes differ; a cosine may then be NaN.
    """

    tensor: str
    layer: str
    type: str
    max_abs: float
    max_rel: float
    rms: float
    cosine: float


@dataclass(frozen=True)
class LayerErrors:
    """The errors of all tensors that could be compared, in the order in which the result computes them.

    `tolerance` is the largest `max_rel` that counts as agreement. `first` is the index of the first tensor that is off while everything it
    is computed from agrees; None where there is none, because all agree or because the error grows little by little.
    """

    layers: tuple[LayerError, ...]
    tolerance: float
    first: int | None = None

    @property
    def culprit(self) -> LayerError | None:
        """The tensor at `first`."""
        return None if self.first is None else self.layers[self.first]

    @property
    def off(self) -> tuple[LayerError, ...]:
        """All tensors above tolerance."""
        return tuple(error for error in self.layers if not error.max_rel <= self.tolerance)
