"""What bodies of OpenVINO's loops and branches draw, moved to the main graph in the source itself; see `inner_draws`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from nchw2nhwc.source.inner_draws import MOST_STEPS

if TYPE_CHECKING:
    import openvino

BODIES = ("TensorIterator", "Loop", "If")
"""Operations with bodies."""


def moved_out(model: openvino.Model) -> openvino.Model | None:
    """The model, changed, with what is drawn in bodies of known numbers of steps drawn in the main graph; None where there is nothing to
    move. What draws as many numbers, or between limits, as are computed stays where it is."""
    import openvino

    if not _lifted(model):
        return None
    return openvino.Model(model.get_results(), model.get_sinks(), model.get_parameters(), model.get_friendly_name())


def _lifted(model: openvino.Model) -> list[openvino.Node]:
    """Move draws out of all bodies of a model, in place; what draws in it now."""
    made = []
    for node in model.get_ordered_ops():
        for body, enter in _bodies(node):
            inside = [each for each in body.get_ordered_ops() if each.get_type_name() == "RandomUniform"]
            lifted = (_lift(node, body, enter, draw) for draw in (*inside, *_lifted(body)))
            made += [draw for draw in lifted if draw is not None]
    return made


def _bodies(node: openvino.Node) -> Iterator[tuple[openvino.Model, Callable[[openvino.Output, openvino.Node], None]]]:
    """The bodies of an operation, and how a tensor becomes a parameter of each: of a loop a part of it along the first axis."""
    kind = node.get_type_name()
    if kind in ("TensorIterator", "Loop"):
        yield node.get_function(), lambda tensor, parameter: node.set_sliced_input(parameter, tensor, 0, 1, 1, -1, 0)
    elif kind == "If":
        yield node.get_then_body(), lambda tensor, parameter: node.set_input(tensor, parameter, None)
        yield node.get_else_body(), lambda tensor, parameter: node.set_input(tensor, None, parameter)


def _lift(node: openvino.Node, body: openvino.Model, enter: Callable[[openvino.Output, openvino.Node], None],
          draw: openvino.Node) -> openvino.Node | None:
    """The draw outside, for all steps at once; None where how much is drawn is not known there."""
    from openvino import opset13 as ops

    steps = [] if node.get_type_name() == "If" else [node.get_num_iterations()]
    given = [source.get_node() for source in draw.input_values()]
    if any(each.get_type_name() != "Constant" for each in given) or not all(0 < count <= MOST_STEPS for count in steps):
        return None
    shape, low, high = (np.array(each.data) for each in given)
    kind, name = draw.get_output_element_type(0), f"{node.get_friendly_name()}/{draw.get_friendly_name()}"
    parameter = ops.parameter([*(1 for _ in steps), *map(int, shape)], kind, name=f"{name}/step")
    taken = ops.reshape(parameter, shape, special_zero=False) if steps else parameter
    for reader in draw.output(0).get_target_inputs():
        reader.replace_source_output(taken.output(0))
    body.add_parameters([parameter])
    outside = ops.random_uniform(np.array([*steps, *shape], np.int64), low, high, kind.to_string())
    outside.set_friendly_name(name)
    enter(outside.output(0), parameter)
    return outside
