"""Numbers that are computed when the model runs and say how large tensors are: what is the same number gives the same size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nchw2nhwc.ir.dim import Dim, Size
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.elementwise import Cast, Identity
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.kinds import kind_of
from nchw2nhwc.ops.movement import Concat, Reshape, Slice, Split, Transpose
from nchw2nhwc.ops.reduce import ReduceSum
from nchw2nhwc.ops.shape_arithmetic import LIMIT, SizeArray, known

_MOVES = (Concat, Gather, Identity, Reshape, Slice, Split, Transpose)
"""Ops that only move the elements of small tensors of numbers; their references take any elements."""


class Numbers:
    """Follows the elements of small integer tensors back to where they come from.

    An element is a number, a size, or a text that is the same for the same element only.
    """

    def __init__(self) -> None:
        self._elements: dict[int, tuple[Value, SizeArray]] = {}
        self._sizes: dict[str, Size] = {}

    def elements(self, value: Value) -> SizeArray:
        """What the elements of a tensor of static shape are."""
        pending = [value]
        while pending:
            each = pending[-1]
            if id(each) in self._elements:
                pending.pop()
                continue
            sources = self._sources(each)
            missing = [v for v in sources if id(v) not in self._elements]
            if missing:
                pending += missing
                continue
            self._follow(each, sources)
        return self._elements[id(value)][1]

    def size(self, value: Value, name: Callable[[], Size]) -> Size:
        """The size that the only element of a tensor is: a number, or a named dimension, which `name` makes the first time."""
        (element,) = self.elements(value).ravel().tolist()
        if not isinstance(element, str):
            return element if isinstance(element, Dim) else int(element)
        return self._named(element, name)

    def holding(self, truths: Value, name: Callable[[], Size]) -> Size:
        """As `size`, for how many elements of a tensor of truth values hold, which their sum is, too."""
        return self._named(_holding(truths), name)

    def _named(self, element: str, name: Callable[[], Size]) -> Size:
        if element not in self._sizes:
            self._sizes[element] = name()
        return self._sizes[element]

    def _sources(self, value: Value) -> list[Value]:
        """The operands whose elements the elements of a value are; none where they are its own."""
        node = value.producer
        if known(value) is not None or node is None:
            return []
        moves = isinstance(node.op, _MOVES) or (isinstance(node.op, Cast) and kind_of(node.op.dtype) == "integer")
        operands = [v for v in node.inputs if v is not None]
        small = all(v.type.is_static and kind_of(v.type.dtype) == "integer" and _count(v) <= LIMIT for v in operands)
        if not moves or not small or (isinstance(node.op, Gather) and known(operands[1]) is None):
            return []
        return operands

    def _follow(self, value: Value, sources: list[Value]) -> None:
        content = known(value)
        if content is not None:
            self._elements[id(value)] = value, content
            return
        if sources and value.producer is not None:
            arrays = [self._elements[id(v)][1] for v in sources]
            op = value.producer.op
            if isinstance(op, Gather):
                arrays[1] = arrays[1].astype(np.int64)
            results = arrays if isinstance(op, Cast) else op.run(*arrays)
            for output, result in zip(value.producer.outputs, results):
                self._elements[id(output)] = output, np.asarray(result, object)
            return
        own, summed = np.empty(_count(value), object), _summed(value)
        own[:] = [f"{id(value)} {k}" for k in range(own.size)] if summed is None else [_holding(summed)]
        self._elements[id(value)] = value, own.reshape([s for s in value.shape if isinstance(s, int)])


def _count(value: Value) -> int:
    return int(np.prod([s for s in value.shape if isinstance(s, int)], dtype=np.int64))


def _summed(value: Value) -> Value | None:
    """The truth values that an integer is the sum of all of."""
    node = value.producer
    if node is None or not isinstance(node.op, ReduceSum) or len(node.op.axes) != node.input(0).rank:
        return None
    truths = _moved(node.input(0))
    return truths if truths.type.dtype == np.bool_ else None


def _moved(value: Value) -> Value:
    """Where all elements of a tensor come from that is only stored in other ways; truth values may have become numbers."""
    while (node := value.producer) is not None:
        same = isinstance(node.op, (Identity, Reshape, Transpose))
        if not same and not (isinstance(node.op, Cast) and node.input(0).type.dtype == np.bool_):
            break
        value = node.input(0)
    return value


def _holding(truths: Value) -> str:
    return f"{id(_moved(truths))} holding"
