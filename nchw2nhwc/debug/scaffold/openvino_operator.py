"""The signature of an OpenVINO operation: from the layers of its type in an IR, whose attributes OpenVINO knows the types of."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from nchw2nhwc.debug.scaffold.operator import Attribute, Operator, Presence, operands_of, python_name
from nchw2nhwc.errors import Location, OptionError, SourceError, UnsupportedError
from nchw2nhwc.parse.cut import unknown_name
from nchw2nhwc.parse.openvino.attributes import floats, integer, integers, number
from nchw2nhwc.parse.openvino.control import CONTROL
from nchw2nhwc.parse.openvino.document import Document, Layer, read_document
from nchw2nhwc.parse.openvino.elements import ELEMENTS
from nchw2nhwc.parse.openvino.inputs import tensor_name
from nchw2nhwc.parse.openvino.needed import HELD
from nchw2nhwc.parse.openvino.registry import NEWEST_OPSET, find, mappings
from nchw2nhwc.source import Format, Source
from nchw2nhwc.source.native import openvino_model
from nchw2nhwc.wording import counted

Types: TypeAlias = Mapping[str, str]
"""Annotations by the names of attributes."""

_OPSET = re.compile(r"opset([1-9][0-9]?)")


def openvino_operator(source: Source, layer: str) -> tuple[Operator, str, bool]:
    """The operation of a layer, as `onnx_operator`."""
    assert isinstance(source.model, (Path, bytes)), "an IR is a path or bytes"
    document = read_document(source.model)
    layers = _all_layers(document)
    found = next((each for each in layers if layer == each.name or layer in _tensors(document, each)), None)
    if found is None:
        raise unknown_name(layer, [each.name for each in layers])
    where = document.where(found)
    version = _require_unmapped(found, where)
    alike = [each for each in layers if (each.type, each.version) == (found.type, found.version)]
    types = _types(source, found)
    names = list(dict.fromkeys(name for each in alike for name in each.data))
    attributes = [Attribute(python_name(name) if not name.isidentifier() else name, name,
                            types.get(name) or _annotation([each.data[name] for each in alike if name in each.data]),
                            None if all(name in each.data for each in alike) else "None") for name in names]
    counts = [len(each.operands) for each in alike]
    operands = [("x" if max(counts) == 1 else f"x{k}", Presence.REQUIRED if k < min(counts) else Presence.OPTIONAL)
                for k in range(max(counts))]
    results = {len(each.results) for each in alike}
    operator = Operator(Format.OPENVINO, "", found.type, version, operands_of(operands, {"b", *names}),
                        tuple(sorted(attributes, key=lambda a: a.default is not None)), results.pop() if len(results) == 1 else None, "",
                        f"the {counted(len(alike), 'layer')} of this type in {source.name or 'the model'}")
    return operator, found.name, document.layers.get(found.id) is found


def _all_layers(document: Document) -> list[Layer]:
    inner = (each for layer in document.layers.values() for body in layer.bodies.values() for each in _all_layers(body.document))
    return [*document.layers.values(), *inner]


def _tensors(document: Document, layer: Layer) -> list[str]:
    return [tensor_name(document, layer, k) for k in range(len(layer.results))]


def _require_unmapped(layer: Layer, where: Location) -> int:
    """The opset of a layer's type. Raises OptionError where it is supported, UnsupportedError where no mapping can be found for it."""
    if layer.type in HELD or layer.type in CONTROL or find(layer.type, layer.version) is not None:
        raise OptionError(f"{layer.type} of {layer.version} is supported; there is nothing to scaffold", where,
                          "If its result is wrong, openvino2tf bisect says where it goes wrong.")
    match = _OPSET.fullmatch(layer.version)
    if match is None or int(match[1]) > NEWEST_OPSET:
        raise UnsupportedError(f"mappings are for layers of opset1 to opset{NEWEST_OPSET}, not of '{layer.version}'", where,
                               "NEWEST_OPSET and the opsets that are known are in nchw2nhwc/parse/openvino/registry.py.")
    known = [m for m in mappings() if m.type.lower() == layer.type.lower()]
    if known:
        raise OptionError(f"{layer.type} is supported from opset{known[0].since} on, not of {layer.version}", where,
                          f"Add the opset to the function in {known[0].function.__module__.replace('.', '/')}.py.")
    return int(match[1])


# ---- types of attributes ---------------------------------------------------------------------------------------------------
def _types(source: Source, layer: Layer) -> Types:
    """What OpenVINO says of a layer's attributes; nothing where it is not installed or does not read the model."""
    try:
        import openvino
    except ImportError:
        return {}
    try:
        model = openvino_model(openvino.Core(), source)
    except RuntimeError:
        return {}
    found = next((op for op in model.get_ops() if op.get_friendly_name() == layer.name), None)
    values: Mapping[str, object] = {} if found is None else found.get_attributes()
    return {name: kind for name, value in values.items() if (kind := _of_value(value))}


def _of_value(value: object) -> str:
    """The annotation of an attribute with this value; "" where the value does not say."""
    if isinstance(value, str):
        return "DType" if value.lower() in ELEMENTS else "str"
    if isinstance(value, (list, tuple)):
        kinds = {type(v) for v in value}
        return "Ints" if kinds == {int} else "Floats" if kinds == {float} else ""
    return next((t.__name__ for t in (bool, int, float) if isinstance(value, t)), "")


def _annotation(texts: Sequence[str]) -> str:
    """The narrowest annotation with which all texts can be read. What is one number may be a list elsewhere; it is read as one number."""
    if all(text.lower() in ELEMENTS for text in texts):
        return "DType"
    if all(text.strip().lower() in ("true", "false") for text in texts):
        return "bool"
    for annotation, read in (("int", integer), ("float", number), ("Ints", integers), ("Floats", floats)):
        try:
            for text in texts:
                read(text)
        except SourceError:
            continue
        return annotation
    return "str"
