"""Blocks in channels in the order that all targets know, by permuting the weights of the convolution before or behind them.

A pixel shuffle as PyTorch has it (CRD: channels, then blocks) behind a convolution becomes one of the other order (DCR) whose channels the
convolution already puts where they belong; in the same way for a space-to-depth before a convolution.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.binary import PRelu
from nchw2nhwc.ops.elementwise import Unary
from nchw2nhwc.ops.windowed import Conv, ConvTranspose, DepthToSpace, SpaceToDepth
from nchw2nhwc.passes.match import array, op_of, producer, require, static_sizes
from nchw2nhwc.passes.rewrite import Mismatch, Rewriter, RuleSet

CHANNEL_ORDER = RuleSet()
Order = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


def _dcr_from_crd(channels: int, blocks: int) -> Order:
    """For every channel in DCR order (blocks, channels) the one that it is in CRD order (channels, blocks)."""
    return np.arange(channels * blocks).reshape(channels, blocks).T.reshape(-1)


@CHANNEL_ORDER.on(DepthToSpace)
def before_depth_to_space(rw: Rewriter, node: Node, op: DepthToSpace) -> Value:
    """A convolution, any functions of single elements, and a DepthToSpace in CRD order."""
    require(op.mode == "CRD" and not op.channels_last, "{!r} is in DCR order", node)
    (channels,) = static_sizes(node.output, (1,))
    order = _dcr_from_crd(channels, op.block ** (node.output.rank - 2))
    return rw.add(replace(op, mode="DCR"), _permuted(rw, node.input(0), order))


def _permuted(rw: Rewriter, value: Value, order: Order) -> Value:
    """The value with its channels in another order, by rebuilding what makes it. Raises Mismatch where that is no convolution."""
    rebuilt: list[tuple[Node, Callable[[Value], Value]]] = []
    node = producer(value)
    while not isinstance(node.op, (Conv, ConvTranspose)):
        require(isinstance(node.op, (Unary, PRelu)), "{!r} is no function of single elements", node)
        rw.require_single_use(node.output)
        rebuilt.append((node, _elementwise(rw, node, order)))
        node = producer(node.input(0))
    rw.require_single_use(node.output)
    result = _convolved(rw, node, order)
    for _, build in reversed(rebuilt):
        result = build(result)
    return result


def _elementwise(rw: Rewriter, node: Node, order: Order) -> Callable[[Value], Value]:
    if isinstance(node.op, Unary):
        return lambda x: rw.add(node.op, x)
    slope, axis = node.input(1), node.input(1).rank - (node.output.rank - 1)
    if axis < 0 or slope.shape[axis] == 1:
        return lambda x: rw.add(node.op, x, slope)
    return lambda x: rw.add(node.op, x, rw.constant(np.take(array(slope), order, axis)))


def _convolved(rw: Rewriter, node: Node, order: Order) -> Value:
    op = node.op
    assert isinstance(op, (Conv, ConvTranspose))
    require(op.groups == 1 and not op.channels_last, "{!r} has groups", node)
    weights, bias = array(node.input(1)), node.inputs[2] if len(node.inputs) > 2 else None
    w = rw.constant(np.take(weights, order, 0 if isinstance(op, Conv) else 1))
    return rw.add(op, node.input(0), w, None if bias is None else rw.constant(array(bias)[order]))


@CHANNEL_ORDER.on(Conv)
def behind_space_to_depth(rw: Rewriter, node: Node, op: Conv) -> Value:
    """A SpaceToDepth in CRD order that only this convolution reads."""
    first = producer(node.input(0), SpaceToDepth)
    blocks = op_of(first, SpaceToDepth)
    if blocks.mode != "CRD" or op.groups != 1 or op.channels_last:
        raise Mismatch("{!r} is in DCR order, or {!r} has groups", first, node)
    rw.require_single_use(first.output)
    (channels,) = static_sizes(first.input(0), (1,))
    order = _dcr_from_crd(channels, blocks.block ** (first.output.rank - 2))
    w = rw.constant(np.take(array(node.input(1)), order, 1))
    return rw.add(op, rw.add(replace(blocks, mode="DCR"), first.input(0)), w, *node.inputs[2:])
