"""The table of lowerings: which IR node becomes which TFLite operators, and which nodes TFLite cannot express as they are."""

from __future__ import annotations

from nchw2nhwc.emit.common import Lowerings, never
from nchw2nhwc.emit.tflite.emitter import Emitter
from nchw2nhwc.ir import Node

__all__ = ["LOWERINGS", "lowering", "native", "never", "refusal"]


def _holds_nothing(node: Node) -> str:
    """Why no operator can have the results of `node`."""
    return "a result has no elements, which LiteRT cannot hold" if any(0 in value.shape for value in node.outputs) else ""


LOWERINGS: Lowerings[Emitter] = Lowerings("TFLite", _holds_nothing)
lowering = LOWERINGS.on
refusal = LOWERINGS.refusal


def native(node: Node) -> bool:
    """Whether TFLite expresses `node`, in source order or stored, as it is; if not, it has to be decomposed first."""
    return not refusal(node)
