"""What subgraphs declare of their results, where sizes are found out from data."""

from __future__ import annotations

from onnx import ValueInfoProto

from nchw2nhwc.ir.dim import Dim
from nchw2nhwc.ir.graph import Graph, Value
from nchw2nhwc.ops.dynamic import DynamicReshape
from nchw2nhwc.parse.body import INT64
from nchw2nhwc.parse.builder import Builder


def as_declared(b: Builder, body: Graph, x: Value, info: ValueInfoProto) -> Value:
    """A result of a body with the sizes that its declaration says and that only data would tell: an iteration with others is an error when
    the model runs. x itself where the declaration says nothing more."""
    kind = info.type.tensor_type
    declared = [d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim] if kind.HasField("shape") else []
    around = frozenset().union(*(size.symbols for v in body.inputs for size in v.shape if isinstance(size, Dim)))
    if len(declared) != x.rank:
        return x
    shape = tuple(said if said is not None and isinstance(size, Dim) and not size.symbols & around else size
                  for said, size in zip(declared, x.shape))
    return x if shape == x.shape else b.add1(DynamicReshape(shape), x, b.sizes(shape, INT64))
