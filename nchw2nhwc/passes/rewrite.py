"""The machinery of rewriting passes: rules for ops, and one sweep over the graph that applies them.

A rule looks at one node, the last one of what it wants to replace, and either builds new nodes and returns the values that stand for the
node's results, or raises `Mismatch` with the reason why it does not apply. Nodes it built in vain, and nodes that nothing reads any
more, are taken out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import TypeAlias, TypeVar

import numpy as np

from nchw2nhwc.ir.copying import copied_op
from nchw2nhwc.ir.graph import Graph, Node, Origin, Value
from nchw2nhwc.ir.types import Array, DType
from nchw2nhwc.ops import REGISTRY, Op
from nchw2nhwc.passes import Pass

Result: TypeAlias = Value | Sequence[Value]
Rule: TypeAlias = Callable[["Rewriter", Node, Op], Result]
Explainer: TypeAlias = Callable[[Node, str, str], None]
"""Told the node, the rule's name and the reason whenever a rule does not apply."""

_Rule = TypeVar("_Rule", bound=Callable[..., Result])
_MAX_ROUNDS = 32


class Mismatch(Exception):
    """A rule does not apply to a node. `reason` says why, `{}` in it stands for the `parts`: put together only when somebody asks."""

    def __init__(self, reason: str, *parts: object) -> None:
        super().__init__(reason, *parts)
        self.reason, self.parts = reason, parts

    def __str__(self) -> str:
        return self.reason.format(*self.parts)


class RuleSet:
    """Rules by op class, in the order in which they are tried."""

    def __init__(self, *parts: RuleSet) -> None:
        self._rules: dict[type[Op], tuple[Rule, ...]] = {}
        for part in parts:
            for cls, rules in part._rules.items():
                self._rules[cls] = (*self._rules.get(cls, ()), *rules)

    def on(self, *classes: type[Op]) -> Callable[[_Rule], _Rule]:
        """Decorator: try the rule on nodes whose op is of one of `classes` (an abstract one stands for all of its family); the rule's
        third parameter is that op."""
        def register(rule: _Rule) -> _Rule:
            for cls in REGISTRY.values():
                if issubclass(cls, classes):
                    self._rules[cls] = (*self._rules.get(cls, ()), rule)
            return rule
        return register

    def of(self, op: Op) -> tuple[Rule, ...]:
        """The rules for an op."""
        return self._rules.get(type(op), ())

    def of_class(self, cls: type[Op]) -> tuple[Rule, ...]:
        """The rules for all ops of a class."""
        return self._rules.get(cls, ())

    def guarded(self, check: Callable[[Node], None]) -> RuleSet:
        """These rules, for nodes about which `check` does not raise Mismatch."""
        def behind(rule: Rule) -> Rule:
            @wraps(rule)
            def checked(rw: Rewriter, node: Node, op: Op) -> Result:
                check(node)
                return rule(rw, node, op)
            return checked

        result = RuleSet()
        result._rules = {cls: tuple(map(behind, rules)) for cls, rules in self._rules.items()}
        return result

    @property
    def classes(self) -> tuple[type[Op], ...]:
        """The op classes that there are rules for."""
        return tuple(self._rules)


