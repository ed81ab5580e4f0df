"""Convolutions side by side on one tensor, with the same activation behind each, as one convolution and a Split behind its activation.

Every operator of an activation is there once then. Where kernels of convolutions apply it themselves they stay apart: a Split costs more
time than a convolution less saves. So do those that integer kernels compute: their results are on grids of their own.
"""

from __future__ import annotations

from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.activation_functions import Gelu, HardSwish, Mish, Sigmoid, Swish
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.elementwise import Tanh
from nchw2nhwc.ops.movement import Split
from nchw2nhwc.ops.windowed import Conv
from nchw2nhwc.passes.joint import is_quantized, joint_layer
from nchw2nhwc.passes.match import op_of, require, static_sizes
from nchw2nhwc.passes.rewrite import Mismatch, Rewriter, RuleSet

SIBLINGS = RuleSet()

_SHARED: tuple[type[Op], ...] = (Sigmoid, Tanh, HardSwish, Gelu, Swish, Mish)
"""Activations that are operators of their own."""


@SIBLINGS.on(Conv)
def one_convolution(rw: Rewriter, node: Node, op: Conv) -> Value:
    """Convolutions of one value with equal windows and activations."""
    x, behind = node.input(0), _activation(rw, node)
    require(not is_quantized(x), "{!r} is computed with integers, whose grids may differ", node)
    alike = [user for user in dict.fromkeys(x.users) if _is_like(rw, user, node)]
    require(len(alike) > 1, "no other convolution is like {!r}", node)
    activations = [_activation(rw, user) for user in alike]
    require(all(map(rw.comes_later, activations)), "another activation comes before {!r}", node)
    sizes = [size for user in alike for size in static_sizes(user.output, (1,))]
    parts = rw.add_all(Split(1, tuple(sizes)), rw.add(behind.op, joint_layer(rw, alike)))
    for each, part in zip(activations, parts):
        rw.replace(each, [part])
    return node.output


def _activation(rw: Rewriter, node: Node) -> Node:
    """The activation that alone reads the result of a convolution with constant parameters, one group, and source order."""
    op = op_of(node, Conv)
    require(op.groups == 1 and not op.channels_last and op.activation is Activation.NONE, "{!r} has groups or an activation", node)
    require(all(v is None or v.is_const for v in node.inputs[1:]), "{!r} has computed parameters", node)
    rw.require_single_use(node.output)
    (user,) = node.output.users
    require(isinstance(user.op, _SHARED), "{!r} has no activation that is an operator", node)
    return user


def _is_like(rw: Rewriter, user: Node, node: Node) -> bool:
    if user.op != node.op or user.input(0) is not node.input(0) or user.input(1).shape[1:] != node.input(1).shape[1:]:
        return False
    try:
        return _activation(rw, user).op == _activation(rw, node).op
    except Mismatch:
        return False
