"""Numbers that layers draw at random: no two runs draw the same, so an input takes the place of each tensor of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from nchw2nhwc.errors import Location, UnsupportedError
from nchw2nhwc.ir.dim import Shape
from nchw2nhwc.ir.draws import Draw
from nchw2nhwc.ir.graph import Graph, Value
from nchw2nhwc.ir.types import DType, TensorType
from nchw2nhwc.ops.base import symbols_in
from nchw2nhwc.parse.builder import Builder

_AROUND = ("in the place of such a tensor, unless it is made inside of a loop, Scan or branch whose number of steps, or the tensor's "
           "shape, is known only inside.")


@dataclass(frozen=True)
class Drawn:
    """An input in the place of what a layer draws."""

    value: Value
    draw: Draw
    where: Location


def drawn(b: Builder, shape: Shape, dtype: DType, draw: Draw) -> Value:
    """An input in the place of the numbers that the current layer draws. Raises UnsupportedError where that is not asked for, or not
    possible."""
    if b.draws is None:
        raise UnsupportedError("it draws random numbers, which no two runs agree on", b.where, f"--random inputs makes an input {_AROUND}")
    if b.within:
        raise UnsupportedError("it draws random numbers inside of a branch or a loop, and how many is not known outside", b.where,
                               f"An input can be made {_AROUND}")
    if symbols_in(tuple(shape)) - symbols_in(tuple(v.shape for v in b.graph.inputs)):
        raise UnsupportedError("how many random numbers it draws depends on data", b.where,
                               "Cut the model behind this layer with --inputs, and give its size with --input-shape.")
    value = b.graph.add_input(f"{b.origin.layer}/drawn", TensorType(dtype, tuple(shape)))
    value.origin = ""
    b.draws.append(Drawn(value, draw, b.where))
    return value


def declare(graph: Graph, found: Collection[Drawn], tensors: Collection[str]) -> None:
    """Let a graph that has been read say how the numbers of such inputs are distributed, and do without those that nothing reads.

    `tensors` are the names of those of the source's main graph, which alone its runtime can be given. Raises UnsupportedError."""
    for each in found:
        value = each.value
        if not value.uses and not graph.is_output(value):
            graph.inputs = [v for v in graph.inputs if v is not value]
            continue
        if value.origin not in tensors:
            raise UnsupportedError("it draws random numbers inside of a branch, a loop or a function", each.where,
                                   f"An input can be made {_AROUND}")
        graph.draws[value.name] = each.draw
        graph.notes.append(f"input '{value.name}' is what {each.where.type} '{each.where.layer}' draws at random: {each.draw}")
