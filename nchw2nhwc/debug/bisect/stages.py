"""The graph after every step of a conversion, compared with the source where it matters."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from nchw2nhwc.checking import source_tensors
from nchw2nhwc.checking.litert import litert_tensors
from nchw2nhwc.conversion import run
from nchw2nhwc.converted import Converted
from nchw2nhwc.debug.bisect.finding import EMITTING, Finding
from nchw2nhwc.debug.bisect.region import SourceValues, first_off, origins, region
from nchw2nhwc.ir import Array, Graph, Node, Value
from nchw2nhwc.ir.interpreter import bind_dims
from nchw2nhwc.ir.stored import Stored
from nchw2nhwc.progress import Stages, Watch


def first_stage(converted: Converted, wanted: str, agreeing: Collection[str], data: Mapping[str, Array],
                tolerance: float) -> Finding | None:
    """The first step after which the graph computes the source's tensor `wanted`, or something on the way to it from the tensors that are
    `agreeing`, wrongly; None where no step does."""
    needed: dict[str, None] = {}
    _watched(converted, lambda _, graph, __: needed.update(dict.fromkeys(origins(region(graph, wanted, agreeing)))))
    own = {info.tensor: info.to_network(data[info.name]) for info in converted.inputs}
    own |= {info.preprocessing.raw: data[info.name] for info in converted.inputs if info.preprocessing is not None}
    arrays = own | source_tensors(converted.source, converted.inputs, [], data, [name for name in needed if name not in own])
    found: list[Finding] = []
    seen: set[tuple[object, ...]] = set()
    sizes: dict[str, int] = {}

    def look(stage: str, graph: Graph, stored: Mapping[str, Stored]) -> None:
        sizes.update({} if stored else bind_dims(graph, data))
        nodes = region(graph, wanted, agreeing)
        key = (bool(stored), *map(_shown, nodes))
        if not found and key not in seen:
            seen.add(key)
            off = first_off(nodes, stage, sizes, SourceValues(arrays, sizes, stored).get, tolerance)
            found.extend([off] if off is not None else [])

    _watched(converted, look)
    return found[0] if found else None


def first_operator(converted: Converted, content: bytes, wanted: str, agreeing: Collection[str], data: Mapping[str, Array],
                   tolerance: float) -> Finding | None:
    """The first node of the final graph that the file computes wrongly, each from what the file itself has for its operands."""
    nodes = region(converted.graph, wanted, agreeing)
    names = {id(v): converted.tensor_names.get(v.name, "") for node in nodes for v in (*node.inputs, *node.outputs) if v is not None}
    inside = dict(litert_tensors(content, converted.inputs, data, {name for name in names.values() if name}))
    sizes = bind_dims(converted.graph, {info.name: info.to_result(data[info.name]) for info in converted.inputs})

    def there(value: Value) -> Array | None:
        return inside.get(names[id(value)])

    return first_off(nodes, EMITTING, sizes, there, tolerance)


def _watched(converted: Converted, watch: Watch) -> None:
    """The conversion once more, watched."""
    run(converted.source, converted.options, Stages(watch=watch))


def _shown(node: Node) -> tuple[object, ...]:
    """A node with its operands, for telling whether a step has changed it."""
    operands = tuple(None if v is None else id(v.const) if v.const is not None else v.origin or v.name for v in node.inputs)
    return (node.op, operands, tuple(v.origin or v.name for v in node.outputs))


