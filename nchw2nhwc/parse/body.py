"""What both parsers read the bodies of control flow into: graphs of their own that take what they need of the graph around them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from nchw2nhwc.errors import ConversionError, UnsupportedError
from nchw2nhwc.ir.bounds import bounds
from nchw2nhwc.ir.dim import Dim, Shape, Size
from nchw2nhwc.ir.graph import Graph, Value
from nchw2nhwc.ir.types import DType
from nchw2nhwc.ops.base import UnequalSizesError
from nchw2nhwc.ops.binary import Less, LogicalAnd
from nchw2nhwc.ops.control import If, Loop
from nchw2nhwc.ops.movement import FIX_SIZES, Slice
from nchw2nhwc.parse.builder import Builder

INT64: DType = np.dtype(np.int64)

_DECIDE = "If this branch is never taken, give the input that decides it a value with --input-value NAME=VALUE."


class Body:
    """A body while it is read. `captured` are the values of the graph around it that it reads, in the order of the inputs that stand for
    them; constants are no inputs."""

    def __init__(self, name: str, source: str) -> None:
        self.graph = Graph(name, source)
        self.captured: list[Value] = []
        self._inside: dict[int, Value] = {}

    def take(self, value: Value) -> Value:
        """What stands for a value of the graph around the body."""
        found = self._inside.get(id(value))
        if found is None:
            if value.const is not None:
                found = self.graph.constant(value.const, value.name, origin=value.origin)
            else:
                found = self.graph.add_input(value.name, value.type)
                found.sizes = value.sizes
                self.captured.append(value)
            self._inside[id(value)] = found
        return found

    def returns(self, values: Sequence[Value]) -> None:
        """Set what the body gives."""
        for k, value in enumerate(values):
            self.graph.add_output(value, f"result{k}")
        self.graph.prune()


@contextmanager
def branch(b: Builder) -> Iterator[None]:
    """Errors about a branch of the If that `b` is at say what to do if it is never taken; what it needs of sizes is not certain, but
    for those that are found out in the branch itself."""
    known = frozenset(b.dimensions)
    try:
        yield
    except ConversionError as error:
        error.advice = f"{error.advice} {_DECIDE}".strip()
        if isinstance(error, UnequalSizesError):
            error.otherwise, error.inner = _DECIDE, frozenset(b.dimensions) - known
        raise


def scalar(b: Builder, value: Value) -> Value:
    """The only element of a tensor, without axes."""
    return b.reshape(value, ())


def add_if(b: Builder, condition: Value, then_body: Body, else_body: Body) -> tuple[Value, ...]:
    """An If of two bodies that have been read; both come to take what either needs. Sizes in which their results differ, or that depend on
    data within a branch, are named dimensions of their own. Raises UnsupportedError for results of different element types or ranks."""
    shapes: list[Shape] = []
    for k, (first, second) in enumerate(zip(then_body.graph.outputs, else_body.graph.outputs)):
        shapes.append(tuple(_joined(b, *sizes) for sizes in zip(first.shape, second.shape)))
        if first.type.dtype != second.type.dtype or first.rank != second.rank:
            raise UnsupportedError(f"result {k + 1} is {first.type} in one branch and {second.type} in the other", b.where,
                                   f"The type of a result must not depend on data. {FIX_SIZES}")
    captured = list({id(v): v for body in (then_body, else_body) for v in body.captured}.values())
    for body in (then_body, else_body):
        body.graph.inputs = [body.take(v) for v in captured]
    same = [v.shape for v in then_body.graph.outputs] == [v.shape for v in else_body.graph.outputs] == shapes
    return b.add(If(then_body.graph, else_body.graph, None if same else tuple(shapes)), scalar(b, condition), *captured)


def _joined(b: Builder, first: Size, second: Size) -> Size:
    """A size that is one of two."""
    if first == second:
        return first
    highs = [bounds(s)[1] for s in (first, second)]
    most = None if None in highs else max(h for h in highs if h is not None)
    least = min(bounds(s)[0] or 0 for s in (first, second))
    return Dim.symbol(b.size_name("size"), most, least)


def add_loop(b: Builder, body: Body, loop: Loop, initial: Sequence[Value], condition: Value | None = None) -> tuple[Value, ...]:
    """A Loop of a body that has been read, with the condition of the first iteration, or the number of them, where it has one. Raises
    UnsupportedError where a carried value does not keep its type."""
    for k, (before, after) in enumerate(zip(initial, body.graph.outputs[int(loop.conditional):])):
        if before.type != after.type:
            raise UnsupportedError(f"value {k + 1} of those that go from one iteration to the next one is {before.type} at first and "
                                   f"{after.type} after an iteration", b.where, "A loop cannot change the shape of a value.")
    return b.add(loop, *(() if condition is None else (scalar(b, condition),)), *initial, *body.captured)


def turned(b: Builder, value: Value, axis: int) -> Value:
    """A tensor with one axis turned round."""
    ends: tuple[None, ...] = (None,) * value.rank
    return b.add1(Slice(ends, ends, tuple(-1 if k == axis else 1 for k in range(value.rank))), value)


def within(b: Builder, condition: Value, number: Value, limit: Value) -> Value:
    """`condition`, and that an iteration has a number below `limit`."""
    return b.add1(LogicalAnd(), condition, b.add1(Less(), number, limit))
