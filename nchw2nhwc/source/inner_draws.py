"""Random draws inside of branches and loops, moved to the main graph in the source itself, where an input can take their place.

A draw of a branch is drawn whether the branch is taken or not. Those of a loop are drawn for all of its steps at once, along a new first
axis, and every step takes its own part; a Scan goes through that axis itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from nchw2nhwc.ir import Array

if TYPE_CHECKING:
    from onnx import AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto

DRAWING = frozenset({"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"})

MOST_STEPS = 1 << 16
"""A loop of more steps at most has no limit that was meant as one; exporters write the largest integer for none."""

Kinds: TypeAlias = "Mapping[str, tuple[int, tuple[int, ...] | None]]"
"""Element type and shape of tensors by name, None for a shape with sizes that are not known."""


def is_draw(node: NodeProto) -> bool:
    """Whether a node makes a tensor of random numbers."""
    return node.op_type in DRAWING and node.domain in ("", "ai.onnx") and len(node.output) == 1


def moved_out(model: ModelProto, free: Callable[[str], str]) -> None:
    """Move the draws in branches, and in loops of at most a known number of steps, to the main graph, in place. A draw whose shape is known
    only inside stays where it is. `free` makes of a name one that the model does not have."""
    from onnx import shape_inference

    typed = shape_inference.infer_shapes(model).graph
    _Level(typed, model.graph, [], _kinds(typed), free).move()


@dataclass(frozen=True)
class Length:
    """A number of steps: the size of an axis of a tensor."""

    tensor: str
    axis: int


@dataclass
class _Level:
    """A graph whose nodes may have graphs of their own, its copy with inferred types, the graphs around it, what is known of tensors here,
    and names for what is new."""

    typed: GraphProto
    graph: GraphProto
    around: Sequence[GraphProto]
    kinds: Kinds
    free: Callable[[str], str]

    def move(self) -> None:
        """Move what is drawn in the graphs of nodes into this one."""
        from nchw2nhwc.parse.onnx.model import subgraphs

        nodes: list[NodeProto] = []
        for typed, node in zip(self.typed.node, self.graph.node, strict=True):
            for typed_inner, inner in zip(subgraphs(typed), subgraphs(node), strict=True):
                kinds = {**self.kinds, **_kinds(typed_inner)}
                _Level(typed_inner, inner, [*self.around, self.graph], kinds, self.free).move()
                self._empty(node, inner, kinds, nodes)
            nodes.append(node)
        kept = [type(node).FromString(node.SerializeToString()) for node in nodes]
        del self.graph.node[:]
        self.graph.node.extend(kept)

    def _empty(self, node: NodeProto, inner: GraphProto, kinds: Kinds, nodes: list[NodeProto]) -> None:
        """Let the draws of one graph of a node be made by `nodes` before it."""
        from onnx import helper

        steps = self._steps(node, inner)
        for place, each in enumerate(inner.node):
            if not is_draw(each) or steps is None:
                continue
            element = _element(each, kinds)
            found = self._drawn(each, _outer_name(node, inner, each), kinds, steps, nodes) if element else ""
            if not found:
                continue
            if node.op_type == "Scan":
                part = helper.make_node("Identity", [self._scanned(node, inner, found, element)], list(each.output))
            elif node.op_type == "Loop":
                part = helper.make_node("Gather", [found, inner.input[0].name], list(each.output), axis=0)
            else:
                part = helper.make_node("Identity", [found], list(each.output))
            inner.node[place].CopyFrom(part)

    def _steps(self, node: NodeProto, inner: GraphProto) -> int | Length | None:
        """How often the graph of a node runs at most, 0 for a branch; None where that is not known, or never."""
        if node.op_type == "If":
            return 0
        if node.op_type == "Loop" and node.input[0] and len(inner.input) >= 1:
            limit = known((*self.around, self.graph), node.input[0])
            return int(limit.ravel()[0]) if limit is not None and limit.size == 1 and 0 < limit.ravel()[0] <= MOST_STEPS else None
        states = _states(node)
        if states is not None and len(node.input) == len(inner.input) > states:
            axes = _attribute(node, "scan_input_axes")
            shape = self.kinds.get(node.input[states], (0, None))[1]
            axis = axes.ints[0] if axes is not None and axes.ints else 0
            if shape is None:
                return Length(node.input[states], axis)
            return (shape[axis] or None) if -len(shape) <= axis < len(shape) else None
        return None

    def _scanned(self, node: NodeProto, inner: GraphProto, drawn: str, element: int) -> str:
        """The part of each step of what is drawn for all steps of a Scan, as another operand that it goes through."""
        from onnx import helper

        name = self.free(drawn)
        node.input.append(drawn)
        inner.input.append(helper.make_tensor_value_info(name, element, None))
        for attribute in node.attribute:
            if attribute.name == "num_scan_inputs":
                attribute.i += 1
            elif attribute.name in ("scan_input_axes", "scan_input_directions"):
                attribute.ints.append(0)
        return name

    def _drawn(self, draw: NodeProto, outer: str, kinds: Kinds, steps: int | Length, nodes: list[NodeProto]) -> str:
        """The tensor of what a node draws in all steps, made by `nodes`; "" where its shape is known only inside. `outer` is a tensor out
        here that has this shape, "" for none."""
        from onnx import helper

        name = self.free(draw.output[0])
        given = {a.name: helper.get_attribute_value(a) for a in draw.attribute}
        shape = kinds.get(draw.input[0], (0, None))[1] if draw.input else tuple(given.pop("shape", ()))
        given["dtype"] = _element(draw, kinds)
        if shape is None and not outer:
            return ""
        if shape is not None and isinstance(steps, int):
            whole = (steps, *shape) if steps else shape
            made = [helper.make_node(draw.op_type.removesuffix("Like"), [], [name], draw.name, shape=list(whole), **given)]
        elif not steps:
            made = [helper.make_node(draw.op_type, [outer], [name], draw.name, **given)]
        else:
            one, step, sizes, zeros = (self.free(f"{name}_{part}") for part in ("steps", "step", "sizes", "like"))
            made = [*self._counted(steps, one),
                    helper.make_node("Shape", [outer], [step]) if shape is None else _numbers(step, shape),
                    helper.make_node("Concat", [one, step], [sizes], axis=0),
                    helper.make_node("ConstantOfShape", [sizes], [zeros]),
                    helper.make_node(draw.op_type.removesuffix("Like") + "Like", [zeros], [name], draw.name, **given)]
        nodes += made
        return name

    def _counted(self, steps: int | Length, result: str) -> list[NodeProto]:
        """Nodes that make a number of steps."""
        from onnx import helper

        if isinstance(steps, int):
            return [_numbers(result, [steps])]
        shape, place = self.free(f"{result}_shape"), self.free(f"{result}_axis")
        return [helper.make_node("Shape", [steps.tensor], [shape]), _numbers(place, [steps.axis]),
                helper.make_node("Gather", [shape, place], [result], axis=0)]


def _kinds(graph: GraphProto) -> dict[str, tuple[int, tuple[int, ...] | None]]:
    """What is known of the tensors that a graph defines."""
    found: dict[str, tuple[int, tuple[int, ...] | None]] = {t.name: (t.data_type, tuple(t.dims)) for t in graph.initializer}
    for info in (*graph.input, *graph.value_info, *graph.output):
        kind = info.type.tensor_type
        if kind.elem_type:
            sizes = [size.dim_value if size.HasField("dim_value") else None for size in kind.shape.dim]
            fixed = kind.HasField("shape") and None not in sizes
            found[info.name] = (kind.elem_type, tuple(size for size in sizes if size is not None) if fixed else None)
    return found


def _numbers(result: str, numbers: Sequence[int]) -> NodeProto:
    """A node that makes a constant vector."""
    from onnx import TensorProto, helper

    return helper.make_node("Constant", [], [result], value=helper.make_tensor(result, TensorProto.INT64, [len(numbers)], numbers))


def _attribute(node: NodeProto, name: str) -> AttributeProto | None:
    return next((attribute for attribute in node.attribute if attribute.name == name), None)


def _element(draw: NodeProto, kinds: Kinds) -> int:
    """The element type of what a node draws; 0 where it is not known."""
    from onnx import TensorProto

    given = _attribute(draw, "dtype")
    if given is not None and given.i:
        return given.i
    return kinds.get(draw.input[0], (0, None))[0] if draw.input else TensorProto.FLOAT


def _states(node: NodeProto) -> int | None:
    """How many of the operands of a Scan are carried from step to step, before those that it goes through; None for what is no Scan."""
    count = _attribute(node, "num_scan_inputs")
    return len(node.input) - count.i if node.op_type == "Scan" and count is not None else None


def _outer_name(node: NodeProto, inner: GraphProto, draw: NodeProto) -> str:
    """The tensor around a node that has the shape of the operand of a draw inside: the operand itself, or what a loop begins with in its
    place; "" for one that is computed inside."""
    if not draw.input:
        return ""
    name = draw.input[0]
    inputs = [info.name for info in inner.input]
    if name in inputs:
        place, states = inputs.index(name), _states(node)
        carried = range(2, len(node.input)) if node.op_type == "Loop" else range(states or 0)
        return node.input[place] if place in carried else ""
    made = {output for each in inner.node for output in each.output} | {t.name for t in inner.initializer}
    return "" if name in made else name


def known(graphs: Sequence[GraphProto], name: str) -> Array | None:
    """The content of a constant of the last of these graphs, or of one around it; None for what is none."""
    from onnx import numpy_helper

    for graph in reversed(graphs):
        given = [t for t in graph.initializer if name and t.name == name]
        makers = [n for n in graph.node if name and n.op_type == "Constant" and name in n.output]
        given += [a.t for maker in makers for a in maker.attribute if a.name == "value"]
        if given:
            return numpy_helper.to_array(given[0])
    return None


def graphs_inside(body: GraphProto | FunctionProto) -> Iterator[GraphProto]:
    """The graphs of nodes, and those of their nodes."""
    from nchw2nhwc.parse.onnx.model import subgraphs

    for node in body.node:
        for inner in subgraphs(node):
            yield inner
            yield from graphs_inside(inner)
