"""Random small graphs, drawn so that shapes say nothing about layouts: equal dimensions, ones, reshapes that split and merge axes."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np
from hypothesis import strategies as st

from nchw2nhwc.ir.graph import Graph, Value
from nchw2nhwc.ir.types import TensorType
from nchw2nhwc.ops.activation_functions import Relu, Sigmoid
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add, Mul
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.matmul import FullyConnected, MatMul
from nchw2nhwc.ops.movement import Concat, Expand, Pad, Reshape, Slice, Split, Transpose
from nchw2nhwc.ops.norm import MVN
from nchw2nhwc.ops.pooling import MaxPool
from nchw2nhwc.ops.reduce import ArgMax, ReduceMean, Softmax
from nchw2nhwc.ops.windowed import Conv, ConvTranspose, DepthToSpace

F32 = np.dtype(np.float32)


class GraphMaker:
    """Grows a graph one random op at a time; every method returns None where the op does not fit the value."""

    def __init__(self, draw: Callable[..., object]) -> None:
        self.draw = draw
        self.graph = Graph("random")
        self.values: list[Value] = []
        self.rng = np.random.default_rng(self.integer(0, 2**16))

    def integer(self, low: int, high: int) -> int:
        return int(self.draw(st.integers(low, high)))  # type: ignore[call-overload]

    def weights(self, *shape: int) -> Value:
        return self.graph.constant(self.rng.uniform(-1, 1, shape).astype(np.float32))

    def add(self, op: Op, *inputs: Value) -> tuple[Value, ...]:
        return self.graph.add(op, inputs)

    # ---- one method per kind of op -------------------------------------------------------------------------------------
    def unary(self, x: Value) -> tuple[Value, ...]:
        return self.add([Relu(), Sigmoid()][self.integer(0, 1)], x)

    def binary(self, x: Value) -> tuple[Value, ...]:
        same = [v for v in self.values if v.shape == x.shape]
        return self.add([Add(), Mul()][self.integer(0, 1)], x, same[self.integer(0, len(same) - 1)])

    def constant(self, x: Value) -> tuple[Value, ...]:
        shape = [s if self.integer(0, 1) else 1 for s in x.shape][self.integer(0, x.rank - 1) :]
        return self.add(Mul(), x, self.weights(*shape))

    def conv(self, x: Value) -> tuple[Value, ...] | None:
        if x.rank not in (3, 4, 5):
            return None
        n, o, k = x.rank - 2, self.integer(1, 4), self.integer(1, 2)
        if min(x.shape[2:]) < k:
            return None
        return self.add(Conv((1,) * n, (1,) * n, (0,) * n, (k - 1,) * n), x, self.weights(o, x.shape[1], *(k,) * n), self.weights(o))

    def conv_transpose(self, x: Value) -> tuple[Value, ...] | None:
        if x.rank != 4 or prod(x.shape) > 300:
            return None
        return self.add(ConvTranspose((2, 1), (1, 1), (0, 0), (0, 0), (0, 0)), x, self.weights(x.shape[1], 2, 2, 1))

    def max_pool(self, x: Value) -> tuple[Value, ...] | None:
        if x.rank != 4:
            return None
        return self.add(MaxPool(kernel=(2, 1), strides=(1, 1), dilations=(1, 1), pads_begin=(1, 0), pads_end=(0, 0)), x)

    def depth_to_space(self, x: Value) -> tuple[Value, ...] | None:
        return self.add(DepthToSpace(2, "CRD"), x) if x.rank == 4 and x.shape[1] % 4 == 0 else None

    def transpose(self, x: Value) -> tuple[Value, ...]:
        return self.add(Transpose(tuple(self.draw(st.permutations(range(x.rank))))), x)  # type: ignore[arg-type]

    def reshape(self, x: Value) -> tuple[Value, ...]:
        pieces = [p for s in x.shape for p in self._pieces(int(s))]
        shape: list[int] = []
        for p in pieces:
            if shape and self.integer(0, 1):
                shape[-1] *= p
            else:
                shape.append(p)
        if len(shape) > 5:
            shape = [*shape[:4], prod(shape[4:])]
        return self.add(Reshape(tuple(shape)), x)

    def _pieces(self, size: int) -> list[int]:
        divisors = [d for d in range(1, size + 1) if size % d == 0]
        d = divisors[self.integer(0, len(divisors) - 1)]
        return [d, size // d]

    def concat(self, x: Value) -> tuple[Value, ...]:
        axis = self.integer(0, x.rank - 1)
        fits = [v for v in self.values if v.rank == x.rank and all(k == axis or s == t for k, (s, t) in enumerate(zip(v.shape, x.shape)))]
        return self.add(Concat(axis), x, fits[self.integer(0, len(fits) - 1)])

    def split(self, x: Value) -> tuple[Value, ...] | None:
        axis = self.integer(0, x.rank - 1)
        size = x.shape[axis]
        return self.add(Split(axis, (1, int(size) - 1)), x) if int(size) > 1 else None

    def pad_or_slice(self, x: Value) -> tuple[Value, ...]:
        axis = self.integer(0, x.rank - 1)
        if self.integer(0, 1):
            pads = tuple(int(k == axis) for k in range(x.rank))
            return self.add(Pad(pads, (0,) * x.rank), x)
        keep = (None,) * x.rank
        return self.add(Slice(keep, keep, tuple(-1 if k == axis else 1 for k in range(x.rank))), x)

    def reduce(self, x: Value) -> tuple[Value, ...]:
        axes = tuple(k for k in range(x.rank) if self.integer(0, 2) == 0)
        return self.add(ReduceMean(axes, bool(self.integer(0, 1)) or len(axes) == x.rank), x)

    def normalize(self, x: Value) -> tuple[Value, ...]:
        return self.add(MVN(tuple(sorted({self.integer(0, x.rank - 1), x.rank - 1})), 1e-3), x)

    def softmax(self, x: Value) -> tuple[Value, ...]:
        return self.add(Softmax(self.integer(0, x.rank - 1)), x)

    def arg_max(self, x: Value) -> tuple[Value, ...]:
        op = ArgMax(self.integer(0, x.rank - 1), bool(self.integer(0, 1)))
        self.graph.add_output(self.graph.add1(op, (x,)), f"index{len(self.graph)}")
        return ()

    def gather(self, x: Value) -> tuple[Value, ...] | None:
        axis = self.integer(0, x.rank - 1)
        if x.rank == 1:
            return None
        indices = np.array([0, -1]) if self.integer(0, 1) else np.array(0)
        return self.add(Gather(axis), x, self.graph.constant(indices.astype(np.int64)))

    def dense(self, x: Value) -> tuple[Value, ...]:
        m = self.integer(1, 4)
        return self.add(FullyConnected(), x, self.weights(m, int(x.shape[-1])), self.weights(m))

    def matmul(self, x: Value) -> tuple[Value, ...] | None:
        if x.rank < 2:
            return None
        a, b = bool(self.integer(0, 1)), bool(self.integer(0, 1))
        fits = [v for v in self.values if v.rank == x.rank and v.shape[:-2] == x.shape[:-2]
                and x.shape[-2 if a else -1] == v.shape[-1 if b else -2]]
        return self.add(MatMul(a, b), x, fits[self.integer(0, len(fits) - 1)]) if fits else None

    def expand(self, x: Value) -> tuple[Value, ...]:
        return self.add(Expand(tuple(2 if s == 1 else s for s in x.shape)), x)


MAKERS = (GraphMaker.unary, GraphMaker.binary, GraphMaker.constant, GraphMaker.conv, GraphMaker.conv_transpose, GraphMaker.max_pool,
          GraphMaker.depth_to_space, GraphMaker.transpose, GraphMaker.reshape, GraphMaker.concat, GraphMaker.split,
          GraphMaker.pad_or_slice, GraphMaker.reduce, GraphMaker.normalize, GraphMaker.softmax, GraphMaker.arg_max, GraphMaker.gather,
          GraphMaker.dense, GraphMaker.matmul, GraphMaker.expand)
LARGEST = 4096


@st.composite
def graphs(draw: Callable[..., object], steps: int = 10) -> Graph:
    """A random graph of about `steps` ops on one or two inputs of rank 2 to 5, whose sizes are drawn from 1, 2, 3, 4 and 6."""
    maker = GraphMaker(draw)
    for k in range(maker.integer(1, 2)):
        shape = [(1, 2, 3, 4, 4, 6)[maker.integer(0, 5)] for _ in range(maker.integer(2, 5))]
        maker.values.append(maker.graph.add_input(f"x{k}", TensorType(F32, tuple(shape))))
    for _ in range(maker.integer(1, steps)):
        x = maker.values[-1 - maker.integer(0, min(2, len(maker.values) - 1))]
        made = MAKERS[maker.integer(0, len(MAKERS) - 1)](maker, x) or ()
        maker.values += [v for v in made if v.rank and prod(map(int, v.shape)) <= LARGEST and v.type.dtype == F32]
    maker.graph.add_output(maker.values[-1], "y")
    if maker.integer(0, 1):
        maker.graph.add_output(maker.values[len(maker.values) // 2], "z")
    maker.graph.prune()
    return maker.graph
