"""Layers of a quantized source that compute as OpenVINO's CPU plugin does, not as the source says.

- A FakeQuantize between a convolution and an addition does not round where OpenVINO fuses it with both (`DnnlPostOpsComposer::compose`).
- A constant factor behind a FakeQuantize becomes part of its range (`FakeQuantizeMulFusion`), whose ends are in half precision then if the
  model is.

`checking.openvino_levels` says which layers these are.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from nchw2nhwc.ir.graph import Graph, Node, Value
from nchw2nhwc.ops.activation_functions import Clip
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add, FakeQuantize, Mul
from nchw2nhwc.passes import Pass
from nchw2nhwc.passes.constants import FOLDING
from nchw2nhwc.passes.identities import IDENTITIES
from nchw2nhwc.passes.levels import bounds_of, grid_of, other_than_constant, steps_of, why_not_carried
from nchw2nhwc.passes.match import producer, require
from nchw2nhwc.passes.rewrite import Rewriter, Rule, rule_pass, sweep

_NAME = "as_openvino"
_PREPARE = rule_pass("prepare_as_openvino", FOLDING, IDENTITIES)


def as_openvino(layers: Collection[str]) -> Pass:
    """A pass after which layers of these names do as OpenVINO does. Those that do not become integers stay as they are."""
    def rules(node: Node) -> tuple[Rule, ...]:
        if isinstance(node.op, FakeQuantize):
            return (_cut,)
        return (_in_half,) if isinstance(node.op, Mul) else ()

    def run(graph: Graph) -> int:
        count = _PREPARE(graph)
        named = {node for node in graph.nodes if graph.where(node).layer in layers}
        return count + sweep(Rewriter(graph, _NAME), lambda node: rules(node) if node in named else ())

    return Pass(_NAME, run)


def _cut(rw: Rewriter, node: Node, op: Op) -> Value:
    """x moved by as much as zero is off the nearest level, and cut to the ends of the grid."""
    assert isinstance(op, FakeQuantize)
    _require_integers(node, op)
    x, (grid, shifts, _) = node.input(0), grid_of(node, op)
    moved = rw.add(Add(), x, rw.constant((shifts * steps_of(node, op)).astype(np.float32).astype(x.type.dtype)))
    return rw.add(Clip(grid.min, grid.max), moved)


def _in_half(rw: Rewriter, node: Node, op: Op) -> Value:
    """FakeQuantize(x) * c with the factors between x's range and c times that in half precision."""
    value, factors = other_than_constant(node)
    first = producer(value, FakeQuantize)
    assert isinstance(first.op, FakeQuantize)
    _require_integers(first, first.op)
    low, high, _, _ = bounds_of(first)
    least, most = (np.asarray(end * factors, np.float16).astype(np.float64) for end in (low, high))
    require(bool(np.isfinite(least).all() and np.isfinite(most).all()), "{!r} is too large for half precision", node)
    return rw.add(op, value, rw.constant(((most - least) / (high - low)).astype(value.type.dtype)))


def _require_integers(node: Node, op: FakeQuantize) -> None:
    """Raises Mismatch for a FakeQuantize that has several ranges, or does not become integers."""
    bounds_of(node)
    require(not why_not_carried(node, op), "{!r} does not become integers", node)
