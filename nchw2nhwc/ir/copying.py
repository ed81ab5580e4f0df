"""Copies of graphs, as bodies of ops need them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from nchw2nhwc.ir.dim import substitute
from nchw2nhwc.ir.graph import Graph, Value

if TYPE_CHECKING:
    from nchw2nhwc.ops.base import Op


def copied(graph: Graph, sizes: Mapping[str, int] | None = None) -> Graph:
    """A copy of a graph and of the bodies in it, with all named dimensions replaced by numbers where `sizes` says which. Constants are
    shared."""
    result = Graph(graph.name, graph.source)
    made: dict[int, Value] = {}
    for value in graph.inputs:
        shape = value.shape if sizes is None else tuple(substitute(s, sizes) for s in value.shape)
        made[id(value)] = result.add_input(value.name, value.type.with_shape(shape))
        made[id(value)].sizes = value.sizes

    def of(value: Value) -> Value:
        if value.const is not None and id(value) not in made:
            made[id(value)] = result.constant(value.const, value.name, origin=value.origin)
        return made[id(value)]

    for node in graph.nodes:
        op: Op = copied_op(node.op) if sizes is None else node.op.bind(sizes)
        results = result.add(op, [None if v is None else of(v) for v in node.inputs], origin=node.origin,
                             names=[v.name for v in node.outputs], origins=[v.origin for v in node.outputs])
        for old, new in zip(node.outputs, results):
            made[id(old)], new.sizes = new, old.sizes
    for value, name in zip(graph.outputs, graph.output_names):
        result.add_output(of(value), name)
    return result


def copied_op(op: Op) -> Op:
    """The op with copies of its bodies, which passes may then change without changing those of another node."""
    return op.with_bodies([copied(body) for body in op.bodies]) if op.bodies else op


def take_operands(body: Graph, kept: Sequence[int], constants: Mapping[int, Value]) -> Graph:
    """A copy of a body that takes only the inputs `kept` (by index); of the others, those in `constants` become constants, and nothing
    reads the rest."""
    result = copied(body)
    for index, value in constants.items():
        assert value.const is not None
        result.replace_uses(result.inputs[index], result.constant(value.const, value.name, origin=value.origin))
    assert not any(result.inputs[k].uses or result.is_output(result.inputs[k]) for k in range(len(result.inputs)) if k not in kept)
    result.inputs = [result.inputs[k] for k in kept]
    return result
