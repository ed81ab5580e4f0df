"""Run a graph in numpy, at any stage of a conversion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.dim import Dim
from nchw2nhwc.ir.graph import Graph, Value
from nchw2nhwc.ir.types import Array


def bind_dims(graph: Graph, inputs: Mapping[str, Array]) -> dict[str, int]:
    """The numbers that the named dimensions of the graph's inputs stand for, from actual inputs.

    Raises ShapeError when an input is missing or its shape contradicts the declared one.
    """
    sizes: dict[str, int] = {}
    for value in graph.inputs:
        if value.name not in inputs:
            raise ShapeError(f"no data for input '{value.name}'", advice=f"The inputs are: {', '.join(v.name for v in graph.inputs)}.")
        actual = inputs[value.name].shape
        fits = len(actual) == value.rank
        for declared, size in zip(value.shape, actual):
            linear = declared.linear() if isinstance(declared, Dim) else None
            if linear is not None:
                factor, name, rest = linear
                fits &= (size - rest) % factor == 0 and sizes.setdefault(name, (size - rest) // factor) * factor + rest == size
        if not fits or any(d.evaluate(sizes) != s if isinstance(d, Dim) else d != s for d, s in zip(value.shape, actual)):
            raise ShapeError(f"input '{value.name}' has shape {list(actual)}, expected [{', '.join(map(str, value.shape))}]")
    return sizes


def note_sizes(sizes: dict[str, int], value: Value, array: Array) -> None:
    """Note the named dimensions that no input has: how many elements an op keeps, for instance."""
    for declared, size in zip(value.shape, array.shape):
        if isinstance(declared, Dim) and declared.is_symbol:
            sizes.setdefault(str(declared), size)


def steps(graph: Graph, inputs: Mapping[str, Array]) -> Iterator[tuple[Value, Array]]:
    """Run `graph`, yielding every computed value as soon as it is known; arrays are dropped after their last reader."""
    sizes = bind_dims(graph, inputs)
    known: dict[int, Array] = {id(v): np.asarray(inputs[v.name], v.type.dtype) for v in graph.inputs}
    readers = {id(v): len(v.users) for v in graph.values()}

    def fetch(value: Value | None) -> Array | None:
        return None if value is None else value.const if value.const is not None else known[id(value)]

    for node in graph.nodes:
        with np.errstate(all="ignore"):
            results = node.op.bind(sizes).run(*(fetch(v) for v in node.inputs))
        for value, array in zip(node.outputs, results):
            known[id(value)] = array = np.asarray(array)
            note_sizes(sizes, value, array)
            yield value, array
        for operand in dict.fromkeys(node.inputs):
            if operand is not None and not operand.is_const:
                readers[id(operand)] -= 1
                if not readers[id(operand)]:
                    known.pop(id(operand), None)


def run(graph: Graph, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Outputs by name for `inputs` by name, each in the layout and type that the graph declares. Raises ShapeError."""
    wanted = {id(v) for v in graph.outputs}
    results: dict[int, Array] = {id(v): v.const for v in graph.outputs if v.const is not None}
    results |= {id(v): np.asarray(inputs[v.name], v.type.dtype) for v in graph.inputs if id(v) in wanted and v.name in inputs}
    for value, array in steps(graph, inputs):
        if id(value) in wanted:
            results[id(value)] = array
    return {name: results[id(v)] for name, v in zip(graph.output_names, graph.outputs)}


def run_all(graph: Graph, operands: Sequence[Array]) -> tuple[Array, ...]:
    """The outputs of a body for its inputs, both in their order. Raises ShapeError."""
    return tuple(run(graph, {v.name: x for v, x in zip(graph.inputs, operands, strict=True)}).values())
