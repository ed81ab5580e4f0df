"""What all targets share: the table of lowerings, and how it says which nodes a target cannot express."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, cast

from nchw2nhwc.errors import CUT, Location, ShapeError, TargetError
from nchw2nhwc.ir import Graph, Node
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.movement import FIX_SIZES


class NodeEmitter(Protocol):
    """What lowerings build with, as far as all targets share it."""

    where: Location

    def enter(self, node: Node) -> None:
        """What is added from here on belongs to `node`."""


_E = TypeVar("_E", bound=NodeEmitter)
_O = TypeVar("_O", bound=Op)


@dataclass(frozen=True)
class Lowering(Generic[_E]):
    """How nodes of one op class are lowered with an emitter, and why some are not."""

    lower: Callable[[_E, Node, Op], None]
    refuse: Callable[[Node, Op], str]


def never(node: Node, op: Op) -> str:
    """Nothing is refused."""
    return ""


def takes_all(node: Node) -> str:
    """No node is refused whatever its op is."""
    return ""


class Lowerings(Generic[_E]):
    """The lowerings of one target by op class. `general` says why the target cannot express a node of any op, "" if it may."""

    def __init__(self, target: str, general: Callable[[Node], str] = takes_all) -> None:
        self.target, self.general = target, general
        self.table: dict[type[Op], Lowering[_E]] = {}
        self.lacks: dict[type[Op], str] = {}
        """Why there is no operator for an op class, where more can be said than that."""

    def on(self, cls: type[_O], refuse: Callable[[Node, _O], str] = never) -> Callable[[Callable[[_E, Node, _O], None]],
                                                                                     Callable[[_E, Node, _O], None]]:
        """Decorator: the function is the lowering of `cls`. `refuse(node, op)` says in words why a node has no direct form, "" if it
        has one; it must not depend on the layout, because it is asked of nodes in source order and of stored ones."""
        def register(function: Callable[[_E, Node, _O], None]) -> Callable[[_E, Node, _O], None]:
            assert cls not in self.table, f"{cls.__name__} has a lowering already"
            self.table[cls] = Lowering(cast("Callable[[_E, Node, Op], None]", function), cast("Callable[[Node, Op], str]", refuse))
            return function
        return register

    def refusal(self, node: Node) -> str:
        """Why the target cannot express `node` as it is; "" if it can."""
        found = self.table.get(type(node.op))
        if found is None:
            return self.lacks.get(type(node.op), f"{self.target} has no operator for {node.op.name}")
        return self.general(node) or found.refuse(node, node.op)

    def lower(self, e: _E, graph: Graph) -> None:
        """Lower all nodes of a graph. Raises TargetError that lists every layer which the target cannot express."""
        problems: list[TargetError] = []
        failed: set[int] = set()
        for node in graph.nodes:
            e.enter(node)
            reason = self.refusal(node)
            try:
                if reason:
                    raise TargetError(reason, e.where)
                if any(id(v) in failed for v in node.inputs):
                    failed |= {id(v) for v in node.outputs}
                else:
                    self.table[type(node.op)].lower(e, node, node.op)
            except (TargetError, ShapeError) as error:  # a size that the target has to know
                problem = error if isinstance(error, TargetError) else TargetError(error.reason, e.where, error.advice)
                if not problem.advice and any(v is not None and not v.type.is_static for v in (*node.inputs, *node.outputs)):
                    problem.advice = FIX_SIZES
                problem.advice = problem.advice or CUT
                problems.append(problem)
                failed |= {id(v) for v in node.outputs}
        if problems:
            raise _together(problems, self.target)


def _together(problems: Sequence[TargetError], target: str) -> TargetError:
    """One error for all. A layer that was read as several nodes may have the same problem many times; it is listed once."""
    distinct = list({(p.where, p.reason): p for p in problems}.values())
    if len(distinct) == 1:
        return distinct[0]
    layers = len({p.where for p in distinct})
    lines = "".join(f"\n  layer '{p.where.layer}' ({p.where.type}): {p.reason}" for p in distinct)
    what = "1 layer" if layers == 1 else f"{layers} layers"
    advice = "\n  ".join(dict.fromkeys(CUT.replace("this layer", "these layers") if p.advice == CUT else p.advice for p in distinct))
    return TargetError(f"{what} cannot be expressed in {target}:{lines}", Location(distinct[0].where.file), advice)
