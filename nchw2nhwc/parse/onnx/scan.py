"""Scan: a Loop whose body takes its part of each sequence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from onnx import NodeProto

from nchw2nhwc.errors import SourceError, UnsupportedError
from nchw2nhwc.ir.dim import Size
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ir.types import TensorType
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.binary import Sub
from nchw2nhwc.ops.control import Loop
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.movement import Concat
from nchw2nhwc.parse.body import INT64, Body, add_loop, scalar, turned
from nchw2nhwc.parse.onnx.scope import Entry, Scope

if TYPE_CHECKING:
    from nchw2nhwc.parse.onnx.reader import Reader
    from nchw2nhwc.parse.onnx.registry import LayerBuilder

Operands: TypeAlias = Sequence[Value | None]


def scan(r: Reader, node: NodeProto, operands: Operands, scope: Scope, wanted: Sequence[bool], opset: int) -> Sequence[Entry] | None:
    """A Loop whose body takes its part of each sequence, and whose results are put together along an axis."""
    numbers = {a.name: a.i if a.type == a.INT else tuple(a.ints) for a in node.attribute}
    if opset < 9:
        return _scan_of_batch(r, node, operands, scope, numbers)
    return _one_scan(r, node, all_present(operands), scope, numbers)


def _scan_of_batch(r: Reader, node: NodeProto, operands: Operands, scope: Scope,
                   numbers: Mapping[str, int | tuple[int, ...]]) -> Sequence[Entry] | None:
    """Scan as opset 8 has it: axis 0 of everything is a batch, each element of which is scanned on its own; sequences lie along axis 1."""
    lengths, *rest = operands or [None]
    if lengths is not None:
        raise UnsupportedError("the lengths of the sequences of a Scan (opset 8) are not supported",
                               advice="Export the model with opset 9 or newer.")
    given = all_present(rest)
    batch = {v.shape[0] for v in given if v.rank}
    if len(batch) != 1 or not all(v.rank for v in given):
        raise SourceError(f"the operands {', '.join(str(v.type) for v in given)} are not of one batch")
    renamed = {"scan_input_directions" if name == "directions" else name: value for name, value in numbers.items()}
    found: list[list[Value]] = []
    for k in range(static(batch.pop(), "the batch of a Scan (opset 8)")):
        results = _one_scan(r, node, [r.b.add1(Gather(0), v, r.b.const(k, INT64)) for v in given], scope, renamed)
        if results is None:
            return None
        found.append([r.b.reshape(v, (1, *v.shape)) for v in results if isinstance(v, Value)])
    return [each[0] if len(each) == 1 else r.b.add1(Concat(0), *each) for each in zip(*found)]


def _one_scan(r: Reader, node: NodeProto, given: Sequence[Value], scope: Scope,
              numbers: Mapping[str, int | tuple[int, ...]]) -> Sequence[Entry] | None:
    """The iterations of a Scan over sequences without a batch of their own."""
    count = numbers.get("num_scan_inputs")
    if not isinstance(count, int) or not 1 <= count <= len(given):
        raise SourceError(f"a Scan over {count} of {len(given)} operands")
    initial, sequences = given[:-count], given[-count:]
    body = Body("body", r.graph.source)
    graph, inner = r.inside(node, "body", scope, body)
    if len(graph.input) != len(given) or len(graph.output) < len(initial):
        raise SourceError(f"the body has {len(graph.input)} inputs and {len(graph.output)} results, which does not fit the operands")
    axes = [r.b.axis(a, v.rank) for a, v in zip(_each(numbers, "scan_input_axes", count), sequences)]
    backwards = _each(numbers, "scan_input_directions", count)
    steps = sequences[0].shape[axes[0]]
    if any(v.shape[a] != steps for v, a in zip(sequences, axes)):
        raise SourceError(f"the sequences {', '.join(str(v.type) for v in sequences)} are not of one length")
    number = body.graph.add_input("number", TensorType(INT64))
    state = [body.graph.add_input(info.name, v.type) for info, v in zip(graph.input, initial)]
    with r.building(body) as b:
        places = [_from_end(b, steps, number) if back else number for back in backwards]
        parts = [b.add1(Gather(a), body.take(v), place) for v, a, place in zip(sequences, axes, places)]
        inner.entries.update(zip((v.name for v in graph.input), (*state, *parts)))
        results = r.read_body(body, graph, inner)
        if results is None:
            return None
        made, ends = results[:len(initial)], results[len(initial):]
        scans = [b.axis(a, v.rank + 1) for a, v in zip(_each(numbers, "scan_output_axes", len(ends)), ends)]
        body.returns([*made, *(b.reshape(v, (*v.shape[:a], 1, *v.shape[a:])) for v, a in zip(ends, scans))])
    found = add_loop(r.b, body, Loop(body.graph, len(initial), steps, tuple(scans)), initial)
    around = _each(numbers, "scan_output_directions", len(ends))
    return [*found[:len(initial)], *(turned(r.b, v, a) if turn else v for v, a, turn in zip(found[len(initial):], scans, around))]


def _each(numbers: Mapping[str, int | tuple[int, ...]], name: str, count: int) -> tuple[int, ...]:
    """An attribute with a number for each of several operands or results; 0 for each where it is absent."""
    found = numbers.get(name, (0,) * count)
    if not isinstance(found, tuple) or len(found) != count:
        raise SourceError(f"attribute '{name}' does not have {count} numbers")
    return found


def _from_end(b: LayerBuilder, steps: Size, number: Value) -> Value:
    """The number of an iteration, counted from the last one on."""
    return b.add1(Sub(), scalar(b, b.sizes((steps - 1,), INT64)), number)


def all_present(operands: Operands) -> list[Value]:
    """Operands none of which may be absent."""
    found = [v for v in operands if v is not None]
    if len(found) < len(operands):
        raise SourceError("an operand is absent")
    return found
