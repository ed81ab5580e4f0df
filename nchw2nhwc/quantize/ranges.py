"""Ranges of tensors, as calibration has measured them, made fit for a scale."""

from __future__ import annotations

import math
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING

import numpy as np

from nchw2nhwc.ir import Array
from nchw2nhwc.quantize.flatfile import FLOAT32, Part

if TYPE_CHECKING:
    from ai_edge_litert.schema_py_generated import ModelT, OperatorT

LARGEST = 1e6
"""Values beyond this are no activations but stand for "never" (a mask before a softmax): with a scale that holds them all others are 0."""
_EVERYWHERE = (-math.inf, math.inf)
_FLAT: Mapping[str, tuple[float, float]] = {
    "HARD_SWISH": (-3.0, math.inf), "SWISH": (-8.0, math.inf), "GELU": (-4.0, math.inf), "LOGISTIC": (-8.0, 8.0), "TANH": (-4.0, 4.0)}
"""Where functions are as good as constant beyond: to 0.003, less than a step of int8 results."""
ROOM = 2
"""The ranges of int16 activations relative to those that were measured."""
_CLOSE = 2.0**-18
"""A sum's range relative to its operands': LiteRT's kernels stop the process where it is below 2^-20."""
_SHARED = ("SELECT_V2", "MAXIMUM", "MINIMUM")
"""Operators whose operands have the scale of the result. What no sample chooses has it too, and kernels that make it stop the process."""
_PRODUCTS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_FAINT = 2.0**-13
"""The range of a sum of products relative to the largest single one, and of a choice to its operands': XNNPACK refuses scales below 2^-8 of
the operands' product, which is a range of 2^-14 of theirs."""


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
                    _widen(found[name], _CLOSE * max((size(found[each]) for each in into if each in found), default=0.0))
                elif code in _SHARED:
                    _widen(found[name], _FAINT * max((size(found[each]) for each in into if each in found), default=0.0))
                elif code in _PRODUCTS and into[0] in found and (weights := part.constant(op.inputs[1])) is not None:
                    _widen(found[name], _FAINT * size(found[into[0]]) * float(np.abs(weights).max(initial=0.0)))
        makers = {i: op for op in graph.operators for i in op.outputs}
        for i, name in enumerate(names):
            if name in found and size(found[name]) > LARGEST:
                beside = [*part.readers[i], *([makers[i]] if i in makers else [])]
                too_large += [names[k] for op in beside for k in op.outputs[:1]]
                del found[name]
    return list(dict.fromkeys([*too_large, *_unknown(Part(model, model.subgraphs[0]), found)]))


def _unknown(part: Part, found: Mapping[str, dict[str, Array]]) -> list[str]:
    """The results, by name, of operators beside a tensor that no sample has a value of: as long as data decides, its size may be 0."""
    def known(i: int) -> bool:
        tensor = part.graph.tensors[i]
        return tensor.type != FLOAT32 or tensor.name.decode() in found or part.constant(i) is not None

    return [part.graph.tensors[op.outputs[0]].name.decode() for op in part.graph.operators
            if not all(known(i) for i in (*op.inputs, *op.outputs) if i >= 0)]


def _widen(statistics: MutableMapping[str, Array], least: float) -> None:
    """Make a range at least so wide."""
    if size(statistics) < least:
        statistics["max"] = np.asarray(least)


def trim(model: ModelT, found: MutableMapping[str, dict[str, Array]]) -> None:
    """Narrow ranges in place to where the operators that read a tensor can tell values apart: below -3, HARD_SWISH is 0. A step more is
    left: zero is one of the steps, so the lowest lies up to half a step beside -3, and all that is cut would be a little off 0 alike."""
    for graph in model.subgraphs:
        part = Part(model, graph)
        for tensor, readers in part.readers.items():
            known = found.get(graph.tensors[tensor].name.decode())
            if known is None or tensor in graph.outputs:
                continue
            ends = [_told_apart(part, tensor, op) for op in readers]
            low, high = min(low for low, _ in ends), max(high for _, high in ends)
            if size(known) < LARGEST and float(np.max(known["max"])) > low and float(np.min(known["min"])) < high:
                step = (min(float(np.max(known["max"])), high) - max(float(np.min(known["min"])), low)) / 255
                known["min"], known["max"] = np.maximum(known["min"], low - step), np.minimum(known["max"], high + step)


def _told_apart(part: Part, tensor: int, op: OperatorT) -> tuple[float, float]:
    """The smallest and largest value that an operator makes something else of than of the next."""
    code = part.code(op)
    if code == "MUL":  # x sigmoid(x)
        gates = [part.made_by(i, "LOGISTIC") for i in op.inputs if i != tensor]
        return (_FLAT["SWISH"] if gates and gates[0] is not None and gates[0].inputs[0] == tensor else _EVERYWHERE)
    return _FLAT.get(code, _EVERYWHERE)


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
