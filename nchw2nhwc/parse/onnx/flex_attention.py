"""FlexAttention: attention whose scores and probabilities go through subgraphs of the node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from onnx import AttributeProto, NodeProto

from nchw2nhwc.errors import SourceError
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.ops.reduce import Softmax
from nchw2nhwc.parse.onnx.attention import by_group, scores
from nchw2nhwc.parse.onnx.scan import Operands, all_present
from nchw2nhwc.parse.onnx.scope import Entry, Scope, Unavailable
from nchw2nhwc.parse.onnx.tensors import element_type

if TYPE_CHECKING:
    from nchw2nhwc.parse.onnx.reader import Reader


def flex_attention(r: Reader, node: NodeProto, operands: Operands, scope: Scope, wanted: Sequence[bool],
                   opset: int) -> Sequence[Entry] | None:
    """prob_mod(softmax(score_mod(q @ k' * scale))) @ v for queries, keys and values (batch, heads, length, size); there may be fewer heads
    of keys and values. What is between the products is in `softmax_precision`."""
    given = all_present(operands)
    if len(given) != 3 or any(v.rank != 4 for v in given):
        raise SourceError(f"queries, keys and values of 4 axes are needed, not {', '.join(str(v.type) for v in given)}")
    q, k, v = given
    b, scale, precision = r.b, None, np.result_type(q.type.dtype, np.float32)
    for attribute in node.attribute:
        if attribute.name == "scale":
            scale = attribute.f
        elif attribute.name == "softmax_precision":
            precision = element_type(attribute.i, "softmax_precision")
        elif attribute.type != AttributeProto.GRAPH or attribute.name not in ("score_mod", "prob_mod"):
            raise SourceError(f"FlexAttention has no attribute '{attribute.name}'")
    weights = _modified(r, node, scope, "score_mod", b.cast(scores(b, q, k, scale), precision))
    if weights is None:
        return None
    probabilities = _modified(r, node, scope, "prob_mod", b.add1(Softmax(3), weights))
    if probabilities is None:
        return None
    return (b.cast(by_group(b, MatMul(), probabilities, b.cast(v, precision)), q.type.dtype),)


def _modified(r: Reader, node: NodeProto, scope: Scope, name: str, x: Value) -> Value | None:
    """What the subgraph `name` makes of x; x itself where the node has no such subgraph, None where an op that is missing makes it."""
    if not any(a.name == name for a in node.attribute):
        return x
    graph, inner = r.inside(node, name, scope)
    if len(graph.input) != 1 or len(graph.output) != 1:
        raise SourceError(f"'{name}' must have one input and one output")
    inner.entries[graph.input[0].name] = x
    (result,) = r.inline(graph, inner)
    if isinstance(result, Unavailable) and not result.reason:
        return None
    if not isinstance(result, Value) or result.type != x.type:
        raise SourceError(f"'{name}' makes {result.type if isinstance(result, Value) else 'no tensor'} of {x.type}")
    return result
