"""Cases of ops that keep some of their operand's elements."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.detection import DetectionPostProcess
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
        threshold = draw(st.one_of(st.none(), st.sampled_from([0.0, 0.25, 0.5, 1.0])))
        return op, (boxes, scores, *(() if threshold is None else (np.asarray(threshold, np.float32),)))
    return cases()


@sampler(DetectionPostProcess)
def detection_post_process(_: type[Op]) -> SearchStrategy[Case]:
    """Boxes that overlap and boxes that are points, with a background and without; no two scores are equal, whose order is not defined."""
    @st.composite
    def cases(draw: DrawFn) -> Case:
        count, classes, background = draw(st.integers(1, 9)), draw(st.integers(1, 4)), draw(st.integers(0, 1))
        random = np.random.default_rng(draw(st.integers(0, 2**16)))
        anchors = np.concatenate([random.uniform(0, 1, (count, 2)), random.choice([0.5, 1.0], (count, 2))], 1)
        encodings = random.normal(0, 0.2, (1, count, 4))
        encodings[0, random.random(count) < 0.2, 2:] = -np.inf
        scores = random.permutation(count * (classes + background)).reshape(1, count, -1) / 36
        op = DetectionPostProcess(classes, draw(st.integers(1, 12)), draw(st.integers(1, 5)), draw(st.sampled_from([0.2, 0.5, 1.0])),
                                  draw(st.sampled_from([-1.0, 0.1, 0.5])))
        return op, tuple(np.asarray(x, np.float32) for x in (encodings, scores, anchors))
    return cases()
