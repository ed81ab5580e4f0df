"""Stored ops of more axes than a device takes, with neighbouring axes that they treat alike merged; and operands that lack axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod

from nchw2nhwc.ir.dim import Size, product
from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ir.types import DType
from nchw2nhwc.ops.base import REGISTRY, Op, remap_axes
from nchw2nhwc.ops.binary import Add, Arithmetic, Mul
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.matmul import FullyConnected, MatMul
from nchw2nhwc.ops.movement import Concat, Expand, Pad, Reshape, Slice, Split, Transpose
from nchw2nhwc.ops.reduce import LogSoftmax, Reduce, Softmax
from nchw2nhwc.ops.rules import Elementwise
from nchw2nhwc.ops.windowed import Conv
from nchw2nhwc.passes.match import array, require, static_shape
from nchw2nhwc.passes.rank import in_steps, merge_batches, neighbours
from nchw2nhwc.passes.rewrite import Rewriter, Rule, RuleSet

_ELEMENTWISE = tuple(cls for cls in REGISTRY.values() if isinstance(getattr(cls, "rule", None), Elementwise))
_ALONG: tuple[type[Op], ...] = (Concat, Pad, Reduce, Slice, Softmax, LogSoftmax, Split)

Group = list[int]


@dataclass(frozen=True)
class Limits:
    """The tensors that a device takes: how many axes they have at most, which element types are reshaped, and how many of the innermost
    axes may be larger than 1 (all, if that is None). What would be refused with fewer axes, too, keeps its own: its reshapes would only be
    more that the device does not run."""

    most: int
    reshapes: Callable[[DType], bool]
    inner: int | None = None


def grouped(kinds: Sequence[object], most: int) -> list[Group]:
    """Axes in at most `most` groups of neighbours of the same kind, merged from the front as far as it takes; None is a kind that merges
    with nothing. There may be more groups than `most` where kinds change too often."""
    groups: list[Group] = [[k] for k in range(len(kinds))]
    at = 0
    while len(groups) > most and at + 1 < len(groups):
        left, right = kinds[groups[at][0]], kinds[groups[at + 1][0]]
        if left is not None and left == right:
            groups[at] += groups.pop(at + 1)
        else:
            at += 1
    return groups


def _merged(shape: Sequence[Size], groups: Sequence[Group]) -> tuple[Size, ...]:
    return tuple(product(shape[k] for k in group) for group in groups)


def _shaped(rw: Rewriter, value: Value, shape: Sequence[Size]) -> Value:
    """The value in another shape; a constant at once."""
    if value.const is not None:
        return rw.constant(value.const.reshape([s for s in shape if isinstance(s, int)]))
    return rw.add(Reshape(tuple(shape)), value)


def _needs(node: Node, limits: Limits) -> None:
    require(max(v.rank for v in _values(node)) > limits.most, "{!r} has few enough axes", node)
    require_reshaped(node, limits.reshapes)


def _values(node: Node) -> list[Value]:
    return [v for v in (*node.inputs, *node.outputs) if v is not None]


def require_reshaped(node: Node, reshapes: Callable[[DType], bool]) -> None:
    """Raises Mismatch unless the device reshapes the element types of all that a node reads and makes."""
    for value in _values(node):
        require(value.is_const or reshapes(value.type.dtype), "{!r} would be reshaped, which its type is not", value)


def _fits(groups: Sequence[Group], node: Node, shape: Sequence[Size], limits: Limits) -> None:
    require(len(groups) <= limits.most, "no axes of {!r} can be merged", node)
    if limits.inner is not None:
        require(all(size == 1 for size in _merged(shape, groups)[:-limits.inner]), "{!r} has too many axes that are larger than 1", node)


def elementwise(limits: Limits) -> Rule:
    """A rule for functions of single elements: axes along which the same operands are repeated are merged."""
    def merge_elements(rw: Rewriter, node: Node, op: Op) -> Value:
        _needs(node, limits)
        rank = node.output.rank
        wide = [(1,) * (rank - v.rank) + v.shape for v in node.inputs if v is not None]
        out = node.output.shape
        kinds = [tuple(shape[k] == 1 and out[k] != 1 for shape in wide) for k in range(rank)]
        groups = grouped(kinds, limits.most)
        _fits(groups, node, out, limits)
        operands = [_shaped(rw, v, _merged(shape, groups)) if v.rank else v
                    for v, shape in zip((v for v in node.inputs if v is not None), wide)]
        return rw.add(Reshape(out), rw.add(op, *operands))
    return merge_elements


def along(limits: Limits) -> Rule:
    """A rule for ops that treat some axes specially: all others are merged; reduced ones with one another."""
    def merge_others(rw: Rewriter, node: Node, op: Op) -> list[Value]:
        _needs(node, limits)
        x, special = node.input(0), op.special_axes()
        reduced = isinstance(op, Reduce)
        groups = grouped([k in special if reduced or k not in special else None for k in range(x.rank)], limits.most)
        _fits(groups, node, x.shape, limits)
        stored: list[int | None] = [group[0] if group[0] in special or len(group) == 1 else None for group in groups]
        results = rw.add_all(remap_axes(op, stored), *(_shaped(rw, v, _merged(v.shape, groups)) for v in node.inputs if v is not None))
        return [rw.add(Reshape(old.shape), new) for old, new in zip(node.outputs, results)]
    return merge_others


def transposes(limits: Limits) -> Rule:
    """A rule for Transposes: axes that stay side by side are merged, those of size 1 go; where that is not enough, several steps do it,
    each of which moves blocks of axes."""
    def merge_moved(rw: Rewriter, node: Node, op: Op) -> Value:
        assert isinstance(op, Transpose)
        _needs(node, limits)
        moved = [k for k in op.perm if node.input(0).shape[k] != 1]
        count = len(neighbours(range(len(moved)), [sorted(moved).index(k) for k in moved]))
        require(limits.inner is None or count <= limits.inner, "{!r} has too many axes that are larger than 1", node)
        return in_steps(rw, node, op, limits.most)
    return merge_moved


def rows(limits: Limits) -> Rule:
    """A rule for fully connected layers: axes before the last one are merged."""
    def merge_rows(rw: Rewriter, node: Node, op: Op) -> Value:
        assert isinstance(op, FullyConnected)
        x = node.input(0)
        _needs(node, limits)
        groups = grouped([0] * (x.rank - 1) + [None], limits.most)
        result = rw.add(op, _shaped(rw, x, _merged(x.shape, groups)), *node.inputs[1:])
        return rw.add(Reshape(node.output.shape), result) if op.keep_num_dims else result
    return merge_rows


def picks(limits: Limits) -> Rule:
    """A rule for Gather along an axis with a list of indices: the axes before it are merged, and those behind it."""
    def merge_around(rw: Rewriter, node: Node, op: Op) -> Value:
        assert isinstance(op, Gather)
        _needs(node, limits)
        x = node.input(0)
        require(node.input(1).rank == 1, "{!r} has no list of indices", node)
        groups = grouped([None if k == op.axis else k < op.axis for k in range(x.rank)], limits.most)
        _fits(groups, node, x.shape, limits)
        place = next(k for k, group in enumerate(groups) if op.axis in group)
        return rw.add(Reshape(node.output.shape), rw.add(Gather(place), _shaped(rw, x, _merged(x.shape, groups)), node.input(1)))
    return merge_around


def expands(limits: Limits) -> Rule:
    """A rule for Expand: axes that are repeated are merged, and those that are not."""
    def merge_repeated(rw: Rewriter, node: Node, op: Op) -> Value:
        _needs(node, limits)
        x, out = node.input(0), node.output.shape
        wide = (1,) * (len(out) - x.rank) + x.shape
        groups = grouped([a == b for a, b in zip(wide, out)], limits.most)
        _fits(groups, node, out, limits)
        return rw.add(Reshape(out), rw.add(Expand(_merged(out, groups)), _shaped(rw, x, _merged(wide, groups))))
    return merge_repeated


def lower_ranks(most: int, reshapes: Callable[[DType], bool] = lambda _: True, inner: int | None = None) -> RuleSet:
    """The rules for a device with these `Limits`."""
    rules, limits = RuleSet(), Limits(most, reshapes, inner)
    rules.on(*_ELEMENTWISE)(elementwise(limits))
    rules.on(*_ALONG)(along(limits))
    rules.on(Transpose)(transposes(limits))
    rules.on(FullyConnected)(rows(limits))
    rules.on(Gather)(picks(limits))
    rules.on(Expand)(expands(limits))
    rules.on(MatMul)(merge_batches(most))
    return rules


EQUAL_RANKS = RuleSet()
"""For element types that the device reshapes."""
_SLICED_AXES = 3


@EQUAL_RANKS.on(Slice)
def enough_axes(rw: Rewriter, node: Node, op: Slice) -> Value:
    """A Slice of one or two axes, with axes of size 1 before them."""
    x = node.input(0)
    more = _SLICED_AXES - x.rank
    require(0 < more < _SLICED_AXES, "{!r} has enough axes or none", node)
    wide = Slice((None,) * more + op.starts, (None,) * more + op.stops, (1,) * more + op.steps)
    return rw.add(Reshape(node.output.shape), rw.add(wide, _shaped(rw, x, ((1,) * more + x.shape))))


@EQUAL_RANKS.on(Add, Mul)
def missing_axes(rw: Rewriter, node: Node, op: Arithmetic) -> Value:
    """Operands with as many axes as the result, of size 1 where they lack one; single numbers stay."""
    rank = node.output.rank
    short = [v.rank for v in map(node.input, (0, 1)) if 1 < v.rank < rank]
    require(bool(short), "{!r} has operands of equal ranks", node)
    operands = [_shaped(rw, v, (*(1,) * (rank - v.rank), *v.shape)) if 1 < v.rank < rank else v for v in map(node.input, (0, 1))]
    return rw.add(op, *operands)


@EQUAL_RANKS.on(Pad)
def enough_axes_to_pad(rw: Rewriter, node: Node, op: Pad) -> Value:
    """A Pad of one or two axes, with axes of size 1 before them."""
    x = node.input(0)
    more = _SLICED_AXES - x.rank
    require(0 < more < _SLICED_AXES, "{!r} has enough axes or none", node)
    wide = replace(op, pads_begin=(0,) * more + op.pads_begin, pads_end=(0,) * more + op.pads_end)
    return rw.add(Reshape(node.output.shape), rw.add(wide, _shaped(rw, x, ((1,) * more + x.shape))))


@EQUAL_RANKS.on(FullyConnected)
def as_rows(rw: Rewriter, node: Node, op: FullyConnected) -> Value:
    """A fully connected layer that reads its operand as rows of another width: rows first."""
    x, inner = node.input(0), node.input(1).shape[1]
    require(not op.keep_num_dims and x.shape[-1] != inner, "{!r} reads rows as they are", node)
    return rw.add(op, _shaped(rw, x, (node.output.shape[0], inner)), *node.inputs[1:])


POINTWISE = RuleSet()
_PLANE = 3
"""How many of the innermost axes may be larger than 1 where a convolution stands for a fully connected layer."""


@POINTWISE.on(FullyConnected)
def of_rows(rw: Rewriter, node: Node, op: FullyConnected) -> Value:
    """A fully connected layer over several rows: a convolution whose windows are single rows."""
    w, inner = array(node.input(1)), node.input(1).shape[1]
    leading = static_shape(node.output)[:-1]
    require(prod(leading) > 1, "{!r} has one row", node)
    sizes = (*node.input(0).shape[:-_PLANE], *node.output.shape[:-_PLANE])
    require(all(size == 1 for size in sizes), "{!r} is of several planes, which would not be reshaped", node)
    ones, none = (1, 1), (0, 0)
    conv = Conv(ones, ones, none, none, activation=op.activation, channels_last=True)
    plane = _shaped(rw, node.input(0), (1, prod(leading[:-1]), leading[-1], inner))
    result = rw.add(conv, plane, rw.constant(w.reshape(len(w), 1, 1, -1)), *node.inputs[2:])
    return rw.add(Reshape(node.output.shape), result)
