"""Operands of a concatenation that OpenVINO rounds to one grid.

OpenVINO's CPU plugin computes a convolution of several quantized tensors with one scale. Where they have ranges of their own, its low
precision transformations change these: the grid becomes that of the smallest range that holds all, the ends of each operand's range move to
the nearest levels of that grid, and the operand is rounded to as many levels as lie between. It is so for all that reads the operand, and
FakeQuantize nodes that are the same are one.

In OpenVINO's src/common/low_precision_transformations, `IntervalsAlignmentAttribute::merge_attributes` has which ranges there are,
`QuantizationAlignmentAttribute::create` and `UpdateSharedPrecisionPreserved` which operands are aligned,
`NetworkHelper::calculateLevels` and `decomposeFakeQuantize` (fake_quantize_decomposition.cpp) how.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import floor

import numpy as np

from nchw2nhwc.ir.graph import Graph, Node, Value
from nchw2nhwc.ops.activation_functions import Clip, Relu
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add, FakeQuantize, Mul
from nchw2nhwc.ops.movement import Concat, Pad, Reshape, Slice, Split, Transpose
from nchw2nhwc.ops.pooling import MaxPool
from nchw2nhwc.ops.reduce import ReduceMax, ReduceMin
from nchw2nhwc.ops.resize import Resize
from nchw2nhwc.ops.steps import steps_of
from nchw2nhwc.ops.windowed import Conv, ConvTranspose, DepthToSpace
from nchw2nhwc.passes import Pass
from nchw2nhwc.passes.constants import FOLDING, MERGE_EQUAL
from nchw2nhwc.passes.identities import IDENTITIES
from nchw2nhwc.passes.levels import LARGEST_SHIFT, LEVELS_OF_8_BITS, bounds_of
from nchw2nhwc.passes.match import array, is_float
from nchw2nhwc.passes.quantization import has_bias, remark_shift
from nchw2nhwc.passes.rewrite import Mismatch, Rewriter, rule_pass, sweep

_NAME = "align_concatenations"
_FEWEST = 3
"""Where the shortest range has fewer levels, OpenVINO aligns none."""
_PRESERVING: tuple[type[Op], ...] = (Concat, DepthToSpace, MaxPool, Pad, ReduceMax, ReduceMin, Relu, Reshape, Resize, Slice, Split,
                                     Transpose)
"""OpenVINO's `MarkupPrecisions::isPrecisionPreserved`."""

_PREPARE = rule_pass("prepare_alignment", FOLDING, IDENTITIES)


class _Families(dict[Node, set[Node]]):
    """Nodes that belong together, by each of them."""

    def join(self, node: Node, others: Iterable[Node]) -> None:
        """Let a node belong to all that some others do."""
        members = {node}.union(*(self[other] for other in others))
        self.update(dict.fromkeys(members, members))


@dataclass(frozen=True)
class _Shared:
    """The grid of several ranges: integers from 0 to 255 for the numbers from `low` to `high`."""

    low: float
    high: float

    @property
    def scale(self) -> float:
        """How far levels are apart."""
        return (self.high - self.low) / 255

    @property
    def zero(self) -> int:
        """The integer that is zero."""
        return self.nearest(0.0)

    def nearest(self, number: float) -> int:
        """The integer of the nearest level, of the higher one for what is between two."""
        return floor((number - self.low) / self.scale + 0.5)


def _align(graph: Graph) -> int:
    if not (any(map(_rounds, graph.nodes)) and any(isinstance(node.op, Concat) and is_float(node.output) for node in graph.nodes)):
        return 0
    count = _PREPARE(graph) + MERGE_EQUAL(graph)
    found = _found(graph)

    def align(rw: Rewriter, node: Node, op: Op) -> Value:
        return _aligned(rw, node, found[node])

    return count + (sweep(Rewriter(graph, _NAME), lambda node: (align,) if node in found else ()) if found else 0)


def _makers(node: Node) -> list[Node | None]:
    """What makes the operands that are not constant; None for inputs of the graph."""
    return [v.producer for v in node.inputs if v is not None and not v.is_const]


def _flattened(graph: Graph, node: Node) -> list[Node]:
    """The concatenations that become part of this one, as nothing else reads them (OpenVINO's ConcatFusion)."""
    if not isinstance(node.op, Concat):
        return []
    first = [maker for maker in _makers(node) if maker is not None and maker.op == node.op and len(maker.output.uses) == 1
             and not graph.is_output(maker.output)]
    return [*first, *(each for maker in first for each in _flattened(graph, maker))]


