"""Ops in terms of other ops, for what a target lacks."""

from __future__ import annotations

from collections.abc import Callable

from nchw2nhwc.ir.graph import Graph, Node
from nchw2nhwc.passes import Pass
from nchw2nhwc.passes.decompose import binary, convs, elementwise, movement, pools, ranks, reduce, resize
from nchw2nhwc.passes.decompose.rules import DECOMPOSITIONS
from nchw2nhwc.passes.rewrite import Explainer, Rewriter, sweep

__all__ = ["DECOMPOSITIONS", "binary", "convs", "decompose", "elementwise", "movement", "pools", "ranks", "reduce", "resize"]


def decompose(native: Callable[[Node], bool], explain: Explainer | None = None) -> Pass:
    """A pass that replaces every node that is not `native` by other ops, and those again, until all are or no rule applies."""
    def apply(graph: Graph) -> int:
        rewriter = Rewriter(graph, "decompose")
        return sweep(rewriter, lambda node: () if native(node) else DECOMPOSITIONS.of(node.op), explain)
    return Pass("decompose", apply)
