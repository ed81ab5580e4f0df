"""Masks of minus infinity. LiteRT's ADD without XNNPACK keeps its results finite: what is masked would only become very low, and where
everything is, softmax would take it for equal."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.ir import Node, Value
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.binary import Add, Minimum, Where
from nchw2nhwc.passes.match import array, producer, require, require_float
from nchw2nhwc.passes.rewrite import Mismatch, Rewriter, RuleSet

MASKS = RuleSet()


def _is_mask(value: Value) -> bool:
    """Whether a constant is 0 or minus infinity everywhere, and that somewhere."""
    if value.const is None:
        return False
    masked = np.asarray(np.equal(value.const, -np.inf))
    return bool(masked.any() and (masked | (value.const == 0)).all())


def _beside(node: Node, wanted: Value) -> Value:
    return node.input(1) if node.input(0) is wanted else node.input(0)


@MASKS.on(Add)
def constant_mask(rw: Rewriter, node: Node, op: Add) -> Value:
    """x + mask is the smaller of x and infinity where the mask is 0, minus infinity elsewhere."""
    require_float(node.output)
    require(op.activation is Activation.NONE, "{!r} has an activation", node)
    mask = next((v for v in node.inputs if v is not None and _is_mask(v)), None)
    if mask is None:
        raise Mismatch("{!r} adds no mask", node)
    bounds = rw.constant(np.where(array(mask) == 0, np.inf, -np.inf).astype(np.float32))
    return rw.add(Minimum(), _beside(node, mask), bounds)


@MASKS.on(Add)
def chosen_mask(rw: Rewriter, node: Node, op: Add) -> Value:
    """x + (0 where a condition holds, else minus infinity), or the other way round: x, or minus infinity."""
    require_float(node.output)
    require(op.activation is Activation.NONE, "{!r} has an activation", node)
    for index in (0, 1):
        choice = node.input(index).producer
        if choice is None or not isinstance(choice.op, Where):
            continue
        condition, *sides = (producer(node.input(index), Where).input(k) for k in range(3))
        numbers = [set(np.unique(v.const).tolist()) if v.const is not None and v.const.size == 1 else set() for v in sides]
        if numbers in ([{0.0}, {-np.inf}], [{-np.inf}, {0.0}]):
            masked = rw.scalar(-np.inf, node.output)
            x = node.input(1 - index)
            return rw.add(Where(), condition, *((x, masked) if numbers[0] == {0.0} else (masked, x)))
    raise Mismatch("{!r} adds no chosen mask", node)
