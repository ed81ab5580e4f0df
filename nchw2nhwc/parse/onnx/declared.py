"""What subgraphs declare of their results, where sizes are found out from data."""

from __future__ import annotations

from onnx import ValueInfoProto

from nchw2nhwc.ir.dim import Dim
from nchw2nhwc.ir.graph import Graph, Value
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.dynamic import as_shape


def as_declared(b: Builder, body: Graph, x: Value, info: ValueInfoProto) -> Value:
    """A result of a body with the sizes that its declaration says and that only data would tell: an iteration with others is an error when
    the model runs. x itself where the declaration says nothing more."""
    kind = info.type.tensor_type
    declared = [d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim] if kind.HasField("shape") else []
    around = frozenset().union(*(size.symbols for v in body.inputs for size in v.shape if isinstance(size, Dim)))
    if len(declared) != x.rank:
        return x
    return as_shape(b, x, declared, around)
