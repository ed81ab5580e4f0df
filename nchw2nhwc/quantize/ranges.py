"""Ranges of tensors, as calibration has measured them, made fit for a scale."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING

import numpy as np

from nchw2nhwc.ir import Array
from nchw2nhwc.quantize.flatfile import Part

if TYPE_CHECKING:
    from ai_edge_litert.schema_py_generated import ModelT

LARGEST = 1e6
"""Values beyond this are no activations but stand for "never" (a mask before a softmax): with a scale that holds them all others are 0."""
ROOM = 2
"""The ranges of int16 activations relative to those that were measured."""
_CLOSE = 2.0**-18
"""A sum's range relative to its operands': LiteRT's kernels stop the process where it is below 2^-20."""


def settle(model: ModelT, found: MutableMapping[str, dict[str, Array]]) -> list[str]:
    """Change ranges in place where they would make no sense as a scale; the tensors, by name, whose makers and readers have to stay in
    float32 are returned.

    Padding with the lowest number, which a pooling needs, keeps the range of what is padded: there the lowest integer does the same.
    """
    too_large: list[str] = []
    for graph in model.subgraphs:
        part, names = Part(model, graph), [tensor.name.decode() for tensor in graph.tensors]
        for op in graph.operators:
            code, into = part.code(op), [names[i] for i in op.inputs if i >= 0]
            for name in (names[i] for i in op.outputs if names[i] in found):
                if code == "PADV2" and size(found[name]) > LARGEST and into[0] in found:
                    found[name] = dict(found[into[0]])
                elif code in ("ADD", "SUB"):
                    least = _CLOSE * max((size(found[each]) for each in into if each in found), default=0.0)
                    if size(found[name]) < least:
                        found[name]["max"] = np.asarray(least)
        makers = {i: op for op in graph.operators for i in op.outputs}
        for i, name in enumerate(names):
            if name in found and size(found[name]) > LARGEST:
                beside = [*part.readers[i], *([makers[i]] if i in makers else [])]
                too_large += [names[k] for op in beside for k in op.outputs[:1]]
                del found[name]
    return list(dict.fromkeys(too_large))


def make_room(found: MutableMapping[str, dict[str, Array]]) -> None:
    """Widen ranges in place, for values beyond those that the samples have: of 16 bits one can be spared for them."""
    for statistics in found.values():
        for key in ("min", "max"):
            if key in statistics:
                statistics[key] = statistics[key] * ROOM


def size(statistics: Mapping[str, Array]) -> float:
    """The largest magnitude; infinite where there is none."""
    size = max(float(np.abs(np.max(statistics[key]))) if statistics[key].size else np.inf for key in ("min", "max"))
    return size if np.isfinite(size) else np.inf
