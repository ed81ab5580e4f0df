"""The part of a graph between one value and those before it that are known to agree, and its computation from given values."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import numpy as np

from nchw2nhwc.checking.compare import TensorError, compare
from nchw2nhwc.debug.bisect.finding import Finding
from nchw2nhwc.ir import Array, DType, Graph, Node, Value, evaluate
from nchw2nhwc.ir.interpreter import note_sizes
from nchw2nhwc.ir.stored import Stored
from nchw2nhwc.ops.base import symbols_in
from nchw2nhwc.ops.kinds import kind_of

_SINGLE = 4
"""Bytes of a float32."""


def region(graph: Graph, wanted: str, agreeing: Collection[str]) -> list[Node]:
    """The nodes, in order, that compute the value which equals the source's tensor `wanted` from those whose origin is among `agreeing`."""
    needed = {id(v) for node in graph.nodes for v in node.outputs if v.origin == wanted}
    found = []
    for node in reversed(graph.nodes):
        if any(id(v) in needed for v in node.outputs):
            found.append(node)
            needed |= {id(v) for v in node.inputs if v is not None and not v.is_const and v.origin not in agreeing}
    return found[::-1]


def origins(nodes: Sequence[Node]) -> Iterator[str]:
    """The source tensors that the operands and results of these nodes equal."""
    for node in nodes:
        for value in (*node.inputs, *node.outputs):
            if value is not None and not value.is_const and value.origin:
                yield value.origin


def single(dtype: DType) -> DType:
    """The element type to compute in: single precision for the narrower ones, as OpenVINO is told to and as results do."""
    return np.dtype(np.float32) if kind_of(dtype) == "floating point" and dtype.itemsize < _SINGLE else dtype


class SourceValues:
    """The source's tensors as the values of a graph that equal them; `stored` says how they are stored, if layouts are decided."""

    def __init__(self, arrays: Mapping[str, Array], sizes: Mapping[str, int], stored: Mapping[str, Stored]) -> None:
        self._arrays, self._sizes, self._stored = arrays, sizes, stored

    def get(self, value: Value) -> Array | None:
        """What `value` should be; None where the source does not have it."""
        array = self._arrays.get(value.origin) if value.origin else None
        if array is None:
            return None
        if self._stored:
            relation = self._stored.get(value.name)
            if relation is None or relation.source != value.origin:
                return None
            if not symbols_in(value.shape) <= self._sizes.keys():
                return None
            array = relation.to_stored(array, [evaluate(size, self._sizes) for size in value.shape])
        return np.asarray(array, single(value.type.dtype))


def first_off(nodes: Sequence[Node], stage: str, sizes: dict[str, int], expected: Callable[[Value], Array | None],
              tolerance: float) -> Finding | None:
    """Compute each node from what its operands should be and compare its results with what they should be; the first that is off.

    Operands of which nobody says what they should be are what was computed before. A node without all operands, or whose op has sizes that
    are not known, is passed over. Named dimensions that data decides are added to `sizes`.
    """
    computed: dict[int, Array] = {}
    for node in nodes:
        operands = [_operand(value, expected, computed) for value in node.inputs]
        if any(array is None and value is not None for array, value in zip(operands, node.inputs)):
            continue
        for value, array in zip((*node.inputs, *node.outputs), (*operands, *map(expected, node.outputs))):
            if value is not None and array is not None:
                note_sizes(sizes, value, array)
        if not node.op.symbols <= sizes.keys():
            continue
        with np.errstate(all="ignore"):
            results = node.op.bind(sizes).run(*operands)
        for value, result in zip(node.outputs, results):
            computed[id(value)] = np.asarray(result)
            wanted = expected(value)
            error = None if wanted is None else compare(wanted, computed[id(value)])
            if error is not None and not error.max_rel <= tolerance:
                return finding(node, stage, value, error)
    return None


def _operand(value: Value | None, expected: Callable[[Value], Array | None], computed: Mapping[int, Array]) -> Array | None:
    if value is None:
        return None
    if value.const is not None:
        return np.asarray(value.const, single(value.type.dtype))
    array = expected(value)
    return computed.get(id(value)) if array is None else array


def finding(node: Node, stage: str, value: Value, error: TensorError) -> Finding:
    """What is known of a node that is off."""
    return Finding(stage, node.op.name, node.origin.layer, node.origin.type, value.origin or value.name, error)
