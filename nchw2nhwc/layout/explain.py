"""Why a Transpose is left: which two ops disagree, in words."""

from __future__ import annotations

from nchw2nhwc.ir.graph import Node
from nchw2nhwc.layout.apply import Move
from nchw2nhwc.layout.tensor import Layout, Tensor, axis_of, factor_names


def layout_text(tensor: Tensor, layout: Layout) -> str:
    """A layout as axis letters (n, c, h, w by position) with factor numbers where an axis is cut: `n h1 w1 h2 w2 c`."""
    names = dict(zip(tensor.source, factor_names(tensor.rank, [axis_of(f) for f in tensor.source])))
    return " ".join(names[f] for f in layout)


def _node_text(node: Node) -> str:
    return f"{node.origin.type or node.op.name} '{node.origin.layer or node.outputs[0].name}'"


def explain(move: Move, tensor: Tensor) -> str:
    """One line: who makes the value in which layout, and who needs it in which other one."""
    value = move.value
    maker = _node_text(value.producer) if value.producer is not None else f"input '{value.name}'"
    shown = ", ".join(map(_node_text, move.readers[:3])) or "an output"
    more = f" and {len(move.readers) - 3} more" if len(move.readers) > 3 else ""
    shape = ", ".join(map(str, value.shape))
    before, after = layout_text(tensor, move.before), layout_text(tensor, move.after)
    return f"'{value.name}' [{shape}]: {maker} makes it as ({before}), {shown}{more} needs ({after})"
