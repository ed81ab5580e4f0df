"""The types of a model's inputs: as its Parameter layers declare them, or as the user wants them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from nchw2nhwc.errors import ConversionError, Location, OptionError, SourceError, UnsupportedError
from nchw2nhwc.ir import Dim, Shape, Size, TensorType
from nchw2nhwc.parse.openvino.attributes import integer
from nchw2nhwc.parse.openvino.document import Document, Layer
from nchw2nhwc.parse.openvino.elements import element_of

_RANGE = re.compile(r"[0-9]*\.\.[0-9]*", re.ASCII)


def tensor_name(document: Document, layer: Layer, k: int) -> str:
    """What the source calls result `k` of a layer: IR 11 names tensors; otherwise it is the layer's name, with the number of the result
    behind it where there are several, as OpenVINO has it."""
    names = layer.results[k].names if document.version >= 11 else ()
    return names[0] if names else layer.name if len(layer.results) == 1 else f"{layer.name}.{k}"


def input_types(document: Document, input_shapes: Mapping[str, Sequence[int]] | None,
                batch: int | None) -> tuple[dict[str, TensorType], bool]:
    """The type of every input by its name, in the order of the file, and whether it is another than the file declares.

    `input_shapes` gives sizes by an input's tensor or layer name; -1 leaves a size open. `batch` is the size of axis 0 of every input of
    at least two axes that is not among those; -1 leaves it open, the same one for all ("N"). Sizes that are open are named dimensions,
    "{input}_{axis}". Raises SourceError for a shape that cannot be read, UnsupportedError for an open number of axes, OptionError for
    shapes and names that do not fit.
    """
    declared: dict[str, TensorType] = {}
    aliases: dict[str, str] = {}
    for layer in document.of_type("Parameter"):
        try:
            name, type = _declared(document, layer)
        except ConversionError as error:
            raise error.at(document.where(layer)) from None
        if name in declared:
            raise SourceError(f"two inputs are called '{name}'", document.where(layer))
        declared[name] = type
        aliases |= {alias: name for alias in (layer.name, *layer.results[0].names) if alias not in aliases} | {name: name}
    wanted = dict(declared)
    if batch is not None:
        wanted |= {name: _with_batch(type, batch, document.file) for name, type in declared.items() if type.rank > 1}
    for key, sizes in (input_shapes or {}).items():
        if key not in aliases:
            raise OptionError(f"the model has no input '{key}'", Location(document.file), f"Its inputs are: {', '.join(declared)}.")
        wanted[aliases[key]] = _with_shape(aliases[key], declared[aliases[key]], sizes, document.file)
    return wanted, wanted != declared


def _declared(document: Document, layer: Layer) -> tuple[str, TensorType]:
    if len(layer.results) != 1 or layer.operands:
        raise SourceError(f"a Parameter with {len(layer.operands)} operands and {len(layer.results)} results")
    name, port = tensor_name(document, layer, 0), layer.results[0]
    for attribute in ("element_type", "shape"):
        if attribute not in layer.data:
            raise SourceError(f"attribute '{attribute}' is missing")
    shape = declared_shape(layer.data["shape"], name)
    if port.dims and (len(port.dims) != len(shape) or any(d not in (-1, s) for d, s in zip(port.dims, shape) if isinstance(s, int))):
        raise SourceError(f"its shape is [{layer.data['shape']}], but its port declares {list(port.dims)}")
    return name, TensorType(element_of(layer.data["element_type"].strip()).dtype, shape)


def declared_shape(text: str, name: str) -> Shape:
    """A shape as an attribute of a layer writes it; sizes that are open are named after the input `name`. Raises SourceError and
    UnsupportedError."""
    return tuple(_size(part.strip(), name, axis) for axis, part in enumerate(text.split(",") if text.strip() else []))


def _size(text: str, name: str, axis: int) -> Size:
    """One entry of a declared shape: a number; "?", "-1" or a range for one that is open; "..." for any number of axes."""
    if text in ("...", "[...]"):
        raise UnsupportedError(f"input '{name}' has an unknown number of axes",
                               advice="Save the model again with a fixed number of axes: openvino.Model.reshape.")
    if text in ("?", "-1") or _RANGE.fullmatch(text):
        return Dim.symbol(f"{name}_{axis}")
    size = integer(text)
    if size < 0:
        raise SourceError(f"attribute 'shape' holds {size}")
    return size


def _with_shape(name: str, type: TensorType, sizes: Sequence[int], file: str) -> TensorType:
    if len(sizes) != type.rank:
        raise OptionError(f"input '{name}' has {type.rank} axes, but {len(sizes)} sizes are given for it", Location(file), f"It is {type}.")
    if any(s < 1 and s != -1 for s in sizes):
        raise OptionError(f"sizes {list(sizes)} for input '{name}'", Location(file), "Sizes are at least 1, or -1 to leave them open.")
    return type.with_shape(tuple(Dim.symbol(f"{name}_{axis}") if s == -1 else s for axis, s in enumerate(sizes)))


def _with_batch(type: TensorType, batch: int, file: str) -> TensorType:
    if batch < 1 and batch != -1:
        raise OptionError(f"a batch of {batch}", Location(file), "It is at least 1, or -1 to leave it open.")
    return type.with_shape((Dim.symbol("N") if batch == -1 else batch, *type.shape[1:]))
