"""Loops that put a tensor together by appending to it: `result = Concat(result, part)` in every iteration.

A loop cannot carry a tensor whose size changes. What such a one carries is what it has at first, and behind it the parts of all iterations;
so the parts become results of the loop, as those are that ONNX itself puts together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from onnx import GraphProto, NodeProto, ValueInfoProto, helper

from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.ir.dim import Dim
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.movement import Concat
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.dynamic import as_shape
from nchw2nhwc.parse.onnx.model import subgraphs


@dataclass(frozen=True)
class Growth:
    """The carried value number `place` grows by the tensor `part` along `axis` in every iteration."""

    place: int
    axis: int
    part: str
    gone: frozenset[str]
    """What nodes give that only append it."""


def growths(graph: GraphProto, initial: Sequence[Value]) -> list[Growth]:
    """The carried values of a loop with this body that are read for nothing but to be appended to."""
    reads = Counter(name for node in graph.node for name in _reads(node)) + Counter(v.name for v in graph.output)
    readers = {name: node for node in graph.node for name in node.input if name}
    found = []
    for place, value in enumerate(initial):
        name, copies = graph.input[2 + place].name, list[str]()
        while reads[name] == 1 and name in readers and _copies(readers[name], value):
            name = readers[name].output[0]
            copies.append(name)
        node = readers.get(name)
        if reads[name] != 1 or node is None or node.op_type != "Concat" or node.domain or len(node.input) != 2 or node.input[0] != name:
            continue
        result, axis = node.output[0], next((a.i for a in node.attribute if a.name == "axis"), 0)
        if result == graph.output[1 + place].name and reads[result] == 1 and -value.rank <= axis < value.rank:
            found.append(Growth(place, axis % value.rank, node.input[1], frozenset((*copies, result))))
    return found


def _reads(node: NodeProto) -> Iterator[str]:
    """The names that a node reads, its subgraphs included."""
    yield from (name for name in node.input if name)
    for graph in subgraphs(node):
        yield from (v.name for v in graph.output)
        for inner in graph.node:
            yield from _reads(inner)


def _copies(node: NodeProto, value: Value) -> bool:
    """Whether a node gives what it takes, a tensor of the type of `value`."""
    if node.op_type == "Cast" and not node.domain:
        kinds = [a.i for a in node.attribute if a.name == "to"]
        return [np.dtype(helper.tensor_dtype_to_np_dtype(kind)) for kind in kinds] == [value.type.dtype]
    return bool(node.op_type == "Identity" and not node.domain)


def with_parts(node: NodeProto, found: Iterable[Growth]) -> NodeProto:
    """The loop with the parts of each growing value as a result behind all others, in the place of that value."""
    result, growing = NodeProto(), {growth.place: growth for growth in found}
    result.CopyFrom(node)
    body = next(a.g for a in result.attribute if a.name == "body")
    gone = frozenset().union(*(growth.gone for growth in growing.values()))
    for parts, first in ((body.input, 2), (body.output, 1)):
        for place in sorted(growing, reverse=True):
            del parts[first + place]
    for k in reversed([k for k, each in enumerate(body.node) if not gone.isdisjoint(each.output)]):
        del body.node[k]
    body.output.extend(ValueInfoProto(name=growth.part) for growth in growing.values())
    return result


def as_appended(b: Builder, part: Value, initial: Value, axis: int) -> Value:
    """A part with the sizes that it needs to be appended to `initial`, where only data would tell them: an iteration with others is an
    error when the model runs. Raises UnsupportedError where iterations may append different numbers of elements."""
    if part.rank != initial.rank or part.type.dtype != initial.type.dtype:
        raise UnsupportedError(f"a loop appends {part.type} to {initial.type}", b.where)
    around = frozenset().union(*(size.symbols for v in b.graph.inputs for size in v.shape if isinstance(size, Dim)))
    if isinstance(size := part.shape[axis], Dim) and not size.symbols <= around:
        raise UnsupportedError(f"how many elements an iteration appends to axis {axis} of {initial.type} depends on data", b.where,
                               "End the model before this loop (--outputs).")
    wanted = tuple(size if k == axis else have for k, (size, have) in enumerate(zip(part.shape, initial.shape)))
    return as_shape(b, part, wanted, around)


def appended(b: Builder, initial: Value, parts: Value, axis: int) -> Value:
    """What a loop carries after the last iteration."""
    return parts if initial.shape[axis] == 0 else b.add1(Concat(axis), initial, parts)
