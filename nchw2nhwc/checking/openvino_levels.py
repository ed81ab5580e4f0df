"""Quantized OpenVINO models as they are written.

OpenVINO's CPU plugin computes such models with integers, and on the way changes what is rounded to what:

- before a concatenation whose result is convolved it rounds all operands to one grid, whatever ranges they have. In a network of the Open
  Model Zoo that leaves 4 of 256 levels to one of them.
- a FakeQuantize between a convolution and an addition that is fused with both does not round.

Neither happens where the operands of concatenations are sums with a number that is not known, and where rounded tensors are outputs.
Integer kernels still compute the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import openvino


def keep_levels(model: openvino.Model) -> int:
    """Change a model so that OpenVINO rounds as it says. Outputs are added behind those that it has. Returns how many inputs were added
    behind its own, which have to be float32 zeros without axes."""
    from openvino import Type
    from openvino import opset13 as ops

    operations = model.get_ordered_ops()
    rounded = [each for each in operations if each.get_type_name() == "FakeQuantize" and not _is_weights(each)]
    if not rounded:
        return 0
    joined = [each for each in operations if each.get_type_name() == "Concat" and each.get_output_element_type(0).is_real()]
    zero = ops.parameter([], Type.f32, name="zero")
    for port in (port for each in joined for port in each.inputs()):
        operand = port.get_source_output()
        port.replace_source_output(ops.add(operand, ops.convert_like(zero, operand)).output(0))
    known = {result.input_value(0) for result in model.get_results()}
    model.add_outputs([each.output(0) for each in rounded if each.output(0) not in known])
    if joined:
        model.add_parameters([zero])
    return int(bool(joined))


def _is_weights(node: openvino.Node) -> bool:
    """Whether a FakeQuantize rounds constants."""
    while node.get_input_size() and node.get_type_name() in ("FakeQuantize", "Convert", "Subtract", "Multiply", "Reshape", "Transpose"):
        node = node.input_value(0).get_node()
    return bool(node.get_type_name() == "Constant")
