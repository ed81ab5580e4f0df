"""Means that nothing has to subtract, as the layers before see to it that there are none.

A normalisation subtracts the mean along an axis. Where everything that reads a sum of layers' results does so, as with the residual
connections of a transformer that normalises before each layer, these layers get weights with which their results have a mean of 0. So do S.
Ashkboos et al., "SliceGPT" (2024), section 3, turn LayerNorm into RMSNorm.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from nchw2nhwc.ir.graph import Graph, Node, Value
from nchw2nhwc.ir.types import Array
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.binary import Add, Mul, Sub
from nchw2nhwc.ops.kinds import wide
from nchw2nhwc.ops.matmul import FullyConnected
from nchw2nhwc.ops.reduce import ReduceMean
from nchw2nhwc.ops.windowed import Conv
from nchw2nhwc.passes import Pass
from nchw2nhwc.passes.along_axis import ALONG, axis_after, axis_before, data_of
from nchw2nhwc.passes.variance import mean_subtracted

Place: TypeAlias = tuple[Value, int]
"""A value and one of its axes."""

_Key: TypeAlias = tuple[int, int]
_EXPLICIT_COST = 2
"""Nodes that it takes to subtract a mean."""


def _subtracts_mean(node: Node) -> int | None:
    """The only axis along which a node subtracts from a value its own mean; None for any other node."""
    axes = mean_subtracted(node)
    return axes[0] if len(axes) == 1 else None


def _key(place: Place) -> _Key:
    return id(place[0]), place[1]


def _aligned(node: Node, operand: Value, axis: int) -> int | None:
    """The axis of an elementwise node's result that an operand's is, if the operand is as long along it."""
    after = axis + node.output.rank - operand.rank
    return after if operand.shape[axis] == node.output.shape[after] else None


def _plain_add(node: Node) -> bool:
    return isinstance(node.op, Add) and node.op.activation is Activation.NONE


def _results(node: Node, operand: Value, axis: int) -> list[Place] | None:
    """The places that an operand's axis goes to in a sum or a movement, None where something else happens along it."""
    if _plain_add(node):
        after = _aligned(node, operand, axis)
        return None if after is None or _operands((node.output, after)) is None else [(node.output, after)]
    if not isinstance(node.op, ALONG) or all(v is not operand for v in data_of(node)):
        return None
    found = axis_after(node, axis)
    return None if found is None else [(v, found) for v in node.outputs]


def _operands(place: Place) -> list[Place] | None:
    """The places that a value's axis comes from, if a sum or a movement makes it."""
    value, axis = place
    node = value.producer
    if node is None:
        return None
    if _plain_add(node):
        found = [(v, axis - node.output.rank + v.rank) for v in (node.input(0), node.input(1))]
        return found if all(k >= 0 and v.shape[k] == value.shape[axis] for v, k in found) else None
    if not isinstance(node.op, ALONG):
        return None
    before = axis_before(node, axis)
    return None if before is None else [(v, before) for v in data_of(node)]


def _is_normalised(place: Place) -> bool:
    """Whether a value is one without a mean, scaled."""
    value, axis = place
    node = value.producer
    if node is None or not isinstance(node.op, Mul) or node.op.activation is not Activation.NONE:
        return False
    for centred, factor in ((node.input(0), node.input(1)), (node.input(1), node.input(0))):
        along = axis - value.rank + factor.rank
        single = along < 0 or factor.shape[along] == 1
        if single and centred.producer is not None and centred.rank == value.rank and _subtracts_mean(centred.producer) == axis:
            return True
    return False


def _is_layer(place: Place) -> bool:
    """Whether a layer with constant parameters makes a value, with its results along the axis."""
    value, axis = place
    node = value.producer
    if node is None or not isinstance(node.op, (Conv, FullyConnected)) or any(v is not None and not v.is_const for v in node.inputs[1:]):
        return False
    if node.op.activation is not Activation.NONE:
        return False
    if isinstance(node.op, FullyConnected):
        return node.op.keep_num_dims and axis == value.rank - 1
    return node.op.groups == 1 and not node.op.channels_last and axis == 1


def _without_mean(content: Array, axis: int) -> Array:
    """`content` less its mean along an axis."""
    exact = wide(content)
    return np.asarray(exact - exact.mean(axis, keepdims=True), content.dtype)


@dataclass
class _Stream:
    """Sums and movements of values that are only ever read less their mean along an axis."""

    places: dict[_Key, Place] = field(default_factory=dict)
    norms: list[Node] = field(default_factory=list)
    layers: dict[Node, None] = field(default_factory=dict)
    outside: dict[_Key, Place] = field(default_factory=dict)
    """What comes into it with a mean."""

    @property
    def pays(self) -> bool:
        return len(self.norms) > _EXPLICIT_COST * len(self.outside)


