"""Parts of tensors whose number depends on the data: what the mappings of both sources build from `Compress` and `NonMaxSuppression`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product as pairs
from math import prod

import numpy as np

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.dim import Dim, Shape, Size, is_static, product, size_min
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ir.types import DType, TensorType
from nchw2nhwc.ops.base import require_equal
from nchw2nhwc.ops.binary import Add, FloorDiv, Less, Mul, NotEqual, Sub, Where
from nchw2nhwc.ops.control import Loop
from nchw2nhwc.ops.elementwise import Cast, Identity
from nchw2nhwc.ops.indexing import Gather, TopK
from nchw2nhwc.ops.movement import Concat, Expand, Slice, Split
from nchw2nhwc.ops.reduce import CumSum
from nchw2nhwc.ops.selection import Compress, NonMaxSuppression
from nchw2nhwc.parse import dynamic
from nchw2nhwc.parse.body import Body, add_loop
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.formula import Formula, joined

INT64 = np.dtype(np.int64)
LARGEST_TABLE = 1 << 24
"""Most elements whose positions are stored as a constant."""

UNLIMITED = (1 << 31) - 1
"""No axis has more elements: exporters write this number, or a larger one, for all boxes."""


def compressed(b: Builder, x: Value, condition: Value, axis: int) -> Value:
    """The slices of x along `axis` where the condition holds; their number is a named dimension of its own."""
    count: Size = x.shape[axis]
    given: Size = condition.shape[0] if condition.rank == 1 else -1
    if given != count and isinstance(given, int):
        if given < 0 or (isinstance(count, int) and given > count):
            raise ShapeError(f"the condition {condition.type} must be a vector of at most {count} elements")
        x = b.add1(Gather(axis), x, b.const(np.arange(given)))
    size = b.numbers.holding(condition, lambda: Dim.symbol(b.size_name("count")))
    return b.add1(Compress(axis, b.name_of(size, "count")), x, condition)


def without_copies(x: Value) -> Value:
    """What a value is under its first name."""
    while x.producer is not None and isinstance(x.producer.op, Identity):
        x = x.producer.input(0)
    return x


def nonzero(b: Builder, x: Value, dtype: DType) -> Value:
    """The positions of all elements that are not 0, one a column."""
    x = without_copies(x)
    found = b.positions.get(x)
    if found is None:
        found = b.positions[x] = _nonzero(b, x, dtype)
    return found if found.type.dtype == dtype else b.add1(Cast(dtype), found)


def _nonzero(b: Builder, x: Value, dtype: DType) -> Value:
    flat = b.reshape(x, (product(x.shape),))
    return b.transpose(compressed(b, _table(b, x.shape, dtype), _truth(b, flat), 0), (1, 0))


def _table(b: Builder, shape: Shape, dtype: DType) -> Value:
    """The position of every element of a tensor of this shape, a row for each; a number without axes counts as a vector."""
    sizes = tuple(s for s in shape if isinstance(s, int)) or (1,)
    count = prod(sizes)
    if is_static(shape):
        if count > LARGEST_TABLE:
            raise ShapeError(f"the positions of {count} elements would have to be stored")
        return b.const(np.stack(np.unravel_index(np.arange(count), sizes), 1), dtype)
    columns = []
    for axis, size in enumerate(shape):
        along = b.reshape(positions(b, size, dtype), tuple(size if k == axis else 1 for k in range(len(shape))))
        wide = along if len(shape) == 1 else b.add1(Expand(tuple(shape)), along)
        columns.append(b.reshape(wide, (product(shape), 1)))
    return columns[0] if len(columns) == 1 else b.add1(Concat(1), *columns)


def _truth(b: Builder, x: Value) -> Value:
    """Whether elements are not 0."""
    return x if x.type.dtype == np.bool_ else b.add1(NotEqual(), x, b.const(0, x.type.dtype))


def positions(b: Builder, count: Size, dtype: DType) -> Value:
    """0, 1, 2, ... up to but without `count`."""
    if isinstance(count, int):
        return b.const(np.arange(count, dtype=dtype))
    return b.add1(CumSum(0, exclusive=True), b.add1(Expand((count,)), b.const(np.ones(1), dtype)))


# ---- boxes -----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Boxes:
    """Boxes that non-maximum suppression keeps: of every batch element and class the same number of places, some of which are empty."""

    rows: Value
    """(places, 3): batch element, class, box; int64."""
    scores: Value
    """(places,)."""
    kept: Value
    """(places,): whether there is a box."""


def corners(b: Builder, boxes: Value) -> Value:
    """Boxes (..., 4) given as centre and size (x, y, width, height) as opposite corners (y, x, y, x)."""
    swapped = b.add1(Gather(boxes.rank - 1), boxes, b.const(np.array([1, 0, 3, 2])))
    centre, size = b.add(Split(boxes.rank - 1, (2, 2)), swapped)
    half = b.add1(Mul(), size, b.const(0.5, size.type.dtype))
    return b.add1(Concat(boxes.rank - 1), b.add1(Sub(), centre, half), b.add1(Add(), centre, half))


def suppressed(b: Builder, boxes: Value, scores: Value, most: Size, iou_threshold: float | Value, score_threshold: float) -> Boxes:
    """Non-maximum suppression of boxes (batch, N, 4) with scores (batch, classes, N), for every class of every batch element: one after
    the other, in a loop where it is open how many there are. A threshold that is computed is a number without axes.

    Raises ShapeError where sizes do not fit."""
    reason = f"boxes {boxes.type} and scores {scores.type} do not fit together"
    if boxes.rank != 3 or scores.rank != 3:
        raise ShapeError(reason)
    require_equal(reason, (boxes.shape[0], scores.shape[0]), (boxes.shape[1], scores.shape[2]))
    batch, classes, size = scores.shape
    limit, threshold = (0.0, (iou_threshold,)) if isinstance(iou_threshold, Value) else (iou_threshold, ())
    all_boxes = isinstance(most, int) and most >= UNLIMITED
    op = NonMaxSuppression(size if all_boxes else size_min(most, size), limit, score_threshold)
    if not isinstance(batch, int) or not isinstance(classes, int):
        return _one_by_one(b, op, boxes, scores, threshold)
    found: list[tuple[Value, Value, Value]] = []
    places = positions(b, op.most, np.dtype(np.int32))
    planes = b.add(Split(0, (1,) * (batch * classes)), b.reshape(scores, (batch * classes, size)))
    sheets = [b.reshape(sheet, boxes.shape[1:]) for sheet in b.add(Split(0, (1,) * batch), boxes)]
    for sheet, plane in zip((s for s in sheets for _ in range(classes)), planes):
        values = b.reshape(plane, (size,))
        indices, count = b.add(op, sheet, values, *threshold)
        found.append((indices, b.add1(Gather(0), values, indices), b.add1(Less(), places, count)))
    indices, best, kept = (parts[0] if len(parts) == 1 else b.add1(Concat(0), *parts) for parts in zip(*found))
    heads = b.const(np.array(list(pairs(range(batch), range(classes))), np.int64).reshape(-1, 1, 2))
    whole = b.reshape(b.add1(Expand((batch * classes, op.most, 2)), heads), (batch * classes * op.most, 2))
    column = b.reshape(b.add1(Cast(INT64), indices), (batch * classes * op.most, 1))
    return Boxes(b.add1(Concat(1), whole, column), best, kept)


def _one_by_one(b: Builder, op: NonMaxSuppression, boxes: Value, scores: Value, threshold: Sequence[Value]) -> Boxes:
    """`suppressed` in a loop over the classes of all batch elements."""
    batch, classes, size = scores.shape
    planes, total = batch * classes, batch * classes * op.most
    body = Body(b.graph.unique_name("classes"), b.graph.source)
    inner = Builder(body.graph)
    b.shares(inner)
    number, kinds = body.graph.add_input("number", TensorType(INT64)), dynamic.size_of(b, classes)
    here = inner.add1(Gather(0), body.take(boxes), inner.add1(FloorDiv(), number, body.take(kinds.value)))
    values = inner.add1(Gather(0), body.take(b.reshape(scores, (planes, size))), number)
    indices, count = inner.add(op, here, values, *map(body.take, threshold))
    kept = inner.add1(Less(), positions(inner, op.most, np.dtype(np.int32)), count)
    body.returns([inner.reshape(v, (1, op.most)) for v in (indices, inner.add1(Gather(0), values, indices), kept)])
    found = [b.reshape(v, (total,)) for v in add_loop(b, body, Loop(body.graph, 0, planes, (0, 0, 0)), [])]
    plane = dynamic.positions(b, total) // dynamic.size_of(b, op.most)
    rows = joined([column.reshape(total, 1) for column in (plane // kinds, plane % kinds, Formula(b, found[0]).cast(INT64))], 1)
    return Boxes(rows.value, found[1], found[2])


def by_score(b: Builder, boxes: Boxes) -> Boxes:
    """Boxes of all batch elements and classes in descending order of their scores, empty places last."""
    keys = b.add1(Where(), boxes.kept, boxes.scores, b.const(-np.inf, boxes.scores.type.dtype))
    _, order = b.add(TopK(0, boxes.scores.shape[0]), keys)
    return Boxes(*(b.add1(Gather(0), x, order) for x in (boxes.rows, boxes.scores, boxes.kept)))


def columns(b: Builder, x: Value, start: int, stop: int) -> Value:
    """Some columns of a matrix."""
    return b.add1(Slice((None, start), (None, stop), (1, 1)), x)
