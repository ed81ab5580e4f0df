"""Operators that move elements about without computing anything."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, takewhile

from nchw2nhwc.ir.dim import Dim, Shape, Size, exact_div, product, size_min
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.base import UnequalSizesError, broadcast_shapes, require_equal, require_longer
from nchw2nhwc.ops.movement import Concat, Expand, Slice, Tile, shape_text
from nchw2nhwc.ops.windowed import DepthToSpace, SpaceToDepth
from nchw2nhwc.parse import computed_axes, dynamic
from nchw2nhwc.parse.onnx.registry import Ints, LayerBuilder, onnx_op


@onnx_op("Transpose", 1, 13, 21, 23, 24, 25)
def transpose(b: LayerBuilder, x: Value, *, perm: Ints | None = None) -> Value:
    return b.transpose(x, tuple(reversed(range(x.rank))) if perm is None else tuple(b.axis(a, x.rank, "perm") for a in perm))


@onnx_op("Concat", 4, 11, 13)
def concat(b: LayerBuilder, *xs: Value, axis: int) -> Value:
    if not xs:
        raise b.damaged("there is no operand")
    return xs[0] if len(xs) == 1 else b.add1(Concat(b.axis(axis, xs[0].rank)), *xs)


@onnx_op("DepthToSpace", 1, 11, 13, 28)
def depth_to_space(b: LayerBuilder, x: Value, *, blocksize: int, mode: str = "DCR") -> Value:
    return b.add1(DepthToSpace(blocksize, mode), _image(b, x))


@onnx_op("SpaceToDepth", 1, 13, 28)
def space_to_depth(b: LayerBuilder, x: Value, *, blocksize: int, mode: str = "DCR") -> Value:
    return b.add1(SpaceToDepth(blocksize, mode), _image(b, x))


def _image(b: LayerBuilder, x: Value) -> Value:
    if x.rank != 4:
        raise b.damaged(f"the operand must have the axes N, C, H and W, but is {x.type}")
    return x


# ---- shapes ----------------------------------------------------------------------------------------------------------
@onnx_op("Reshape", 5, 13, 14, 19, 21, 23, 24, 25)
def reshape(b: LayerBuilder, x: Value, shape: Value, *, allowzero: bool = False) -> Value:
    """0 keeps the size of that axis (unless `allowzero`), -1 is what is left."""
    if b.is_computed(shape):
        return dynamic.reshaped(b, x, dynamic.vector(b, shape), keep_zeros=allowzero)
    wanted: list[Size] = list(b.shape_of(shape, "the shape"))
    for k, size in enumerate(wanted):
        if size == 0 and not allowzero:
            if k >= x.rank:
                raise b.damaged(f"the shape {shape_text(wanted)} keeps axis {k} of {x.type}, which does not exist")
            wanted[k] = x.shape[k]
        elif isinstance(size, int) and size < -1:
            raise b.damaged(f"the shape {shape_text(wanted)} has the negative size {size}")
    if wanted.count(-1) > 1:
        raise b.damaged(f"the shape {shape_text(wanted)} leaves more than one size open")
    if -1 in wanted:
        wanted[wanted.index(-1)] = _rest(b, x, wanted)
    return b.reshape(x, tuple(wanted))


def _rest(b: LayerBuilder, x: Value, wanted: Sequence[Size]) -> Size:
    """The size that -1 stands for among the `wanted` ones."""
    known = product(s for s in wanted if s != -1)
    rest = exact_div(product(x.shape), known)
    if rest is None:
        if isinstance(known, Dim) or not x.type.is_static:
            kept = takewhile(lambda pair: all(isinstance(s, Dim) and s.is_symbol for s in pair), zip(x.shape, wanted))
            raise UnequalSizesError(f"{x.type} cannot be given the shape {shape_text(wanted)} for all sizes",
                                    [pair for pair in kept if pair[0] != pair[1]] or [(product(x.shape) % known, 0)])
        raise b.damaged(f"{x.type} cannot be given the shape {shape_text(wanted)}")
    return rest


@onnx_op("Flatten", 1, 9, 11, 13, 21, 23, 24, 25)
def flatten(b: LayerBuilder, x: Value, *, axis: int = 1) -> Value:
    """A matrix with the axes before `axis` as rows; `axis` may be the rank itself."""
    split = x.rank if axis == x.rank else b.axis(axis, x.rank)
    return b.reshape(x, (product(x.shape[:split]), product(x.shape[split:])))


@onnx_op("Squeeze", 1, 11)
def squeeze_1(b: LayerBuilder, x: Value, *, axes: Ints | None = None) -> Value:
    return _squeezed(b, x, axes)


@onnx_op("Squeeze", 13, 21, 23, 24, 25)
def squeeze(b: LayerBuilder, x: Value, axes: Value | None = None) -> Value:
    if axes is not None and b.is_computed(axes):
        return computed_axes.squeezed(b, x, dynamic.vector(b, axes))
    return _squeezed(b, x, None if axes is None else b.ints(axes, "axes"))


def _squeezed(b: LayerBuilder, x: Value, axes: Ints | None) -> Value:
    if axes is None:
        require_longer(f"which axes of {x.type} have size 1 is not known", x.shape)
        gone = tuple(k for k, size in enumerate(x.shape) if size == 1)
    else:
        gone = b.axes(axes, x.rank)
        for axis in gone:
            size = x.shape[axis]
            if isinstance(size, int) and size != 1:
                raise b.damaged(f"axis {axis} of {x.type} cannot go: its size is not 1")
            require_equal(f"axis {axis} of {x.type} goes only if its size is 1", (size, 1))
    return b.reshape(x, tuple(size for k, size in enumerate(x.shape) if k not in gone))


@onnx_op("Unsqueeze", 1, 11)
def unsqueeze_1(b: LayerBuilder, x: Value, *, axes: Ints) -> Value:
    return _unsqueezed(b, x, axes)


@onnx_op("Unsqueeze", 13, 21, 23, 24, 25)
def unsqueeze(b: LayerBuilder, x: Value, axes: Value) -> Value:
    if b.is_computed(axes):
        return computed_axes.unsqueezed(b, x, dynamic.vector(b, axes))
    return _unsqueezed(b, x, b.ints(axes, "axes"))


def _unsqueezed(b: LayerBuilder, x: Value, axes: Ints) -> Value:
    rank = x.rank + len(axes)
    new, old = b.axes(axes, rank), iter(x.shape)
    return b.reshape(x, tuple(1 if k in new else next(old) for k in range(rank)))


@onnx_op("Expand", 8, 13)
def expand(b: LayerBuilder, x: Value, shape: Value) -> Value:
    if b.is_computed(shape):
        return dynamic.broadcast(b, x, dynamic.vector(b, shape))
    wanted = b.shape_of(shape, "the shape")
    x = _cut(b, x, wanted)
    target = broadcast_shapes(x.shape, wanted)
    return x if target == x.shape else b.add1(Expand(target), x)


def _cut(b: LayerBuilder, x: Value, wanted: Shape) -> Value:
    """`x` with the axes that are wanted as the smaller one of their own size and another cut to that, which exporters of assignments to
    slices write: a slice may end before what is assigned to it does, but must not. Noted as what the model needs."""
    own = (None,) * (len(wanted) - x.rank) + x.shape
    found = [size if isinstance(given, Dim) and isinstance(size, Dim) and size != given and size_min(given, size) == size else None
             for given, size in zip(own, wanted)] if len(wanted) >= x.rank else []
    stops = tuple(found[len(found) - x.rank:])
    if all(stop is None for stop in stops):
        return x
    lengths = ", ".join(f"{given} at most as large as {size}" for given, size in zip(x.shape, stops) if size is not None)
    b.note(f"what is expanded has to fit: {lengths}")
    return b.add1(Slice((None,) * x.rank, stops, (1,) * x.rank), x)


@onnx_op("Tile", 6, 13)
def tile(b: LayerBuilder, x: Value, repeats: Value) -> Value:
    """A symbolic number of copies is a broadcast, of an axis of size 1 or of a new one in front of the axis."""
    if b.is_computed(repeats):
        for axis, count in enumerate(dynamic.elements(dynamic.vector(b, repeats))):
            x = dynamic.tiled(b, x, b.axis(axis, x.rank), count)
        return x
    times = b.shape_of(repeats, "repeats")
    if len(times) != x.rank:
        raise b.damaged(f"repeats {shape_text(times)} needs one number for each axis of {x.type}")
    opened = [(1, size) if isinstance(n, Dim) and size != 1 else (size,) for n, size in zip(times, x.shape)]
    spread = [(n, *sizes[1:]) if isinstance(n, Dim) else sizes for n, sizes in zip(times, opened)]
    if spread != opened:
        x = b.reshape(b.add1(Expand(tuple(chain(*spread))), b.reshape(x, tuple(chain(*opened)))), tuple(map(product, spread)))
    copies = tuple(n if isinstance(n, int) else 1 for n in times)
    return x if set(copies) <= {1} else b.add1(Tile(copies), x)
