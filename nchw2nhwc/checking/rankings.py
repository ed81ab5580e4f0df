"""Compare a result with its source part by part, where a ranking of nearly equal numbers turns rounding into another order.

What sorts, picks the largest or suppresses boxes jumps where two numbers are equal up to rounding: either order is right. So nothing is
allowed for. Instead, every tensor that a ranking reads is compared by itself; behind it, the source goes on from the *result's* tensor.
Given the same numbers, both must choose the same.

Of numbers that are exactly equal, a source may take any (OpenVINO's TopK, unless it is `stable`): there the positions that the result chose
have to hold the same numbers, place by place, and the source goes on from them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from nchw2nhwc.checking.compare import NO_LIKENESS, Rankings, TensorError, compare, worst_of
from nchw2nhwc.interface import TensorInfo, describe
from nchw2nhwc.ir import Array, Graph, Node, Value
from nchw2nhwc.ir.stored import Stored
from nchw2nhwc.ops.indexing import TopK
from nchw2nhwc.ops.movement import Reshape, Transpose

Run = Callable[[list[TensorInfo], list[str], Mapping[str, Array]], dict[str, Array]]
"""Runs the source: entries besides its inputs, the tensors that are wanted, and the content of the entries by name."""


@dataclass
class Part:
    """What is compared in one run of the source: tensors that a ranking reads, choices of rankings, and ends behind rankings; by the
    source's names."""

    tensors: dict[str, Value] = field(default_factory=dict)
    choices: list[Node] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Parts:
    """A source in parts, first to last, and the names of all ends that a ranking comes before."""

    parts: tuple[Part, ...]
    behind: frozenset[str]

    @property
    def inside(self) -> list[str]:
        """The source's tensors that the result has to be asked for."""
        return [name for part in self.parts for name in (*part.tensors, *(v.origin for node in part.choices for v in node.outputs))]


@dataclass(frozen=True)
class End:
    """What is compared behind rankings: the source's `tensor`, and what the result has for it in the source's order of axes and in a given
    shape, which raises ValueError where they do not fit."""

    tensor: str
    actual: Callable[[tuple[int, ...]], Array]


@dataclass(frozen=True)
class RankingErrors:
    """What the comparison part by part has shown: errors of the `ends` behind rankings, and of the `tensors` that rankings read."""

    ends: Mapping[str, TensorError]
    tensors: Mapping[str, TensorError]

    def beside(self, end_to_end: Mapping[str, float]) -> Rankings:
        """The same beside the errors of outputs from end to end, of which those behind rankings count."""
        return Rankings({name: error.max_rel for name, error in self.tensors.items()},
                        {name: error for name, error in end_to_end.items() if name in self.ends})


def in_parts(graph: Graph, available: Collection[str], *, free: bool, inside: bool = False) -> Parts:
    """The parts of a source, given as its graph. Only tensors that are `available` in the result can be compared; `free`: the source's
    rankings may take any of equal numbers. The ends are the graph's outputs, or with `inside` all tensors that are available."""
    deciding = _deciding(graph)
    depths: dict[Value, int] = dict.fromkeys(graph.inputs, 0)
    parts: dict[int, Part] = {}

    def part(depth: int) -> Part:
        return parts.setdefault(depth, Part())

    for node in graph.nodes:
        depth = max((depths[v] for v in node.inputs if v in depths), default=None)
        if depth is None:
            continue
        if node in deciding:
            for value in _before(node, available):
                if value.producer is not None and value in depths:
                    part(depths[value]).tensors[value.origin] = value
                    depth = max(depth, depths[value] + 1)
            if free and isinstance(node.op, TopK) and _comparable(node, available):
                part(depth).choices.append(node)
                depth += 1
        depths.update(dict.fromkeys(node.outputs, depth))
    ends = ({v.origin: v for v in depths if v.origin in available} if inside else dict(zip(graph.output_names, graph.outputs)))
    chosen = {v for each in parts.values() for node in each.choices for v in node.outputs} if inside else ()
    for name, value in ends.items():
        if depths.get(value, 0) and value not in chosen:
            part(depths[value]).ends.append(name)
    return Parts(tuple(parts[depth] for depth in sorted(parts)), frozenset(name for each in parts.values() for name in each.ends))


def ranked_outputs(graph: Graph) -> set[str]:
    """The names of the outputs that a ranking comes before."""
    deciding, reached = _deciding(graph), set[Value]()
    for node in graph.nodes:
        if node in deciding or not reached.isdisjoint(v for v in node.inputs if v is not None):
            reached.update(node.outputs)
    return {name for name, value in zip(graph.output_names, graph.outputs) if value in reached}


