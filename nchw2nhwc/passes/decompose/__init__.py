"""Ops in terms of other ops, for what a target lacks.

A rule may use any op, as long as there is no circle: what it makes is looked at again.
"""

from __future__ import annotations

from collections.abc import Callable

from nchw2nhwc.ir.graph import Graph, Node
from nchw2nhwc.passes import Pass
from nchw2nhwc.passes.decompose import (
    activations,
    binary,
    control,
    convs,
    elementwise,
    indexing,
    integers,
    movement,
    pools,
    quantized,
    ranks,
    recurrent,
    reduce,
    resize,
    sampling,
)
from nchw2nhwc.passes.rewrite import Explainer, Rewriter, RuleSet, sweep

DECOMPOSITIONS = RuleSet(binary.RULES, ranks.RULES, activations.RULES, elementwise.RULES, reduce.RULES, movement.RULES, pools.RULES,
                         convs.RULES, resize.RULES, sampling.RULES, indexing.RULES, integers.RULES, recurrent.RULES, control.RULES,
                         quantized.RULES)
"""Op class to rules that say the op in other ops, in the order in which they are tried."""


def decompose(native: Callable[[Node], bool], explain: Explainer | None = None, first: RuleSet | None = None) -> Pass:
    """A pass that replaces every node that is not `native` by other ops, and those again, until all are or no rule applies. The rules of
    `first` are tried before the others."""
    rules = DECOMPOSITIONS if first is None else RuleSet(first, DECOMPOSITIONS)

    def apply(graph: Graph) -> int:
        return sweep(Rewriter(graph, "decompose"), lambda node: () if native(node) else rules.of(node.op), explain)
    return Pass("decompose", apply)


__all__ = ["DECOMPOSITIONS", "decompose"]
