"""Scales and shifts folded into the convolution, transposed convolution or fully connected layer before or behind them."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.activation_functions import LeakyRelu, Relu
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add, Div, Mul, PRelu
from nchw2nhwc.ops.kinds import Doubles
from nchw2nhwc.ops.matmul import FullyConnected, MatMul
from nchw2nhwc.ops.movement import Pad, Reshape, Transpose
from nchw2nhwc.ops.pooling import AvgPool, MaxPool
from nchw2nhwc.ops.reduce import ReduceMean
from nchw2nhwc.ops.windowed import Conv, ConvTranspose
from nchw2nhwc.passes.affine import AFFINE_OPS, Affine, affine_of, doubles, rounded
from nchw2nhwc.passes.backwards import MOVES, trace
from nchw2nhwc.passes.linear_weights import Linear, breaks_integers, in_channels, out_channels, response, scaled_operand, scaled_results
from nchw2nhwc.passes.match import array, op_of, producer, require
from nchw2nhwc.passes.rewrite import Mismatch, Rewriter, RuleSet

_HOMOGENEOUS: tuple[type[Op], ...] = (Relu, LeakyRelu, PRelu, MaxPool, AvgPool, ReduceMean)
"""Functions with f(s x) = s f(x) for positive s that is the same for all elements of a channel."""
_LARGEST_SHIFT = 1e4

LINEAR = RuleSet()


def _linear(node: Node) -> Linear:
    """The op of a convolution or fully connected layer with constant parameters. Raises Mismatch for any other node."""
    op = node.op
    if not isinstance(op, (Conv, ConvTranspose, FullyConnected)):
        raise Mismatch("{!r} is no convolution or fully connected layer", node)
    require(all(v is None or v.is_const for v in node.inputs[1:]), "{!r} has computed parameters", node)
    if isinstance(op, FullyConnected):
        require(op.keep_num_dims, "{!r} changes the rank of its operand", node)
    else:
        require(not op.channels_last, "{!r} is stored channels-last", node)
    return op


def _channel_axis(op: Linear, value: Value) -> int:
    return value.rank - 1 if isinstance(op, FullyConnected) else 1


def _per_channel(content: Doubles | None, axis: int, size: int) -> Doubles | None:
    """A scale or shift as one number for each position along `axis`. Raises Mismatch when it varies along another one."""
    if content is None:
        return None
    require(content.size == content.shape[axis], "a constant of shape {} varies along other axes than {}", content.shape, axis)
    return np.broadcast_to(content.reshape(-1), (size,))


def _behind(rw: Rewriter, node: Node, value: Value, scale: Doubles | None, shift: Doubles | None) -> tuple[Value, Value | None]:
    """Weights and bias with which the layer `node` gives its result `value` scaled and shifted. Raises Mismatch where there are none."""
    linear = _linear(node)
    require(linear.activation is Activation.NONE, "{!r} has an activation", node)
    axis, channels = _channel_axis(linear, value), out_channels(linear, node.input(1))
    scale, shift = (_per_channel(c, axis, channels) for c in (scale, shift))
    w, bias = node.input(1), _bias(rw, node)
    if scale is not None:
        require(bool(np.isfinite(scale).all()), "the scale behind {!r} is not finite", node)
        bias = None if bias is None else bias * scale
    if shift is not None:
        bias = shift if bias is None else bias + shift
    stored = None if bias is None else rounded(rw, bias, value.type.dtype)
    return w if scale is None else rw.constant(scaled_results(linear, array(w), scale)), stored


@LINEAR.on(*AFFINE_OPS)
def fold_behind(rw: Rewriter, node: Node, op: Op) -> Value:
    """conv(x) * scale + shift per channel, where only this node reads conv(x)."""
    affine = affine_of(rw, node)
    first = producer(affine.x)
    _linear(first)
    rw.require_single_use(affine.x)
    return rw.add_for(first, first.op, first.input(0), *_behind(rw, first, affine.x, affine.scale, affine.shift))


@LINEAR.on(Conv, FullyConnected)
def fold_before_homogeneous(rw: Rewriter, node: Node, op: Linear) -> Value:
    """A positive scale before functions with f(s x) = s f(x), such as Relu and pools: relu(x * s + t) as relu(x + t / s) * s."""
    linear = _linear(node)
    value, axis, path = node.input(0), _channel_axis(linear, node.input(0)), list[Node]()
    while value.producer is not None and isinstance(value.producer.op, _HOMOGENEOUS):
        rw.require_single_use(value)
        path.append(value.producer)
        axis = _axis_before(value.producer, axis)
        value = value.producer.input(0)
    require(bool(path), "{!r} is made by no function that keeps scales", value)
    rw.require_single_use(value)
    affine = _scaled_first(rw, affine_of(rw, producer(value)))
    scale = _per_channel(affine.scale, axis, in_channels(linear, node.input(1)))
    assert scale is not None
    require(bool((scale > 0).all() and np.isfinite(scale).all()), "the scale before {!r} is not positive", node)
    result = affine.x
    if affine.shift is not None:
        result = rw.add(Add(), result, rounded(rw, affine.shift, value.type.dtype))
    for each in reversed(path):
        result = rw.add(each.op, result, *each.inputs[1:])
    return rw.add(linear, result, rw.constant(scaled_operand(linear, array(node.input(1)), scale)), *node.inputs[2:])


def _axis_before(node: Node, axis: int) -> int:
    """The axis of a node's operand that `axis` of its result is."""
    if isinstance(node.op, ReduceMean):
        kept = [k for k in range(node.input(0).rank) if node.op.keepdims or k not in node.op.axes]
        require(kept[axis] not in node.op.axes, "{!r} reduces the channels", node)
        return kept[axis]
    if isinstance(node.op, (MaxPool, AvgPool)):
        require(axis == 1 and node.op.activation is Activation.NONE, "{!r} pools along the channels or has an activation", node)
    return axis


