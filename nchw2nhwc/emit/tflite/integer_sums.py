"""Convolutions and fully connected layers in integers: how their weights, data and results are held.

Kernels take weights from -127 to 127, and one of -128 for each result: some add two products in 16 bits, which have no
room for two of -128 times -128. Weights that reach further, as unsigned ones with a zero point do, are sums of several such weights:
the data's channels stand several times one behind the other, and the sums of products stay the same, to the last bit. A result that the
source does not round has 16 bits, on the finest grid that holds all that the sums can be and what reads them does not cut off.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log10

import numpy as np

from nchw2nhwc.emit.tflite.padding import placed
from nchw2nhwc.ir import Array, Node, product
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.activation_functions import Clip
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.kinds import Doubles
from nchw2nhwc.ops.matmul import FullyConnected
from nchw2nhwc.ops.quantized import SMALLEST_SCALE, Grid
from nchw2nhwc.ops.steps import LARGEST, steps_of
from nchw2nhwc.ops.windowed import Conv, ConvTranspose

_LARGEST_RATIO = 256.0
"""The scale of products over that of results has to be below this for XNNPACK."""
_LARGEST_BIAS = 1 << 30
_LARGEST_SUM = 1 << 31
_LARGEST_UNSIGNED = 255
_NOTHING = 1 / 1024
"""Weights whose products cannot sum up to this part of a step of the result do nothing: some networks have dead channels of 1e-10."""
_WIDE = (1 << 15) - 1
_FEW = 8
_BITS = "its operand has 16 bits and its result 8, for which there is no kernel"
LEAST_WIDE = 50.0
"""Decibels that results of 16 bits have to have over their rounding, for data that fills an eighth of its range on the average."""


@dataclass(frozen=True)
class Sums:
    """How a node with weights is computed: the scale of each result channel's weights, how often the data's channels stand one behind the
    other, and the grid of the results, of 16 bits where the source does not round them."""

    steps: Doubles
    copies: int
    result: Grid

    @property
    def is_wide(self) -> bool:
        """Whether results, and so the data, have 16 bits."""
        return self.result.bits == 16

    def whole(self, weights: Array, axis: int) -> Array:
        """Weights as whole numbers; `axis` is that of the result channels."""
        found: Array = np.rint(np.divide(weights, self.steps.reshape(-1, *[1] * (weights.ndim - axis - 1))))
        return found


def rounded_sums(node: Node, data: Grid, result: Grid, *, strict: bool = False) -> Sums | str:
    """How to compute a Conv, ConvTranspose or FullyConnected of data on a grid with a result rounded to another; or why that cannot be.
    `strict`: with weights from -127 to 127 alone."""
    found = _weights(node, data, _NOTHING * result.scale, strict=strict)
    if isinstance(found, str):
        return found
    steps, copies = found
    if data.bits > result.bits:
        return _BITS
    if result.bits == 8 and (steps * data.scale >= _LARGEST_RATIO * result.scale).any():
        return "the scale of its result is too small beside that of its products"
    return Sums(steps, copies, result)


def wide_sums(node: Node, data: Grid) -> Sums | str:
    """The same with a result of 16 bits."""
    op = node.op
    if not isinstance(op, (Conv, FullyConnected)) or not has_fast_sums(node):
        return "kernels of 16 bits for it are slow"
    if data.bits == 16:
        return "16 bits for all that its sums can be would be coarser than what the source rounds to"
    found = _weights(node, data, 0.0)
    if isinstance(found, str):
        return found
    steps, copies = found
    w, bias = _rows(node), _bias(node)
    if not sums_fit(node, data, steps):
        return "sums of its products may have more than 32 bits"
    above, below = np.maximum(w, 0).sum(axis=1), np.minimum(w, 0).sum(axis=1)
    most, least = above * data.max + below * data.min + bias, above * data.min + below * data.max + bias
    largest = max(float(most.max()), 0.0 if op.activation in (Activation.RELU, Activation.RELU6) else float(-least.min()))
    largest = min(largest, _left_by_readers(node))
    if largest <= 0:
        return "it is never above zero"
    scale = float(np.float32(largest / _WIDE))
    usual = np.square(w).sum(axis=1).mean() * ((data.max - data.min) / 8) ** 2
    if usual <= 0 or 10 * log10(usual / (scale * scale / 12)) < LEAST_WIDE:
        return f"16 bits for all that its sums can be would leave less than {LEAST_WIDE:g} dB"
    return Sums(steps, copies, Grid(scale, 0, -_WIDE - 1, _WIDE))


def _left_by_readers(node: Node) -> float:
    """The largest magnitude that all that reads a node's result leaves of it: kernels cut there, too."""
    readers = list(node.output.users)
    if not readers or not all(isinstance(each.op, Clip) for each in readers):
        return inf
    bounds = [bound for each in readers if isinstance(each.op, Clip) for bound in (each.op.min, each.op.max)]
    return max((inf if bound is None else abs(bound) for bound in bounds), default=inf)