def _rounds(node: Node | None) -> bool:
    return node is not None and isinstance(node.op, FakeQuantize)


def _found(graph: Graph) -> dict[Node, _Shared]:
    """The FakeQuantize nodes that are aligned, each with its grid."""
    ranges, aligned, convolved = _Families(), _Families(), set[Node]()
    for node in graph.nodes:
        inner = _flattened(graph, node)
        makers = [maker for each in (node, *inner) for maker in _makers(each) if maker not in inner]
        if _rounds(node):
            if _bounds(node) is not None:
                ranges.join(node, ())
        elif isinstance(node.op, _PRESERVING) and makers:
            ranged, before = ([m for m in makers if m is not None and m in families] for families in (ranges, aligned))
            if ranged:
                ranges.join(node, ranged)
            if before or all(map(_rounds, makers)):
                aligned.join(node, [*before, *(each for each in inner if each in aligned)])
        elif makers and makers[0] is not None and makers[0] in aligned and _has_quantized_weights(node):
            convolved.add(makers[0])
    result = {}
    for node in filter(_rounds, ranges):
        if any(user in aligned and aligned[user] & convolved for user in node.output.users):
            shared = _shared([each for each in ranges[node] if _rounds(each)])
            if shared is not None:
                result[node] = shared
    return result


def _bounds(node: Node) -> tuple[float, float, float, float] | None:
    try:
        return bounds_of(node)
    except Mismatch:
        return None


def _has_quantized_weights(node: Node) -> bool:
    """Whether a node is a convolution, not in groups, with constant weights that are whole multiples of a step for each result."""
    if not isinstance(node.op, (Conv, ConvTranspose)) or node.op.groups != 1 or node.input(1).const is None:
        return False
    weights = array(node.input(1))
    return steps_of(weights.swapaxes(0, 1) if isinstance(node.op, ConvTranspose) else weights, LEVELS_OF_8_BITS[-1]) is not None


def _shared(nodes: Sequence[Node]) -> _Shared | None:
    """The grid of FakeQuantize nodes; None where OpenVINO has none, and where they have the same range."""
    levels = {node.op.levels for node in nodes if isinstance(node.op, FakeQuantize)}
    bounds = {bounds_of(node) for node in nodes}
    if len(levels) != 1 or levels.pop() not in LEVELS_OF_8_BITS or len(bounds) == 1 or any(b[:2] != b[2:] or b[0] >= b[1] for b in bounds):
        return None
    shared = _Shared(min(b[0] for b in bounds), max(b[1] for b in bounds))
    low, high, _, _ = min(bounds, key=lambda b: b[1] - b[0])
    enough = shared.nearest(high) - shared.nearest(low) + 1 >= _FEWEST
    return shared if enough and 0 <= shared.zero <= 255 else None


def _aligned(rw: Rewriter, node: Node, shared: _Shared) -> Value:
    """x scaled and moved to where its range ends at levels, cut there and rounded."""
    x = node.input(0)
    like = x.type.dtype
    low, high, _, _ = bounds_of(node)
    if low >= 0 and x.producer is not None and isinstance(x.producer.op, Relu) and rw.single_use(x):
        x = x.producer.input(0)  # cut at zero below
    first, last = shared.nearest(low), shared.nearest(high)
    factor = (last - first) / (high - low)
    shift = first - shared.zero - low * factor

    def number(levels: float) -> Value:
        return rw.constant(np.asarray(levels * shared.scale), like)

    if (first, last) == (0, 255) and abs(shift) <= LARGEST_SHIFT and not has_bias(x):
        remark_shift(rw, node, shift)
    else:
        x = rw.add(Add(), rw.add(Mul(), x, number(factor)), number(shift))
    if (first, last) != (0, 255):
        x = rw.add(Clip((first - shared.zero) * shared.scale, (last - shared.zero) * shared.scale), x)
    ends = [number(k - shared.zero) for k in (0, 255)]
    return rw.add(FakeQuantize(256), x, *ends, *ends)


ALIGN_CONCATENATIONS = Pass(_NAME, _align)
"""FakeQuantize nodes before a concatenation round to the grid that OpenVINO's CPU plugin rounds all of them to."""
