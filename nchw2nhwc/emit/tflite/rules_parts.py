"""Parts of which all are computed with in the same way: the whole is, and cut afterwards.

Groups of channels that are each padded are so. The operator is there once, and computes as much as those of the parts did together. Where
some parts are left out another Split would be needed, which costs more time than it saves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from nchw2nhwc.ir import Node, Value
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Binary
from nchw2nhwc.ops.elementwise import Unary
from nchw2nhwc.ops.movement import Pad, Split
from nchw2nhwc.ops.reduce import LogSoftmax, Reduce, Softmax
from nchw2nhwc.passes.match import require
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

PARTS_ALIKE = RuleSet()

_Step: TypeAlias = tuple[Op, tuple[object, ...]]
"""An op, and its operands: the number of a value of the chain, or the content of a constant."""
_LARGEST = 1 << 12
"""Elements of constants that are compared."""


@dataclass
class _Chain:
    """What is computed from one part, and from nothing else but constants."""

    values: list[Value]
    """The part, and then the result of each node."""
    nodes: list[Node] = field(default_factory=list)
    steps: list[_Step] = field(default_factory=list)

    def number(self, value: Value) -> int | None:
        return next((k for k, each in enumerate(self.values) if each is value), None)

    def drop(self) -> None:
        """Without the last node."""
        for each in (self.values, self.nodes, self.steps):
            each.pop()


@PARTS_ALIKE.on(Split)
def computed_alike(rw: Rewriter, node: Node, op: Split) -> list[Value]:
    """Parts with each of which the same is done."""
    chains = [_chain(rw, value, op.axis) for value in node.outputs]
    first = chains[0]
    require(len(chains) > 1 and bool(first.steps), "{!r} is not a chain of operators that leave axis {} alone", node.outputs[0], op.axis)
    require(all(chain.steps == first.steps for chain in chains), "something else is done with some parts of {!r}", node)
    made = [node.input(0)]
    for each in first.nodes:
        numbers = [None if v is None else first.number(v) for v in each.inputs]
        made.append(rw.add_for(each, each.op, *(v if k is None else made[k] for v, k in zip(each.inputs, numbers))))
    for chain, piece in zip(chains, rw.add_all(op, made[-1])):
        rw.replace(chain.nodes[-1], [piece])
    return list(node.outputs)


def _chain(rw: Rewriter, part: Value, axis: int) -> _Chain:
    """What is computed from a part with a single result that anything else reads."""
    chain = _Chain([part])
    while True:
        found = next((user for value in chain.values for user in value.users
                      if user not in chain.nodes and _step(chain, user, axis) is not None), None)
        step = None if found is None else _step(chain, found, axis)
        if found is None or step is None:
            break
        chain.nodes.append(found)
        chain.values.append(found.output)
        chain.steps.append(step)
    while chain.nodes and _is_open(rw, chain):
        chain.drop()
    return chain


def _is_open(rw: Rewriter, chain: _Chain) -> bool:
    """Whether something else reads other values of a chain than the last."""
    return any(rw.graph.is_output(value) or any(user not in chain.nodes for user in value.users) for value in chain.values[:-1])


def _step(chain: _Chain, node: Node, axis: int) -> _Step | None:
    """What a node does with values of a chain, if it treats each position along an axis alike and by itself."""
    op, part = node.op, chain.values[0]
    if len(node.outputs) != 1 or node.output.rank != part.rank or node.output.shape[axis] != part.shape[axis]:
        return None
    operands = [None if v is None else _operand(chain, v, axis) for v in node.inputs]
    return None if not _is_apart(op, axis) or None in operands else (op, tuple(operands))


def _is_apart(op: Op, axis: int) -> bool:
    """Whether an op that leaves an axis as it is treats each position along it by itself."""
    if isinstance(op, Reduce):
        return axis not in op.axes and op.keepdims
    if isinstance(op, (Softmax, LogSoftmax)):
        return op.axis != axis
    return isinstance(op, (Unary, Binary)) or (isinstance(op, Pad) and op.pads_begin[axis] == op.pads_end[axis] == 0)


def _operand(chain: _Chain, value: Value, axis: int) -> object | None:
    """The number of a value of a chain, or the content of a constant that is the same at each position along an axis."""
    content = value.const
    if content is None:
        return chain.number(value)
    behind = axis - chain.values[0].rank + value.rank
    if content.size > _LARGEST or (behind >= 0 and value.shape[behind] != 1):
        return None
    return content.dtype, content.shape, np.ascontiguousarray(content).tobytes()
