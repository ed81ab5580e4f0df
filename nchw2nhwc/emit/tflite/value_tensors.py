"""Tensors of a subgraph for values of the graph: of real numbers, or of the integers that stand for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nchw2nhwc.emit.tflite.carriers import FLOAT32, INT8, INT16
from nchw2nhwc.emit.tflite.float16 import is_stored_as_float16
from nchw2nhwc.emit.tflite.integers import Plan
from nchw2nhwc.emit.tflite.kept import integers_of
from nchw2nhwc.emit.tflite.model import Quantization, options
from nchw2nhwc.emit.tflite.subgraph import SubgraphBuilder
from nchw2nhwc.errors import TargetError
from nchw2nhwc.ir import Array, Dim, DType, Graph, Node, Shape, Value
from nchw2nhwc.ops.quantized import Grid


def integer_type(grid: Grid) -> DType:
    """The element type that holds the integers of a grid."""
    return INT8 if grid.bits == 8 else INT16


def _quantization(grid: Grid) -> Quantization:
    return Quantization((grid.scale,), grid.zero_point)


@dataclass
class Storage:
    """How a file stores weights: in half precision, as the integers that they consist of; and how many of these there are so far."""

    float16: bool = False
    integers: bool = False
    kept: int = 0


class ValueBuilder(SubgraphBuilder):
    """Knows the tensors of a graph's values: `enter` says for which node tensors are being asked for and operators added.

    While the node is one that integer kernels compute by `plan`, `integer` is the grid of its results: tensors of its operands and results,
    and new ones of float32, are then of int8 or int16.
    """

    def __init__(self, graph: Graph, sizes: Mapping[str, int], storage: Storage, plan: Plan | None) -> None:
        opened = frozenset(name for v in graph.inputs for s in v.shape if isinstance(s, Dim) for name in s.symbols)
        super().__init__(graph.source, graph.name or "main", sizes, opened)
        self.graph, self.storage = graph, storage
        self.plan = plan or Plan()
        self.integer: Grid | None = None
        """The grid of the results while integer kernels compute the node."""
        self.prefix = ""
        self._values: dict[int, int] = {}
        self._held: dict[int, int] = {}
        self._widened: dict[int, int] = {}

    def enter(self, node: Node) -> None:
        """Operators and tensors added from here on belong to `node`."""
        self.where = self.graph.where(node)
        self.prefix = node.outputs[0].origin or node.outputs[0].name
        self.integer = self.plan.integer.get(node)

    def leave(self) -> None:
        """No node is entered any more: what follows belongs to the graph."""
        self.integer = None

    def input(self, value: Value) -> int:
        """A tensor for an input of the graph."""
        self._values[id(value)] = tensor = self._add(value.name, value.type.dtype, value.shape)
        self._show(tensor)
        return tensor

    def of(self, value: Value) -> int:
        """The tensor of a value that has been computed, or of a constant."""
        if self.integer is not None and self.plan.grid(value) is not None:
            return self.held(value)
        known = self._values.get(id(value))
        if known is not None:
            return known
        if id(value) in self._held:
            return self._dequantized(value)
        assert value.const is not None, f"{value!r} is used before it is made"
        # XNNPACK does not set up a file that gives out what it would widen while it loads
        store = self._constant if any(value is each for each in self.graph.outputs) else self._weights
        self._values[id(value)] = index = store(value.const, value.origin or value.name)
        return index

    def operands(self, node: Node) -> list[int]:
        """The tensors of all operands of `node`, none of which may be absent."""
        return [self.of(node.input(k)) for k in range(len(node.inputs))]

    def out(self, node: Node, index: int = 0) -> int:
        """The tensor of a result of `node`, to be written by the operator that is added next."""
        return self._of_value(node.outputs[index])

    def alias(self, node: Node, tensor: int) -> None:
        """Say that the only result of `node` is a tensor that exists."""
        self.let(node.output, tensor)

    def let(self, value: Value, tensor: int) -> None:
        """Say that a value is a tensor that exists."""
        (self._values if self.integer is None else self._held)[id(value)] = tensor

    # ---- constants, and tensors that only a node knows ------------------------------------------------------------------
    def temp(self, dtype: DType, shape: Shape) -> int:
        """A tensor for a value that only the operators of this node know."""
        if self.integer is not None and dtype == FLOAT32:
            return self.integers(integer_type(self.integer), shape, self.integer)
        return self._add(self.prefix, dtype, shape)

    def variable(self, dtype: DType, shape: Shape) -> int:
        """A tensor that an operator reads and writes at once. It has to be written before that in every run, as others are."""
        index = self.temp(dtype, shape)
        self.subgraph.tensors[index] = replace(self.tensor(index), variable=True)
        return index

    def const(self, array: Array | int, dtype: DType | None = None) -> int:
        """A small constant (an axis, a shape, a scalar), stored as it is."""
        content = np.asarray(array, dtype)
        if self.integer is not None and content.dtype == FLOAT32:
            return self.integer_constant(self.integer.quantize(content).astype(integer_type(self.integer)), self.integer)
        return self._constant(content, f"{self.prefix}/const")

    def weights(self, array: Array) -> int:
        """A constant made from weights; stored as float16 where the file's other weights are."""
        return self._weights(array, f"{self.prefix}/weights")

    def ints(self, values: Sequence[int]) -> int:
        """A 1-D int32 constant. Raises TargetError for larger numbers."""
        if max(map(abs, values), default=0) > np.iinfo(np.int32).max:
            raise TargetError(f"TFLite's sizes are int32, which does not hold those of {list(values)}", self.where)
        return self.const(np.array(values, np.int32))

    def tensor_names(self) -> dict[str, str]:
        """The names in the file of the graph's inputs and of what its nodes compute, by the names of the values."""
        values = (*self.graph.inputs, *(v for node in self.graph.nodes for v in node.outputs))
        return {v.name: self.tensor(self._values[id(v)]).name for v in values if id(v) in self._values}

    # ---- integers ----------------------------------------------------------------------------------------------------
    def hold(self, value: Value, tensor: int) -> None:
        """Say that a value of real numbers is held by a tensor of integers."""
        self._held[id(value)] = tensor

    def held(self, value: Value) -> int:
        """The tensor of integers that holds a value, which may be a constant with a grid in the plan."""
        if id(value) not in self._held:
            grid = self.plan.constants.get(id(value))
            assert value.const is not None, f"{value!r} is used before it is made"
            assert grid is not None, f"{value!r} has no grid"
            self._held[id(value)] = self.integer_constant(grid.quantize(value.const).astype(integer_type(grid)), grid)
        return self._held[id(value)]

    def tell(self, tensor: int, grid: Grid) -> None:
        """Say what the integers of a tensor stand for."""
        self.subgraph.tensors[tensor] = replace(self.tensor(tensor), quantization=_quantization(grid))

    def integers(self, dtype: DType, shape: Shape, grid: Grid) -> int:
        """A tensor of integers on a grid, that only the operators of this node know."""
        index = self._add(self.prefix, dtype, shape)
        self.tell(index, grid)
        return index

    def quantized(self, tensor: int, grid: Grid, dtype: DType) -> int:
        """The tensor, of real numbers or of integers on another grid, rounded to a grid."""
        result = self.integers(dtype, self.shape_of(tensor), grid)
        self.plain("QUANTIZE", [tensor], [result], options("QuantizeOptions"))
        return result

    def integer_constant(self, array: Array, grid: Grid | Quantization) -> int:
        """A constant of integers on a grid, or on several along an axis."""
        known = grid if isinstance(grid, Quantization) else _quantization(grid)
        return self._constant(array, f"{self.prefix}/const", quantization=known)

    def _dequantized(self, value: Value) -> int:
        """The real numbers of a value that is held as integers."""
        self._values[id(value)] = index = self._add(value.origin or value.name, FLOAT32, value.shape)
        self.plain("DEQUANTIZE", [self._held[id(value)]], [index], options("DequantizeOptions"))
        return index

    # ---- inside ----------------------------------------------------------------------------------------------------
    def _of_value(self, value: Value) -> int:
        if self.integer is not None and value.type.dtype == FLOAT32:
            if id(value) not in self._held:
                self._held[id(value)] = self._add(value.origin or value.name, integer_type(self.integer), value.shape)
                self.tell(self._held[id(value)], self.integer)
            return self._held[id(value)]
        if id(value) not in self._values:
            self._values[id(value)] = self._add(value.origin or value.name, value.type.dtype, value.shape)
        return self._values[id(value)]

    def _weights(self, array: Array, name: str) -> int:
        kept = integers_of(array) if self.storage.integers else None
        if kept is not None:
            small = self._constant(kept.array, f"{name}/integers", quantization=kept.quantization)
            self.storage.kept += small not in self._widened
        elif self.storage.float16 and is_stored_as_float16(array):
            small = self._constant(array, f"{name}/float16", np.dtype(np.float16))
        else:
            return self._constant(array, name)
        if small not in self._widened:
            self._widened[small] = self._add(name, FLOAT32, array.shape)
            self.plain("DEQUANTIZE", [small], [self._widened[small]], options("DequantizeOptions"))
        return self._widened[small]
