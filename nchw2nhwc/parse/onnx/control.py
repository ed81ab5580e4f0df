"""If, Loop and Scan: ops with subgraphs. What of them is known while the model is read is decided on the spot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from onnx import GraphProto, NodeProto

from nchw2nhwc.errors import SourceError, UnsupportedError
from nchw2nhwc.ir.dim import Dim, Size, size_min
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ir.types import TensorType
from nchw2nhwc.ops.binary import Add, Minimum, Where
from nchw2nhwc.ops.control import Loop
from nchw2nhwc.ops.movement import Concat
from nchw2nhwc.ops.shape_arithmetic import known
from nchw2nhwc.parse.body import INT64, Body, add_if, add_loop, branch, scalar, within
from nchw2nhwc.parse.onnx.declared import as_declared
from nchw2nhwc.parse.onnx.flex_attention import flex_attention
from nchw2nhwc.parse.onnx.growth import Growth, appended, as_appended, growths, with_parts
from nchw2nhwc.parse.onnx.scan import Operands, all_present, scan
from nchw2nhwc.parse.onnx.scope import Entry, Scope, Tensors, Unavailable
from nchw2nhwc.wording import counted

if TYPE_CHECKING:
    from nchw2nhwc.parse.onnx.reader import Reader
    from nchw2nhwc.parse.onnx.registry import LayerBuilder

Read: TypeAlias = "Callable[[Reader, NodeProto, Operands, Scope, Sequence[bool], int], Sequence[Entry] | None]"

SHORT = 128
"""Nodes in all iterations of a loop that is written out while it is read."""

LONG = 4096
"""Nodes in all iterations of a loop that carries sequences, which can only be written out."""


def _if(r: Reader, node: NodeProto, operands: Operands, scope: Scope, wanted: Sequence[bool], opset: int) -> Sequence[Entry] | None:
    """The branch that a constant condition takes; else an If of both."""
    if len(operands) != 1 or operands[0] is None or {a.name for a in node.attribute if a.type == a.GRAPH} != {"then_branch", "else_branch"}:
        raise SourceError("an If needs a condition, a then_branch and an else_branch")
    condition = _truth(r.b, operands[0])
    if condition is not None:
        graph, inner = r.inside(node, "then_branch" if condition else "else_branch", scope)
        _require_no_operands(graph)
        return r.inline(graph, inner)
    bodies = []
    for name in ("then_branch", "else_branch"):
        body = Body(name, r.graph.source)
        graph, inner = r.inside(node, name, scope, body)
        _require_no_operands(graph)
        with branch(r.b), r.building(body):
            results = r.read_body(body, graph, inner)
        if results is None:
            return None
        body.returns(results)
        bodies.append(body)
    if len(bodies[0].graph.outputs) != len(bodies[1].graph.outputs):
        raise SourceError("the branches of an If have different numbers of results")
    return add_if(r.b, operands[0], *bodies)


def _require_no_operands(graph: GraphProto) -> None:
    if graph.input:
        raise SourceError("a branch of an If has operands of its own")


def _truth(b: LayerBuilder, condition: Value) -> bool | None:
    """The only element of a condition, None where it is computed at run time."""
    return None if b.content(condition) is None else bool(b.number(condition, "the condition"))


def _loop(r: Reader, node: NodeProto, operands: Operands, scope: Scope, wanted: Sequence[bool], opset: int) -> Sequence[Entry] | None:
    """A Loop with as many iterations as the limit says where no condition ends it earlier; else one with a condition."""
    limit, condition, *rest = [*operands, None, None][:max(2, len(operands))]
    initial = all_present(rest)
    graph, _ = r.inside(node, "body", scope)
    _require_carried(graph, len(initial))
    count = _steps(r.b, limit, condition, True) if limit is not None and _is_counted(graph) else None
    if isinstance(count, int) and 0 < count * len(graph.node) <= SHORT:
        return _written_out(r, node, scope, initial, count)
    found = growths(graph, initial)
    if not found:
        return _repeated(r, node, operands, scope, wanted, {})
    return _growing(r, node, [limit, condition, *initial], scope, [*wanted, *(False,) * (len(graph.output) - 1 - len(wanted))], found)


def _growing(r: Reader, node: NodeProto, operands: Operands, scope: Scope, wanted: Sequence[bool],
             found: Sequence[Growth]) -> Sequence[Entry] | None:
    """A Loop some of whose carried values grow: what they grow by becomes a result behind all others."""
    _, _, *initial = operands
    places = {growth.place for growth in found}
    kept = [k for k in range(len(wanted)) if k not in places]
    shorter = [value for k, value in enumerate(operands) if k - 2 not in places]
    parts = {len(kept) + k: (all_present(initial)[growth.place], growth.axis) for k, growth in enumerate(found)}
    made = _repeated(r, with_parts(node, found), shorter, scope, [wanted[k] for k in (*kept, *(growth.place for growth in found))], parts)
    if made is None:
        return None
    whole = dict(zip(kept, made))
    for growth, part in zip(found, made[len(kept):]):
        value, axis = all_present(initial)[growth.place], growth.axis
        whole[growth.place] = appended(r.b, value, part, axis) if isinstance(part, Value) else part
    return [whole.get(k, Unavailable("nothing reads it")) for k in range(len(wanted))]


def _repeated(r: Reader, node: NodeProto, operands: Operands, scope: Scope, wanted: Sequence[bool],
              growing: Mapping[int, tuple[Value, int]]) -> Sequence[Entry] | None:
    """`_loop` that is not written out. `growing` are the results that are not put together along a new axis but appended to a value, by
    their number."""
    limit, condition, *rest = operands if len(operands) > 1 else [*operands, None, None][:2]
    initial = all_present(rest)
    body = Body("body", r.graph.source)
    graph, inner = r.inside(node, "body", scope, body)
    number = body.graph.add_input(graph.input[0].name, TensorType(INT64))
    state = [body.graph.add_input(info.name, v.type) for info, v in zip(graph.input[2:], initial)]
    with r.building(body) as b:
        # An iteration that is computed at all is one whose condition was true.
        inner.entries.update(zip((v.name for v in graph.input), (number, b.const(True), *state)))
        results = r.read_body(body, graph, inner)
        if results is None:
            return None
        following, *made = results
        made = [as_declared(b, body.graph, v, info) for v, info in zip(made, graph.output[1:])]
        asked = [k for k in range(len(initial), min(len(made), len(wanted))) if wanted[k]]
        parts = [as_appended(b, made[k], *growing[k]) if k in growing else b.reshape(made[k], (1, *made[k].shape)) for k in asked]
        axes = tuple(growing[k][1] if k in growing else 0 for k in asked)
        goes_on = _truth(b, following)
    steps = _steps(r.b, limit, condition, goes_on)
    if steps is not None:
        body.returns([*made[:len(initial)], *parts])
        found = add_loop(r.b, body, Loop(body.graph, len(initial), steps, axes), initial)
        return _in_place(found, len(initial), wanted)
    if parts:
        number_of = _computed_count(r, node, scope, initial, limit, condition, goes_on)
        body.returns([*made[:len(initial)], *parts])
        loop = Loop(body.graph, len(initial), None, axes, count=r.b.size_name("iterations"))
        return _in_place(add_loop(r.b, body, loop, initial, number_of), len(initial), wanted)
    return _while(r, body, initial, limit, condition, (number, following, *made[:len(initial)]))


def _require_carried(graph: GraphProto, count: int) -> None:
    if len(graph.input) != 2 + count or len(graph.output) <= count:
        raise SourceError(f"the body has {len(graph.input)} inputs and {len(graph.output)} results, which does not fit "
                          f"{counted(count, 'carried value')}")


def _computed_count(r: Reader, node: NodeProto, scope: Scope, initial: Sequence[Value], limit: Value | None, condition: Value | None,
                    goes_on: bool | None) -> Value:
    """The number of iterations of a loop whose length data decides: the limit if the condition of the first one holds and stays as it is;
    else what a loop counts that computes nothing but the conditions."""
    none = r.b.const(0, INT64)
    if goes_on is not None:
        most = r.b.const(1, INT64) if limit is None else r.b.cast(scalar(r.b, limit), INT64)
        most = most if goes_on else r.b.add1(Minimum(), most, r.b.const(1, INT64))
        return most if condition is None else r.b.add1(Where(), scalar(r.b, condition), most, none)
    body = Body("count", r.graph.source)
    graph, inner = r.inside(node, "body", scope, body)
    number = body.graph.add_input(graph.input[0].name, TensorType(INT64))
    state = [body.graph.add_input(info.name, v.type) for info, v in zip(graph.input[2:], initial)]
    before = body.graph.add_input("before", TensorType(INT64))
    with r.building(body) as b:
        inner.entries.update(zip((v.name for v in graph.input), (number, b.const(True), *state)))
        results = r.read_body(body, graph, inner)
        assert results is not None, "it was read before"
        following, *made = results
        made = [as_declared(b, body.graph, v, info) for v, info in zip(made, graph.output[1:])]
        one_more = b.add1(Add(), before, b.const(1, INT64))
    counted = _while(r, body, [*initial, none], limit, condition, (number, following, *made[:len(initial)], one_more))
    count = counted[len(initial)]
    assert isinstance(count, Value), "a loop carries values"
    return count


def _is_counted(graph: GraphProto) -> bool:
    """Whether a body gives the condition that it gets."""
    copies = {node.output[0]: node.input[0] for node in graph.node if node.op_type in ("Identity", "Cast")}
    name = graph.output[0].name
    while name in copies and name != graph.input[1].name:
        name = copies.pop(name)
    return bool(name == graph.input[1].name)


def _written_out(r: Reader, node: NodeProto, scope: Scope, initial: Sequence[Value], count: int) -> Sequence[Entry]:
    """One iteration after the other: within each, its number is a constant that sizes may depend on, and shapes may change."""
    state: Sequence[Entry] = initial
    parts: list[Sequence[Entry]] = []
    for number in range(count):
        graph, inner = r.inside(node, "body", scope)
        inner.entries.update(zip((v.name for v in graph.input), (r.b.const(number, INT64), r.b.const(True), *state)))
        _, *made = r.inline(graph, inner)
        state = made[:len(initial)]
        parts.append(made[len(initial):])
    return [*state, *(_together(r.b, each) for each in zip(*parts))]


def _together(b: LayerBuilder, parts: Sequence[Entry]) -> Entry:
    """What an iteration gives, of all of them along a new first axis."""
    found = [v for v in parts if isinstance(v, Value)]
    if len(found) < len(parts):
        return next(v for v in parts if not isinstance(v, Value))
    return b.add1(Concat(0), *(b.reshape(v, (1, *v.shape)) for v in found))


def _while(r: Reader, body: Body, initial: Sequence[Value], limit: Value | None, condition: Value | None,
           made: Sequence[Value]) -> Sequence[Entry]:
    """A loop that a condition ends. `made` are, within the body, the number of the iteration, the next condition and the carried values."""
    number, following, *state = made
    start = r.b.const(True) if condition is None else scalar(r.b, condition)
    if limit is not None:
        whole = scalar(r.b, limit)
        start = within(r.b, start, r.b.const(0, INT64), whole)
    with r.building(body) as b:
        following = scalar(b, following)
        if limit is not None:
            following = within(b, following, b.add1(Add(), number, b.const(1, INT64)), body.take(whole))
    body.returns([following, *state])
    return add_loop(r.b, body, Loop(body.graph, len(initial)), initial, start)


def _steps(b: LayerBuilder, limit: Value | None, condition: Value | None, goes_on: bool | None) -> Size | None:
    """The number of iterations, None where it depends on data. `goes_on` is the condition that the body gives, None where that is computed.
    Raises SourceError for a loop that never ends."""
    starts = True if condition is None else _truth(b, condition)
    if starts is False:
        return 0
    if starts is None or goes_on is None:
        return None
    if limit is None:
        if goes_on:
            raise SourceError("the loop never ends: it has neither a limit nor a condition")
        return 1
    content = known(limit)
    if content is None or content.size != 1:
        return None
    size: Size = content.reshape(-1)[0]
    steps = size if isinstance(size, Dim) else max(0, int(size))
    return steps if goes_on else size_min(steps, 1)


def _in_place(results: Sequence[Value], carried: int, wanted: Sequence[bool]) -> list[Entry]:
    """The results of a loop where the node has them; nothing for those that it does not compute because nobody reads them."""
    parts = iter(results[carried:])
    return [*results[:carried], *(next(parts) if needed else Unavailable("nothing reads it") for needed in wanted[carried:])]


def _map(r: Reader, node: NodeProto, given: Sequence[Entry], scope: Scope, wanted: Sequence[bool]) -> Sequence[Entry]:
    """The body once for each element of the first sequence; operands that are no sequences are the same each time."""
    if not given or not isinstance(given[0], Tensors):
        raise SourceError("operand 1 must be a sequence")
    made: list[Sequence[Entry]] = []
    for k in range(len(given[0].values)):
        graph, inner = r.inside(node, "body", scope)
        here = [entry.values[k] if isinstance(entry, Tensors) and k < len(entry.values) else entry for entry in given]
        if len(graph.input) != len(given) or any(isinstance(entry, Tensors) for entry in here):
            raise SourceError("the sequences, or the operands of the body, are not as many as there have to be")
        inner.entries.update(zip((v.name for v in graph.input), here))
        made.append(r.inline(graph, inner))
    results = list(zip(*made)) if made else [()] * len(wanted)
    if any(not isinstance(v, Value) for each in results for v in each):
        raise UnsupportedError("the body gives something else than tensors")
    return [Tensors(tuple(v for v in each if isinstance(v, Value))) for each in results]


def _loop_of_sequences(r: Reader, node: NodeProto, given: Sequence[Entry], scope: Scope, wanted: Sequence[bool]) -> Sequence[Entry]:
    """A Loop that carries sequences: one iteration after the other, each of which may change how many tensors there are."""
    limit, condition, *state = [*given, None, None][:max(2, len(given))]
    if not all(entry is None or isinstance(entry, Value) for entry in (limit, condition)):
        raise SourceError("the limit and the condition of a Loop must be tensors")
    goes_on = True if not isinstance(condition, Value) else _truth(r.b, condition)
    most = r.b.integer(limit, "the number of iterations") if isinstance(limit, Value) else None
    carried, number = len(state), 0
    parts: list[Sequence[Entry]] = []
    while goes_on and (most is None or number < most):
        graph, inner = r.inside(node, "body", scope)
        _require_carried(graph, carried)
        if (number + 1) * len(graph.node) > LONG:
            raise UnsupportedError(f"a Loop over sequences of more than {LONG} nodes in all iterations")
        inner.entries.update(zip((v.name for v in graph.input), (r.b.const(number, INT64), r.b.const(True), *state)))
        following, *made = r.inline(graph, inner)
        state = made[:carried]
        parts.append(made[carried:])
        goes_on = _truth(r.b, following) if isinstance(following, Value) else None
        number += 1
    if goes_on is None:
        raise UnsupportedError("the number of iterations of a Loop over sequences depends on data")
    return [*state, *(_together(r.b, each) for each in zip(*parts))]


CARRYING: Mapping[str, Callable[[Reader, NodeProto, Sequence[Entry], Scope, Sequence[bool]], Sequence[Entry]]] = {
    "SequenceMap": _map, "Loop": _loop_of_sequences}
"""How ops with subgraphs are read that take sequences."""

CONTROL: Mapping[str, Read] = {"If": _if, "Loop": _loop, "Scan": scan, "ai.onnx.preview.FlexAttention": flex_attention}
"""How each op with subgraphs is read, by its type with the domain: with its operands, its scope, which results are read, and its operator
set."""
