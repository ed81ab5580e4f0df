"""Convolutions and poolings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.dim import Dim, Size
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.base import require_equal, static
from nchw2nhwc.ops.binary import Pow
from nchw2nhwc.ops.elementwise import Abs
from nchw2nhwc.ops.movement import FIX_SIZES
from nchw2nhwc.ops.pooling import AvgPool, LpPool, MaxPool
from nchw2nhwc.ops.reduce import Reduce, ReduceL1, ReduceL2, ReduceMax, ReduceMean, ReduceSum
from nchw2nhwc.ops.windowed import Conv, ConvTranspose
from nchw2nhwc.ops.windows import require_room
from nchw2nhwc.parse.maxima import of_maxima
from nchw2nhwc.parse.onnx.registry import Ints, LayerBuilder, Results, onnx_op

AUTO_PADS = ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")


@dataclass(frozen=True)
class Window:
    """The spatial attributes of a windowed op, complete and checked: one entry for each spatial axis."""

    kernel: Ints
    strides: Ints
    dilations: Ints
    begins: Ints
    ends: Ints


def _window(b: LayerBuilder, x: Value, kernel: Ints, strides: Ints | None, dilations: Ints | None, pads: Ints | None,
            auto_pad: str) -> Window:
    """Defaults filled in, padding resolved. Raises SourceError where the attributes do not fit the operand."""
    rank = x.rank - 2
    strides, dilations, pads = strides or (1,) * rank, dilations or (1,) * rank, pads or (0,) * 2 * rank
    if rank < 1 or not len(kernel) == len(strides) == len(dilations) == rank or len(pads) != 2 * rank:
        raise b.damaged(f"kernel {list(kernel)}, strides {list(strides)}, dilations {list(dilations)} and pads {list(pads)} "
                        f"do not fit the spatial axes of {x.type}")
    if min((*kernel, *strides, *dilations)) < 1:
        raise b.damaged(f"kernel {list(kernel)}, strides {list(strides)} and dilations {list(dilations)} must be at least 1")
    if auto_pad not in AUTO_PADS:
        raise b.damaged(f"auto_pad '{auto_pad}' does not exist; it is one of {', '.join(AUTO_PADS)}")
    if auto_pad == "VALID":
        pads = (0,) * 2 * rank
    elif auto_pad != "NOTSET":
        both = [_same(size, d * (k - 1) + 1, s, auto_pad) for size, k, s, d in zip(x.shape[2:], kernel, strides, dilations)]
        pads = tuple(begin for begin, _ in both) + tuple(end for _, end in both)
    return Window(kernel, strides, dilations, pads[:rank], pads[rank:])


def _same(size: Size, reach: int, stride: int, auto_pad: str) -> tuple[int, int]:
    """Padding before and after an axis so that ceil(size / stride) windows fit. It depends on the size, unless that is a multiple."""
    if isinstance(size, Dim):
        require_equal(f"auto_pad={auto_pad} of an axis of '{size}' in steps of {stride} depends on its size", (size % stride, 0))
        total = max(reach - stride, 0)
    else:
        total = max((-(-size // stride) - 1) * stride + reach - size, 0)
    return _halves(total, auto_pad == "SAME_UPPER")


def _halves(total: int, more_after: bool) -> tuple[int, int]:
    """Padding distributed to both sides; an odd element goes after the axis, or before it."""
    small, large = total // 2, total - total // 2
    return (small, large) if more_after else (large, small)


# ---- convolutions ----------------------------------------------------------------------------------------------------
@onnx_op("Conv", 1, 11, 22)
def conv(b: LayerBuilder, x: Value, w: Value, bias: Value | None = None, *, auto_pad: str = "NOTSET", dilations: Ints | None = None,
         group: int = 1, kernel_shape: Ints | None = None, pads: Ints | None = None, strides: Ints | None = None) -> Value:
    at = _window(b, x, _kernel(b, w, kernel_shape), strides, dilations, pads, auto_pad)
    return b.add1(Conv(at.strides, at.dilations, at.begins, at.ends, group), x, w, bias)


def _kernel(b: LayerBuilder, w: Value, declared: Ints | None) -> Ints:
    """The kernel's size, which the weights decide."""
    kernel = tuple(static(s, "the size of a kernel") for s in w.shape[2:])
    if declared and declared != kernel:
        raise b.damaged(f"kernel_shape is {list(declared)}, but the weights are {w.type}")
    return kernel


@onnx_op("ConvTranspose", 1, 11, 22)
def conv_transpose(b: LayerBuilder, x: Value, w: Value, bias: Value | None = None, *, auto_pad: str = "NOTSET",
                   dilations: Ints | None = None, group: int = 1, kernel_shape: Ints | None = None, output_padding: Ints | None = None,
                   output_shape: Ints | None = None, pads: Ints | None = None, strides: Ints | None = None) -> Value:
    """A given `output_shape`, or auto_pad SAME (size * stride), decides the padding instead of the other way round."""
    rank = x.rank - 2
    at = _window(b, x, _kernel(b, w, kernel_shape), strides, dilations, pads, "NOTSET" if auto_pad.startswith("SAME") else auto_pad)
    extra = output_padding or (0,) * rank
    if len(extra) != rank or min(extra) < 0:
        raise b.damaged(f"output_padding {list(extra)} does not fit the spatial axes of {x.type}")
    begins, ends = at.begins, at.ends
    if output_shape or auto_pad.startswith("SAME"):
        wanted = _transposed_sizes(b, x, output_shape, at.strides)
        totals = [_surplus(b, size, k, s, d, out, more) for size, k, s, d, out, more
                  in zip(x.shape[2:], at.kernel, at.strides, at.dilations, wanted, extra)]
        both = [_halves(t, auto_pad == "SAME_UPPER") if t > 0 else (0, t) for t in totals]
        begins, ends = tuple(begin for begin, _ in both), tuple(end for _, end in both)
    return b.add1(ConvTranspose(at.strides, at.dilations, begins, ends, extra, group), x, w, bias)


