"""Quantized OpenVINO models as they are written.

OpenVINO's CPU plugin computes such models with integers, and on the way

- leaves out what a FakeQuantize between a convolution and an addition rounds, where it fuses it with both (`DnnlPostOpsComposer::compose`:
  "drop rounding one special residual pattern");
- multiplies the levels of a FakeQuantize by a constant behind it, in half precision where the file has that (`FakeQuantizeMulFusion`).

It does neither where the rounded tensor is an output. Integer kernels still compute the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import openvino


def keep_levels(model: openvino.Model) -> None:
    """Change a model so that OpenVINO rounds what is added or multiplied, and normalizes what it rounds. Outputs are added behind those
    that it has."""
    from openvino import opset13 as ops

    known = {result.input_value(0) for result in model.get_results()}
    rounded = [each.output(0) for each in model.get_ordered_ops() if each.get_type_name() == "FakeQuantize"]
    model.add_outputs([port for port in rounded if port not in known and _is_computed_with(port)])
    for norm in [each for each in model.get_ordered_ops() if rounded and each.get_type_name() == "MVN"]:
        port = norm.input_value(0)
        smallest = np.finfo(port.get_element_type().to_dtype()).min
        norm.input(0).replace_source_output(ops.maximum(port, smallest).output(0))


def _is_computed_with(port: openvino.Output) -> bool:
    """Whether additions and products are all that reads a tensor of more than weights."""
    readers = {reader.get_node().get_type_name() for reader in port.get_target_inputs()}
    return bool(readers) and readers <= {"Add", "Multiply"} and not _is_constant(port.get_node())


def _is_constant(node: openvino.Node) -> bool:
    """Whether a FakeQuantize rounds constants."""
    while node.get_input_size() and node.get_type_name() in ("FakeQuantize", "Convert", "Subtract", "Multiply", "Reshape", "Transpose"):
        node = node.input_value(0).get_node()
    return bool(node.get_type_name() == "Constant")
