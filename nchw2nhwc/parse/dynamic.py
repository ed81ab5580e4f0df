"""Operands that say what size a result has, and that are computed when the model runs.

What they decide becomes index vectors along one axis each, masks, and the few ops that read sizes from a tensor (`ops.dynamic`); the sizes
of the results are named dimensions of their own. Numbers are int64 throughout.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np

from nchw2nhwc.ir.dim import Dim, Shape, Size, product
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.base import require_equal, static
from nchw2nhwc.ops.binary import Where
from nchw2nhwc.ops.dynamic import DynamicBroadcast, DynamicIota, DynamicReshape
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.movement import Concat, Slice
from nchw2nhwc.ops.reduce import CumSum, ReduceProd
from nchw2nhwc.ops.selection import Compress
from nchw2nhwc.ops.shape_arithmetic import LIMIT
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.formula import INT64, Formula

FAR = 1 << 40
"""A position past the end of every axis."""


# ---- numbers ---------------------------------------------------------------------------------------------------------
def vector(b: Builder, value: Value) -> Formula:
    """A tensor of numbers as a vector of int64. Raises ShapeError where it is not known how many they are."""
    static(product(value.shape), "how many numbers an operand holds")
    return Formula(b, b.reshape(value, (product(value.shape),))).cast(INT64)


def number(b: Builder, value: Value) -> Formula:
    """The only element of a tensor, as int64 without axes."""
    return Formula(b, b.reshape(value, ())).cast(INT64)


def elements(numbers: Formula) -> list[Formula]:
    """The elements of a vector, each without axes; of integers those that are known as such."""
    b, count = numbers.b, static(numbers.value.shape[0], "how many numbers an operand holds")
    found = b.numbers.elements(numbers.value) if numbers.dtype.kind == "i" and count <= LIMIT else np.full(count, "")
    return [Formula(b, b.add1(Gather(0), numbers.value, b.const(k, INT64))) if isinstance(element, str)
            else size_of(b, element).cast(numbers.dtype) for k, element in enumerate(found.tolist())]


def together(b: Builder, numbers: Sequence[Formula]) -> Value:
    """Numbers without axes as one vector."""
    parts = [b.reshape(n.value, (1,)) for n in numbers]
    return parts[0] if len(parts) == 1 else b.add1(Concat(0), *parts)


def size_of(b: Builder, size: Size) -> Formula:
    """A size as a number."""
    return Formula(b, b.reshape(b.sizes((size,), INT64), ()))


def fresh(b: Builder, what: str) -> Size:
    """A named dimension of its own for a size that the current layer finds out; a number, if it can be that one only."""
    name = b.size_name(what)
    return b.counts.get(name, Dim.symbol(name, b.limits.get(name)))


def positions(b: Builder, size: Size) -> Formula:
    """0, 1, 2, ... along an axis of this size."""
    if isinstance(size, int):
        return Formula(b, b.const(np.arange(size), INT64))
    ones = b.add1(DynamicBroadcast((size,)), b.const(1, INT64), b.sizes((size,), INT64))
    return Formula(b, b.add1(CumSum(0, exclusive=True), ones))


def sizes_of(b: Builder, numbers: Value) -> Shape:
    """The sizes that computed numbers are: the same number is the same named dimension wherever it is asked for. What is no size (0, or a
    placeholder) has one of its own."""
    found = [b.numbers.size(n.value, lambda: fresh(b, "size")) for n in elements(Formula(b, numbers))]
    return tuple(fresh(b, "size") if isinstance(size, int) and size < 1 else size for size in found)


def counted(b: Builder, count: Formula, what: str = "count") -> Formula:
    """0, 1, 2, ... below a number that is computed."""
    name = b.name_of(b.numbers.size(count.value, lambda: fresh(b, what)), what)
    return Formula(b, b.add1(DynamicIota(name, b.limits.get(name)), count.value))


def per_axis(axes: Formula | Sequence[int], given: Formula, rank: int, default: Sequence[Formula]) -> dict[int, Formula]:
    """The number that `given` has for each axis: of those that `axes` names only, if it is known; else of all, `default` for the
    others."""
    if not isinstance(axes, Formula):
        return dict(zip(axes, elements(given)))
    wrapped = axes % rank
    found = {}
    for axis in range(rank):
        here = wrapped.equals(axis)
        value = total(here.choose(given, 0))
        found[axis] = any_of(here).choose(value, default[axis])
    return found


def total(numbers: Formula) -> Formula:
    """The sum of a vector."""
    return numbers.sum(0)


def any_of(truths: Formula) -> Formula:
    """Whether any element of a vector holds."""
    return total(truths.cast(INT64)) > 0


# ---- parts of tensors ------------------------------------------------------------------------------------------------
def kept(b: Builder, x: Value, condition: Formula, axis: int) -> Value:
    """The slices of x along `axis` where the condition holds."""
    return b.add1(Compress(axis, b.size_name("count")), x, condition.value)


def taken(b: Builder, x: Value, indices: Formula, axis: int) -> Value:
    """The slices of x along `axis` at these positions."""
    return b.add1(Gather(axis), x, indices.value)


def sliced(b: Builder, x: Value, axis: int, start: Formula, stop: Formula, step: Formula) -> Value:
    """x[start:stop:step] along one axis, with numpy's meaning of ends that are negative or too large. A step of 0 selects nothing."""
    size = size_of(b, x.shape[axis])
    backwards = step < 0
    place = positions(b, x.shape[axis])
    ends = []
    for end in (start, stop):
        inside = end.at_most(size).at_least(-1 - size)
        wrapped = (inside < 0).choose(inside + size, inside)
        ends.append(backwards.choose(size - 1 - wrapped, wrapped).at_least(0))
    turned = b.add1(Gather(axis), x, backwards.choose(size - 1 - place, place).value) if step.value.const is None else x
    if step.value.const is not None and int(step.value.const) < 0:
        turned = b.add1(Gather(axis), x, (size - 1 - place).value)
    stride = abs(step).at_least(1)
    chosen = (place >= ends[0]) & (place < ends[1]) & ((place - ends[0]) % stride).equals(0)
    return kept(b, turned, chosen, axis)


