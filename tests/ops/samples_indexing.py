"""Cases of ops that pick elements by index, or order them by value."""

from __future__ import annotations

from math import prod

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from nchw2nhwc.ir.types import Array
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.indexing import (
    REDUCTIONS,
    Gather,
    GatherElements,
    GatherND,
    ReverseSequence,
    ScatterElements,
    ScatterND,
    TopK,
)
from nchw2nhwc.ops.kinds import ANY, NUMBER
from tests.ops.sampling import Case, arrays, dtypes, sampler, shapes


@st.composite
def indices(draw: DrawFn, shape: tuple[int, ...], size: int) -> Array:
    """Indices into an axis of `size`, often the same one, some counted from the end."""
    dtype = draw(st.sampled_from([np.int32, np.int64]))
    if prod(shape) > 64:
        return np.random.default_rng(draw(st.integers(0, 2**16))).integers(-size, size, shape).astype(dtype)
    wanted = draw(st.lists(st.integers(-size, size - 1), min_size=prod(shape), max_size=prod(shape)))
    return np.asarray(wanted, dtype).reshape(shape)


@st.composite
def distinct(draw: DrawFn, shape: tuple[int, ...], axis: int, size: int) -> Array:
    """Indices into an axis of `size`, each at most once along `axis`, some counted from the end."""
    random = np.random.default_rng(draw(st.integers(0, 2**16)))
    order = np.argsort(random.random((*shape[:axis], size, *shape[axis + 1:])), axis)
    taken = np.take(order, range(shape[axis]), axis)
    return np.where(random.random(shape) < 0.3, taken - size, taken).astype(draw(st.sampled_from([np.int32, np.int64])))


@sampler(Gather)
def gather(_: type[Op]) -> SearchStrategy[Case]:
    """Indices of rank 0 to 2."""
    @st.composite
    def cases(draw: DrawFn) -> Case:
        shape = draw(shapes())
        axis, rank = draw(st.integers(0, len(shape) - 1)), draw(st.integers(0, 2))
        return Gather(axis), (draw(arrays(shape, draw(dtypes(ANY)))), draw(indices((2,) * rank, shape[axis])))
    return cases()


@sampler(GatherElements)
def gather_elements(_: type[Op]) -> SearchStrategy[Case]:
    """More indices along the axis than elements, as many, or fewer."""
    @st.composite
    def cases(draw: DrawFn) -> Case:
        shape = draw(shapes(max_rank=4))
        axis = draw(st.integers(0, len(shape) - 1))
        count = draw(st.sampled_from([shape[axis], 1, 2, 5]))
        where = draw(indices((*shape[:axis], count, *shape[axis + 1:]), shape[axis]))
        return GatherElements(axis), (draw(arrays(shape, draw(dtypes(ANY)))), where)
    return cases()


@st.composite
def rows(draw: DrawFn, lead: tuple[int, ...], sizes: tuple[int, ...], unique: bool) -> Array:
    """Rows of indices into axes of these sizes; `unique`: no two say the same place, as far as there are places."""
    count, places = prod(lead), prod(sizes)
    random = np.random.default_rng(draw(st.integers(0, 2**16)))
    flat = random.permutation(places)[:count] if unique and count <= places else random.integers(0, places, count)
    found = np.stack(np.unravel_index(flat, sizes), -1)
    found = np.where(random.random(found.shape) < 0.3, found - np.array(sizes), found)
    return found.reshape(*lead, len(sizes)).astype(draw(st.sampled_from([np.int32, np.int64])))


@sampler(GatherND)
def gather_nd(_: type[Op]) -> SearchStrategy[Case]:
    """With and without batch axes, of single elements and of pieces."""
    @st.composite
    def cases(draw: DrawFn) -> Case:
        shape = draw(shapes(max_rank=4))
        batch = draw(st.integers(0, len(shape) - 1))
        depth = draw(st.integers(1, len(shape) - batch))
        lead = (*shape[:batch], *draw(st.lists(st.integers(1, 3), max_size=2)))
        where = draw(rows(lead, shape[batch:batch + depth], unique=False))
        return GatherND(batch), (draw(arrays(shape, draw(dtypes(ANY)))), where)
    return cases()


@sampler(ScatterElements)
def scatter_elements(_: type[Op]) -> SearchStrategy[Case]:
    """Places occur several times only where a reduction says what that means."""
    @st.composite
    def cases(draw: DrawFn) -> Case:
        shape = draw(shapes(max_rank=4))
        axis, reduction = draw(st.integers(0, len(shape) - 1)), draw(st.sampled_from(list(REDUCTIONS)))
        size = shape[axis]
        count = draw(st.integers(1, size)) if reduction == "none" else draw(st.sampled_from([size, 1, 4]))
        place = (*shape[:axis], count, *shape[axis + 1:])
        where = draw(distinct(place, axis, size) if reduction == "none" else indices(place, size))
        dtype = draw(dtypes(ANY if reduction == "none" else NUMBER))
        return ScatterElements(axis, reduction), (draw(arrays(shape, dtype)), where, draw(arrays(place, dtype)))
    return cases()


@sampler(ScatterND)
def scatter_nd(_: type[Op]) -> SearchStrategy[Case]:
    """Places occur several times only where a reduction says what that means."""
    @st.composite
    def cases(draw: DrawFn) -> Case:
        shape, reduction = draw(shapes(max_rank=4)), draw(st.sampled_from(list(REDUCTIONS)))
        depth = draw(st.integers(1, len(shape)))
        inside = shape[:depth]
        most = prod(inside) if reduction == "none" else 5
        lead = draw(st.sampled_from([(min(3, most),), (1, min(2, most)), (most,), (1,), ()]))
        where = draw(rows(lead, inside, unique=reduction == "none"))
        dtype = draw(dtypes(ANY if reduction == "none" else NUMBER))
        return ScatterND(reduction), (draw(arrays(shape, dtype)), where, draw(arrays((*lead, *shape[depth:]), dtype)))
    return cases()


@sampler(TopK)
def top_k(_: type[Op]) -> SearchStrategy[Case]:
    """Equal elements are common."""
    @st.composite
    def cases(draw: DrawFn) -> Case:
        shape = draw(shapes(max_rank=4))
        axis = draw(st.integers(0, len(shape) - 1))
        op = TopK(axis, draw(st.integers(1, shape[axis])), draw(st.booleans()), np.dtype(draw(st.sampled_from([np.int32, np.int64]))))
        return op, (draw(arrays(shape, draw(dtypes(NUMBER)))),)
    return cases()


@sampler(ReverseSequence)
def reverse_sequence(_: type[Op]) -> SearchStrategy[Case]:
    """Lengths from 0 to the whole axis."""
    @st.composite
    def cases(draw: DrawFn) -> Case:
        shape = draw(shapes(min_rank=2, max_rank=4))
        batch, time = draw(st.permutations(range(len(shape))))[:2]
        counts = draw(st.lists(st.integers(0, shape[time]), min_size=shape[batch], max_size=shape[batch]))
        lengths = np.asarray(counts, draw(st.sampled_from([np.int32, np.int64])))
        return ReverseSequence(batch, time), (draw(arrays(shape, draw(dtypes(ANY)))), lengths)
    return cases()
