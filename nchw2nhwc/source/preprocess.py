"""Puts the preprocessing of inputs into a graph in source order, which takes raw data from then on.

The nodes added here are ordinary ones: the passes fold scales into the first convolution, and means where that one pads with nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from nchw2nhwc.errors import Location, OptionError
from nchw2nhwc.ir import Dim, Graph, Origin, TensorType, Value
from nchw2nhwc.ir.preprocessing import PREPROCESSING, Preprocessing
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Div, Sub
from nchw2nhwc.ops.elementwise import Cast
from nchw2nhwc.ops.kinds import FLOAT, kind_of
from nchw2nhwc.ops.movement import Slice, Transpose
from nchw2nhwc.ops.rules import Along, Elementwise, Normalization, Spatial
from nchw2nhwc.options import ConvertOptions
from nchw2nhwc.options.preprocess import ONLY, numbers_by_input, reversed_inputs, types_by_input

_FLOAT32 = np.dtype(np.float32)


def preprocess(graph: Graph, options: ConvertOptions) -> None:
    """Let inputs take raw data, as `options` say, and note in `graph.preprocessing` what is done to it. Raises OptionError for an input
    that does not exist, is not of floating point numbers or has other channels than are given, and where none is named and not just one
    input is image-like."""
    axes = channel_axes(graph)
    mean = {_resolved(graph, axes, name): numbers for name, numbers in numbers_by_input("mean", options.mean, zero=True).items()}
    scale = {_resolved(graph, axes, name): numbers for name, numbers in numbers_by_input("scale", options.scale, zero=False).items()}
    reverse = {_resolved(graph, axes, name) for name in reversed_inputs(options.reverse_channels)}
    types = {_resolved(graph, axes, name): np.dtype(dtype) for name, dtype in types_by_input(options.input_dtype).items()}
    for value in tuple(graph.inputs):
        name = value.name
        if name in {*mean, *scale, *reverse, *types}:
            found = Preprocessing(value.origin or name, axes.get(id(value)), mean.get(name, (0.0,)), scale.get(name, (1.0,)),
                                  name in reverse, types.get(name, value.type.dtype), value.type.dtype)
            _require_fits(graph, value, found)
            graph.preprocessing[name] = found
            _insert(graph, value, found)


def channel_axes(graph: Graph) -> dict[int, int]:
    """The axis of its channels for every value (by id) that reaches the data operand of a windowed op, through ops that keep axes or move
    them."""
    axes: dict[int, int] = {}
    for node in reversed(graph.nodes):
        rule, operands = node.op.rule, [v for v in node.inputs if v is not None]
        found = {axes[id(v)] for v in node.outputs if id(v) in axes}
        if isinstance(rule, Spatial):
            axes.update({id(v): 1 for v, kind in zip(operands, rule.operands) if kind == "data"})
        elif len(found) == 1 and isinstance(node.op, Transpose):
            axes[id(operands[0])] = node.op.perm[found.pop()]
        elif len(found) == 1 and isinstance(rule, (Elementwise, Along, Normalization)):
            data = operands[: rule.data] if isinstance(rule, Along) else operands
            (axis,) = found
            axes.update({id(v): axis for v in data if v.rank == node.outputs[0].rank})
    return axes


def _resolved(graph: Graph, axes: Mapping[int, int], name: str) -> str:
    """The name of the input that is meant."""
    if name != ONLY:
        if name not in [v.name for v in graph.inputs]:
            raise OptionError(f"there is no input '{name}' to preprocess", Location(graph.source), _known(graph.inputs))
        return name
    images = [v for v in graph.inputs if id(v) in axes and _is_float(v)]
    if len(images) != 1:
        raise OptionError(f"preprocessing is for the only image-like input unless it is given by name (NAME=...), and the model has "
                          f"{len(images) or 'none'}", Location(graph.source), _known(graph.inputs))
    return images[0].name


def _known(inputs: Collection[Value]) -> str:
    return f"The inputs are: {', '.join(f'{v.name} ({v.type})' for v in inputs)}."


def _is_float(value: Value) -> bool:
    return kind_of(value.type.dtype) in FLOAT


def _require_fits(graph: Graph, value: Value, found: Preprocessing) -> None:
    """Raises OptionError where an input cannot be preprocessed like that."""
    where = Location(graph.source, value.name, "input")
    if not _is_float(value):
        raise OptionError(f"its elements are {value.type.dtype.name}; only inputs of floating point numbers are preprocessed", where)
    counts = {len(numbers) for numbers in (found.mean, found.scale)} - {1}
    if found.axis is None:
        if counts or found.reverse:
            raise OptionError("which of its axes are channels is not known, because it does not reach a convolution, pooling or resizing "
                              "as an image", where, "Give one number for all of it.")
        return
    size = value.shape[found.axis]
    for count in counts:
        if isinstance(size, Dim) or count != size:
            raise OptionError(f"{count} numbers are given for the {size} channels of {value.type}", where,
                              "Give one number for all channels, or one for each.")


def _insert(graph: Graph, value: Value, found: Preprocessing) -> None:
    """The nodes, before all others. What is computed channel by channel comes before channels are reversed, so that a convolution can take
    the reversal into its weights."""
    raw = Value(value.name, TensorType(found.raw_dtype, value.shape), origin=found.raw)
    first = graph.nodes[0] if graph.nodes else None
    result = raw

    def then(op: Op, *constants: Value) -> None:
        nonlocal result
        result = graph.add1(op, [result, *constants], origin=Origin(value.name, PREPROCESSING), before=first)

    def constant(numbers: tuple[float, ...], name: str) -> Value:
        ordered = numbers[::-1] if found.reverse else numbers
        return graph.constant(found.along(ordered, value.rank).astype(_FLOAT32), f"{value.name}/{name}")

    if raw.type.dtype != _FLOAT32:
        then(Cast(_FLOAT32))
    if any(found.mean):
        then(Sub(), constant(found.mean, "mean"))
    if any(s != 1 for s in found.scale):
        then(Div(), constant(found.scale, "scale"))
    if found.reverse:
        ends = (None,) * value.rank
        then(Slice(ends, ends, tuple(-1 if k == found.axis else 1 for k in range(value.rank))))
    if value.type.dtype != result.type.dtype:
        then(Cast(value.type.dtype))
    graph.inputs[graph.inputs.index(value)] = raw
    if result is raw:  # nothing is done to it
        raw.origin = value.origin
        del graph.preprocessing[value.name]
    graph.replace_uses(value, result)
    value.origin = ""
