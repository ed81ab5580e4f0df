"""The best of each class above a threshold are chosen for all classes at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from nchw2nhwc.ir.dim import Size, product, size_min
from nchw2nhwc.ir.graph import Graph, Value
from nchw2nhwc.ir.types import TensorType
from nchw2nhwc.ops.binary import Greater, Less, Mul
from nchw2nhwc.ops.control import If
from nchw2nhwc.ops.elementwise import Cast, Neg
from nchw2nhwc.ops.indexing import Gather, TopK
from nchw2nhwc.ops.movement import Concat, Expand, Reshape
from nchw2nhwc.ops.reduce import CumSum, ReduceSum
from nchw2nhwc.ops.selection import Compress
from nchw2nhwc.ops.sizes import Sizes
from nchw2nhwc.passes.best_of_each import BEST_OF_EACH
from tests.passes.nets import DTYPE, Net, check_pass, check_untouched, count_ops

BOXES, CLASSES = 9, 4


class Detector:
    """Scores (boxes, classes), or the other way round, and the best of some classes."""

    def __init__(self, axis: int = 1, *, whole: bool = False, flat: bool = False) -> None:
        self.net, self.axis, self.whole, self.flat = Net(), axis, whole, flat
        self.boxes = self.net(Neg(), self.net.input(BOXES, 4))
        self.scores = self.net(Neg(), self.net.input(*((BOXES, CLASSES) if axis else (CLASSES, BOXES))))
        self.places = self.net.const(np.arange(BOXES).reshape(BOXES, 1), np.int64)

    def condition(self, place: int, x: Value, threshold: float) -> Value:
        if self.whole:
            return self.net(Gather(self.axis), self.net(Greater(), self.scores, threshold), self.net.const(place, np.int64))
        return self.net(Greater(), x, threshold)

    def best(self, place: int, most: int = 3, threshold: float = 0.25, count: str = "") -> tuple[Value, Value, Value, Value]:
        """Of a class: its best scores, their places and boxes, and its number as often."""
        net, count = self.net, count or f"n{place}"
        x = net(Gather(self.axis), self.scores, net.const(place, np.int64))
        holds = self.condition(place, x, threshold)
        left = net(Compress(0, count), x, holds)
        k: Size = size_min(most, left.shape[0])
        scores, order = net.all(TopK(0, k), left)
        places, boxes = (net(Compress(0, count), whole, holds) for whole in (self.places, self.boxes))
        places = net(Reshape(left.shape), places) if self.flat else places
        rows, boxes = (net(Gather(0), each, order) for each in (places, boxes))
        return scores, rows, boxes, net(Expand((k,)), net.const(place + 0.5))

    def together(self, classes: Sequence[tuple[Value, ...]]) -> tuple[Value, ...]:
        return tuple(self.net(Concat(0), *parts) for parts in zip(*classes))

    def finish(self, *, sizes: bool = False) -> Net:
        """Sums that depend on the order of everything."""
        net = self.net
        scores, rows, boxes, labels = self.together([self.best(place) for place in (2, 0, 3)])
        picked = net(Gather(0), self.boxes, net(Reshape((product(rows.shape),)), rows))
        weighted = net(Mul(), net(Mul(), picked, boxes), net(Reshape((scores.shape[0], 1)), net(CumSum(0), scores)))
        net.output(net(ReduceSum((0,)), weighted), net(ReduceSum((0,)), net(Mul(), labels, scores)))
        if sizes:
            net.output(net(Cast(DTYPE), net(Sizes((scores.shape[0], 4), np.dtype(np.int64)))))
        return net


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("axis", [0, 1])
def test_classes_of_a_detector(axis: int, whole: bool, flat: bool) -> None:
    found = check_pass(Detector(axis, whole=whole, flat=flat).finish(), BEST_OF_EACH)
    assert found.count("TopK") == 1
    assert found.count("Concat") == 0
    assert found.count("Compress") == 3


def test_sizes_that_are_asked_for() -> None:
    """Also by a body: all that is computed of how many there are is computed of the one size."""
    detector = Detector()
    net = detector.finish(sizes=True)
    total = next(node for node in net.graph.nodes if isinstance(node.op, Concat)).output
    bodies = []
    for op in (Neg(), CumSum(0)):
        body = Graph("branch")
        body.add_output(body.add1(op, [body.add_input("x", TensorType(DTYPE, total.shape))]), "y")
        bodies.append(body)
    chosen = net(If(*bodies), net(Greater(), net.input(), 0.0), total)
    net.output(net(ReduceSum((0,)), net(CumSum(0), chosen)))
    assert check_pass(net, BEST_OF_EACH).count("TopK") == 1


def test_more_than_there_are() -> None:
    detector = Detector()
    scores, *_ = detector.together([detector.best(place, most=50) for place in range(CLASSES)])
    detector.net.output(detector.net(ReduceSum((0,)), detector.net(CumSum(0), scores)))
    assert check_pass(detector.net, BEST_OF_EACH).count("TopK") == 1


def test_classes_that_are_needed_by_themselves_stay() -> None:
    """An output, or a size, of one class or of all of them."""
    for output in (False, True):
        detector = Detector()
        classes = [detector.best(place) for place in (2, 0, 3)]
        scores, *_ = detector.together(classes)
        net = detector.net
        net.output(scores if output else net(ReduceSum((0,)), net(CumSum(0), scores)))
        if not output:
            net.output(net(ReduceSum((0,)), net(CumSum(0), classes[1][3])))
        check_untouched(net, BEST_OF_EACH)


def test_classes_that_are_chosen_by_other_rules_stay() -> None:
    """Of other thresholds, as many as something else says, the same one twice, and below a threshold."""
    for second in ({"threshold": 0.5}, {"most": 2}, {"count": "n0"}):
        detector = Detector()
        scores, *_ = detector.together([detector.best(0), detector.best(1, **second)])  # type: ignore[arg-type]
        detector.net.output(detector.net(ReduceSum((0,)), detector.net(CumSum(0), scores)))
        before = count_ops(detector.net.graph)
        assert BEST_OF_EACH(detector.net.graph) == 0
        assert count_ops(detector.net.graph) == before
    net = Net()
    x = net(Neg(), net.input(BOXES))
    left = [net(Compress(0, f"n{k}"), x, net(Less(), x, 0.5)) for k in range(2)]
    best = [net.all(TopK(0, size_min(3, each.shape[0])), each)[0] for each in left]
    net.output(net(ReduceSum((0,)), net(CumSum(0), net(Concat(0), *best))))
    check_untouched(net, BEST_OF_EACH)


def test_sources_that_rank_freely_stay() -> None:
    """The check follows each of their rankings."""
    net = Detector().finish()
    net.graph.ranks_freely = True
    check_untouched(net, BEST_OF_EACH)