@LINEAR.on(*AFFINE_OPS)
def fold_behind_movement(rw: Rewriter, node: Node, op: Op) -> Value:
    """A scale and shift behind Reshapes, Transposes and picks (one part of several) of the result of a convolution or fully connected
    layer."""
    affine = affine_of(rw, node)
    require(affine.x.producer is not None and isinstance(affine.x.producer.op, MOVES), "{!r} is not moved", affine.x)
    _fold_traced(rw, affine)
    return affine.x


@LINEAR.on(Mul, Div)
def fold_behind_product(rw: Rewriter, node: Node, op: Mul | Div) -> Value:
    """A number behind the product of two values, as attention scales its scores: into the layer that one of them comes from."""
    affine = affine_of(rw, node)
    product = producer(affine.x, MatMul)
    rw.require_single_use(affine.x)
    if affine.scale is None or affine.scale.size != 1:
        raise Mismatch("{!r} does not scale by one number", node)
    reasons = []
    for value in map(product.input, (0, 1)):
        try:
            _fold_traced(rw, Affine(value, affine.scale.reshape((1,) * value.rank)))
        except Mismatch as mismatch:
            reasons.append(str(mismatch))
        else:
            affine.x.origin = ""
            return affine.x
    raise Mismatch("{}", "; ".join(reasons))


def _fold_traced(rw: Rewriter, affine: Affine) -> None:
    """Fold a scale and shift into the layer that its value comes from through data movement. Only that layer's constants change; what lies
    between no longer equals tensors of the source. Raises Mismatch, with nothing changed, where it cannot be done."""
    require(not rw.graph.is_output(affine.x), "{!r} has other readers", affine.x)
    traced = trace(rw, affine)
    first = producer(traced.x)
    first.set_inputs((first.input(0), *_behind(rw, first, traced.x, traced.scale, traced.shift)))
    for value in traced.path:
        value.origin = ""


@LINEAR.on(Conv, ConvTranspose, FullyConnected)
def fold_before(rw: Rewriter, node: Node, op: Linear) -> Value:
    """conv(x * scale + shift), where only this node reads the operand; the shift only where nothing is padded with zeros. A fully connected
    layer may read it through Reshapes and Transposes that leave the last axis alone."""
    linear = _linear(node)
    x, pad = _past_padding(rw, node)
    x, views = _past_views(rw, x) if isinstance(linear, FullyConnected) else (x, [])
    rw.require_single_use(x)
    affine = affine_of(rw, producer(x))
    axis = _channel_axis(linear, x)
    channels = in_channels(linear, node.input(1))
    scale, shift = (_per_channel(c, axis, channels) for c in (affine.scale, affine.shift))
    if shift is not None and not _shift_fits(linear, pad):
        affine = _scaled_first(rw, affine)
        scale, shift = _per_channel(affine.scale, axis, channels), None
    if breaks_integers(rw, linear, scale):
        require(shift is not None, "the weights of {!r} would be integers no more", node)
        assert affine.scale is not None
        affine, scale = Affine(rw.add(Mul(), affine.x, rounded(rw, affine.scale, x.type.dtype)), None, affine.shift), None
    source = affine.x if shift is not None or affine.shift is None else rw.add(Add(), affine.x, rounded(rw, affine.shift, x.type.dtype))
    w, bias = node.input(1), _bias(rw, node)
    if shift is not None:
        assert not isinstance(linear, ConvTranspose)
        constant = response(linear, array(w), shift)
        bias = constant if bias is None else bias + constant
    if scale is not None:
        require(bool(np.isfinite(scale).all()), "the scale before {!r} is not finite", node)
        w = rw.constant(scaled_operand(linear, array(w), scale))
    for between in (*([] if pad is None else [pad]), *reversed(views)):
        source = rw.add(between, source)
    return rw.add(linear, source, w, None if bias is None else rounded(rw, bias, x.type.dtype))


