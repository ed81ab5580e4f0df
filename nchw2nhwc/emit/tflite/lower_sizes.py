"""Sizes that are known only when the model runs, as tensors computed from the shapes of the graph's inputs.

A symbolic size is a polynomial over named dimensions (`ir.dim`); each becomes a 1-element int32 tensor, made once per file. LiteRT computes
these while it allocates tensors, so the shapes that depend on them are known before the model runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from nchw2nhwc.emit.tflite.emitter import INT32, Emitter
from nchw2nhwc.emit.tflite.lowering import lowering
from nchw2nhwc.emit.tflite.model import options
from nchw2nhwc.errors import TargetError
from nchw2nhwc.ir import Dim, DType, Node, Size
from nchw2nhwc.ir.dim import _Atom
from nchw2nhwc.ops.sizes import Sizes

_FUNCTIONS = {"//": ("FLOOR_DIV", "FloorDivOptions"), "%": ("FLOOR_MOD", "FloorModOptions"), "max": ("MAXIMUM", "MaximumMinimumOptions"),
              "min": ("MINIMUM", "MaximumMinimumOptions")}


def sizes_tensor(e: Emitter, sizes: Sequence[Size], dtype: DType = INT32) -> int:
    """A 1-D integer tensor of `sizes`; a constant if all are numbers. Raises TargetError for a dimension that no input shows."""
    parts: list[int] = []
    for symbolic, run in groupby(sizes, lambda s: isinstance(s, Dim)):
        if symbolic:
            parts += [_size(e, s) for s in run]
        else:
            parts.append(e.ints([s for s in run if isinstance(s, int)]))
    if not parts:
        return e.const(np.zeros(0, dtype))
    whole = parts[0] if len(parts) == 1 else e.run("CONCATENATION", parts, INT32, (len(sizes),), options("ConcatenationOptions", axis=0))
    return e.cast(whole, dtype)


def _size(e: Emitter, size: Size) -> int:
    """A tensor of one element."""
    if not isinstance(size, Dim):
        return e.ints([size])
    if size not in e.size_tensors:
        e.size_tensors[size] = _symbol(e, size) if size.is_symbol else _sum(e, size)
    return e.size_tensors[size]


def _symbol(e: Emitter, size: Dim) -> int:
    """A named dimension, read from the shape of the first input that has it."""
    for value in e.graph.inputs:
        if size in value.shape:
            source, axis = e.input(value), value.shape.index(size)
            if source not in e.shape_tensors:
                e.shape_tensors[source] = e.run("SHAPE", [source], INT32, (value.rank,), options("ShapeOptions", outType=2))
            ends = [e.ints([axis]), e.ints([axis + 1]), e.ints([1])]
            return e.run("STRIDED_SLICE", [e.shape_tensors[source], *ends], INT32, (1,), options("StridedSliceOptions"))
    raise TargetError(f"the size '{size}' is not the size of any axis of an input", e.where, "Give fixed sizes with --input-shape NAME=...")


def _sum(e: Emitter, size: Dim) -> int:
    total: int | None = None
    for atoms, coefficient in size._terms.items():
        factors = [_atom(e, a) for a in atoms]
        if coefficient != 1 or not factors:
            factors.append(e.ints([coefficient]))
        term = factors[0]
        for factor in factors[1:]:
            term = e.run("MUL", [term, factor], INT32, (1,), options("MulOptions"))
        total = term if total is None else e.run("ADD", [total, term], INT32, (1,), options("AddOptions"))
    assert total is not None
    return total


def _atom(e: Emitter, atom: _Atom) -> int:
    if isinstance(atom, str):
        return _size(e, Dim.symbol(atom))
    code, table = _FUNCTIONS[atom.fn]
    left, right = (_size(e, a) for a in atom.args)
    return e.run(code, [left, right], INT32, (1,), options(table))


@lowering(Sizes, lambda node, op: "" if op.sizes else "LiteRT has no constants without elements")
def sizes(e: Emitter, node: Node, op: Sizes) -> None:
    e.alias(node, sizes_tensor(e, op.sizes, op.dtype))
