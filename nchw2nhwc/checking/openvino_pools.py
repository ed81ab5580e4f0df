"""Means of nothing in OpenVINO models.

Where the number of windows of an AvgPool is rounded up, the last one may hold no element. OpenVINO's own tests say that its mean is 0; the
CPU plugin divides by the number of elements, which makes a NaN of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import openvino


def define_empty_windows(model: openvino.Model) -> int:
    """Change a model so that means of nothing are 0. Returns how many layers were changed."""
    from openvino import opset13 as ops
    from openvino import opset14

    changed = 0
    for pool in model.get_ordered_ops():
        if pool.get_type_name() != "AvgPool" or not pool.get_output_element_type(0).is_real() or not _may_be_empty(pool):
            continue
        kind, readers = pool.get_output_element_type(0), pool.output(0).get_target_inputs()
        ones = ops.broadcast(ops.constant(1, kind), ops.shape_of(pool.input_value(0)))
        attributes = {name.replace("-", "_"): value for name, value in pool.get_attributes().items() if name != "kernel"}
        means = opset14.avg_pool(ones, kernel_shape=pool.get_attributes()["kernel"], **attributes)
        defined = ops.select(ops.is_nan(means), ops.constant(0, kind), pool)
        for reader in readers:
            reader.replace_source_output(defined.output(0))
        changed += 1
    return changed


def _may_be_empty(pool: openvino.Node) -> bool:
    """Whether a window may hold no element; where a size is open, it may be any."""
    attributes, shapes = pool.get_attributes(), (pool.get_input_partial_shape(0), pool.get_output_partial_shape(0))
    if attributes["rounding_type"] != "ceil":
        return False
    if shapes[0].rank.is_dynamic or not all(size.is_static for shape in shapes for size in list(shape)[2:]):
        return True
    sizes, counts = ([size.get_length() for size in list(shape)[2:]] for shape in shapes)
    return any((count - 1) * stride >= size + before
               for size, count, stride, before in zip(sizes, counts, attributes["strides"], attributes["pads_begin"]))
