"""Control flow without control flow: both branches of an If, and loops written out."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.ir.graph import Graph, Node, Value
from nchw2nhwc.ops.binary import Where
from nchw2nhwc.ops.control import If, Loop
from nchw2nhwc.ops.movement import Concat
from nchw2nhwc.passes.match import require
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

RULES = RuleSet()

MOST_NODES = 2048
"""Nodes that a loop which is written out may become."""


@RULES.on(If)
def both_branches(rw: Rewriter, node: Node, op: If) -> list[Value]:
    """Both are computed; the condition then selects the results of one."""
    require(op.shapes is None, "the branches of {!r} give different sizes", node)
    operands = [node.input(k) for k in range(1, len(node.inputs))]
    results = [rw.inline(body, operands) for body in op.bodies]
    return [rw.add(Where(), node.input(0), first, second) for first, second in zip(*results)]


@RULES.on(Loop)
def written_out(rw: Rewriter, node: Node, op: Loop) -> list[Value]:
    """One iteration after the other."""
    steps = op.steps
    require(isinstance(steps, int), "{!r} has no known number of iterations", node)
    count = int(str(steps))
    require(count > 0 or not op.scans, "{!r} has no parts to put together", node)
    require(op.form == "unroll" or count * size_of(op.body) <= MOST_NODES, "{!r} has too many nodes in all its iterations", node)
    operands = [node.input(k) for k in range(len(node.inputs))]
    state, fixed = operands[:op.carried], operands[op.carried:]
    parts: list[list[Value]] = []
    for number in range(count):
        made = rw.inline(op.body, [rw.constant(np.asarray(number, np.int64)), *state, *fixed])
        state = made[:op.carried]
        parts.append(made[op.carried:])
    return [*state, *(rw.add(Concat(axis), *together) if count > 1 else together[0] for axis, together in zip(op.scans, zip(*parts)))]


def size_of(body: Graph) -> int:
    """The number of nodes of a body, and of the bodies in it."""
    return sum(map(len, body.graphs()))
