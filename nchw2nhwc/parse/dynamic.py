"""Operands that say what size a result has, or which axes an op works along, and that are computed when the model runs.

What they decide becomes index vectors along one axis each, masks, and the few ops that read sizes from a tensor (`ops.dynamic`); the sizes
of the results are named dimensions of their own. Numbers are int64 throughout.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import accumulate, pairwise

import numpy as np

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.dim import Dim, Shape, Size, product
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.base import REGISTRY, require_equal, static
from nchw2nhwc.ops.binary import Where
from nchw2nhwc.ops.dynamic import DynamicBroadcast, DynamicIota, DynamicReduce, DynamicReshape
from nchw2nhwc.ops.indexing import Gather, TopK
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


def squeezed(b: Builder, x: Value, axes: Formula) -> Value:
    """x without these axes."""
    if axes.value.shape == (x.rank,):
        return b.reshape(x, ())
    return with_sizes(b, x, remaining(b, x, axes))


def remaining(b: Builder, x: Value, axes: Formula) -> Value:
    """The sizes of x without those of these axes."""
    left = x.rank - static(axes.value.shape[0], "how many axes go")
    if left < 0:
        raise ShapeError(f"{x.rank - left} axes of {x.type} cannot go")
    return _first(b, ~_among(b, axes % x.rank, x.rank), b.sizes(x.shape, INT64), left)


def _among(b: Builder, axes: Formula, rank: int) -> Formula:
    """For each of `rank` axes whether it is one of these."""
    return reduce(Formula.__or__, [each.equals(Formula(b, b.const(np.arange(rank), INT64))) for each in elements(axes)])


def unsqueezed(b: Builder, x: Value, axes: Formula) -> Value:
    """x with new axes of size 1 at these places of the result."""
    rank = x.rank + static(axes.value.shape[0], "how many axes are new")
    if not x.rank:
        return b.reshape(x, (1,) * rank)
    new = _among(b, axes % rank, rank)
    old = (~new).cast(INT64).cumsum(0) - 1
    sizes = Formula(b, b.add1(Gather(0), b.sizes(x.shape, INT64), old.at_least(0).value))
    return with_sizes(b, x, new.choose(Formula(b, b.const(np.ones(rank), INT64)), sizes).value)


def _first(b: Builder, condition: Formula, numbers: Value, count: int) -> Value:
    """The numbers where the condition holds, of which there are `count`."""
    rank = static(numbers.shape[0], "how many numbers there are")
    places = b.const(np.arange(rank), INT64)
    key = condition.choose(Formula(b, places), rank)
    order, _ = b.add(TopK(0, count, False), key.value)
    return b.add1(Gather(0), numbers, order)


# ---- reductions ------------------------------------------------------------------------------------------------------
def reduced(b: Builder, kind: str, x: Value, axes: Formula, keepdims: bool) -> Value:
    """x reduced over axes that are computed, of which it is known how many there are."""
    count = static(axes.value.shape[0], "how many axes are reduced")
    if count > x.rank:
        raise ShapeError(f"{count} axes are reduced of {x.type}")
    if 0 in x.shape:
        return _reduced_nothing(b, kind, x, axes, keepdims)
    kept_shape: Shape = tuple(1 if size == 1 else fresh(b, "size") for size in x.shape)
    shape = kept_shape if keepdims else tuple(fresh(b, "size") for _ in range(x.rank - count))
    return b.add1(DynamicReduce(kind, keepdims, shape), x, axes.value)


def _reduced_nothing(b: Builder, kind: str, x: Value, axes: Formula, keepdims: bool) -> Value:
    """What a reduction makes of no elements, wherever the result has any."""
    element = REGISTRY[kind]((0,), False).run(np.zeros(0, x.type.dtype))[0]  # type: ignore[call-arg]
    if keepdims:
        gone = _among(b, axes % x.rank, x.rank)
        sizes = gone.choose(Formula(b, b.const(np.ones(x.rank), INT64)), Formula(b, b.sizes(x.shape, INT64)))
    else:
        sizes = Formula(b, remaining(b, x, axes))
    return full(b, b.const(element), sizes)


def along_any(b: Builder, axis: Formula, x: Value, results: Sequence[Value]) -> Value:
    """Of results that an op has along each of its axes, that for an axis that is computed; all are of one type."""
    wrapped = axis % x.rank
    found = Formula(b, results[-1])
    for k in reversed(range(len(results) - 1)):
        found = wrapped.equals(k).choose(Formula(b, results[k]), found)
    return found.value
