"""Integer types that a target's kernels lack. These rules are the last resort: whatever else an op can be said in is tried first."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ir.types import DType
from nchw2nhwc.ops.activation_functions import Clip
from nchw2nhwc.ops.base import REGISTRY, Op
from nchw2nhwc.ops.binary import Binary
from nchw2nhwc.ops.elementwise import BitCast, Cast, Unary
from nchw2nhwc.ops.kinds import INTEGER
from nchw2nhwc.ops.reduce import AlongAxis, ArgReduce, Reduce
from nchw2nhwc.passes.match import require
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

RULES = RuleSet()

WIDER: dict[str, DType] = {
    **dict.fromkeys(("int8", "uint8", "int16", "uint16"), np.dtype(np.int32)),
    **dict.fromkeys(("uint32", "uint64"), np.dtype(np.int64)),
    "int64": np.dtype(np.int32),
}
"""What integer ops are computed in where a target has no kernel for their own type. int64 has no wider one: its values are sizes, positions
and counts, which fit into 32 bits; that it happens is written to the graph's notes, as for uint64."""


def _taking_integers() -> list[type[Op]]:
    """All but those whose meaning depends on the type: Clip's bounds, and bits."""
    families = (Unary, Binary, Reduce, ArgReduce, AlongAxis)
    found = [cls for cls in REGISTRY.values() if issubclass(cls, families) and cls not in (BitCast, Cast, Clip)]
    return [cls for cls in found if INTEGER & getattr(cls, "kinds", INTEGER)]


@RULES.on(*_taking_integers())
def in_wider_integers(rw: Rewriter, node: Node, op: Op) -> Value:
    """The op on integers of a type that kernels have, cast there and back."""
    dtype = node.input(0).type.dtype
    require(dtype.name in WIDER, "no other integer type can stand for {}", dtype.name)
    wider = WIDER[dtype.name]
    if dtype.itemsize >= wider.itemsize:
        rw.graph.notes.append(f"'{node.origin.layer or node.output.name}' ({op.name}) is computed in {wider.name} instead of {dtype.name}")
    operands = [v if v is None or v.type.dtype != dtype else rw.add(Cast(wider), v) for v in node.inputs]
    result = rw.add(op, *operands)
    return result if result.type == node.output.type else rw.add(Cast(node.output.type.dtype), result)
