"""If, Loop and TensorIterator: layers with bodies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from nchw2nhwc.errors import SourceError, UnsupportedError
from nchw2nhwc.ir import Dim, Size, TensorType, Value, is_static
from nchw2nhwc.ops.binary import Add, Mul, Sub
from nchw2nhwc.ops.control import Loop
from nchw2nhwc.ops.elementwise import Cast
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.shape_arithmetic import known
from nchw2nhwc.parse.body import INT64, Body, add_if, add_loop, branch, scalar, turned, within
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.openvino.attributes import integer, integers
from nchw2nhwc.parse.openvino.common import axis_of
from nchw2nhwc.parse.openvino.document import Inner, Layer, Link
from nchw2nhwc.parse.openvino.elements import element_of

if TYPE_CHECKING:
    from nchw2nhwc.parse.openvino.reader import Reader

Read: TypeAlias = "Callable[[Reader, Layer, Sequence[Value]], tuple[Value | None, ...]]"


def _operand(layer: Layer, operands: Sequence[Value], port: int) -> Value:
    """What is connected to an input port, by its id."""
    found = next((v for v, p in zip(operands, layer.operands) if p.id == port), None)
    if found is None:
        raise SourceError(f"its body is connected to input port {port}, which it does not have")
    return found


def _in_order(layer: Layer, found: Mapping[int, Value]) -> tuple[Value | None, ...]:
    """Results by the ids of their ports in the order of the ports."""
    for port in found:
        if all(p.id != port for p in layer.results):
            raise SourceError(f"its body is connected to output port {port}, which it does not have")
    return tuple(found.get(p.id) for p in layer.results)


def _inner(layer: Layer, kind: str) -> Inner:
    if kind not in layer.bodies:
        raise SourceError(f"it has no <{kind}body>")
    return layer.bodies[kind]


# ---- If ----------------------------------------------------------------------------------------------------------------
def _if(r: Reader, layer: Layer, operands: Sequence[Value]) -> tuple[Value | None, ...]:
    """The branch that a constant condition takes; else an If of both. A number in one branch is a vector of one element where the other
    branch gives a vector, as OpenVINO has it."""
    if not operands:
        raise SourceError("it has no condition")
    content = r.builder.content(operands[0])
    if content is not None:
        if content.size != 1:
            raise SourceError(f"a condition {operands[0].type}")
        inner = _inner(layer, "then_" if content.reshape(()) else "else_")
        reader = r.within(inner)
        reader.values.update({(link.inner, 0): _operand(layer, operands, link.port) for link in inner.inputs})
        found = reader.results([link.inner for link in inner.outputs])
        for value in found:
            if value not in operands:  # the outer name takes the place of the inner one
                value.origin = ""
        return _in_order(layer, dict(zip((link.port for link in inner.outputs), found)))
    bodies, readers, ports = [], [], sorted(link.port for link in _inner(layer, "then_").outputs)
    for kind in ("then_", "else_"):
        inner, body = _inner(layer, kind), Body(f"{kind}body", r.graph.source)
        ends = {link.port: link.inner for link in inner.outputs}
        if sorted(ends) != ports:
            raise SourceError("its branches have different results")
        reader = r.within(inner, body.graph)
        reader.values.update({(link.inner, 0): body.take(_operand(layer, operands, link.port)) for link in inner.inputs})
        with branch(r.builder):
            readers.append((reader, reader.results([ends[port] for port in ports])))
        bodies.append(body)
    ranks = [{v.rank for v in values} for values in zip(*(found for _, found in readers))]
    for body, (reader, found) in zip(bodies, readers):
        body.returns([reader.builder.reshape(v, (1,)) if v.rank == 0 and each == {0, 1} else v for v, each in zip(found, ranks)])
    return _in_order(layer, dict(zip(ports, add_if(r.builder, operands[0], *bodies))))


# ---- loops -------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Parts:
    """How a tensor is taken apart, or put together, along an axis: from its last part on where `backwards`."""

    axis: int
    size: int
    backwards: bool


def _parts(link: Link, rank: int) -> _Parts | None:
    """How a link takes parts, None for one that takes a whole tensor. Raises UnsupportedError for parts that overlap or leave something
    out."""
    if "axis" not in link.data:
        return None
    numbers = {key: integer(link.data.get(key, default)) for key, default in (
        ("axis", "0"), ("start", "0"), ("end", "-1"), ("stride", "1"), ("part_size", "1"))}
    size, backwards = numbers["part_size"], numbers["stride"] < 0
    whole = (numbers["start"], numbers["end"]) == ((-1, 0) if backwards else (0, -1))
    if not whole or size < 1 or abs(numbers["stride"]) != size or (backwards and size > 1):
        raise UnsupportedError("a loop takes parts that are not one behind the other, from one end to the other: " +
                               ", ".join(f"{key} {value}" for key, value in numbers.items()))
    return _Parts(axis_of(numbers["axis"], rank), size, backwards)


class _LoopReader:
    """Reads a Loop or TensorIterator: a Loop takes its limit and condition as operands, too."""

    def __init__(self, r: Reader, layer: Layer, operands: Sequence[Value]) -> None:
        self.r, self.layer, self.operands = r, layer, operands
        self.inner = _inner(layer, "")
        self.body = Body("body", r.graph.source)
        self.reader = r.within(self.inner, self.body.graph)
        self.number = self.body.graph.add_input("number", TensorType(INT64))
        self.carried = [link for link in self.inner.inputs if link.inner in self.inner.back_edges and link.port >= 0]
        self.initial = [_operand(layer, operands, link.port) for link in self.carried]
        self.conditional = layer.type == "Loop"

    def read(self) -> tuple[Value | None, ...]:
        """Add the loop; its results."""
        inner, b = self.inner, self.reader.builder
        for link, value in zip(self.carried, self.initial):
            self.reader.values[link.inner, 0] = self.body.graph.add_input(f"carried{link.inner}", value.type)
        steps = self._take()
        ends = {link.inner: link for link in inner.outputs if link.data.get("purpose") == "execution_condition"}
        outputs = [link for link in inner.outputs if link.port >= 0]
        last = [link for link in outputs if "axis" not in link.data]
        state = [inner.back_edges[link.inner] for link in self.carried]
        extra = list(dict.fromkeys(link.inner for link in last if link.inner not in state))
        scanned = [link for link in outputs if "axis" in link.data]
        values = dict(zip(wanted := [*ends, *state, *extra, *(link.inner for link in scanned)], self.reader.results(wanted)))
        parts = [_parts(link, values[link.inner].rank) for link in scanned]
        self._also(extra, values)
        made = [values[id] for id in (*state, *extra)]
        limit, start, following = self._limits(b, steps, [values[id] for id in ends])
        found = self._add(made, [values[link.inner] for link in scanned], [p for p in parts if p is not None], limit, start, following)
        results = {link.port: found[[*state, *extra].index(link.inner)] for link in last}
        for link, value, part in zip(scanned, found[len(made):], parts):
            results[link.port] = turned(self.r.builder, value, part.axis) if part is not None and part.backwards else value
        return _in_order(self.layer, results)

    def _take(self) -> Size | None:
        """Set what the Parameters of the body stand for; the number of parts of a sequence."""
        steps: Size | None = None
        b = self.reader.builder
        for link in self.inner.inputs:
            if link in self.carried:
                continue
            if link.data.get("purpose") == "current_iteration":
                self.reader.values[link.inner, 0] = self._number(link.inner)
                continue
            outer = _operand(self.layer, self.operands, link.port)
            part = _parts(link, outer.rank)
            if part is None:
                self.reader.values[link.inner, 0] = self.body.take(outer)
                continue
            size = outer.shape[part.axis]
            count = size if part.size == 1 else int(str(size)) // part.size if isinstance(size, int) and size % part.size == 0 else None
            if count is None or steps not in (None, count):
                raise UnsupportedError(f"parts of {part.size} along axis {part.axis} of {outer.type} do not fit the loop")
            steps = count
            self.reader.values[link.inner, 0] = b.add1(Gather(part.axis), self.body.take(outer), self._positions(part, count))
        return steps

    def _number(self, id: int) -> Value:
        """The number of the iteration as the body's Parameter wants it."""
        b, data = self.reader.builder, self.inner.document.layers[id].data
        dtype = element_of(data.get("element_type", "i64").strip()).dtype
        value = self.number if dtype == INT64 else b.add1(Cast(dtype), self.number)
        return b.reshape(value, (1,)) if integers(data.get("shape", "")) == (1,) else value

    def _positions(self, part: _Parts, count: Size) -> Value:
        """Where this iteration's part of a sequence is, with one axis."""
        b, number = self.reader.builder, self.reader.builder.reshape(self.number, (1,))
        if part.backwards:
            return b.add1(Sub(), b.sizes((count - 1,), INT64), number)
        if part.size == 1:
            return number
        return b.add1(Add(), b.add1(Mul(), number, b.const(part.size, INT64)), b.const(np.arange(part.size), INT64))

    def _also(self, extra: Sequence[int], values: Mapping[int, Value]) -> None:
        """Values whose last content is a result, though no iteration reads it, are carried along too."""
        for id in extra:
            kind = values[id].type
            if not is_static(kind.shape):
                raise UnsupportedError(f"the last content of {kind} has to have known sizes")
            self.initial.append(self.r.builder.const(np.zeros([int(str(s)) for s in kind.shape], kind.dtype)))
            unread = self.body.graph.add_input(f"carried{id}", kind)
            inputs = self.body.graph.inputs
            inputs.remove(unread)
            inputs.insert(len(self.initial), unread)

    def _limits(self, inner: Builder, steps: Size | None, conditions: Sequence[Value]) -> tuple[Size | None, Value | None, Value | None]:
        """The number of iterations; where that depends on data, the first condition and the next one."""
        if not self.conditional:
            if steps is None:
                raise SourceError("nothing says how many iterations it has")
            return steps, None, None
        if len(self.operands) < 2 or len(conditions) != 1:
            raise SourceError("it has no limit or no condition")
        b, (limit, start) = self.r.builder, self.operands[:2]
        goes_on, starts, content = inner.content(conditions[0]), b.content(start), known(limit)
        count = content.reshape(-1)[0] if content is not None and content.size == 1 else None
        endless = not isinstance(count, Dim) and count is not None and count < 0
        if starts is not None and goes_on is not None and goes_on.all():
            if not starts.all():
                return 0, None, None
            if count is not None and not endless:
                return count if isinstance(count, Dim) else int(count), None, None
            if endless and steps is not None:
                return steps, None, None
            if endless:
                raise SourceError("the loop never ends: it has neither a limit nor a condition")
        first, following = scalar(b, start), scalar(inner, conditions[0])
        if not endless:
            whole = scalar(b, limit if limit.type.dtype == INT64 else b.add1(Cast(INT64), limit))
            first = within(b, first, b.const(0, INT64), whole)
            following = within(inner, following, inner.add1(Add(), self.number, inner.const(1, INT64)), self.body.take(whole))
        return None, first, following

    def _add(self, made: Sequence[Value], scanned: Sequence[Value], parts: Sequence[_Parts], steps: Size | None, start: Value | None,
             following: Value | None) -> tuple[Value, ...]:
        if steps is None and scanned:
            raise UnsupportedError("the loop puts a result together, but its length is known only at run time: the number of iterations "
                                   "depends on data")
        for value, part in zip(scanned, parts):
            if value.shape[part.axis] != part.size:
                raise SourceError(f"{value.type} is put together in parts of {part.size} along axis {part.axis}")
        self.body.returns([*(() if following is None else (following,)), *made, *scanned])
        loop = Loop(self.body.graph, len(made), steps, tuple(part.axis for part in parts))
        return add_loop(self.r.builder, self.body, loop, self.initial, start)


def _loop(r: Reader, layer: Layer, operands: Sequence[Value]) -> tuple[Value | None, ...]:
    """A Loop of a body that takes its part of each sequence, and whose results are put together along an axis."""
    return _LoopReader(r, layer, operands).read()


CONTROL: Mapping[str, Read] = {"If": _if, "Loop": _loop, "TensorIterator": _loop}
"""How each layer with bodies is read, with its operands."""
