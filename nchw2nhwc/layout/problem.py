"""The layout problem: candidate layouts by closure of the rules, then one integer program over the whole graph.

With binaries x[n, s] (node n uses signature s), t[v, l] (value v is also stored in layout l, by one transpose that all its readers
share) and p[v, l] = sum of the x that produce v in l:

    minimize    sum cost(v, l) * t[v, l] + sum cost(n, s) * x[n, s]
    subject to  sum_s x[n, s] = 1;  sum of the x[n, .] that read v in l  <=  p[v, l] + t[v, l]
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod

from nchw2nhwc.ir.graph import Graph, Node, Value
from nchw2nhwc.layout.factors import Tensors
from nchw2nhwc.layout.families import Signature, family_of
from nchw2nhwc.layout.prices import BYTE_COST, MOVE_COST, ORDER_COST, TIE_COST
from nchw2nhwc.layout.solve import Program
from nchw2nhwc.layout.tensor import Layout, Tensor

CANDIDATES = 2048
"""Layouts considered per value. Where one reaches it the result may not be optimal, and the report says so."""


@dataclass
class Assignment:
    """The solved problem: each node's signature, each value's produced layout, and how far from optimal this may be."""

    signatures: dict[Node, Signature]
    produced: dict[int, Layout]
    outputs: list[tuple[int, ...]]
    inputs: list[tuple[int, ...]]
    cost: float
    gap: float
    complete: bool

    @property
    def proven(self) -> bool:
        """Whether no other assignment is cheaper."""
        return self.complete and self.gap == 0.0


class Problem:
    """Build with a graph and the layouts that its interface may have, then `solve`."""

    def __init__(self, graph: Graph, inputs: list[list[tuple[int, ...]]], outputs: list[list[tuple[int, ...]]]) -> None:
        self.graph, self.inputs, self.outputs = graph, inputs, outputs
        self.tensors = Tensors(graph)
        self.complete = True
        self._signatures: dict[Node, list[Signature]] = {}
        self._close()

    # ---- candidate layouts -------------------------------------------------------------------------------------------
    def _close(self) -> None:
        """Collect candidate layouts until the rules suggest no more."""
        self._begin()
        readers = self._readers()
        queue = deque(self.graph.nodes)
        waiting = set(queue)
        while queue:
            node = queue.popleft()
            waiting.discard(node)
            for tensor in self._expand(node):
                for other in readers[id(tensor)]:
                    if other not in waiting:
                        waiting.add(other)
                        queue.append(other)
        for node, found in self._signatures.items():
            view = self.tensors.views[node]
            self._signatures[node] = [s for s in found if all(t.fixed or la in t.candidates for t, la in _places(view.ins, view.outs, s))]

    def _begin(self) -> None:
        """Every tensor may be as in the source, and inputs and outputs as the interface allows."""
        for node in self.graph.nodes:
            view = self.tensors.views[node]
            for tensor in (*view.ins, *view.outs):
                if not tensor.fixed:
                    self._offer(tensor, tensor.source)
        for values, choices in ((self.graph.inputs, self.inputs), (self.graph.outputs, self.outputs)):
            for value, perms in zip(values, choices):
                for perm in () if value.is_const else perms:
                    self._offer(self.tensors[value], self.tensors[value].order(perm))

    def _readers(self) -> Mapping[int, list[Node]]:
        """The nodes that read or make each tensor, by its identity: their signatures change with its candidates."""
        readers: dict[int, list[Node]] = {}
        for node, view in self.tensors.views.items():
            for tensor in dict.fromkeys((*view.ins, *view.outs)):
                if not tensor.fixed:
                    readers.setdefault(id(tensor), []).append(node)
        return readers

    def _expand(self, node: Node) -> Iterable[Tensor]:
        """Recompute one node's signatures; returns the tensors that got new candidates."""
        view = self.tensors.views[node]
        found = list({(s.ins, s.outs): s for s in family_of(view.rule).signatures(view)}.values())
        self._signatures[node] = found
        grown = {}
        for signature in found:
            for tensor, layout in _places(view.ins, view.outs, signature):
                if not tensor.fixed and layout not in tensor.candidates and self._offer(tensor, layout):
                    grown[id(tensor)] = tensor
        return grown.values()

    def _offer(self, tensor: Tensor, layout: Layout) -> bool:
        if len(tensor.candidates) >= CANDIDATES:
            self.complete &= layout in tensor.candidates
            return False
        tensor.candidates[layout] = None
        return True

    def signatures(self, node: Node) -> list[Signature]:
        """The signatures that one node may use, all of whose layouts are candidates."""
        return self._signatures[node]

    # ---- the program -------------------------------------------------------------------------------------------------
    def move_cost(self, value: Value) -> float:
        """Price of one Transpose of this value."""
        return self.bytes_moved(value) * BYTE_COST + MOVE_COST

    def bytes_moved(self, value: Value) -> int:
        """Bytes of one tensor of this value, symbolic sizes counted as 1."""
        return prod(map(self.tensors.numbers.weight, self.tensors[value].shape)) * value.type.dtype.itemsize

    def solve(self, seconds: float) -> Assignment:
        """Solve the program. `seconds` limits the solver; what it has by then is returned with its gap."""
        program = Program()
        produced: dict[tuple[int, Layout], list[int]] = {}
        wanted: dict[tuple[int, Layout], dict[tuple[int, ...], None]] = {}
        values: dict[int, Value] = {}
        sources = self._input_variables(program, produced, values)
        choices: dict[Node, list[int]] = {}
        for node in self.graph.nodes:
            choices[node] = self._node_variables(program, node, produced, wanted, values)
        sinks = self._output_variables(program, wanted, values)
        moves: dict[tuple[int, Layout], int] = {}
        for key, groups in wanted.items():
            move = program.variable(self.move_cost(values[key[0]]) + ORDER_COST * len(moves) / len(wanted))
            moves[key] = move
            for group in groups:
                program.constrain([*((p, 1.0) for p in produced.get(key, ())), (move, 1.0), *((x, -1.0) for x in group)], 0.0, float("inf"))
        first = {options[0] for options in (*choices.values(), *([x for x, _ in option] for option in (*sources, *sinks)))}
        start = [k in first for k in range(program.size[0])]
        for move in moves.values():
            start[move] = True
        solution = program.minimize(seconds, start)
        chosen = solution.chosen
        signatures = {n: s for n, xs in choices.items() for x, s in zip(xs, self._signatures[n]) if chosen[x]}
        layouts = {key[0]: key[1] for key, xs in produced.items() if any(chosen[x] for x in xs)}
        inputs = [next(perm for x, perm in option if chosen[x]) for option in sources]
        outputs = [next(perm for x, perm in option if chosen[x]) for option in sinks]
        return Assignment(signatures, layouts, outputs, inputs, solution.cost, solution.gap, self.complete)

    def _input_variables(self, program: Program, produced: dict[tuple[int, Layout], list[int]],
                         values: dict[int, Value]) -> list[list[tuple[int, tuple[int, ...]]]]:
        sources = []
        for value, perms in zip(self.graph.inputs, self.inputs):
            values[id(value)] = value
            option = [(program.variable(k * TIE_COST), perm) for k, perm in enumerate(perms)]
            for x, perm in option:
                produced.setdefault((id(value), self.tensors[value].order(perm)), []).append(x)
            program.constrain([(x, 1.0) for x, _ in option], 1.0, 1.0)
            sources.append(option)
        return sources

    def _node_variables(self, program: Program, node: Node, produced: dict[tuple[int, Layout], list[int]],
                        wanted: dict[tuple[int, Layout], dict[tuple[int, ...], None]], values: dict[int, Value]) -> list[int]:
        offered = self._signatures[node]
        xs = [program.variable(s.cost + ORDER_COST * k / len(offered)) for k, s in enumerate(offered)]
        reads: dict[tuple[int, Layout], dict[int, None]] = {}
        operands = [v for v in node.inputs if v is not None]
        for x, signature in zip(xs, offered):
            for value, layout in zip(node.outputs, signature.outs):
                values[id(value)] = value
                produced.setdefault((id(value), layout), []).append(x)
            for value, layout in zip(operands, signature.ins):
                if not value.is_const:
                    reads.setdefault((id(value), layout), {})[x] = None
        for key, readers in reads.items():
            wanted.setdefault(key, {})[tuple(readers)] = None
        program.constrain([(x, 1.0) for x in xs], 1.0, 1.0)
        return xs

    def _output_variables(self, program: Program, wanted: dict[tuple[int, Layout], dict[tuple[int, ...], None]],
                          values: dict[int, Value]) -> list[list[tuple[int, tuple[int, ...]]]]:
        sinks = []
        for value, perms in zip(self.graph.outputs, self.outputs):
            option = [(program.variable(k * TIE_COST), perm) for k, perm in enumerate(perms)]
            program.constrain([(x, 1.0) for x, _ in option], 1.0, 1.0)
            for x, perm in () if value.is_const else option:
                wanted.setdefault((id(value), self.tensors[value].order(perm)), {})[(x,)] = None
            sinks.append(option)
        return sinks


def _places(ins: tuple[Tensor, ...], outs: tuple[Tensor, ...], signature: Signature) -> Iterable[tuple[Tensor, Layout]]:
    yield from zip(ins, signature.ins)
    yield from zip(outs, signature.outs)
