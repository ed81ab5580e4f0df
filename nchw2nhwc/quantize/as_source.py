"""A source that is quantized already, nearer to what its runtime computes.

The file that a conversion makes has the roundings that the source says. Its runtime may leave some out, and adds biases that are no whole
numbers of products, which integer kernels of TFLite cannot. Here some layers do as the runtime does: what OpenVINO does not round has 16
bits (or is computed in float, where kernels of 16 bits would not do), factors are those that OpenVINO has, and other layers compute in
float, with the biases that the source has. All the rest keeps its integer kernels. Most changes cost time; `mixed.fewest` finds the fewest
that suffice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from nchw2nhwc.checking import RUNTIMES, MissingRuntimeError
from nchw2nhwc.emit.tflite.integers import Integers, summary
from nchw2nhwc.source import Format

if TYPE_CHECKING:
    from nchw2nhwc.checking.openvino_levels import Deviations
    from nchw2nhwc.products import Products

_UNROUNDED, _HALVED, _FLOAT = "not rounded", "factors of half precision", "float"
_MOVED = {_UNROUNDED: 1 / 4, _HALVED: 1 / 128}
"""How far a change moves numbers on the average, in steps: a rounding by a quarter, factors by 2^-13 of themselves, of levels that are 64
steps from zero on the average."""
_FINER = 1 / 1024
"""The same of results of 16 bits in the range of 8."""
_WHOLE = 1e-3
"""Biases that are this far from whole numbers of products on the average are such numbers in single precision."""


@dataclass(frozen=True)
class Change:
    """What is done otherwise in a layer. `moved` says how far that moves numbers on the average, in steps: the probability that one gets
    another level."""

    layer: str
    kind: str
    moved: float

    def __str__(self) -> str:
        return f"{self.layer} ({self.kind})"


class AsSource:
    """Files of one conversion of a quantized source. `floats` are layers that compute in float in all of them."""

    def __init__(self, converted: Products, floats: Collection[str]) -> None:
        self._converted, self._floats = converted, frozenset(floats)
        self._integers: dict[tuple[str, ...], Integers] = {}

    def make(self, kept: Sequence[str]) -> bytes:
        """The file with these changes, as texts of `order`. Raises ConversionError."""
        chosen = [change for change in self._changes if str(change) in kept] if kept else []
        floats = {each.layer for each in chosen if each.kind == _FLOAT}
        result, graph = self._converted.with_layers(as_openvino=[each.layer for each in chosen if each.kind != _FLOAT],
                                                    floats=self._floats | floats)
        self._integers[tuple(kept)] = summary(graph, result.model.plan)
        return result.tobytes()

    def integers(self, kept: Sequence[str]) -> Integers:
        """What the file with these changes, which was made, computes with integers."""
        return self._integers[tuple(kept)]

    def order(self) -> list[str]:
        """All changes as texts, those that move most first."""
        return list(dict.fromkeys(map(str, sorted(self._changes, key=lambda each: -each.moved))))

    @cached_property
    def _changes(self) -> tuple[Change, ...]:
        found = self._deviations()
        if found is None:
            return tuple(self._in_float(()))
        named = ((_UNROUNDED, found.unrounded), (_HALVED, found.halved))
        return (*(Change(layer, kind, _MOVED[kind]) for kind, layers in named for layer in layers),
                *self._in_float(frozenset().union(*found.unrounded.values())))

    def _deviations(self) -> Deviations | None:
        """What OpenVINO computes otherwise; None for ONNX, whose runtime does not tell."""
        if self._converted.source.format is not Format.OPENVINO:
            return None
        try:
            from nchw2nhwc.checking.openvino_source import deviations_of

            return deviations_of(self._converted.source)
        except ImportError:
            raise MissingRuntimeError(RUNTIMES[Format.OPENVINO]) from None

    def _in_float(self, unrounded: Collection[str]) -> Iterator[Change]:
        """The layers of integers that would be nearer to the source in float; `unrounded` are those that may have results of 16 bits."""
        graph, plan = self._converted.graph, self._converted.flatbuffer().model.plan
        for node, sums in plan.sums.items():
            layer, bias = graph.where(node).layer, node.inputs[2] if len(node.inputs) > 2 else None
            if node not in plan.integer or layer in self._floats:
                continue
            if sums.is_wide or layer in unrounded:
                yield Change(layer, _FLOAT, _FINER)
            elif bias is not None and bias.const is not None:
                products = sums.steps * plan.operand(node, 0).scale
                whole = bias.const.astype(np.float64) / products
                off = np.abs(whole - np.rint(whole))
                if off.mean() > _WHOLE:
                    yield Change(layer, _FLOAT, float((off * products).mean() / sums.result.scale))
