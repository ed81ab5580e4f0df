"""Which layers of a document are needed for its results, where it is to end, and whether all of them are known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from nchw2nhwc.errors import Location, MissingOp, UnsupportedOpsError
from nchw2nhwc.parse.cut import unknown_name
from nchw2nhwc.parse.openvino.control import CONTROL
from nchw2nhwc.parse.openvino.document import Document, End, Layer
from nchw2nhwc.parse.openvino.inputs import tensor_name
from nchw2nhwc.parse.openvino.missing import REASONS
from nchw2nhwc.parse.openvino.registry import find
from nchw2nhwc.parse.openvino.suppression import MEASURING, suppresses
from nchw2nhwc.parse.suppression import Part, ends_before

HELD = ("Parameter", "Const", "Result", "ReadValue", "Assign")
"""Types that the reader itself takes care of."""


def stops_at(document: Document, wanted: Sequence[str]) -> dict[str, End]:
    """The results that the names of tensors or layers stand for, by tensor; a layer stands for all of its results. Raises OptionError."""
    layers = {layer.name: {tensor_name(document, layer, k): (layer.id, k) for k in range(len(layer.results))}
              for layer in document.layers.values() if layer.type != "Result"}
    tensors = {name: end for results in layers.values() for name, end in results.items()}
    found: dict[str, End] = {}
    for name in wanted:
        if name not in tensors and name not in layers:
            raise unknown_name(name, (*tensors, *layers))
        found.update({name: tensors[name]} if name in tensors else layers[name])
    return found


def before_suppression(document: Document, stops: Mapping[str, End]) -> dict[str, End]:
    """The results to stop at, by the names of their tensors, so that no boxes are suppressed for `stops` or, without any, the Results.
    Raises OptionError when none are."""
    ends = [document.layers[id] for id, _ in stops.values()] or document.of_type("Result")
    inputs = [(layer.id, 0) for layer in document.of_type("Parameter")]
    found = ends_before(parts(document, ends), inputs, sources(ends, stops))
    return {tensor_name(document, document.layers[id], port): (id, port) for id, port in found}


def sources(ends: Iterable[Layer], stops: Mapping[str, End]) -> list[End]:
    """The results to stop at, or those that the Results `ends` read."""
    return list(stops.values()) or [end for layer in ends for end in layer.sources if end]


def parts(document: Document, ends: Iterable[Layer]) -> list[Part[End]]:
    """What `ends` need, as far as suppression of boxes is concerned."""
    return [Part([end for end in layer.sources if end], [(layer.id, k) for k in range(len(layer.results))], suppresses(layer),
                 layer.type in MEASURING) for layer in computing(document.order(ends))]


def computing(layers: Iterable[Layer]) -> list[Layer]:
    """Those of the layers that compute something."""
    return [layer for layer in layers if layer.type not in ("Parameter", "Result", "Assign")]


def _unmapped(layers: Iterable[Layer]) -> Iterator[Layer]:
    """The layers that no mapping exists for, those in the bodies of loops included; an If may need one of its branches only."""
    for layer in layers:
        if layer.type not in HELD and layer.type not in CONTROL and find(layer.type, layer.version) is None:
            yield layer
        for inner in layer.bodies.values() if layer.type != "If" else ():
            yield from _unmapped(inner.document.layers.values())


def require_mapped(layers: Iterable[Layer], document: Document) -> None:
    """Raises UnsupportedOpsError with every type of layer that no mapping exists for."""
    missing: dict[tuple[str, str], list[str]] = {}
    for layer in _unmapped(layers):
        missing.setdefault((layer.type, layer.version), []).append(layer.name)
    if missing:
        raise UnsupportedOpsError([MissingOp(f"{type} ({version})", len(names), tuple(names[:3]), REASONS.get(type, ""))
                                   for (type, version), names in missing.items()], Location(document.file))