class _Search:
    """Finds streams."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.near: dict[_Key, Place] = {}

    def streams(self) -> Iterator[_Stream]:
        """All of them, whether they pay or not."""
        starts = [(node.input(0), axis) for node in self.graph.nodes if (axis := _subtracts_mean(node)) is not None]
        self.near = self._connected(starts)
        pending = list(self.near.values())
        while pending:
            place = pending.pop()
            if _key(place) in self.near and not self._is_free(place):
                del self.near[_key(place)]
                pending += _operands(place) or ()
        seen = set[_Key]()
        for start in starts:
            if _key(start) in self.near and _key(start) not in seen:
                stream = self._stream(start)
                seen.update(stream.places)
                yield stream

    def _connected(self, starts: list[Place]) -> dict[_Key, Place]:
        """The places that sums and movements connect."""
        found: dict[_Key, Place] = {}
        pending = list(starts)
        while pending:
            place = pending.pop()
            if _key(place) in found or place[0].is_const:
                continue
            found[_key(place)] = place
            pending += self._neighbours(place)
        return found

    @staticmethod
    def _neighbours(place: Place) -> list[Place]:
        after = [p for node in place[0].users for p in _results(node, *place) or ()]
        return [*after, *(_operands(place) or ())]

    def _is_free(self, place: Place) -> bool:
        """Whether nothing that reads a value depends on its mean, as far as is known by now."""
        value, axis = place
        if self.graph.is_output(value):
            return False
        for node in value.users:
            results = _results(node, value, axis)
            if results is not None and all(_key(p) in self.near for p in results):
                continue
            if _subtracts_mean(node) != axis or node.input(0) is not value:
                subs = node.outputs[0].users if isinstance(node.op, ReduceMean) else ()
                if not subs or any(_subtracts_mean(sub) != axis or sub.input(1).producer is not node for sub in subs):
                    return False
        return True

    def _stream(self, start: Place) -> _Stream:
        stream, pending = _Stream(), [start]
        while pending:
            place = pending.pop()
            if _key(place) in stream.places:
                continue
            stream.places[_key(place)] = place
            value, axis = place
            stream.norms += [node for node in value.users if _subtracts_mean(node) == axis and node.input(0) is value]
            pending += [p for p in self._neighbours(place) if _key(p) in self.near]
            self._enter(stream, place)
        return stream

    def _enter(self, stream: _Stream, place: Place) -> None:
        """Take down what comes into a stream at a place."""
        operands = _operands(place)
        if operands is not None:
            for each in operands:
                if not each[0].is_const and _key(each) not in self.near and not _is_normalised(each):
                    stream.outside[_key(each)] = each
        elif _is_layer(place) and place[0].producer is not None:
            stream.layers[place[0].producer] = None
        elif not _is_normalised(place):
            stream.outside[_key(place)] = place


def _layer_without_mean(graph: Graph, node: Node) -> None:
    """Take the mean out of the results of a layer."""
    parameters = [v if v is None or v.const is None else graph.constant(_without_mean(v.const, 0), v.name) for v in node.inputs[1:]]
    node.set_inputs((node.input(0), *parameters))


def _apply(graph: Graph, stream: _Stream) -> None:
    for node in stream.layers:
        _layer_without_mean(graph, node)
    for key, place in stream.outside.items():
        _subtract(graph, stream, key, place)
    for value, axis in stream.places.values():
        value.origin = ""
        maker, operands = value.producer, _operands((value, axis)) or ()
        for operand, k in operands:
            if operand.const is not None and maker is not None:
                new = graph.constant(_without_mean(operand.const, k), operand.name)
                maker.set_inputs([new if v is operand else v for v in maker.inputs])
    for norm in stream.norms:
        graph.replace_uses(norm.output, norm.input(0))


def _subtract(graph: Graph, stream: _Stream, key: _Key, place: Place) -> None:
    """Subtract the mean from what comes into a stream."""
    value, axis = place
    inside = key in stream.places
    readers = [(node, k) for node, k in value.uses
               if inside or any(_key(p) in stream.places for p in _results(node, value, axis) or ())]
    order = {id(node): k for k, node in enumerate(graph.nodes)}
    first = min((node for node, _ in readers), key=lambda node: order[id(node)])
    mean = graph.add1(ReduceMean((axis,), True), (value,), origin=first.origin.through("centre"), before=first)
    centred = graph.add1(Sub(), (value, mean), origin=first.origin.through("centre"), before=first)
    for node, k in readers:
        node.set_input(k, centred)


def _centre(graph: Graph) -> int:
    count = 0
    for stream in [] if graph.keeps_integers else list(_Search(graph).streams()):
        if stream.pays:
            _apply(graph, stream)
            count += len(stream.norms)
    if count:
        graph.prune()
    return count


CENTRE = Pass("centre", _centre)
"""Normalised sums of layers' results have a mean of 0 from the start."""
