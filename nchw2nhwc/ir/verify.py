"""Structural checks: what must hold of a graph between any two passes."""

from __future__ import annotations

from nchw2nhwc.ir.graph import Graph, Value
from nchw2nhwc.ir.types import TensorType


class VerificationError(AssertionError):
    """A graph contradicts itself: a defect of this library, not of the model."""


def verify(graph: Graph) -> None:
    """Check order, use-lists, unique names, and that every stored type is what `infer` says. Raises VerificationError."""
    defined: set[int] = {id(v) for v in graph.inputs}
    names: dict[str, Value] = {}

    def require(condition: bool, message: str) -> None:
        if not condition:
            raise VerificationError(f"graph '{graph.name}': {message}")

    nodes = set(graph.nodes)
    for value in graph.values():
        require(names.setdefault(value.name, value) is value, f"two values are called '{value.name}'")
        if value.const is not None:
            require(value.producer is None, f"constant {value!r} has a producer")
            actual = TensorType(value.const.dtype, value.const.shape)
            require(value.type == actual, f"constant {value!r} holds {actual}")
        for node, index in value.uses:
            require(node in nodes, f"{value!r} is used by {node!r}, which is not in the graph")
            require(index < len(node.inputs) and node.inputs[index] is value, f"use-list of {value!r} names operand {index} of {node!r}")
    for node in graph.nodes:
        require(not node.op.abstract, f"{node!r} is of an abstract op")
        for body in node.op.bodies:
            verify(body)
        for index, operand in enumerate(node.inputs):
            if operand is not None:
                require(operand.is_const or id(operand) in defined, f"{node!r} reads {operand!r} before it is made")
                require((node, index) in operand.uses, f"use-list of {operand!r} lacks operand {index} of {node!r}")
        types = node.op.infer_types(*(None if v is None else v.type for v in node.inputs))
        require(len(types) == len(node.outputs), f"{node!r} has {len(node.outputs)} results, infer says {len(types)}")
        for value, type in zip(node.outputs, types):
            require(value.producer is node, f"{value!r} does not name {node!r} as its producer")
            require(value.type == type, f"{value!r} of {node!r}: infer says {type}")
            defined.add(id(value))
    require(len(graph.outputs) == len(graph.output_names), "outputs and their names differ in number")
    for value in graph.outputs:
        require(value.is_const or id(value) in defined, f"output {value!r} is never made")
