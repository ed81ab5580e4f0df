"""The table of lowerings: which IR node becomes which TFLite operators, and which nodes TFLite cannot express as they are."""

from __future__ import annotations

from nchw2nhwc.emit.common import Lowerings, never
from nchw2nhwc.emit.tflite.emitter import Emitter
from nchw2nhwc.ir import Node

__all__ = ["LOWERINGS", "lowering", "native", "never", "refusal"]

_LOWERINGS: Lowerings[Emitter] = Lowerings("TFLite")
LOWERINGS = _LOWERINGS.table
lowering = _LOWERINGS.on


def refusal(node: Node) -> str:
    """Why TFLite cannot express `node` as it is; "" if it can."""
    if type(node.op) in LOWERINGS and any(0 in value.shape for value in node.outputs):
        return "a result has no elements, which LiteRT cannot hold"
    return _LOWERINGS.refusal(node)


def native(node: Node) -> bool:
    """Whether TFLite expresses `node`, in source order or stored, as it is; if not, it has to be decomposed first."""
    return not refusal(node)