def split(b: Builder, x: Value, axis: int, sizes: Formula) -> list[Value]:
    """x cut along an axis into parts of these sizes, one after the other. The size of the last one is what the others leave of the axis, so
    that all together are known to be as large; sizes that leave something else are an error when the model runs."""
    place = positions(b, x.shape[axis])
    ends = elements(sizes.cumsum(0))
    begins = [size_of(b, 0), *ends[:-1]]
    *others, last = [kept(b, x, (place >= begin) & (place < end), axis) for begin, end in zip(begins, ends)]
    left = x.shape[axis]
    for part in others:
        left = left - part.shape[axis]
    shape = (*x.shape[:axis], left, *x.shape[axis + 1:])
    return [*others, b.add1(DynamicReshape(shape), last, b.sizes(shape, INT64))]


def parts(b: Builder, x: Value, axis: int, sizes: Shape) -> list[Value]:
    """x cut along an axis into parts of these sizes, which may be symbolic. Raises ShapeError unless they are those of the axis."""
    zero: Size = 0
    ends = list(accumulate(sizes, initial=zero))
    require_equal(f"axis {axis} of {x.type} has not the sizes of its parts, {', '.join(map(str, sizes))}", (ends[-1], x.shape[axis]))
    if len(sizes) == 1:
        return [x]
    def along(end: Size) -> tuple[Size | None, ...]:
        return tuple(end if k == axis else None for k in range(x.rank))
    return [b.add1(Slice(along(start), along(stop), (1,) * x.rank), x) for start, stop in pairwise(ends)]


def padded(b: Builder, x: Value, axis: int, begin: Formula, end: Formula, mode: str, fill: Value | None) -> Value:
    """x with elements added before and after an axis, or cut off where the number is negative."""
    if all(number.value.const is not None and not number.value.const.any() for number in (begin, end)):
        return x
    places = counted(b, size_of(b, x.shape[axis]) + begin + end, "padded")
    return padded_to(b, x, axis, begin, places, mode, fill)


