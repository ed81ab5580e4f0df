"""Cases of ops that keep some of their operand's elements."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.kinds import ANY
from nchw2nhwc.ops.selection import Compress, NonMaxSuppression
from tests.ops.sampling import Case, arrays, dtypes, sampler, shapes


@sampler(Compress)
def compress(_: type[Op]) -> SearchStrategy[Case]:
    """Any number of elements, none and all included."""
    @st.composite
    def cases(draw: DrawFn) -> Case:
        shape = draw(shapes())
        axis = draw(st.integers(0, len(shape) - 1))
        condition = np.array(draw(st.lists(st.booleans(), min_size=shape[axis], max_size=shape[axis])))
        return Compress(axis, "kept"), (draw(arrays(shape, draw(dtypes(ANY)))), condition)
    return cases()


@sampler(NonMaxSuppression)
def non_max_suppression(_: type[Op]) -> SearchStrategy[Case]:
    """Boxes on a coarse grid, so that some coincide, some are empty and some overlap by just the threshold; equal scores."""
    @st.composite
    def cases(draw: DrawFn) -> Case:
        count = draw(st.integers(1, 12))
        random = np.random.default_rng(draw(st.integers(0, 2**16)))
        boxes = np.asarray(random.integers(0, 5, (count, 4)) / 4, np.float32)
        scores = np.asarray(random.integers(0, 9, count) / 8, np.float32)
        op = NonMaxSuppression(draw(st.integers(1, count)), draw(st.sampled_from([0.0, 0.25, 0.5, 1.0])),
                               draw(st.sampled_from([float("-inf"), 0.0, 0.5])))
        return op, (boxes, scores)
    return cases()