def _transposed_sizes(b: LayerBuilder, x: Value, output_shape: Ints | None, strides: Ints) -> tuple[Size, ...]:
    """The spatial sizes that a transposed convolution shall have."""
    if not output_shape:
        return tuple(size * stride for size, stride in zip(x.shape[2:], strides))
    # Some exporters write all axes, batch and channels included.
    sizes = output_shape[2:] if len(output_shape) == x.rank else output_shape
    if len(sizes) != x.rank - 2 or min(sizes) < 1:
        raise b.damaged(f"output_shape {list(output_shape)} does not fit the spatial axes of {x.type}")
    return sizes


def _surplus(b: LayerBuilder, size: Size, kernel: int, stride: int, dilation: int, wanted: Size, extra: int) -> int:
    """How many elements have to be cut off an axis to leave the wanted size; negative where some are lacking."""
    total = (size - 1) * stride + dilation * (kernel - 1) + 1 + extra - wanted
    if not isinstance(total, int):
        raise ShapeError(f"the padding depends on the size '{size}'", b.where, FIX_SIZES)
    return total


# ---- poolings --------------------------------------------------------------------------------------------------------
@onnx_op("MaxPool", 1, 8, 10, 11, 12, 22)
def max_pool(b: LayerBuilder, x: Value, *, kernel_shape: Ints, auto_pad: str = "NOTSET", ceil_mode: bool = False,
             dilations: Ints | None = None, pads: Ints | None = None, storage_order: int = 0, strides: Ints | None = None) -> Results:
    """The maxima, and the numbers of the elements that they are."""
    at = _window(b, x, kernel_shape, strides, dilations, pads, auto_pad)
    op = MaxPool(kernel=at.kernel, strides=at.strides, dilations=at.dilations, pads_begin=at.begins, pads_end=at.ends,
                 ceil_mode=ceil_mode and auto_pad == "NOTSET")
    if max(at.dilations) > 1:
        require_room(x.shape[2:], at.kernel, at.dilations, at.begins, at.ends)
    largest = b.add1(op, x)
    if not any(b.wanted[1:]):
        return largest
    return largest, of_maxima(b, x, op, largest.shape[2:], column_major=storage_order == 1)


@onnx_op("AveragePool", 7, 10, 11, 19, 22)
def average_pool(b: LayerBuilder, x: Value, *, kernel_shape: Ints, auto_pad: str = "NOTSET", ceil_mode: bool = False,
                 count_include_pad: bool = False, dilations: Ints | None = None, pads: Ints | None = None,
                 strides: Ints | None = None) -> Value:
    at = _window(b, x, kernel_shape, strides, dilations, pads, auto_pad)
    return b.add1(AvgPool(kernel=at.kernel, strides=at.strides, dilations=at.dilations, pads_begin=at.begins, pads_end=at.ends,
                          ceil_mode=ceil_mode and auto_pad == "NOTSET", count_include_pad=count_include_pad), x)


@onnx_op("LpPool", 2, 11, 18, 22)
def lp_pool(b: LayerBuilder, x: Value, *, kernel_shape: Ints, auto_pad: str = "NOTSET", ceil_mode: bool = False,
            dilations: Ints | None = None, p: int = 2, pads: Ints | None = None, strides: Ints | None = None) -> Value:
    at = _window(b, x, kernel_shape, strides, dilations, pads, auto_pad)
    if p < 1:
        raise b.damaged(f"there is no norm with p={p}")
    return b.add1(LpPool(kernel=at.kernel, strides=at.strides, dilations=at.dilations, pads_begin=at.begins, pads_end=at.ends,
                         ceil_mode=ceil_mode and auto_pad == "NOTSET", p=p), x)


def _global(op: type[Reduce]) -> Callable[[LayerBuilder, Value], Value]:
    def mapping(b: LayerBuilder, x: Value) -> Value:
        return b.add1(op(tuple(range(2, x.rank))), x)

    return mapping


onnx_op("GlobalAveragePool", 1, 22)(_global(ReduceMean))
onnx_op("GlobalMaxPool", 1, 22)(_global(ReduceMax))


@onnx_op("GlobalLpPool", 2, 22)
def global_lp_pool(b: LayerBuilder, x: Value, *, p: int = 2) -> Value:
    """The p-norm over all spatial axes."""
    if p < 1:
        raise b.damaged(f"there is no norm with p={p}")
    if p <= 2:
        return _global(ReduceL1 if p == 1 else ReduceL2)(b, x)
    total = _global(ReduceSum)(b, b.add1(Pow(), b.add1(Abs(), x), b.scalar(p, x)))
    return b.add1(Pow(), total, b.scalar(1 / p, x))
