"""Inputs that are given a value become constants, in the source itself: its runtime then takes the same inputs as the result.

This is for inputs that decide what a network is, such as a sample rate that an If asks for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nchw2nhwc.errors import Location, OptionError
from nchw2nhwc.ir import Array, TensorType
from nchw2nhwc.source import Format, Source
from nchw2nhwc.source.native import onnx_model

if TYPE_CHECKING:
    from onnx import ModelProto

Values = Mapping[str, Sequence[float]]
"""By input name: one number, or all elements in row-major order."""


def with_values(source: Source, values: Values) -> Source:
    """The source with these inputs as constants; itself where there are none, or they are constants already.

    Raises OptionError for a name that is no input's and for numbers that do not fit, SourceError for a source that cannot be read.
    """
    if not values or source.fixed:
        return source
    changed = _onnx(source, values) if source.format is Format.ONNX else _openvino(source, values)
    origin = source.model if isinstance(source.model, Path) else source.origin
    return replace(changed, origin=origin, fixed=True)


def _array(name: str, type: TensorType, numbers: Sequence[float], file: str) -> Array:
    """The numbers in the type and shape of an input; a single one everywhere. Open sizes are as many as the numbers say, or 1."""
    static = prod(s for s in type.shape if isinstance(s, int))
    opened = [k for k, s in enumerate(type.shape) if not isinstance(s, int)]
    shape = [s if isinstance(s, int) else 1 for s in type.shape]
    if len(opened) == 1 and static and len(numbers) % static == 0:
        shape[opened[0]] = len(numbers) // static
    if len(numbers) not in (1, prod(shape)):
        raise OptionError(f"input '{name}' is {type}, but {len(numbers)} values are given for it", Location(file),
                          "Give one number, or one for each element in row-major order.")
    if type.dtype.kind in "iub" and any(v != int(v) for v in numbers):
        raise OptionError(f"input '{name}' is {type}; its values are whole numbers", Location(file))
    return np.broadcast_to(np.asarray(numbers).astype(type.dtype).reshape(() if len(numbers) == 1 else shape), shape).copy()


def _require_known(names: Sequence[str], known: Mapping[str, TensorType], file: str) -> None:
    for name in names:
        if name not in known:
            raise OptionError(f"there is no input '{name}' to give a value", Location(file), f"The inputs are: {', '.join(known)}.")


def _onnx(source: Source, values: Values) -> Source:
    from onnx import numpy_helper

    from nchw2nhwc.parse.onnx import read_inputs

    types = read_inputs(source.model)
    _require_known(list(values), types, source.name)
    model: ModelProto = onnx_model(source.model)
    kept = [info for info in model.graph.input if info.name not in values]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    for name, numbers in values.items():
        model.graph.initializer.append(numpy_helper.from_array(_array(name, types[name], numbers, source.name), name))
    return replace(source, model=model)


def _openvino(source: Source, values: Values) -> Source:
    from lxml import etree

    from nchw2nhwc.parse.openvino.document import read_document
    from nchw2nhwc.parse.openvino.inputs import input_types, tensor_name

    model, weights = source.model, source.weights
    assert isinstance(model, (Path, bytes)), "an IR is a path or bytes"
    document = read_document(model)
    types = input_types(document, None, None)[0]
    _require_known(list(values), types, source.name)
    assert weights is not None, "an IR of bytes has its weights beside it"
    content = weights if isinstance(weights, bytes) else weights.read_bytes() if weights.exists() else b""
    text = model if isinstance(model, bytes) else model.read_bytes()
    root = etree.fromstring(text, etree.XMLParser(resolve_entities=False, no_network=True))
    names = {str(id): tensor_name(document, layer, 0) for id, layer in document.layers.items() if layer.type == "Parameter"}
    for layer in root.iterfind("layers/layer"):
        name, data = names.get(layer.get("id", ""), ""), layer.find("data")
        if name in values and data is not None:
            array = _array(name, types[name], values[name], source.name)
            content += b"\0" * (-len(content) % 8)
            layer.set("type", "Const")
            data.set("shape", ",".join(map(str, array.shape)))
            data.set("offset", str(len(content)))
            data.set("size", str(array.nbytes))
            content += array.tobytes()
            for port in layer.iter("port"):
                for dim, size in zip(port.findall("dim"), array.shape):
                    dim.text = str(size)
    return replace(source, model=etree.tostring(root), bin=content)
