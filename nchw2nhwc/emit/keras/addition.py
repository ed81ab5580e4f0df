"""Sums, in which Keras may take an operand for a bias."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keras import ops

from nchw2nhwc.emit.keras.emitter import Emitter

if TYPE_CHECKING:
    from keras import KerasTensor

    from nchw2nhwc.emit.keras.emitter import Operand


def added(e: Emitter, a: Operand, b: Operand, part: str = "") -> KerasTensor:
    """add, with its operands in an order, or by a subtraction, in which Keras takes neither for a bias."""
    if _may_be_taken_for_bias(a, b):
        a, b = b, a
    if _may_be_taken_for_bias(a, b):
        return e.op(ops.subtract, a, e.op(ops.negative, b, part="negative"), part=part)
    return e.op(ops.add, a, b, part=part)


def _may_be_taken_for_bias(x: Operand, bias: Operand) -> bool:
    """Whether Keras 3.15 over TensorFlow would, at some sizes, add the second operand along another axis of the first one than it lies
    along: what is left of its shape without ones, if that is one size, is taken for the biases of the last axis, or else of axis 1,
    whichever is of that size. It looks when the model runs, when all sizes are known."""
    shape, other = (tuple(getattr(v, "shape", ())) for v in (x, bias))
    wide = [k for k, size in enumerate(other) if size != 1]
    known = [k for k in wide if other[k] is not None]
    if len(shape) < 2 or len(known) > 1:
        return False
    return any(len(other) > len(shape) or axis != len(shape) - len(other) + k
               for k in known or wide for axis in _bias_axes(shape, other[k]))


def _bias_axes(shape: tuple[int | None, ...], size: int | None) -> list[int]:
    """The axes along which biases of a size may be added, be it known or not."""
    certain = size is not None and shape[-1] == size
    axes = (len(shape) - 1,) if certain else (len(shape) - 1, 1)
    return [axis for axis in axes if None in (shape[axis], size) or shape[axis] == size]