def padded_to(b: Builder, x: Value, axis: int, begin: Formula, places: Formula, mode: str, fill: Value | None) -> Value:
    """x with `begin` elements added before an axis, and after it as many as there are `places` (0, 1, ...) left."""
    size = size_of(b, x.shape[axis])
    place = places - begin
    last = size - 1
    match mode:
        case "wrap":
            source = place % size
        case "reflect":
            period = (last * 2).at_least(1)
            folded = place % period
            source = folded.at_most(period - folded).at_most(last)
        case _:
            source = place.at_least(0).at_most(last)
    found = taken(b, x, source, axis)
    if mode != "constant":
        return found
    inside = ((place >= 0) & (place < size)).reshape(place.shape[0], *(1,) * (x.rank - axis - 1))
    return b.add1(Where(), inside.value, found, fill if fill is not None else b.const(0, x.type.dtype))


# ---- shapes ----------------------------------------------------------------------------------------------------------
def broadcast(b: Builder, x: Value, shape: Formula) -> Value:
    """x broadcast together with a shape, as numpy does."""
    length = static(shape.value.shape[0], "the rank of a result")
    rank = max(length, x.rank)
    wanted, have = ([size_of(b, 1)] * (rank - len(each)) + each for each in (elements(shape), [size_of(b, s) for s in x.shape]))
    sizes = [given if k < rank - x.rank else given.equals(1).choose(size, given) for k, (given, size) in enumerate(zip(wanted, have))]
    fixed = (*(1,) * (rank - x.rank), *x.shape)
    known = tuple(size if size != 1 else given for size, given in zip(fixed, sizes_of(b, together(b, wanted)))) if rank else ()
    return b.add1(DynamicBroadcast(known), x, together(b, sizes)) if rank else x


def full(b: Builder, element: Value, shape: Formula) -> Value:
    """A tensor of this shape that is filled with one element."""
    return broadcast(b, element, shape)


def tiled(b: Builder, x: Value, axis: int, times: Formula) -> Value:
    """x repeated along an axis."""
    size = size_of(b, x.shape[axis])
    return taken(b, x, counted(b, size * times, "tiled") % size, axis)


def reshaped(b: Builder, x: Value, shape: Formula, *, keep_zeros: bool) -> Value:
    """x under a shape with ONNX's placeholders: -1 is what is left, and 0 the size of that axis unless `keep_zeros`."""
    rank = static(shape.value.shape[0], "the rank of a result")
    if not rank:
        return b.reshape(x, ())
    if not keep_zeros:
        have = b.sizes(tuple(x.shape[k] if k < x.rank else 0 for k in range(rank)), INT64)
        shape = shape.equals(0).choose(Formula(b, have), shape)
    known = shape.equals(-1).choose(Formula(b, b.const(np.ones(rank), INT64)), shape).apply(ReduceProd((0,), False))
    rest = size_of(b, product(x.shape)) // known.at_least(1)
    open_one = shape.equals(-1)
    return with_sizes(b, x, b.add1(Where(), open_one.value, rest.value, shape.value))


def with_sizes(b: Builder, x: Value, sizes: Value) -> Value:
    """x under a shape without placeholders."""
    return b.add1(DynamicReshape(sizes_of(b, sizes)), x, sizes)


def as_shape(b: Builder, x: Value, wanted: Sequence[Size | None], known: frozenset[str]) -> Value:
    """x with the `wanted` sizes in the place of those that only data would tell, which depend on other named dimensions than the `known`
    ones: a tensor of another size is an error when the model runs. x itself where that says nothing new; None: any size."""
    shape = tuple(said if said is not None and isinstance(size, Dim) and not size.symbols & known else size
                  for said, size in zip(wanted, x.shape))
    return x if shape == x.shape else b.add1(DynamicReshape(shape), x, b.sizes(shape, INT64))