@LINEAR.on(Conv, FullyConnected)
def fold_before_product(rw: Rewriter, node: Node, op: Linear) -> Value:
    """conv(a * (b * scale)), as in squeeze and excite with a HardSigmoid, where only this node reads the product."""
    linear, x = _linear(node), node.input(0)
    product = op_of(producer(x, Mul), Mul)
    require(product.activation is Activation.NONE, "{!r} has an activation", x)
    rw.require_single_use(x)
    reasons = []
    for side in range(2):
        try:
            value, other, affine = _scaled_operand_of(rw, producer(x), side)
        except Mismatch as mismatch:
            reasons.append(str(mismatch))
            continue
        scale = _per_channel(affine.scale, _channel_axis(linear, x) - x.rank + value.rank, in_channels(linear, node.input(1)))
        assert scale is not None
        require(not breaks_integers(rw, linear, scale), "the weights of {!r} would be integers no more", node)
        require(bool(np.isfinite(scale).all()), "the scale before {!r} is not finite", node)
        result = rw.add(product, *((affine.x, other) if side == 0 else (other, affine.x)))
        return rw.add(linear, result, rw.constant(scaled_operand(linear, array(node.input(1)), scale)), *node.inputs[2:])
    raise Mismatch("{}", "; ".join(reasons))


def _scaled_operand_of(rw: Rewriter, node: Node, side: int) -> tuple[Value, Value, Affine]:
    """An operand of a product that is some other value scaled, the other operand, and that scale."""
    value = node.input(side)
    rw.require_single_use(value)
    require(value.rank == node.output.rank, "{!r} lacks axes", value)
    affine = affine_of(rw, producer(value))
    require(affine.scale is not None and affine.shift is None, "{!r} is not only scaled", value)
    return value, node.input(1 - side), affine


def _bias(rw: Rewriter, node: Node) -> Doubles | None:
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    return None if bias is None else doubles(rw, bias)


def _past_padding(rw: Rewriter, node: Node) -> tuple[Value, Pad | None]:
    """The operand before a Pad of spatial axes that only this node reads, and that Pad; the operand itself without one."""
    x = node.input(0)
    if x.producer is None or not isinstance(x.producer.op, Pad) or isinstance(node.op, FullyConnected):
        return x, None
    pad = op_of(x.producer, Pad)
    require(not any((*pad.pads_begin[:2], *pad.pads_end[:2])), "{!r} pads the batch or the channels", x.producer)
    require(pad.mode != "constant" or pad.value == 0, "{!r} pads with another number than 0", x.producer)
    rw.require_single_use(x)
    return x.producer.input(0), pad


def _past_views(rw: Rewriter, x: Value) -> tuple[Value, list[Op]]:
    """The value that `x` is a view of with the same last axis, and the Reshapes and Transposes between, the last one first."""
    views: list[Op] = []
    while x.producer is not None and x.rank and isinstance(x.producer.op, (Reshape, Transpose)):
        before = x.producer.input(0)
        if isinstance(x.producer.op, Reshape):
            same = before.rank > 0 and before.shape[-1] == x.shape[-1]
        else:
            same = x.producer.op.perm[-1] == x.rank - 1
        if not same:
            break
        rw.require_single_use(x)
        views.append(x.producer.op)
        x = before
    return x, views


def _shift_fits(linear: Linear, pad: Pad | None) -> bool:
    """Whether every result sees the shift of all its operands: no zeros from padding among them."""
    if isinstance(linear, ConvTranspose) or (pad is not None and pad.mode == "constant"):
        return False
    return isinstance(linear, FullyConnected) or not any((*linear.pads_begin, *linear.pads_end))


def _scaled_first(rw: Rewriter, affine: Affine) -> Affine:
    """x * a + b with the same meaning as (x + b / a) * a, so that at least the scale can go; a step before this one is looked at, too."""
    if affine.scale is None and affine.x.producer is not None:
        rw.require_single_use(affine.x)
        affine = affine_of(rw, affine.x.producer).then(affine)
    if affine.scale is None:
        raise Mismatch("a shift before padding cannot be folded")
    if affine.shift is None:
        return affine
    require(bool((affine.scale != 0).all()), "a scale is 0")
    shift = affine.shift / affine.scale
    require(bool((np.abs(shift) <= _LARGEST_SHIFT).all()), "a scale is so small that the shift would not fit into float16")
    return Affine(affine.x, affine.scale, shift)
