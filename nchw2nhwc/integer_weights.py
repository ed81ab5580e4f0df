"""Weights that a source which computes in float keeps as integers: how many there are, and what becomes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nchw2nhwc.wording import are, counted

if TYPE_CHECKING:
    from nchw2nhwc.ir import Graph
    from nchw2nhwc.products import Products


def integer_weights(graph: Graph) -> int:
    """How many weights a source which computes in float keeps as integers of at most 8 bits."""
    from nchw2nhwc.ops.casts import Cast
    from nchw2nhwc.ops.kinds import FLOAT, kind_of

    return len({value for part in graph.graphs() for node in part.nodes if isinstance(node.op, Cast)
                for value in (node.input(0),) if value.is_const and value.rank > 1 and kind_of(node.output.type.dtype) in FLOAT
                and kind_of(value.type.dtype) == "integer" and value.type.dtype.itemsize == 1})


def told_of(integers: int, converted: Products) -> str:
    """A note on these weights, and on those of a quantized source that computes in float with some: what has become of them; "" if there
    are none."""
    kept = converted.flatbuffer().model.kept if converted.keep_integers else 0
    if kept:
        return (f"{counted(kept, 'constant')} of the TFLite file {are(kept)} stored as integers with scales, as the source's weights, and "
                "made float32 while it is loaded")
    if not integers:
        return ""
    return (f"{counted(integers, 'weight')} {are(integers)} made of integers of at most 8 bits in the source and floating point in the "
            "result; --quantize weight8 rounds them to 8 bits again")
