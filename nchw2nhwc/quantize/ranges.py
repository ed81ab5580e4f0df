"""Ranges of tensors, as calibration has measured them, made fit for a scale."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING

import numpy as np

from nchw2nhwc.ir import Array
from nchw2nhwc.quantize.flatfile import FLOAT32, Part

if TYPE_CHECKING:
    from ai_edge_litert.schema_py_generated import ModelT, OperatorT

LARGEST = 1e6
"""Values beyond this are no activations but stand for "never" (a mask before a softmax): with a scale that holds them all others are 0."""
_CLOSE = 2.0**-18
"""A sum's range relative to its operands': LiteRT's kernels stop the process where it is below 2^-20."""


_STEEP: Mapping[str, int] = {"LOG": 0, "SQRT": 0, "RSQRT": 0, "POW": 0, "DIV": 1}
"""Operators, with the operand, of which small values matter as much as large ones; equal steps, as integers have, make them 0."""
_THROUGH = ("SUM", "MEAN", "SQRT", "RSQRT", "POW", "SQUARED_DIFFERENCE", "ABS", "EXP", "RESHAPE")
_PAIRED = ("ADD", "SUB", "MUL", "DIV")


def steep(model: ModelT) -> list[str]:
    """The tensors, by name, whose makers have to stay in float32 for a logarithm, root, power or quotient to make sense: what these read is
    followed back through sums, squares and arithmetic with constants."""
    found: dict[str, None] = {}
    for graph in model.subgraphs:
        part = Part(model, graph)
        for op in graph.operators:
            place = _STEEP.get(part.code(op))
            if place is None or part.graph.tensors[op.outputs[0]].type != FLOAT32 or part.constant(op.inputs[place]) is not None:
                continue
            found[graph.tensors[op.outputs[0]].name.decode()] = None
            pending = [op.inputs[place]]
            while pending:
                tensor = pending.pop()
                maker = part.maker.get(tensor)
                if maker is None or not _follows(part, maker):
                    continue
                found[graph.tensors[tensor].name.decode()] = None
                pending += [i for i in dict.fromkeys(maker.inputs[:2]) if i >= 0 and part.constant(i) is None]
    return list(found)


def _follows(part: Part, op: OperatorT) -> bool:
    """Whether precision that is asked of a result is asked of the operands too: of arithmetic with a constant, or with itself."""
    code = part.code(op)
    alone = len({i for i in op.inputs if part.constant(i) is None}) == 1
    return code in _THROUGH or (code in _PAIRED and alone)


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
                if code == "PADV2" and _size(found[name]) > LARGEST and into[0] in found:
                    found[name] = dict(found[into[0]])
                elif code in ("ADD", "SUB"):
                    least = _CLOSE * max((_size(found[each]) for each in into if each in found), default=0.0)
                    if _size(found[name]) < least:
                        found[name]["max"] = np.asarray(least)
        makers = {i: op for op in graph.operators for i in op.outputs}
        for i, name in enumerate(names):
            if name in found and _size(found[name]) > LARGEST:
                beside = [*part.readers[i], *([makers[i]] if i in makers else [])]
                too_large += [names[k] for op in beside for k in op.outputs[:1]]
                del found[name]
    return list(dict.fromkeys(too_large))


def _size(statistics: dict[str, Array]) -> float:
    """The largest magnitude; infinite where there is none."""
    size = max(float(np.abs(np.max(statistics[key]))) if statistics[key].size else np.inf for key in ("min", "max"))
    return size if np.isfinite(size) else np.inf
