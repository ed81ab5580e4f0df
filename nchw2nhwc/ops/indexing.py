"""Ops that pick elements by index, or order them by value."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

import numpy as np

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.bounds import is_at_most
from nchw2nhwc.ir.dim import Dim, Size
from nchw2nhwc.ir.types import Array, DType, TensorType
from nchw2nhwc.ops.base import Op, axis_role, require_equal, require_shape, static
from nchw2nhwc.ops.kinds import NUMBER, require
from nchw2nhwc.ops.movement import require_axis, shape_text
from nchw2nhwc.ops.rules import Along, GatherAxis, SourceOrder

Positions = np.ndarray[tuple[int, ...], np.dtype[np.int64]]

INT64 = np.dtype(np.int64)


def require_indices(indices: TensorType) -> None:
    """Raises ShapeError unless `indices` are integers."""
    if indices.dtype.kind not in "iu":
        raise ShapeError(f"indices must be integers, not {indices.dtype.name}")


def from_front(indices: Array, size: int, what: str) -> Positions:
    """Indices into `size` elements, negative ones counted from the end, as int64. Raises ShapeError where one does not exist in `what`."""
    where = np.asarray(indices, np.int64)
    if where.size and (int(where.min()) < -size or int(where.max()) >= size):
        raise ShapeError(f"indices {int(where.min())}..{int(where.max())} do not fit {what} of size {size}")
    return np.where(where < 0, where + size, where)


def same_but_along(axis: int, x: TensorType, other: TensorType, what: str) -> None:
    """Raises ShapeError unless `other`, which messages call `what`, has the shape of `x` but for the size of `axis`."""
    reason = f"{what} {other} must have the shape of {x} but for axis {axis}"
    if other.rank != x.rank:
        raise ShapeError(reason)
    require_equal(reason, *(pair for k, pair in enumerate(zip(x.shape, other.shape)) if k != axis))


@dataclass(frozen=True)
class Gather(Op):
    """`data` taken at `indices` along `axis`; the result has the axes of `indices` in the place of that axis.

    Negative indices count from the end. Source: ONNX Gather, OpenVINO Gather-1, -7 and -8 with `batch_dims` 0.
    """

    axis: int = field(metadata=axis_role())
    rule = GatherAxis()

    def infer(self, data: TensorType, indices: TensorType) -> TensorType:
        require_axis(self.axis, data)
        require_indices(indices)
        return data.with_shape((*data.shape[:self.axis], *indices.shape, *data.shape[self.axis + 1:]))

    def reference(self, data: Array, indices: Array) -> Array:
        return np.asarray(np.take(data, from_front(indices, data.shape[self.axis], f"axis {self.axis}"), self.axis))


@dataclass(frozen=True)
class GatherElements(Op):
    """result[i, j, k] = data[i, indices[i, j, k], k] (here along `axis` 1): one index for every element of the result.

    `indices` has the shape of `data` but for the size of `axis`; negative indices count from the end.
    Source: ONNX GatherElements, OpenVINO GatherElements-6.
    """

    axis: int = field(metadata=axis_role())
    rule = Along(data=None)

    def infer(self, data: TensorType, indices: TensorType) -> TensorType:
        require_axis(self.axis, data)
        require_indices(indices)
        same_but_along(self.axis, data, indices, "indices")
        return data.with_shape(indices.shape)

    def reference(self, data: Array, indices: Array) -> Array:
        where = from_front(indices, data.shape[self.axis], f"axis {self.axis}")
        return np.asarray(np.take_along_axis(data, where, self.axis))


@dataclass(frozen=True)
class GatherND(Op):
    """Each row of `indices`, its last axis, is the position of a piece of `data` in as many leading axes as it has elements.

    The first `batch_dims` axes belong to both operands and are not indexed. With d elements in a row the result has the shape
    `indices.shape[:-1] + data.shape[batch_dims + d:]`. Negative indices count from the end. Source: ONNX GatherND, OpenVINO GatherND-8.
    """

    batch_dims: int = 0
    rule = SourceOrder()

    def infer(self, data: TensorType, indices: TensorType) -> TensorType:
        require_indices(indices)
        depth, batch = index_depth(indices), self.batch_dims
        if not 0 <= batch < indices.rank or batch + depth > data.rank:
            raise ShapeError(f"indices {indices} with {batch} batch axes do not fit {data}")
        require_equal(f"the first {batch} axes of {data} and of indices {indices} differ", *zip(data.shape[:batch], indices.shape[:batch]))
        return data.with_shape((*indices.shape[:-1], *data.shape[batch + depth:]))

    def reference(self, data: Array, indices: Array) -> Array:
        batch, depth = self.batch_dims, indices.shape[-1]
        rows = prod(data.shape[:batch])
        inside, rest = data.shape[batch:batch + depth], data.shape[batch + depth:]
        flat = row_positions(indices, inside).reshape(rows, prod(indices.shape[batch:-1]))
        pieces = data.reshape(rows, prod(inside), *rest)[np.arange(rows)[:, None], flat]
        return pieces.reshape((*indices.shape[:-1], *rest))


def index_depth(indices: TensorType) -> int:
    """How many axes each row of indices addresses. Raises ShapeError when that is not known."""
    if indices.rank == 0:
        raise ShapeError("rows of indices need an axis")
    return static(indices.shape[-1], "the number of axes that are indexed")


def row_positions(indices: Array, shape: tuple[int, ...]) -> Positions:
    """Rows of indices into axes of these sizes, as positions in row-major order. Raises ShapeError where one does not exist."""
    flat = np.zeros(indices.shape[:-1], np.int64)
    for k, size in enumerate(shape):
        flat = flat * size + from_front(indices[..., k], size, f"the axis that index {k} is for,")
    return flat


# ---- the other way round ---------------------------------------------------------------------------------------------
REDUCTIONS: dict[str, np.ufunc | None] = {"none": None, "add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}
"""How an update and what is there already become one; "none": the update takes its place, of several the last one."""


@dataclass(frozen=True)
class Scatter(Op, abstract=True):
    """`data` with `updates` at the places that `indices` say, combined with what is there by `reduction`."""

    def check(self, data: TensorType, indices: TensorType, updates: TensorType, reduction: str) -> None:
        """Raises ShapeError for element types or a reduction that do not exist."""
        require_indices(indices)
        if reduction not in REDUCTIONS:
            raise ShapeError(f"{self.name} has no reduction '{reduction}'; there are {', '.join(REDUCTIONS)}")
        if updates.dtype != data.dtype:
            raise ShapeError(f"updates {updates} are of another element type than {data}")
        if reduction != "none":
            require(self, NUMBER, data)


def _scattered(rows: Array, where: Positions, updates: Array, reduction: str) -> Array:
    """`rows` with `updates[k]` at row `where[k]`."""
    result = rows.copy()
    combine = REDUCTIONS[reduction]
    if combine is None:
        result[where] = updates
    else:
        combine.at(result, where, updates)
    return result


@dataclass(frozen=True)
class ScatterElements(Scatter):
    """The result is `data`, with result[i, indices[i, j, k], k] made of updates[i, j, k] (here along `axis` 1).

    `indices` and `updates` have one shape, that of `data` but for the size of `axis`; negative indices count from the end.
    Source: ONNX Scatter and ScatterElements, OpenVINO ScatterElementsUpdate-3 and -12, ScatterUpdate-3.
    """

    axis: int = field(metadata=axis_role())
    reduction: str = field(default="none", metadata={"choices": tuple(REDUCTIONS)})
    rule = Along(data=None)

    def infer(self, data: TensorType, indices: TensorType, updates: TensorType) -> TensorType:
        require_axis(self.axis, data)
        self.check(data, indices, updates, self.reduction)
        same_but_along(self.axis, data, indices, "indices")
        require_shape(f"indices {indices} and updates {updates} must have one shape", indices.shape, updates.shape)
        return data

    def reference(self, data: Array, indices: Array, updates: Array) -> Array:
        where = list(np.indices(indices.shape, sparse=True))
        where[self.axis] = from_front(indices, data.shape[self.axis], f"axis {self.axis}")
        flat = np.ravel_multi_index(np.broadcast_arrays(*where), data.shape).reshape(-1)
        return _scattered(data.reshape(-1), flat, updates.reshape(-1), self.reduction).reshape(data.shape)


@dataclass(frozen=True)
class ScatterND(Scatter):
    """Each row of `indices`, its last axis, is the position of a piece of `data` in as many leading axes as it has elements (d); `updates`
    has the pieces: its shape is `indices.shape[:-1] + data.shape[d:]`. Negative indices count from the end.

    Source: ONNX ScatterND, OpenVINO ScatterNDUpdate-3 and -15.
    """

    reduction: str = field(default="none", metadata={"choices": tuple(REDUCTIONS)})
    rule = SourceOrder()

    def infer(self, data: TensorType, indices: TensorType, updates: TensorType) -> TensorType:
        self.check(data, indices, updates, self.reduction)
        depth = index_depth(indices)
        reason = f"updates {updates} at indices {indices} do not fit {data}"
        if depth > data.rank:
            raise ShapeError(reason)
        require_shape(reason, updates.shape, (*indices.shape[:-1], *data.shape[depth:]))
        return data

    def reference(self, data: Array, indices: Array, updates: Array) -> Array:
        depth = indices.shape[-1]
        inside, rest = data.shape[:depth], data.shape[depth:]
        where = row_positions(indices, inside).reshape(-1)
        flat = data.reshape(prod(inside), *rest)
        return _scattered(flat, where, updates.reshape(where.size, *rest), self.reduction).reshape(data.shape)


# ---- by value, and by length -----------------------------------------------------------------------------------------
@dataclass(frozen=True)
class TopK(Op):
    """The `k` largest (or smallest) elements along `axis`, best first, and their positions there, as `dtype`; of equal ones the first.

    Source: ONNX TopK, OpenVINO TopK-1, -3 and -11.
    """

    axis: int = field(metadata=axis_role())
    k: Size
    largest: bool = True
    dtype: DType = INT64
    rule = Along(last=True)
    ranks = True

    def infer(self, x: TensorType) -> tuple[TensorType, TensorType]:
        require(self, NUMBER, x)
        require_axis(self.axis, x)
        size = x.shape[self.axis]
        open_size = isinstance(size, Dim) and isinstance(self.k, int)
        if not is_at_most(0, self.k) or not (open_size or is_at_most(self.k, size)):
            raise ShapeError(f"the top {self.k} of axis {self.axis} of {x}")
        best = x.with_shape((*x.shape[:self.axis], self.k, *x.shape[self.axis + 1:]))
        return best, best.with_dtype(self.dtype)

    def reference(self, x: Array) -> tuple[Array, Array]:
        if self.largest:  # the order of the mirrored array from behind: equal elements stay in their order
            order = x.shape[self.axis] - 1 - np.flip(np.argsort(np.flip(x, self.axis), axis=self.axis, kind="stable"), self.axis)
        else:
            order = np.argsort(x, axis=self.axis, kind="stable")
        count = static(self.k, "the number of elements")
        best = order[tuple(slice(count) if k == self.axis else slice(None) for k in range(x.ndim))]
        return np.take_along_axis(x, best, self.axis), best.astype(self.dtype)


@dataclass(frozen=True)
class ReverseSequence(Op):
    """The first `lengths[b]` elements along `time_axis` in the opposite order, for every position b of `batch_axis`; the rest stays.

    Source: ONNX ReverseSequence, OpenVINO ReverseSequence-1.
    """

    batch_axis: int = field(metadata=axis_role())
    time_axis: int = field(metadata=axis_role())
    rule = Along()

    def infer(self, x: TensorType, lengths: TensorType) -> TensorType:
        for axis in (self.batch_axis, self.time_axis):
            require_axis(axis, x)
        require_indices(lengths)
        reason = (f"lengths {lengths} of sequences along axis {self.time_axis} of {x} with batch axis {self.batch_axis}: "
                  f"they need the shape {shape_text(x.shape[self.batch_axis:self.batch_axis + 1])} and two axes")
        if self.batch_axis == self.time_axis:
            raise ShapeError(reason)
        require_shape(reason, lengths.shape, (x.shape[self.batch_axis],))
        return x

    def reference(self, x: Array, lengths: Array) -> Array:
        size = x.shape[self.time_axis]
        count = np.asarray(lengths, np.int64)
        if count.size and not 0 <= int(count.min()) <= int(count.max()) <= size:
            raise ShapeError(f"lengths {int(count.min())}..{int(count.max())} do not fit axis {self.time_axis} of size {size}")
        steps, count = (np.expand_dims(v, [k for k in range(x.ndim) if k != axis])
                        for v, axis in ((np.arange(size), self.time_axis), (count, self.batch_axis)))
        where = np.where(steps < count, count - 1 - steps, steps)
        return np.asarray(np.take_along_axis(x, np.broadcast_to(where, x.shape), self.time_axis))
