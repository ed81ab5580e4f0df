"""The table of lowerings to Keras, and common reasons to refuse a node."""

from __future__ import annotations

from collections.abc import Callable

from nchw2nhwc.emit.common import Lowerings
from nchw2nhwc.emit.keras.emitter import ELEMENT_TYPES, Emitter
from nchw2nhwc.ir import Node
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.control import Loop
from nchw2nhwc.ops.detection import DetectionPostProcess
from nchw2nhwc.ops.dynamic import DynamicReduce
from nchw2nhwc.passes.decompose.control import MOST_NODES

LOWERINGS: Lowerings[Emitter] = Lowerings("Keras")
LOWERINGS.lacks[Loop] = (f"a functional model has no loops; only those of a known number of iterations, and of at most {MOST_NODES} nodes "
                         "in all of them, are written out")
LOWERINGS.lacks[DetectionPostProcess] = "only TFLite has such an operator; --nms cut ends the model before it"
LOWERINGS.lacks[DynamicReduce] = "a functional model has no axes that data decides"
lowering = LOWERINGS.on
refusal = LOWERINGS.refusal

FLOAT = ("float32",)
NUMBER = ("float32", "int32", "int64")
INTEGER = ("int32", "int64")
BOOL = ("bool",)
ANY = ELEMENT_TYPES


def taking(types: tuple[str, ...]) -> Callable[[Node, Op], str]:
    """Refuses nodes with operands of other element types, and those with an activation, which is a layer of its own."""
    def refuse(node: Node, op: Op) -> str:
        for value in (*node.inputs, *node.outputs):
            if value is not None and value.type.dtype.name not in (*types, "bool"):
                return f"{op.name} of {value.type.dtype.name} is not available"
        if any(v is not None and v.type.dtype.name not in types for v in node.inputs):
            return f"{op.name} of bool is not available"
        activation = getattr(op, "activation", "NONE")
        return "" if activation == "NONE" else f"{op.name} with a fused activation is two layers"
    return refuse


def native(node: Node) -> bool:
    """Whether Keras expresses `node`, in source order or stored, as it is; if not, it has to be decomposed first."""
    return not refusal(node)
