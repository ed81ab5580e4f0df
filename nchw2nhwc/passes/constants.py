"""Constant folding and common subexpressions."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from nchw2nhwc.ir.dim import is_static
from nchw2nhwc.ir.graph import Graph, Node, Value
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.matmul import FullyConnected
from nchw2nhwc.ops.norm import BatchNorm
from nchw2nhwc.ops.sizes import Sizes
from nchw2nhwc.ops.windowed import Conv, ConvTranspose
from nchw2nhwc.passes import Pass
from nchw2nhwc.passes.match import require, static_shape
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

GROWTH_BYTES = 4 << 20
"""Results up to this size are always folded."""
GROWTH = 4
"""Larger results are folded unless they have more than this many times the bytes of their operands (Expand, Tile, ...)."""
_SMALL = 64
_PARAMETERS: tuple[type[Op], ...] = (Conv, ConvTranspose, FullyConnected, BatchNorm)

FOLDING = RuleSet()
"""Nodes whose operands are all constant become constants."""


def _is_parameter(value: Value) -> bool:
    """Whether an op reads `value` where a target asks for a constant."""
    return any(index > 0 and isinstance(node.op, _PARAMETERS) for node, index in value.uses)


@FOLDING.on(Op)
def fold(rw: Rewriter, node: Node, op: Op) -> tuple[Value, ...]:
    """Run the op's reference now. Results that would be much larger than their operands stay computed, unless they are parameters."""
    operands = [v for v in node.inputs if v is not None]
    require(all(v.is_const for v in operands), "an operand is not constant")
    require(not op.bodies, "a loop might take long, or never end")
    require(bool(operands) or (isinstance(op, Sizes) and is_static(op.sizes)), "sizes are symbolic")
    sizes = [v.type.size_bytes for v in node.outputs]
    require(all(s is not None for s in sizes), "a result has symbolic sizes")
    total = sum(s for s in sizes if s is not None)
    limit = max(GROWTH_BYTES, GROWTH * sum(v.const.nbytes for v in operands if v.const is not None))
    require(total <= limit or any(map(_is_parameter, node.outputs)), "{} bytes would be stored instead of computed", total)
    with np.errstate(all="ignore"):
        arrays = op.run(*(None if v is None else v.const for v in node.inputs))
    return tuple(rw.graph.constant(a.astype(v.type.dtype, copy=False), v.name, origin=v.origin) for a, v in zip(arrays, node.outputs))


@FOLDING.on(Op)
def no_elements(rw: Rewriter, node: Node, op: Op) -> tuple[Value, ...]:
    """Operands without elements are constants: there is nothing in them to compute."""
    empty = {id(v) for v in node.inputs if v is not None and not v.is_const and 0 in v.shape and is_static(v.shape)}
    require(bool(empty), "every operand has elements")
    return rw.add_all(op, *(rw.constant(np.zeros(static_shape(v), v.type.dtype)) if v is not None and id(v) in empty else v
                            for v in node.inputs))


@FOLDING.on(Op)
def empty_results(rw: Rewriter, node: Node, op: Op) -> tuple[Value, ...]:
    """Results without elements are constants for the same reason."""
    require(all(0 in v.shape and is_static(v.shape) for v in node.outputs), "a result has elements")
    return tuple(rw.graph.constant(np.zeros(static_shape(v), v.type.dtype), v.name, origin=v.origin) for v in node.outputs)


def _content(value: Value | None) -> Hashable:
    """What makes two operands the same: identity, the content of small constants, the memory of large ones."""
    if value is None or value.const is None:
        return id(value)
    array = value.const
    if array.size <= _SMALL:
        return (value.type, array.tobytes())
    address = array.__array_interface__["data"][0]
    return (value.type, address, array.strides)


def _merge_equal(graph: Graph) -> int:
    seen: dict[Hashable, Node] = {}
    gone: list[Node] = []
    for node in graph.nodes:
        key = (node.op.name, node.op, *map(_content, node.inputs))
        first = seen.setdefault(key, node)
        if first is node or any(graph.is_output(a) and graph.is_output(b) for a, b in zip(first.outputs, node.outputs)):
            continue
        for old, new in zip(node.outputs, first.outputs):
            graph.replace_uses(old, new)
        gone.append(node)
    if gone:
        graph.remove_all(gone)
    return len(gone)


MERGE_EQUAL = Pass("merge_equal", _merge_equal)
"""Nodes of one op on the same operands become one. Two outputs of the graph stay two tensors."""