class Rewriter:
    """What a rule builds with: new nodes take the place and the origin of the node that is being rewritten."""

    def __init__(self, graph: Graph, name: str) -> None:
        self.graph, self.name = graph, name
        self.doubles: dict[int, tuple[Value, Array]] = {}
        self._fresh: list[Node] = []
        self._dead: set[Node] = set()
        self._passed: set[Node] = set()
        self._scalars: dict[tuple[DType, float], Value] = {}
        self._node: Node | None = None

    # ---- for rules ---------------------------------------------------------------------------------------------------
    def add(self, op: Op, *inputs: Value | None) -> Value:
        """A new node with one result."""
        (value,) = self.add_all(op, *inputs)
        return value

    def add_for(self, node: Node, op: Op, *inputs: Value | None) -> Value:
        """A new node with one result and the origin of `node`, which it absorbs besides the one that is being rewritten."""
        (value,) = self._added(node.origin, op, inputs)
        return value

    def add_all(self, op: Op, *inputs: Value | None) -> tuple[Value, ...]:
        """A new node; its results."""
        assert self._node is not None
        return self._added(self._node.origin, op, inputs)

    def _added(self, origin: Origin, op: Op, inputs: Sequence[Value | None]) -> tuple[Value, ...]:
        outputs = self.graph.add(op, inputs, origin=origin.through(self.name))
        producer = outputs[0].producer
        assert producer is not None
        self._fresh.append(producer)
        return outputs

    def inline(self, body: Graph, operands: Sequence[Value]) -> list[Value]:
        """The nodes of an op's body as new nodes of this graph, in the place of the node that is being rewritten; what stands for the
        body's outputs. The body itself stays as it is."""
        made = {id(inner): outer for inner, outer in zip(body.inputs, operands, strict=True)}

        def of(value: Value) -> Value:
            if value.const is not None and id(value) not in made:
                made[id(value)] = self.graph.constant(value.const, value.name, origin=value.origin)
            return made[id(value)]

        for node in body.nodes:
            results = self._added(node.origin, copied_op(node.op), [None if v is None else of(v) for v in node.inputs])
            made.update({id(inner): outer for inner, outer in zip(node.outputs, results)})
        return [of(v) for v in body.outputs]

    def constant(self, array: Array, dtype: DType | None = None) -> Value:
        """A new constant, named after the layer that is being rewritten."""
        assert self._node is not None
        return self.graph.constant(np.asarray(array, dtype), f"{self._node.origin.layer or self._node.op.name.lower()}/{self.name}")

    def scalar(self, value: float, like: Value) -> Value:
        """A constant without axes, of the element type of `like`; equal ones are shared."""
        key = (like.type.dtype, value)
        if key not in self._scalars:
            self._scalars[key] = self.graph.constant(np.asarray(value, like.type.dtype), f"{value:g}")
        return self._scalars[key]

    def single_use(self, value: Value) -> bool:
        """Whether exactly one operand of one node reads `value`, and the interface does not."""
        return len(value.uses) == 1 and not self.graph.is_output(value)

    def require_single_use(self, value: Value) -> None:
        """Raises Mismatch unless `single_use`."""
        if not self.single_use(value):
            raise Mismatch("{!r} has other readers", value)

    def comes_later(self, node: Node) -> bool:
        """Whether this sweep has still to visit `node`: what takes the place of the node that is being rewritten is then made before it."""
        return node not in self._passed

    def replace(self, node: Node, results: Sequence[Value]) -> None:
        """Let `results` stand for the results of another node, which `comes_later` than the one that is being rewritten; it goes."""
        assert self.comes_later(node), f"{self.name}: {node!r} comes before {self._node!r}"
        self._replace(node, list(results))

    # ---- for the sweep -----------------------------------------------------------------------------------------------
    def attempt(self, rule: Rule, node: Node) -> list[Node] | Mismatch:
        """Apply a rule: the nodes it made, after they have taken the place of `node`; or the reason why it does not apply."""
        self._node, self._fresh = node, []
        try:
            result = rule(self, node, node.op)
        except Mismatch as mismatch:
            for vain in reversed(self._fresh):
                self._bury(vain)
            return mismatch
        self._replace(node, [result] if isinstance(result, Value) else list(result))
        return [n for n in self._fresh if n not in self._dead]

    def _replace(self, node: Node, results: list[Value]) -> None:
        fresh = set(self._fresh)
        for old, new in zip(node.outputs, results, strict=True):
            assert new.type == old.type, f"{self.name}: {old!r} of {node!r} would become {new!r}"
            if new is old:
                continue
            self.graph.replace_uses(old, new)
            if new.producer in fresh:  # the old value goes, so its name can live on
                old.name, new.name = new.name, old.name
        self._bury(node)

    def _bury(self, node: Node) -> None:
        """Detach a node that nothing reads any more, and what it alone kept alive."""
        doomed = [node]
        while doomed:
            each = doomed.pop()
            if each in self._dead or any(v.uses or self.graph.is_output(v) for v in each.outputs):
                continue
            self._dead.add(each)
            producers = [v.producer for v in each.inputs if v is not None and v.producer is not None]
            each.set_inputs(())
            doomed.extend(producers)

    def passed(self, node: Node) -> None:
        """No rule applies to `node` any more in this sweep."""
        self._passed.add(node)

    def is_dead(self, node: Node) -> bool:
        """Whether the node has been taken out during this sweep."""
        return node in self._dead

    def finish(self, order: Sequence[Node]) -> None:
        """Bring the graph's nodes into `order` and drop the dead."""
        self._passed = set()
        if not self._dead and len(order) == len(self.graph):
            return
        kept = [n for n in order if n not in self._dead]
        self.graph.remove_all(self._dead)
        self.graph.reorder(kept)
        self._dead = set()


def sweep(rewriter: Rewriter, rules: Callable[[Node], Sequence[Rule]], explain: Explainer | None = None) -> int:
    """Visit every node once, first to last, and the nodes that rules make in their turn, and try what `rules` says for each; returns the
    number of rewrites."""
    order: list[Node] = []
    pending = list(reversed(rewriter.graph.nodes))
    limit = 100 * len(pending) + 10_000
    count = 0
    while pending:
        node = pending.pop()
        if rewriter.is_dead(node):
            continue
        for rule in rules(node):
            made = rewriter.attempt(rule, node)
            if not isinstance(made, Mismatch):
                count += 1
                pending.extend([*([] if rewriter.is_dead(node) else [node]), *reversed(made)])
                break
            if explain is not None:
                explain(node, getattr(rule, "__name__", ""), str(made))
        else:
            order.append(node)
            rewriter.passed(node)
        assert count < limit, f"{rewriter.name} does not come to rest at {node!r}"
    rewriter.finish(order)
    return count


def rule_pass(name: str, *parts: RuleSet, explain: Explainer | None = None) -> Pass:
    """A pass that applies rules until none of them applies any more."""
    rules = RuleSet(*parts)

    def apply(graph: Graph) -> int:
        rewriter = Rewriter(graph, name)
        total = 0
        for _ in range(_MAX_ROUNDS):
            count = sweep(rewriter, lambda node: rules.of(node.op), explain)
            total += count
            if not count:
                break
        return total
    return Pass(name, apply)
