"""Queries, keys and values that come from one tensor, as one fully connected layer.

Each is brought from tokens to heads by a move of its own; of one layer it is one move, and one Split behind it. Layers that integer kernels
compute stay: their results are on grids of their own.
"""

from __future__ import annotations

from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.matmul import FullyConnected
from nchw2nhwc.ops.movement import Reshape, Split
from nchw2nhwc.passes.joint import is_quantized, joint_layer
from nchw2nhwc.passes.match import require
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

HEADS = RuleSet()


@HEADS.on(FullyConnected)
def from_one_tensor(rw: Rewriter, node: Node, op: FullyConnected) -> Value:
    """Layers of equal size on one tensor, whose results are cut into the same heads each."""
    x, heads = node.input(0), _heads(rw, node)
    require(not is_quantized(x), "{!r} is computed with integers, whose grids may differ", node)
    alike = [user for user in x.users if user.input(0) is x and _is_like(rw, user, node, heads)]
    require(len(alike) > 1, "no other layer is like {!r}", node)
    require(all(user is node or rw.comes_later(user) for user in alike), "another layer comes before {!r}", node)
    joint = joint_layer(rw, alike)
    lead, columns = node.output.shape[:-1], node.output.shape[-1]
    parts = rw.add_all(Split(len(lead), (1,) * len(alike)), rw.add(Reshape((*lead, len(alike), columns)), joint))
    results = {user: rw.add(Reshape(user.output.shape), part) for user, part in zip(alike, parts)}
    for user, result in results.items():
        if user is not node:
            rw.replace(user, [result])
    return results[node]


def _heads(rw: Rewriter, node: Node) -> tuple[object, ...]:
    """The last axes of the Reshape that alone reads a layer's result, and cuts its columns. Raises Mismatch where there is none."""
    assert isinstance(node.op, FullyConnected)
    require(node.op.keep_num_dims and node.op.activation is Activation.NONE, "{!r} does more than multiply", node)
    require(all(v is None or v.is_const for v in node.inputs[1:]), "{!r} has computed parameters", node)
    rw.require_single_use(node.output)
    (view,) = node.output.users
    require(isinstance(view.op, Reshape), "{!r} is not cut into heads", node)
    cut, columns = view.output.shape, node.output.shape[-1]
    require(len(cut) >= 2 and 1 not in cut[-2:] and cut[-2] * cut[-1] == columns, "{!r} is not cut into heads", node)
    return cut[-2:]


def _is_like(rw: Rewriter, user: Node, node: Node, heads: tuple[object, ...]) -> bool:
    if user.op != node.op or user.input(1).type != node.input(1).type:
        return False
    (view, *others) = user.output.users or (user,)
    alone = not others and all(v is None or v.is_const for v in user.inputs[1:]) and not rw.graph.is_output(user.output)
    return alone and isinstance(view.op, Reshape) and view.output.shape[-2:] == heads
