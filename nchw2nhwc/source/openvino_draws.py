"""Multinomial of OpenVINO, spelled out in the source itself as uniform numbers that are compared, and what bodies draw; see `draws`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nchw2nhwc.source.native import openvino_model, serialized
from nchw2nhwc.source.openvino_inner_draws import BODIES, moved_out

if TYPE_CHECKING:
    import openvino

    from nchw2nhwc.source.model import Source

TYPE = "Multinomial"


def spelled_out(source: Source) -> tuple[bytes, bytes] | None:
    """The .xml and .bin of the model with such layers spelled out, and with what loops and branches draw in its main graph; None where
    there is nothing to do, or OpenVINO is missing. What draws without replacement stays. Raises SourceError for a source that cannot be
    read."""
    from nchw2nhwc.parse.openvino.document import read_document

    assert isinstance(source.model, (Path, bytes)), "an IR is a path or bytes"
    document = read_document(source.model)
    if not any(document.of_type(kind) for kind in (TYPE, *BODIES)) or find_spec("openvino") is None:
        return None
    import openvino

    model = openvino_model(openvino.Core(), source)
    found = [node for node in model.get_ordered_ops() if node.get_type_name() == TYPE and node.get_attributes()["with_replacement"]]
    for node in found:
        _replace(node)
    moved = moved_out(model)
    return serialized(moved or model) if found or moved is not None else None


def _replace(node: openvino.Node) -> None:
    """The first class whose chance, with those of all classes before it, is above a uniform number times the sum of all chances."""
    from openvino import opset13 as ops

    name, attributes = node.get_friendly_name(), node.get_attributes()
    chances, count = node.input_value(0), ops.reshape(node.input_value(1), np.array([1]), special_zero=False)
    weights = ops.convert(chances, "f32")
    sums = ops.cumsum(ops.exp(weights) if attributes["log_probs"] else weights, np.int64(-1))
    classes = ops.gather(ops.shape_of(chances), np.array([-1]), np.int64(0))
    last = ops.gather(sums, ops.subtract(classes, np.array([1])), np.int64(-1))
    rows = ops.slice(ops.shape_of(chances), np.array([0]), np.array([-1]), np.array([1]))
    drawn = ops.random_uniform(ops.concat([rows, ops.convert(count, "i64")], 0), np.float32(0), np.float32(1), "f32")
    drawn.set_friendly_name(f"{name}/uniform")
    below = ops.less_equal(ops.unsqueeze(sums, np.int64(-2)), ops.unsqueeze(ops.multiply(drawn, last), np.int64(-1)))
    index = ops.minimum(ops.reduce_sum(ops.convert(below, "i64"), np.array([-1])), ops.subtract(classes, np.array([1])))
    result = ops.convert(index, attributes["convert_type"])
    names = node.output(0).get_names()
    for reader in node.output(0).get_target_inputs():
        reader.replace_source_output(result.output(0))
    result.output(0).set_names(names)
    result.set_friendly_name(name)
