"""What lowerings build with: Keras tensors for IR values, layers and ops that are named after the source's layers, constants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import TYPE_CHECKING, TypeAlias

import keras
import numpy as np
from keras import layers, ops

from nchw2nhwc.emit.keras.names import Names, short_scopes
from nchw2nhwc.errors import Location, TargetError
from nchw2nhwc.ir import Array, Dim, Graph, Node, Origin, Shape, Value
from nchw2nhwc.ir.bounds import bounds

if TYPE_CHECKING:
    from keras import KerasTensor

    Operand: TypeAlias = KerasTensor | Array | float | int | bool
    """A tensor, or a constant that is stored in the model's configuration."""

ELEMENT_TYPES = ("float32", "int32", "int64", "int16", "uint16", "int8", "uint8", "uint32", "uint64", "bool")
"""The element types that Keras' tensors and casts are used with."""

INLINE = 1024
"""Floating point constants with more elements are weights of a layer; others are written in the model's configuration."""

TRAINED = 1
"""The same for a model that is to be trained: all but numbers."""


def keras_shape(shape: Shape) -> tuple[int | None, ...]:
    """A shape with None for every size that is not known."""
    return tuple(None if isinstance(s, Dim) else s for s in shape)


class Emitter:
    """Builds the functional model of a graph, node by node: `enter` says for which node layers are being added.

    `narrow` asks for transposes that TensorFlow's own converter takes; `wide` becomes true when there is one that it does not.
    """

    def __init__(self, graph: Graph, *, trainable: bool = False, narrow: bool = False) -> None:
        self.graph = graph
        self.where = Location(graph.source)
        self.names = Names()
        self.origins: dict[str, Origin] = {}
        self.narrow, self.wide = narrow, False
        self.inline = TRAINED if trainable else INLINE
        self._origin = Origin()
        self._layer, self._kind = "", ""
        self._tensors: dict[int, KerasTensor] = {}
        self._weights: dict[int, KerasTensor] = {}
        self._index: KerasTensor | None = None
        self.shared: dict[tuple[str, int], layers.Layer] = {}
        """Layers that several nodes use, by what they do and their size."""
        self.shown: dict[Dim, tuple[KerasTensor, int]] = {}
        """Of sizes that are not known, a tensor that has elements and an axis of it of that size."""
        self.numbers: dict[Dim, KerasTensor] = {}
        self.lines: dict[Dim, KerasTensor] = {}
        self.positions: dict[Dim, KerasTensor] = {}
        """What `sizes` has made of them."""
        self.inputs: list[KerasTensor] = [self._input(v) for v in graph.inputs]

    # ---- names and values ------------------------------------------------------------------------------------------
    def enter(self, node: Node) -> None:
        """What is added from here on belongs to `node`."""
        self.where = self.graph.where(node)
        self._origin = node.origin
        self._kind = node.op.name.lower()
        self._layer = short_scopes(node.origin.layer) or self._kind

    def name(self, part: str = "") -> str:
        """A free name for a layer of the node; `part` says which one where it is not the main one. It has no dot: Keras' torch backend
        takes none in the names of weights."""
        name = self.names.take((f"{self._layer}_{part}" if part else self._layer).replace(".", "_"), self._kind)
        if self._origin.layer:
            self.origins[name] = self._origin
        return name

    def of(self, value: Value) -> KerasTensor:
        """The tensor of a value; of a constant a tensor that depends on an input only in form."""
        if value.const is None:
            return self._tensors[id(value)]
        if not value.const.size:  # in the model's configuration it would have one axis
            nothing = self.op(lambda x: x[(slice(0, 0),)], self._zero(value), part="nothing")
            return self.op(ops.reshape, nothing, value.const.shape, part="constant")
        if value.type.dtype == np.float32:
            return self._weight(value)
        combine = ops.logical_or if value.type.dtype == np.bool_ else ops.add
        return self.op(combine, self._zero(value), value.const, part="constant")

    def operand(self, value: Value) -> Operand:
        """The tensor of a value; of a constant a number, an array or, when it is large, a tensor."""
        if value.const is None:
            return self._tensors[id(value)]
        if value.rank == 0:
            number = value.const.item()
            assert isinstance(number, (bool, int, float))
            return number
        if not value.const.size:
            return self.of(value)
        large = value.const.size > self.inline and value.type.dtype == np.float32
        return self._weight(value) if large else np.ascontiguousarray(value.const)

    def tensor_names(self) -> dict[str, str]:
        """By the names of what the graph's nodes compute, the names of the layers and functions whose results they are, as in
        `check.results.KerasResult`."""
        found = {}
        for value in (v for node in self.graph.nodes for v in node.outputs):
            tensor = self._tensors.get(id(value))
            if tensor is None:
                continue
            operation, _, index = tensor._keras_history
            if operation.output is tensor:
                found[value.name] = str(operation.name)
            elif isinstance(operation.output, (list, tuple)) and operation.output[index] is tensor:
                found[value.name] = f"{operation.name}:{index}"
        return found

    def operands(self, node: Node) -> list[Operand]:
        """All operands of a node, none of which may be absent."""
        return [self.operand(node.input(k)) for k in range(len(node.inputs))]

    def is_read(self, value: Value) -> bool:
        """Whether anything needs a result."""
        return bool(value.uses) or self.graph.is_output(value)

    def set(self, node: Node, *tensors: KerasTensor | None) -> None:
        """The results of a node, None for one that nothing reads. Raises TargetError unless they have the shapes and element types that
        they should have."""
        for value, tensor in zip(node.outputs, tensors, strict=True):
            if tensor is None:
                continue
            shape = tuple(tensor.shape)
            fits = len(shape) == value.rank and all(a is None or b is None or a == b for a, b in zip(shape, keras_shape(value.shape)))
            if not fits or tensor.dtype != value.type.dtype.name:
                raise TargetError(f"Keras gives {tensor.dtype}{list(shape)} where {value.type} is expected", self.where)
            self._tensors[id(value)] = tensor
            self._show(value, tensor)

    # ---- layers and ops --------------------------------------------------------------------------------------------
    def layer(self, layer: layers.Layer, *inputs: Operand, weights: Sequence[Array] = ()) -> KerasTensor:
        """The result of a layer (of several operands: that takes a list), whose weights are set."""
        result = layer(list(inputs) if len(inputs) > 1 else inputs[0])
        if weights:
            layer.set_weights([np.asarray(w, np.float32) for w in weights])
        return result

    def op(self, function: Callable[..., KerasTensor], *operands: object, part: str = "", **attributes: object) -> KerasTensor:
        """The result of a function of `keras.ops`."""
        result = function(*operands, **attributes)
        first = result[0] if isinstance(result, (list, tuple)) else result
        operation = first._keras_history.operation
        operation.name = self.name(part)
        return result

    # ---- inside ----------------------------------------------------------------------------------------------------
    def _input(self, value: Value) -> KerasTensor:
        if value.type.dtype.name not in ELEMENT_TYPES:
            raise TargetError(f"Keras has no element type {value.type.dtype.name}", Location(self.graph.source, value.name, "Input"))
        name = self.names.take(value.name, "input")
        tensor = keras.Input(batch_shape=keras_shape(value.shape), dtype=value.type.dtype.name, name=name)
        self._tensors[id(value)] = tensor
        self._show(value, tensor)
        return tensor

    def _show(self, value: Value, tensor: KerasTensor) -> None:
        for axis, size in enumerate(value.shape):
            others = (bounds(s)[0] for k, s in enumerate(value.shape) if k != axis)
            if isinstance(size, Dim) and size not in self.shown and all(low is not None and low > 0 for low in others):
                self.shown[size] = tensor, axis

    def _weight(self, value: Value) -> KerasTensor:
        """A constant as the only row of an Embedding: the one layer that holds any array and takes nothing of its operand's content."""
        assert value.const is not None
        if id(value) not in self._weights:
            size = prod(value.const.shape)
            table = layers.Embedding(1, size, embeddings_initializer="zeros", name=self.name("weights"))
            row = self.layer(table, self._first(), weights=[value.const.reshape(1, size)])
            self._weights[id(value)] = self.op(ops.reshape, row, value.const.shape, part="weights_shape")
        return self._weights[id(value)]

    def _first(self) -> KerasTensor:
        """The index 0, int32[1], made from an input, if possible of one that has elements: Keras' functional models have no tensors that
        depend on none."""
        if not self.inputs:
            raise TargetError("a Keras model needs an input", self.where)
        if self._index is None:
            source = next((x for x in self.inputs if 0 not in x.shape), None)
            layer, origin = self._layer, self._origin
            self._layer, self._origin = "constants", Origin()
            flat = self.op(ops.reshape, self.inputs[0] if source is None else source, (-1,), part="flat")
            some = self.op(ops.pad, flat, ((0, 1),), part="some") if source is None else flat
            one = self.op(lambda x: x[(slice(None, 1),)], some, part="element")
            self._index = self.op(ops.zeros_like, one, dtype="int32", part="index")
            self._layer, self._origin = layer, origin
        return self._index

    def _zero(self, value: Value) -> KerasTensor:
        """0 of a value's element type, one element, that adds no axes to the value."""
        zero = self.op(ops.cast, self._first(), value.type.dtype.name, part="zero")
        return zero if value.rank else self.op(ops.reshape, zero, (), part="zero_shape")
