"""Layers that are joined to one, whose parts are made equally large.

Queries, keys and values of attention are one layer with one scale, and are taken apart behind it; with a factor of 1 / sqrt(size) in their
weights, queries have only so many of the steps. Queries can be multiplied by a number that keys are divided by, as their products stay the
same, and values by one that the weights of the next layer are divided by.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from nchw2nhwc.ir import Array
from nchw2nhwc.quantize.flatfile import Part
from nchw2nhwc.quantize.islands import KEPT
from nchw2nhwc.quantize.weighted import CODES

if TYPE_CHECKING:
    from ai_edge_litert.schema_py_generated import OperatorT

_NONE = schema.ActivationFunctionType.NONE
_APART: Mapping[str, int] = {"SPLIT": 1, "SPLIT_V": 0, "UNPACK": 0}
"""Operators that take a tensor apart, with the operand that it is."""
_LINEAR = ("NEG", "RELU", "LEAKY_RELU", "BROADCAST_TO", "MEAN", "SUM", "UNPACK", *KEPT)
"""Operators whose results are as many times as large as their only operand of floats."""
_TOGETHER = ("ADD", "SUB", "CONCATENATION", "PACK")
"""Operators for which that holds if all operands are."""
_EITHER = ("MUL", "BATCH_MATMUL")
"""Operators for which that holds if one operand is."""
_ALIKE = 1.1
"""Parts that differ by less are left as they are."""


@dataclass(frozen=True)
class Piece:
    """A tensor that a joined layer's result is taken apart into, and which of the layer's results are in it."""

    tensor: int
    rows: Array


@dataclass(frozen=True)
class Joined:
    """A layer whose result does nothing but fall into pieces."""

    op: OperatorT
    pieces: tuple[Piece, ...]


def joined(part: Part, layers: Iterable[OperatorT]) -> Iterator[Joined]:
    """Those of the layers, each with weights of its own, that are several."""
    for op in layers:
        count, shape = int(part.graph.tensors[op.inputs[1]].shape[0]), part.graph.tensors[op.outputs[0]].shape
        places = np.broadcast_to(np.arange(count), shape)
        pieces = tuple(Piece(tensor, np.unique(rows)) for tensor, rows in _taken_apart(part, op.outputs[0], places))
        if len(pieces) > 1 and sum(len(piece.rows) for piece in pieces) == count:
            yield Joined(op, pieces)


def _taken_apart(part: Part, tensor: int, places: Array) -> Iterator[tuple[int, Array]]:
    """The pieces of a tensor, with what `places` has there: behind all that only moves it, up to the first operator that takes it apart."""
    readers = part.readers[tensor]
    op = readers[0] if len(readers) == 1 and tensor not in part.graph.outputs else None
    code = part.code(op) if op is not None else ""
    if op is None or code not in (*_APART, "RESHAPE", "TRANSPOSE"):
        return
    shapes = [tuple(part.graph.tensors[i].shape) for i in op.outputs]
    if code == "RESHAPE" and math.prod(shapes[0]) == places.size:
        yield from _taken_apart(part, op.outputs[0], places.reshape(shapes[0]))
    elif code == "TRANSPOSE" and (order := part.integers(op.inputs[1])) is not None:
        yield from _taken_apart(part, op.outputs[0], places.transpose(order))
    elif code == "UNPACK":
        yield from zip(op.outputs, np.moveaxis(places, op.builtinOptions.axis, 0))
    elif code in _APART and (axes := part.integers(op.inputs[0 if code == "SPLIT" else 2])) is not None:
        axis = int(axes.reshape(-1)[0])
        yield from zip(op.outputs, np.split(places, np.cumsum([shape[axis] for shape in shapes])[:-1], axis))


@dataclass(frozen=True)
class Reach:
    """What reads a tensor that is multiplied, and what is then as many times as large: matrix products by operand, and layers."""

    products: frozenset[tuple[int, int]]
    layers: tuple[OperatorT, ...]


def _reach(part: Part, tensor: int, *, through: bool) -> Reach | None:
    """How far a factor gets; `through` matrix products or up to them. None where something else reads it."""
    pending, inside, met = [tensor], {tensor}, dict[int, "OperatorT"]()
    products, layers = set[tuple[int, int]](), dict[int, "OperatorT"]()
    while pending:
        tensor = pending.pop()
        if tensor in part.graph.outputs:
            return None
        for op in part.readers[tensor]:
            code, plain = part.code(op), getattr(op.builtinOptions, "fusedActivationFunction", _NONE) == _NONE
            if code in CODES and op.inputs[0] == tensor and _owned(part, op.inputs[1]):
                layers[id(op)] = op
            elif code == "BATCH_MATMUL" and not through:
                products |= {(id(op), place) for place in (0, 1) if op.inputs[place] == tensor}
            elif plain and code in (*_LINEAR, *_TOGETHER, *_EITHER):
                met[id(op)] = op
                if code not in _TOGETHER or all(i in inside for i in op.inputs):
                    pending += [i for i in op.outputs if i not in inside]
                    inside |= set(op.outputs)
            else:
                return None
    if any(sum(i in inside for i in op.inputs) != (len(op.inputs) if part.code(op) in _TOGETHER else 1) for op in met.values()):
        return None
    return Reach(frozenset(products), tuple(layers.values()))


def _owned(part: Part, tensor: int) -> bool:
    values = part.constant(tensor)
    return values is not None and values.dtype == np.float32 and len(part.readers[tensor]) == 1


def balance(part: Part, layer: Joined, sizes: Mapping[int, float]) -> Iterator[tuple[Piece, float, tuple[OperatorT, ...]]]:
    """The pieces of a layer, each with the factor that makes it as large as the others and the layers whose weights are divided by that.
    `sizes` holds the largest magnitude of each piece by tensor."""
    pieces = [piece for piece in layer.pieces if sizes.get(piece.tensor, 0.0) > 0 and math.isfinite(sizes[piece.tensor])]
    to = {piece.tensor: _reach(part, piece.tensor, through=False) for piece in pieces}
    left, levels = list(pieces), list[float]()
    for k, first in enumerate(pieces):
        for second in pieces[k + 1:]:
            if first in left and second in left and _meet(to[first.tensor], to[second.tensor]):
                levels.append(math.sqrt(sizes[first.tensor] * sizes[second.tensor]))
                left = [piece for piece in left if piece not in (first, second)]
                if _differ(sizes[first.tensor], sizes[second.tensor]):
                    yield from ((piece, levels[-1] / sizes[piece.tensor], ()) for piece in (first, second))
    behind = {piece.tensor: _reach(part, piece.tensor, through=True) for piece in left}
    free = [piece for piece in left if (reach := behind[piece.tensor]) is not None and reach.layers]
    levels += [sizes[piece.tensor] for piece in left if piece not in free]
    level = max(levels or [sizes[piece.tensor] for piece in free], default=0.0)
    for piece in free:
        reach = behind[piece.tensor]
        if reach is not None and _differ(level, sizes[piece.tensor]):
            yield piece, level / sizes[piece.tensor], reach.layers


def _meet(one: Reach | None, other: Reach | None) -> bool:
    """Whether matrix products of two pieces, and nothing else, are what both are read by."""
    if one is None or other is None or one.layers or other.layers or not one.products:
        return False
    return other.products == {(op, 1 - place) for op, place in one.products}


def _differ(a: float, b: float) -> bool:
    return max(a, b) > _ALIKE * min(a, b)
