"""Control flow that turns out to be simpler: branches that are known, and what bodies need of the graph around them."""

from __future__ import annotations

from nchw2nhwc.ir.copying import take_operands
from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.control import If, Loop
from nchw2nhwc.passes.match import require
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

CONTROL = RuleSet()
"""Branches that are never taken go, and so do operands that bodies do not need."""


@CONTROL.on(If)
def known_branch(rw: Rewriter, node: Node, op: If) -> list[Value]:
    """The branch that a constant condition takes, in the place of the If."""
    condition = node.input(0).const
    require(condition is not None and op.shapes is None, "the condition is computed, or the sizes of results are")
    return rw.inline(op.then_branch if condition else op.else_branch, _operands(node, 1))


@CONTROL.on(If, Loop)
def fewer_operands(rw: Rewriter, node: Node, op: Op) -> tuple[Value, ...]:
    """Operands that are constants, or that no body reads, are no operands: constants belong into the bodies."""
    first, ahead = _fixed(op)
    fixed = _operands(node, first)
    inputs = [[v for body in op.bodies for v in (body.inputs[ahead + k],)] for k in range(len(fixed))]
    read = [any(v.uses or body.is_output(v) for v, body in zip(inner, op.bodies)) for inner in inputs]
    kept = [k for k, value in enumerate(fixed) if value.const is None and read[k]]
    require(len(kept) < len(fixed), "every operand is needed")
    places = [*range(ahead), *(ahead + k for k in kept)]
    constants = {ahead + k: value for k, value in enumerate(fixed) if value.const is not None}
    bodies = [take_operands(body, places, constants) for body in op.bodies]
    return rw.add_all(op.with_bodies(bodies), *node.inputs[:first], *(fixed[k] for k in kept))


def _fixed(op: Op) -> tuple[int, int]:
    """From which operand on, and from which input of the bodies on, the operands are what the bodies get as it is every time."""
    if isinstance(op, Loop):
        return op.leading + op.carried, 1 + op.carried
    return 1, 0


def _operands(node: Node, first: int) -> list[Value]:
    return [node.input(k) for k in range(first, len(node.inputs))]
