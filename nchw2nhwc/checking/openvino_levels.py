"""Quantized OpenVINO models as they are written.

OpenVINO's CPU plugin computes such models with integers, and on the way

- leaves out what a FakeQuantize between a convolution and an addition rounds, where it fuses it with both (`DnnlPostOpsComposer::compose`:
  "drop rounding one special residual pattern");
- multiplies the levels of a FakeQuantize by a constant behind it, in half precision where the file has that (`FakeQuantizeMulFusion`).

It does neither where the rounded tensor is an output. In LSTMSequence and the like whose data and weights are rounded it rounds the state
of every step, too, on the grid of the data: oneDNN's recurrent kernels of 8 bits have one scale for both. It does not where the weights
are numbers of single precision. Integer kernels still compute the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nchw2nhwc.ir import Array

if TYPE_CHECKING:
    import openvino

_RECURRENT = ("LSTMSequence", "GRUSequence", "RNNSequence", "LSTMCell", "GRUCell", "RNNCell")


def keep_levels(model: openvino.Model) -> None:
    """Change a model so that OpenVINO rounds what is added or multiplied, normalizes what it rounds, and rounds no states. Outputs are
    added behind those that it has."""
    from openvino import opset13 as ops

    known = {result.input_value(0) for result in model.get_results()}
    rounded = [each.output(0) for each in model.get_ordered_ops() if each.get_type_name() == "FakeQuantize"]
    model.add_outputs([port for port in rounded if port not in known and _is_computed_with(port)])
    for norm in [each for each in model.get_ordered_ops() if rounded and each.get_type_name() == "MVN"]:
        port = norm.input_value(0)
        smallest = np.finfo(port.get_element_type().to_dtype()).min
        norm.input(0).replace_source_output(ops.maximum(port, smallest).output(0))
    for layer in [each for each in model.get_ordered_ops() if rounded and each.get_type_name() in _RECURRENT]:
        for place in layer.inputs():
            port = place.get_source_output()
            if port.get_node().get_type_name() != "Constant" and _is_constant(port.get_node()):
                place.replace_source_output(ops.constant(_content(port)).output(0))


def _content(port: openvino.Output) -> Array:
    """What is computed from constants alone."""
    import openvino
    from openvino import opset13 as ops

    part = openvino.Model([ops.result(port)], [], "constants")
    return np.array(openvino.Core().compile_model(part, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([])[0])


def _is_computed_with(port: openvino.Output) -> bool:
    """Whether additions and products are all that reads a tensor of more than weights."""
    readers = {reader.get_node().get_type_name() for reader in port.get_target_inputs()}
    return bool(readers) and readers <= {"Add", "Multiply"} and not _is_constant(port.get_node())


def _is_constant(node: openvino.Node) -> bool:
    """Whether a FakeQuantize rounds constants."""
    while node.get_input_size() and node.get_type_name() in ("FakeQuantize", "Convert", "Subtract", "Multiply", "Reshape", "Transpose"):
        node = node.input_value(0).get_node()
    return bool(node.get_type_name() == "Constant")


@dataclass(frozen=True)
class Deviations:
    """Layers that OpenVINO computes otherwise than a quantized model says, see above: FakeQuantize layers that do not round, each with the
    layers that OpenVINO computes together with it, and Multiply layers of half precision."""

    unrounded: Mapping[str, frozenset[str]]
    halved: tuple[str, ...]


def deviations(compiled: openvino.CompiledModel, model: openvino.Model) -> Deviations:
    """Those of a model that was compiled: OpenVINO tells which layers it fused, in their order."""
    layers = {each.get_friendly_name(): each for each in model.get_ordered_ops()}
    unrounded: dict[str, frozenset[str]] = {}
    for each in compiled.get_runtime_model().get_ordered_ops():
        names = each.get_rt_info()["originalLayersNames"].value.split(",")
        fused = [layers[name] for name in names if name in layers]
        if not fused or fused[0].get_type_name() not in ("Convolution", "GroupConvolution"):
            continue
        kinds = [_kind(node) for node in fused[1:]]
        first = kinds.index("FakeQuantize") if "FakeQuantize" in kinds else len(kinds)
        if set(kinds[:first]) <= {"bias"} and "sum" in kinds[first:] and "FakeQuantize" in kinds[first + 1:]:
            unrounded[fused[first + 1].get_friendly_name()] = frozenset(names)
    return Deviations(unrounded, tuple(name for name, each in layers.items() if _is_halved(each)))


def _kind(node: openvino.Node) -> str:
    """The type of a layer; of an addition whether it adds a constant or another tensor."""
    kind = str(node.get_type_name())
    if kind != "Add":
        return kind
    return "bias" if any(_is_constant(node.input_value(k).get_node()) for k in (0, 1)) else "sum"


def _is_halved(node: openvino.Node) -> bool:
    """Whether a layer multiplies what a FakeQuantize rounds by constants of half precision, and nothing else reads either."""
    if node.get_type_name() != "Multiply" or node.get_output_element_type(0).get_type_name() != "f16":
        return False
    operands = [node.input_value(k).get_node() for k in (0, 1)]
    rounded = [each for each in operands if each.get_type_name() == "FakeQuantize" and not _is_constant(each)]
    return len(rounded) == 1 and any(map(_is_constant, operands)) and all(
        len(each.output(0).get_target_inputs()) == 1 for each in (node, *rounded))
