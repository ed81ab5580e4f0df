"""Ops that move elements about: concat, split, transpose, pad, tile, reverse, roll."""

from __future__ import annotations

from typing import Literal

from nchw2nhwc.errors import SourceError
from nchw2nhwc.ir import Value
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.movement import Concat, Pad, Slice, Split, Tile, Transpose
from nchw2nhwc.parse import dynamic
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.openvino.attributes import Ints
from nchw2nhwc.parse.openvino.common import axes_of, axis_of, one_float, one_int, require_rank, same
from nchw2nhwc.parse.openvino.registry import Results, mapping

MAX_PAD = 2**31
"""More padding than any axis can have."""

MAX_PARTS = 4096
"""More results of one split than any network has."""


@mapping("Concat", 1)
def concat(b: Builder, x: Value, *xs: Value, axis: int) -> Results:
    """The operands one after the other along `axis`."""
    return b.add1(Concat(axis_of(axis, x.rank)), x, *xs) if xs else same(b, x)


@mapping("Split", 1)
def split(b: Builder, x: Value, axis: Value, *, num_splits: int) -> Results:
    """`num_splits` equal parts."""
    along = axis_of(one_int(b, axis, "the axis of a split"), x.rank)
    size = static(x.shape[along], "the size of an axis that is split")
    if not 1 <= num_splits <= MAX_PARTS or size % num_splits:
        raise SourceError(f"axis {along} of {x.type} cannot be split into {num_splits} equal parts")
    return b.add(Split(along, (size // num_splits,) * num_splits), x)


@mapping("VariadicSplit", 1)
def variadic_split(b: Builder, x: Value, axis: Value, lengths: Value) -> Results:
    """One length may be -1: what the others leave."""
    along = axis_of(one_int(b, axis, "the axis of a split"), x.rank)
    if b.is_computed(lengths):
        given = dynamic.vector(b, lengths)
        left = dynamic.size_of(b, x.shape[along]) - dynamic.total(given) - 1
        return tuple(dynamic.split(b, x, along, (given < 0).choose(left, given)))
    if b.content(lengths) is None:
        wanted = b.shape_of(lengths, "the lengths of a split")
        rest = x.shape[along] - sum(size for size in wanted if size != -1)
        return tuple(dynamic.parts(b, x, along, tuple(rest if size == -1 else size for size in wanted)))
    sizes = list(b.ints(lengths, "the lengths of a split"))
    if not 1 <= len(sizes) <= MAX_PARTS or min(sizes) < -1 or sizes.count(-1) > 1:
        raise SourceError(f"lengths {sizes[:8]} of a split")
    if -1 in sizes:
        sizes[sizes.index(-1)] = static(x.shape[along], "the size of an axis that is split") - sum(sizes) - 1
    return b.add(Split(along, tuple(sizes)), x)


@mapping("Transpose", 1)
def transpose(b: Builder, x: Value, order: Value) -> Results:
    """An empty order reverses the axes."""
    perm = b.ints(order, "the order of a transpose") or tuple(reversed(range(x.rank)))
    if sorted(perm) != list(range(x.rank)):
        raise SourceError(f"{list(perm)} is no order of the axes of {x.type}")
    return same(b, x) if perm == tuple(range(x.rank)) else b.add1(Transpose(perm), x)


@mapping("Pad", 1, 12)
def pad(b: Builder, x: Value, pads_begin: Value, pads_end: Value, pad_value: Value | None = None, *,
        pad_mode: Literal["constant", "edge", "reflect", "symmetric"]) -> Results:
    """Negative pads (from opset 12 on) cut off instead."""
    begin, end = b.ints(pads_begin, "the padding"), b.ints(pads_end, "the padding")
    if len(begin) != x.rank or len(end) != x.rank or max(map(abs, (*begin, *end)), default=0) > MAX_PAD:
        raise SourceError(f"pads {list(begin)}, {list(end)} do not fit the axes of {x.type}")
    value = 0.0 if pad_value is None else one_float(b, pad_value, "the value that is padded with")
    result = x
    if max((*begin, *end), default=0) > 0:
        result = b.add1(Pad(tuple(max(p, 0) for p in begin), tuple(max(p, 0) for p in end), pad_mode, value), x)
    if min((*begin, *end), default=0) < 0:
        starts, stops = tuple(-p if p < 0 else None for p in begin), tuple(p if p < 0 else None for p in end)
        result = b.add1(Slice(starts, stops, (1,) * x.rank), result)
    return same(b, x) if result is x else result


@mapping("Tile", 1)
def tile(b: Builder, x: Value, repeats: Value) -> Results:
    """The shorter one of shape and repeats is preceded by ones."""
    times = b.ints(repeats, "the repeats of a tile")
    require_rank(times)
    if min(times, default=0) < 0:
        raise SourceError(f"repeats {list(times)}")
    lacking = max(len(times) - x.rank, 0)
    times = (*(1,) * (x.rank - len(times)), *times)
    source = b.reshape(x, (*(1,) * lacking, *x.shape))
    return same(b, x) if set(times) <= {1} and source is x else b.add1(Tile(times), source)


# ---- along axes ----------------------------------------------------------------------------------------------------------------
@mapping("Reverse", 1)
def reverse(b: Builder, x: Value, axes: Value, *, mode: Literal["index", "mask"]) -> Results:
    """The elements in the opposite order along the axes given by number ("index") or by one flag for each axis ("mask")."""
    numbers = b.ints(axes, "the axes of a reverse")
    if mode == "mask" and len(numbers) != x.rank:
        raise SourceError(f"a mask of {len(numbers)} axes for {x.type}")
    along = axes_of(numbers, x.rank) if mode == "index" else tuple(k for k, flag in enumerate(numbers) if flag)
    if not along:
        return same(b, x)
    steps: Ints = tuple(-1 if axis in along else 1 for axis in range(x.rank))
    return b.add1(Slice((None,) * x.rank, (None,) * x.rank, steps), x)


@mapping("Roll", 7)
def roll(b: Builder, x: Value, shift: Value, axes: Value) -> Results:
    """What is moved past the end of an axis comes back at its beginning. One shift serves all axes; an axis may occur repeatedly."""
    along = [axis_of(axis, x.rank) for axis in b.ints(axes, "the axes of a roll")]
    shifts = b.ints(shift, "the shifts of a roll")
    if len(shifts) not in (1, len(along)):
        raise SourceError(f"{len(shifts)} shifts for {len(along)} axes")
    totals: dict[int, int] = {}
    for axis, amount in zip(along, shifts if len(shifts) == len(along) else shifts * len(along)):
        totals[axis] = totals.get(axis, 0) + amount
    result = x
    for axis, amount in totals.items():
        size = static(x.shape[axis], "the size of an axis that is rolled")
        if size and amount % size:
            head, tail = b.add(Split(axis, (size - amount % size, amount % size)), result)
            result = b.add1(Concat(axis), tail, head)
    return same(b, x) if result is x else result
