"""The table of lowerings: which IR node becomes which TFLite operators, and which nodes TFLite cannot express as they are.

A lowering is registered with `@lowering(OpClass, refuse)`. `refuse(node, op)` says in words why a node of that class has no direct
form, "" if it has one; it must not depend on the layout, because `native` asks it of nodes in source order while emission asks it of stored
ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar, cast

from nchw2nhwc.emit.tflite.emitter import Emitter
from nchw2nhwc.ir import Node
from nchw2nhwc.ops.base import Op

_O = TypeVar("_O", bound=Op)


@dataclass(frozen=True)
class Lowering:
    """How nodes of one op class are lowered, and why some are not."""

    lower: Callable[[Emitter, Node, Op], None]
    refuse: Callable[[Node, Op], str]


LOWERINGS: dict[type[Op], Lowering] = {}


def never(node: Node, op: Op) -> str:
    """Nothing is refused."""
    return ""


def lowering(cls: type[_O], refuse: Callable[[Node, _O], str] = never) -> Callable[[Callable[[Emitter, Node, _O], None]],
                                                                                 Callable[[Emitter, Node, _O], None]]:
    """Registers the decorated function as the lowering of `cls`."""
    def register(function: Callable[[Emitter, Node, _O], None]) -> Callable[[Emitter, Node, _O], None]:
        assert cls not in LOWERINGS, f"{cls.__name__} has a lowering already"
        LOWERINGS[cls] = Lowering(cast("Callable[[Emitter, Node, Op], None]", function), cast("Callable[[Node, Op], str]", refuse))
        return function
    return register


def refusal(node: Node) -> str:
    """Why TFLite cannot express `node` as it is; "" if it can."""
    found = LOWERINGS.get(type(node.op))
    if found is None:
        return f"TFLite has no operator for {node.op.name}"
    if any(0 in value.shape for value in node.outputs):
        return "a result has no elements, which LiteRT cannot hold"
    return found.refuse(node, node.op)


def native(node: Node) -> bool:
    """Whether TFLite expresses `node`, in source order or stored, as it is; if not, it has to be decomposed first."""
    return not refusal(node)
