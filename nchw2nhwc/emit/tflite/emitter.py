"""What lowerings build with: tensors for IR values, constants, and operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nchw2nhwc.emit.tflite.carriers import FLOAT32, INT8, INT16, INT32, INT64, UINT64, carrier, refused_type
from nchw2nhwc.emit.tflite.float16 import is_stored_as_float16
from nchw2nhwc.emit.tflite.integers import Plan
from nchw2nhwc.emit.tflite.kept import integers_of
from nchw2nhwc.emit.tflite.kernels import KERNELS
from nchw2nhwc.emit.tflite.model import DATA_OPERANDS, Options, Quantization, options, type_number
from nchw2nhwc.emit.tflite.subgraph import SubgraphBuilder, computed_like
from nchw2nhwc.errors import Location, TargetError
from nchw2nhwc.ir import Array, Dim, DType, Graph, Node, Shape, Size, Value
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


class Emitter(SubgraphBuilder):
    """Builds one subgraph, node by node: `enter` says for which node operators are being added. The first one of a file is that of the
    graph; `branch` begins others, which operators of this one call.

    While the node is one that integer kernels compute by `plan`, `integer` is true: tensors of its operands and results, and new ones of
    float32, are then int8 ones.
    """

    def __init__(self, graph: Graph, sizes: Mapping[str, int], storage: Storage, plan: Plan | None = None,
                 available: Callable[[str, DType], bool] | None = None) -> None:
        opened = frozenset(name for v in graph.inputs for s in v.shape if isinstance(s, Dim) for name in s.symbols)
        super().__init__(graph.source, graph.name or "main", sizes, opened)
        self.graph, self.storage = graph, storage
        self.plan = plan or Plan()
        self._available = available
        self.integer: Grid | None = None
        """The grid of the results while integer kernels compute the node."""
        self._held: dict[int, int] = {}
        self.summands: dict[tuple[int, int, bool], int] = {}
        """Data as sums of products read it: how often its channels stand one behind the other, and whether it has 16 bits."""
        self.subgraphs = [self.subgraph]
        """All subgraphs of the file."""
        self.prefix = ""
        self.size_tensors: dict[Dim, int] = {}
        self.from_front: dict[tuple[int, tuple[Size, ...]], int] = {}
        """Indices, by their tensor and the sizes that they are into, with those below 0 counted from the front."""
        self.shape_tensors: dict[int, int] = {}
        self.found: dict[int, int] = {}
        """By the tensor of a condition, the positions where it holds."""
        self._values: dict[int, int] = {}
        self._widened: dict[int, int] = {}
        self._cleared: dict[int, tuple[Location, list[int]]] = {}
        self.kept: list[Graph] = []
        """Graphs made for the occasion: their values are known by identity, which must not be given to others."""

    def branch(self, part: str, body: Graph | None = None) -> Emitter:
        """An emitter for another subgraph of the same file, called after the current node and `part`, for a body of that node."""
        other = Emitter(self.graph if body is None else body, self.sizes, self.storage, available=self._available)
        other.pool, other.subgraphs, other.where, other.prefix = self.pool, self.subgraphs, self.where, self.prefix
        other.opened = self.opened
        other.subgraph.name = f"{self.prefix}/{part}"
        self.subgraphs.append(other.subgraph)
        return other

    def has(self, code: str, dtype: DType = FLOAT32) -> bool:
        """Whether the device that the file is for has an operator, for an element type."""
        return self._available is None or self._available(code, dtype)

    @property
    def for_cpu(self) -> bool:
        """Whether the file is for LiteRT's own kernels, not for a device."""
        return self._available is None

    def number(self, other: Emitter) -> int:
        """The number of the subgraph that another emitter of this file builds."""
        return next(k for k, subgraph in enumerate(self.subgraphs) if subgraph is other.subgraph)

    def parameter(self, caller: Emitter, tensor: int) -> int:
        """Another input of this subgraph, for a tensor of the subgraph that calls it."""
        like = caller.tensor(tensor)
        index = self._push(computed_like(like, self._unique(like.name)), caller.shape_of(tensor))
        self.subgraph.inputs.append(index)
        self._show(index)
        return index

    # ---- tensors ---------------------------------------------------------------------------------------------------
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

    # ---- integers ----------------------------------------------------------------------------------------------------
    def hold(self, value: Value, tensor: int) -> None:
        """Say that a value of real numbers is held by a tensor of int8."""
        self._held[id(value)] = tensor

    def held(self, value: Value) -> int:
        """The int8 tensor that holds a value, which may be a constant with a grid in the plan."""
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

    def cleared(self, batch: int, units: int) -> int:
        """A variable (batch, units) of float32 that is zeros when a run begins. `clear` adds what sees to that."""
        variable = self.variable(FLOAT32, (batch, units))
        self._cleared.setdefault(batch, (self.where, []))[1].append(variable)
        return variable

    def clear(self) -> None:
        """Write zeros to the variables that are to begin with them, in front of all other operators: parts of one constant."""
        for batch, (where, variables) in self._cleared.items():
            self.where, sizes = where, [self.tensor(v).shape[1] for v in variables]
            operands = [self.const(np.zeros((batch, sum(sizes)), np.float32)), self.ints(sizes), self.const(1, INT32)]
            self.plain("SPLIT_V", operands, variables, options("SplitVOptions", numSplits=len(sizes)))
            self.subgraph.operators.insert(0, self.subgraph.operators.pop())
        self._cleared.clear()

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

    # ---- operators -------------------------------------------------------------------------------------------------
    def op(self, code: str, inputs: Sequence[int], outputs: Sequence[int], opts: Options | None = None) -> None:
        """Add an operator (-1: an operand that is left out).

        Where the kernel does not take the type of its data operand, casts to a type that it takes are added around it.
        """
        rank = max(len(self.tensor(i).shape) for i in (*inputs, *outputs) if i >= 0)
        if code in KERNELS and rank > KERNELS[code].rank:
            raise TargetError(f"{code} takes at most {KERNELS[code].rank} axes, not {rank}", self.where)
        data = self.tensor(inputs[DATA_OPERANDS.get(code, 0)]).dtype
        if self.integer is not None:
            self.plain(code, inputs, outputs, opts)
            return
        used = carrier(code, data) if code in KERNELS and code != "CAST" else data
        if used is None:
            raise TargetError(refused_type(code, data), self.where)
        if used == data:
            self.plain(code, inputs, outputs, opts)
            return
        wide_in = [self.cast(i, used) if i >= 0 and self.tensor(i).dtype == data else i for i in inputs]
        narrow = [i for i in outputs if self.tensor(i).dtype == data]
        wide_out = {i: self._twin(i, used) for i in narrow}
        self.plain(code, wide_in, [wide_out.get(i, i) for i in outputs], opts)
        for i in narrow:
            self.cast_to(wide_out[i], i)

    def run(self, code: str, inputs: Sequence[int], dtype: DType, shape: Shape, opts: Options | None = None) -> int:
        """Add an operator with one new result and return that."""
        result = self.temp(dtype, shape)
        self.op(code, inputs, [result], opts)
        return result

    def cast(self, tensor: int, dtype: DType) -> int:
        """The tensor in another element type; itself if it has it."""
        source = self.tensor(tensor)
        if source.dtype == dtype:
            return tensor
        if source.buffer:
            return self.const(self.pool.blobs[source.buffer - 1].array.reshape(source.shape).astype(dtype))
        result = self._twin(tensor, dtype)
        self.cast_to(tensor, result)
        return result

    def cast_to(self, source: int, target: int) -> None:
        """Write the content of tensor `source` to `target` in that one's element type; uint64 has the bits of int64."""
        if self.tensor(source).dtype == UINT64 != self.tensor(target).dtype:
            whole = target if self.tensor(target).dtype == INT64 else self._twin(source, INT64)
            self.plain("BITCAST", [source], [whole], options("BitcastOptions"))
            if whole != target:
                self.cast_to(whole, target)
            return
        if self.tensor(target).dtype == UINT64:
            self.plain("BITCAST", [self.cast(source, INT64)], [target], options("BitcastOptions"))
            return
        types = [self.tensor(i).dtype for i in (source, target)]
        for dtype in types:
            if dtype.name not in KERNELS["CAST"].types.split():
                raise TargetError(refused_type("CAST", dtype), self.where)
        a, b = map(type_number, types)
        self.plain("CAST", [source], [target], options("CastOptions", inDataType=a, outDataType=b))

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
