"""Layers of a source, and what a file calls their results."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from nchw2nhwc.errors import Location, OptionError

if TYPE_CHECKING:
    from nchw2nhwc.emit.tflite.model import Subgraph


class Names:
    """Those of a file's main `graph`, which was made of the source of this name."""

    def __init__(self, graph: Subgraph, source: str) -> None:
        self._source = source
        self._made = [(op.origin.layer, [graph.tensors[i].name for i in op.outputs]) for op in graph.operators]

    def tensors_of(self, layers: Iterable[str]) -> list[str]:
        """What the file calls the results of the operators made from these layers (or tensors). Raises OptionError."""
        found: list[str] = []
        for wanted in layers:
            mine = [name for layer, names in self._made if layer == wanted for name in names]
            mine = mine or [name for _, names in self._made for name in names if name == wanted]
            if not mine:
                raise self._unknown(wanted)
            found += mine
        return found

    def layer_of(self, tensor: str) -> str:
        """The layer that a tensor is made from; the tensor itself where it has none."""
        return next((layer for layer, names in self._made if tensor in names), "") or tensor

    def _unknown(self, layer: str) -> OptionError:
        """The error for a layer that no operator comes from, with names like it."""
        known = {name for own, names in self._made for name in (own, *names)}
        near = difflib.get_close_matches(layer, known, 3)
        advice = f"Similar names: {', '.join(near)}." if near else "A layer that became part of another has that one's name."
        return OptionError(f"--keep-float: no operator of the result is made from a layer '{layer}'", Location(self._source), advice)