def has_fast_sums(node: Node) -> bool:
    """Whether sums of 32 bits, for which kernels of 16 bits are fast, can be asked for."""
    return isinstance(node.op, FullyConnected) or (isinstance(node.op, Conv) and node.op.groups == 1)


def gathers_for_few(node: Node) -> bool:
    """Whether kernels of 16 bits, which gather the data of each result first, do that for a few result channels only: it takes longer than
    the sums then."""
    w = node.input(1)
    return isinstance(node.op, Conv) and any(size != 1 for size in w.shape[1:-1]) and static(w.shape[0], "the number of filters") < _FEW


def has_rows(node: Node) -> bool:
    """Whether a fully connected layer computes with several rows of data, so that reading its weights does not take most of the time."""
    return isinstance(node.op, FullyConnected) and product(node.output.shape[:-1]) != 1


def sums_fit(node: Node, data: Grid, steps: Doubles) -> bool:
    """Whether no sum of products can have more than 32 bits."""
    largest = np.abs(_rows(node)).sum(axis=1) * max(-data.min, data.max) + np.abs(_bias(node))
    return bool((largest < _LARGEST_SUM * steps * data.scale).all())


def _rows(node: Node) -> Doubles:
    """The weights, one row for each result channel."""
    w = node.input(1).const
    assert w is not None, f"the weights of {node!r} are not constant"
    return w.reshape(len(w), -1).astype(np.float64)


def _bias(node: Node) -> Doubles:
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    return np.zeros(len(_rows(node))) if bias is None or bias.const is None else bias.const.astype(np.float64)


def _weights(node: Node, data: Grid, nothing: float, *, strict: bool = False) -> tuple[Doubles, int] | str:
    """The step of each row of weights, and how many weights from -127 to 127 each is the sum of; or why there are none."""
    op, w, bias = node.op, node.input(1).const, node.inputs[2] if len(node.inputs) > 2 else None
    if w is None or (bias is not None and not bias.is_const):
        return "its weights are not quantized"
    if isinstance(op, (Conv, ConvTranspose)) and len(op.strides) != 2:
        return f"no integer kernel convolves {len(op.strides)} axes"
    if isinstance(op, ConvTranspose) and (set(op.dilations) != {1} or placed(op, w.shape[1:-1]) is None):
        return "it takes more than one operator in TFLite"
    grouped = isinstance(op, Conv) and op.groups != 1
    rows = w.reshape(len(w), -1)
    steps = steps_of(rows, LARGEST + 1 if grouped else _LARGEST_UNSIGNED)
    copies = 0 if steps is None else _copies(np.rint(np.divide(rows, np.where(steps == 0, 1, steps)[:, None])), strict=strict)
    if steps is None or (grouped and copies > 1):
        most = f"at most {LARGEST} of them, but for one of -128," if grouped else f"at most {_LARGEST_UNSIGNED} of them,"
        return (f"the weights of a channel are not whole multiples of one step, {most} with 0 for zero"
                + (" (of a convolution in groups)" if grouped else ""))
    largest = np.abs(_bias(node))
    reach = np.abs(_rows(node)).sum(axis=1) * max(abs(data.min), data.max)
    steps = _spare(np.where(reach < nothing, 0.0, steps), largest, data)
    if (steps * data.scale < SMALLEST_SCALE).any():
        return "the scale of its products is too small"
    if (largest > _LARGEST_BIAS * steps * data.scale).any():
        return "its bias is too large for the scale of its products"
    return steps, copies


def _copies(whole: Array, *, strict: bool) -> int:
    """How many weights that kernels take each of these is the sum of, one row for each result channel."""
    largest = int(np.abs(whole).max(initial=1))
    if not strict and largest == LARGEST + 1 and whole.max() <= LARGEST and np.less(whole, -LARGEST).sum(axis=1).max() <= 1:
        return 1
    return -(-largest // LARGEST)


def _spare(steps: Doubles, largest: Doubles, data: Grid) -> Doubles:
    """Channels whose weights are all zero get a step that suits their bias."""
    fallback = np.maximum(largest / data.scale / (1 << 20), float(steps.max(initial=0.0)) or 1.0)
    return np.where(steps == 0, fallback, steps)
