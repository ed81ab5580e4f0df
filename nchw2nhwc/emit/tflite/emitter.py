"""What lowerings build with: tensors for IR values, constants, and operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from nchw2nhwc.emit.tflite.carriers import FLOAT32, INT32, INT64, UINT64, carrier, refused_type
from nchw2nhwc.emit.tflite.integers import Plan
from nchw2nhwc.emit.tflite.kernels import KERNELS
from nchw2nhwc.emit.tflite.model import DATA_OPERANDS, Options, options, type_number
from nchw2nhwc.emit.tflite.subgraph import computed_like
from nchw2nhwc.emit.tflite.value_tensors import Storage, ValueBuilder
from nchw2nhwc.errors import Location, TargetError
from nchw2nhwc.ir import Dim, DType, Graph, Shape, Size


class Emitter(ValueBuilder):
    """Builds one subgraph, node by node. The first one of a file is that of the graph; `branch` begins others, which operators of this one
    call."""

    def __init__(self, graph: Graph, sizes: Mapping[str, int], storage: Storage, plan: Plan | None = None,
                 available: Callable[[str, DType], bool] | None = None) -> None:
        super().__init__(graph, sizes, storage, plan)
        self._available = available
        self.summands: dict[tuple[int, int, bool], int] = {}
        """Data as sums of products read it: how often its channels stand one behind the other, and whether it has 16 bits."""
        self.subgraphs = [self.subgraph]
        """All subgraphs of the file."""
        self.size_tensors: dict[Dim, int] = {}
        self.from_front: dict[tuple[int, tuple[Size, ...]], int] = {}
        """Indices, by their tensor and the sizes that they are into, with those below 0 counted from the front."""
        self.shape_tensors: dict[int, int] = {}
        self.found: dict[int, int] = {}
        """By the tensor of a condition, the positions where it holds."""
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

    # ---- variables ---------------------------------------------------------------------------------------------------
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
