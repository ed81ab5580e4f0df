"""Cases of ops whose result has sizes that an operand holds."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from nchw2nhwc.ir.dim import Dim, Shape
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.dynamic import DynamicBroadcast, DynamicIota, DynamicReduce, DynamicReshape
from nchw2nhwc.ops.kinds import ANY, BOOL, NUMBER
from tests.ops.sampling import Case, arrays, dtypes, restricted, sampler, shapes

INT64 = np.dtype(np.int64)


def _named(rank: int) -> Shape:
    return tuple(Dim.symbol(f"size{k}") for k in range(rank))


@sampler(DynamicIota)
def iota(_: type[Op]) -> SearchStrategy[Case]:
    """Also of no numbers."""
    return st.integers(-1, 9).map(lambda limit: (DynamicIota("count"), (np.asarray(limit, INT64),)))


@sampler(DynamicReshape)
def reshape(_: type[Op]) -> SearchStrategy[Case]:
    """Axes in another order of sizes, or one axis for all; sizes may be known, as of what fits only then."""
    @st.composite
    def cases(draw: DrawFn) -> Case:
        shape = draw(shapes())
        sizes = draw(st.one_of(st.permutations(shape), st.just([int(np.prod(shape))])))
        known = draw(st.sampled_from([_named(len(sizes)), tuple(sizes)]))
        return DynamicReshape(known), (draw(arrays(shape, draw(dtypes(ANY)))), np.array(sizes, INT64))
    return cases()


@sampler(DynamicBroadcast)
def broadcast(_: type[Op]) -> SearchStrategy[Case]:
    """To a shape that the operand has a part of."""
    @st.composite
    def cases(draw: DrawFn) -> Case:
        shape = draw(shapes())
        x = draw(arrays(draw(restricted(shape)), draw(dtypes(ANY))))
        return DynamicBroadcast(_named(len(shape))), (x, np.array(shape, INT64))
    return cases()


@sampler(DynamicReduce)
def reduce(_: type[Op]) -> SearchStrategy[Case]:
    """Over some axes, in any order, some of them counted from the end."""
    @st.composite
    def cases(draw: DrawFn) -> Case:
        shape = draw(shapes())
        kind = draw(st.sampled_from(["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceLogSumExp"]))
        keepdims, count = draw(st.booleans()), draw(st.integers(1, len(shape)))
        axes = [axis - len(shape) * draw(st.booleans()) for axis in draw(st.permutations(range(len(shape))))[:count]]
        op = DynamicReduce(kind, keepdims, _named(len(shape) if keepdims else len(shape) - count))
        dtype = np.dtype(np.float32) if kind == "ReduceLogSumExp" else draw(dtypes(NUMBER | BOOL if kind[6:] in ("Max", "Min") else NUMBER))
        return op, (draw(arrays(shape, dtype)), np.array(axes, INT64))
    return cases()