def _deciding(graph: Graph) -> set[Node]:
    """The nodes that rank, with those that compare numbers for them: whose results are integers or truth values that such a node reads."""
    found: set[Node] = set()
    for node in reversed(graph.nodes):
        ranks = node.op.ranks or any(each.op.ranks for body in node.op.bodies for part in body.graphs() for each in part.nodes)
        if ranks or any(v.type.dtype.kind in "iub" and not found.isdisjoint(v.users) for v in node.outputs):
            found.add(node)
    return found


def _comparable(node: Node, available: Collection[str]) -> bool:
    """Whether what a node chooses can be compared, and what it ranks, as the result has it or moved as the source moves that."""
    keys = node.input(0)
    if keys.type.dtype.kind in "iub" or not all(v.origin in available for v in node.outputs):
        return False
    while keys.origin not in available and keys.producer is not None and isinstance(keys.producer.op, (Reshape, Transpose)):
        keys = keys.producer.input(0)
    return keys.producer is not None and keys.origin in available


def _before(node: Node, available: Collection[str]) -> Iterator[Value]:
    """The nearest floating-point tensors before a node that can be compared."""
    pending, seen = list(node.inputs), set[Value]()
    while pending:
        value = pending.pop()
        if value is None or value.is_const or value in seen or value.type.dtype.kind in "iub":
            continue
        seen.add(value)
        if value.origin in available:
            yield value
        elif value.producer is not None:
            pending += value.producer.inputs


def compare_in_parts(parts: Parts, run: Run, inside: Mapping[str, Array], stored: Mapping[str, Stored],
                     ends: Mapping[str, End]) -> RankingErrors:
    """Compare the tensors `inside` a result (by the source's names, stored as in `stored`) and what it has for the `ends` of `parts` with
    the source, part by part. Raises CheckError when the source does not run from the result's tensors."""
    given: dict[str, Array] = {}
    entries: list[TensorInfo] = []
    errors: dict[str, TensorError] = {}
    found: dict[str, TensorError] = {}

    def take(value: Value, expected: Array) -> Array | None:
        """Go on from the result's tensor, where it has the source's shape."""
        try:
            array = stored[value.origin].to_source(inside[value.origin], expected.shape).astype(expected.dtype)
        except ValueError:
            return None
        given[value.origin] = array
        entries.append(describe(value.origin, value.origin, value.type, value.type, tuple(range(value.rank))))
        return array

    for part in parts.parts:
        choices = {v.origin: v for node in part.choices for v in node.outputs}
        keys = dict.fromkeys(name for node in part.choices if (name := node.input(0).origin) not in given)
        expected = run(list(entries), [*part.tensors, *keys, *choices, *(ends[name].tensor for name in part.ends)], dict(given))
        for name in part.ends:
            found[name] = _end_error(ends[name], expected[ends[name].tensor])
        for tensor, value in part.tensors.items():
            array = take(value, expected[tensor])
            errors[tensor] = NO_LIKENESS if array is None else compare(expected[tensor], array)
        for node in part.choices:
            errors[node.outputs[1].origin] = _chosen(node, expected, {**expected, **given}[node.input(0).origin], take)
    return RankingErrors(found, errors)


def _end_error(end: End, expected: Array) -> TensorError:
    try:
        return compare(expected, end.actual(expected.shape))
    except ValueError:
        return NO_LIKENESS


def _chosen(node: Node, expected: Mapping[str, Array], keys: Array, take: Callable[[Value, Array], Array | None]) -> TensorError:
    """The error of the numbers of `keys` at the positions that the result chose, against those at the positions that the source chose."""
    assert isinstance(node.op, TopK), "only these choose freely"
    values, positions = (take(v, expected[v.origin]) for v in node.outputs)
    axis = node.op.axis
    if values is None or positions is None or _repeated(positions, axis) or not _within(positions, keys.shape[axis]):
        return NO_LIKENESS
    there = np.take_along_axis(keys, positions.astype(np.int64), axis)
    wanted = np.take_along_axis(keys, expected[node.outputs[1].origin].astype(np.int64), axis)
    exact = np.array_equal(there, wanted, equal_nan=True) and np.array_equal(there, values, equal_nan=True)
    return compare(wanted, there) if exact else NO_LIKENESS


def _repeated(positions: Array, axis: int) -> bool:
    ordered = np.sort(positions, axis)
    return bool((np.diff(ordered, axis=axis) == 0).any())


def _within(positions: Array, size: int) -> bool:
    return not positions.size or (int(positions.min()) >= 0 and int(positions.max()) < size)


def worst_in_parts(runs: list[RankingErrors]) -> RankingErrors:
    """The largest errors of several runs."""
    return RankingErrors(*({name: worst_of([getattr(run, kind)[name] for run in runs if name in getattr(run, kind)])
                            for name in getattr(runs[0], kind)} for kind in ("ends", "tensors")))
