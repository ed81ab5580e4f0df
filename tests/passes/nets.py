"""Small graphs for tests of passes, and the comparison of what they compute before and after.

Graphs are of float64 unless a test says otherwise, so that a rewrite that is right in exact arithmetic agrees to many digits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np

from nchw2nhwc.ir.dim import Dim, Size
from nchw2nhwc.ir.graph import Graph, Node, Origin, Value
from nchw2nhwc.ir.interpreter import run, steps
from nchw2nhwc.ir.types import Array, TensorType
from nchw2nhwc.ir.verify import verify
from nchw2nhwc.ops.base import Op

DTYPE = np.dtype(np.float64)
SYMBOLIC = 2
"""What every named dimension stands for when a graph is run."""


class Net:
    """Builds a graph: `net(op, x, y)` adds a node, numbers and arrays become constants."""

    def __init__(self, dtype: object = DTYPE) -> None:
        self.graph = Graph("test", "test.onnx")
        self.dtype = np.dtype(dtype)  # type: ignore[call-overload]
        self.random = np.random.default_rng(0)
        self._count = 0

    def input(self, *shape: Size | str, dtype: object = None) -> Value:
        """A graph input; sizes given as text are named dimensions."""
        sizes = tuple(Dim.symbol(s) if isinstance(s, str) else s for s in shape)
        return self.graph.add_input(f"x{len(self.graph.inputs)}", TensorType(np.dtype(dtype or self.dtype), sizes))

    def const(self, content: object, dtype: object = None) -> Value:
        return self.graph.constant(np.asarray(content, dtype or self.dtype), "c", origin="")

    def random_const(self, *shape: int) -> Value:
        return self.const(self.random.normal(size=shape))

    def all(self, op: Op, *operands: Value | float | Array | None) -> tuple[Value, ...]:
        """A node; its results are named after their source tensor t1, t2, ..."""
        self._count += 1
        values = [v if v is None or isinstance(v, Value) else self.const(v) for v in operands]
        names = [f"t{self._count}"]
        return self.graph.add(op, values, origin=Origin(f"layer{self._count}", op.name), names=names, origins=names)

    def __call__(self, op: Op, *operands: Value | float | Array | None) -> Value:
        (value,) = self.all(op, *operands)
        return value

    def output(self, *values: Value) -> Net:
        for value in values:
            self.graph.add_output(value, f"y{len(self.graph.outputs)}")
        return self


def feeds(graph: Graph, seed: int = 1) -> dict[str, Array]:
    """Random inputs for a graph."""
    random = np.random.default_rng(seed)
    found: dict[str, Array] = {}
    for value in graph.inputs:
        shape = tuple(s if isinstance(s, int) else SYMBOLIC for s in value.shape)
        if value.type.dtype.kind == "b":
            found[value.name] = random.random(shape) < 0.5
        elif value.type.dtype.kind in "iu":
            found[value.name] = random.integers(0, 9, shape).astype(value.type.dtype)
        else:
            found[value.name] = np.asarray(random.normal(0, 2, shape), value.type.dtype)
    return found


def ops_of(graph: Graph) -> list[str]:
    """The names of all ops, in order."""
    return [node.op.name for node in graph.nodes]


def count_ops(graph: Graph) -> Counter[str]:
    return Counter(ops_of(graph))


def node_of(graph: Graph, name: str) -> Node:
    """The only node with an op of this name."""
    (node,) = (n for n in graph.nodes if n.op.name == name)
    return node


def assert_close(after: Array, before: Array, tolerance: float, what: str = "") -> None:
    """Equal within `tolerance` of the largest magnitude; NaN and infinities in the same places."""
    after, before = np.asarray(after), np.asarray(before)
    assert after.shape == before.shape, what
    assert after.dtype == before.dtype, what
    if before.dtype.kind in "biu":
        np.testing.assert_array_equal(after, before, what)
        return
    finite = np.isfinite(before)
    largest = float(np.abs(before[finite]).max(initial=0.0))
    np.testing.assert_allclose(np.asarray(after, np.float64), np.asarray(before, np.float64), rtol=0, atol=tolerance * max(largest, 1e-30),
                               err_msg=what)


def check_pass(net: Net | Graph, apply: Callable[[Graph], int], tolerance: float = 1e-12, *, reshaped: bool = False) -> list[str]:
    """Run the graph, the pass, and the graph again: same results, a sound graph, tensors that still equal those of their source name (in
    whatever shape, if `reshaped`), and nothing left to do. Returns the ops that are there after it."""
    graph = net.graph if isinstance(net, Net) else net
    inputs = feeds(graph)
    source = dict(named_tensors(graph, inputs))
    before = run(graph, inputs)
    count = apply(graph)
    verify(graph)
    after = run(graph, inputs)
    for name, array in before.items():
        assert_close(after[name], array, tolerance, name)
    for name, array in named_tensors(graph, inputs):
        seen = array.reshape(source[name].shape) if reshaped else array
        assert_close(seen, source[name], tolerance, f"tensor {name} of the source")
    assert apply(graph) == 0, "a second run found more"
    assert count > 0, "nothing was rewritten"
    return ops_of(graph)


def named_tensors(graph: Graph, inputs: dict[str, Array]) -> list[tuple[str, Array]]:
    """Every computed value that equals a tensor of the source, by that tensor's name."""
    return [(value.origin, array) for value, array in steps(graph, inputs) if value.origin]


def check_untouched(net: Net, apply: Callable[[Graph], int]) -> None:
    """The pass finds nothing to rewrite."""
    before = ops_of(net.graph)
    assert apply(net.graph) == 0
    assert ops_of(net.graph) == before
