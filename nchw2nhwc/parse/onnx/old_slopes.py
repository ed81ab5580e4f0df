"""PRelu before opset 7, whose slopes belong to axis 1: onnx's converter leaves them as they are, to be broadcast along the last axis."""

from __future__ import annotations

from collections.abc import Mapping

import onnx
import onnx.shape_inference
from onnx import ModelProto, NodeProto, ValueInfoProto, helper

from nchw2nhwc.errors import Location, UnsupportedError


def with_axes(proto: ModelProto, where: Location) -> None:
    """Give slopes of channels axes behind, so that they broadcast as they did; for a model in opset 7, in place.

    Raises UnsupportedError where the rank of an operand is not known."""
    nodes = [node for node in proto.graph.node if node.op_type == "PRelu" and len(node.input) == 2]
    if not nodes:
        return
    known = onnx.shape_inference.infer_shapes(proto).graph
    ranks = {v.name: _shape(v) for v in (*known.input, *known.value_info, *known.output)}
    ranks.update((tensor.name, tuple(tensor.dims)) for tensor in known.initializer)
    for node in nodes:
        x, slope = (_known(ranks, name, node, where) for name in node.input)
        if len(slope) == 1 and slope != (1,) and len(x) > 2:
            name = f"{node.output[0]}/slope"
            lifted = helper.make_node("Unsqueeze", [node.input[1]], [name], name, axes=list(range(1, len(x) - 1)))
            proto.graph.node.insert(list(proto.graph.node).index(node), lifted)
            node.input[1] = name


def _shape(value: ValueInfoProto) -> tuple[int, ...] | None:
    """The sizes of a tensor, 0 for those that are not known; None where not even the rank is."""
    kind = value.type.tensor_type
    return tuple(d.dim_value for d in kind.shape.dim) if kind.HasField("shape") else None


def _known(ranks: Mapping[str, tuple[int, ...] | None], name: str, node: NodeProto, where: Location) -> tuple[int, ...]:
    shape = ranks.get(name)
    if shape is None:
        here = Location(where.file, node.name or node.output[0], node.op_type)
        raise UnsupportedError(f"PRelu of an opset before 7 whose operand '{name}' has no known shape is not supported", here,
                               "Export the model again with a newer opset.")
    return shape
