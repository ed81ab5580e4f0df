"""The integer program finds what exhaustive search finds, and knows when it may not have."""

from __future__ import annotations

from itertools import product
from math import prod

import pytest
from hypothesis import assume, given, settings

from nchw2nhwc.ir.graph import Graph, Value
from nchw2nhwc.layout.interface import wanted_layouts
from nchw2nhwc.layout.prices import TIE_COST
from nchw2nhwc.layout.problem import Problem
from nchw2nhwc.layout.solve import Program
from nchw2nhwc.layout.tensor import Layout
from tests.layout.graphs import graphs

LARGEST_SEARCH = 20_000


def exhaustive(problem: Problem) -> float:
    """The cheapest of all combinations of signatures and interface layouts, each value moved once per layout that is not produced."""
    graph, tensors = problem.graph, problem.tensors
    outputs = [list(enumerate(perms)) for perms in problem.outputs]
    options = [problem.signatures(node) for node in graph.nodes]
    best = float("inf")
    for chosen in product(*options):
        for ends in product(*outputs):
            cost = sum(s.cost for s in chosen) + sum(k * TIE_COST for k, _ in ends)
            produced: dict[int, Layout] = {id(v): tensors[v].order(p[0]) for v, p in zip(graph.inputs, problem.inputs)}
            needed: dict[tuple[int, Layout], Value] = {}
            for node, signature in zip(graph.nodes, chosen):
                produced.update((id(v), la) for v, la in zip(node.outputs, signature.outs))
                operands = [v for v in node.inputs if v is not None]
                needed.update({(id(v), la): v for v, la in zip(operands, signature.ins) if not v.is_const})
            needed.update({(id(v), tensors[v].order(perm)): v for v, (_, perm) in zip(graph.outputs, ends) if not v.is_const})
            cost += sum(problem.move_cost(v) for (key, layout), v in needed.items() if produced[key] != layout)
            best = min(best, cost)
    return best


@settings(max_examples=150)
@given(graph=graphs(steps=5))
def test_solver_matches_exhaustive_search(graph: Graph) -> None:
    problem = Problem(graph, *wanted_layouts(graph, {}, {}, keep=False))
    assume(prod(len(problem.signatures(n)) for n in graph.nodes) * 2 ** len(graph.outputs) <= LARGEST_SEARCH)
    assert problem.solve(60.0).cost == pytest.approx(exhaustive(problem), abs=TIE_COST / 2)  # what the order of choices adds stays below


def test_a_program_that_is_cut_short_does_not_claim_a_proof() -> None:
    program = Program()
    weights = [31 * k % 97 + 50 for k in range(60)]
    items = [program.variable(-float(w + k % 3)) for k, w in enumerate(weights)]
    program.constrain([(x, float(w)) for x, w in zip(items, weights)], 0.0, sum(weights) / 2 + 0.5)
    program.constrain([(x, float(w % 17)) for x, w in zip(items, weights)], 0.0, 77.5)
    solution = program.minimize(0.0, [False] * len(items))
    assert solution.gap > 0.0


def test_minimize_small_program() -> None:
    program = Program()
    a, b = program.variable(2.0), program.variable(3.0)
    program.constrain([(a, 1.0), (b, 1.0)], 1.0, 2.0)
    solution = program.minimize(10.0, [True, True])
    assert solution.chosen == [True, False]
    assert solution.cost == pytest.approx(2.0)
    assert solution.gap == 0.0
