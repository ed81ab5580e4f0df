"""An IR's .xml as layers, ports and edges: read by a parser that follows nothing out of the file, then checked for contradictions."""

from __future__ import annotations

import heapq
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TypeAlias

from lxml import etree

from nchw2nhwc.errors import Location, SourceError, UnsupportedError
from nchw2nhwc.parse.openvino.attributes import integer

End: TypeAlias = tuple[int, int]
"""A result: the id of a layer and the position of the port among its output ports."""

MAX_BYTES = 64 * 2**20
"""The largest .xml that is read: that of some 100,000 layers."""

_NOT_AN_IR = "Give the .xml file that OpenVINO's converter wrote; the weights are in the .bin beside it."
_NAME = re.compile(r"(?:[^\\,]|\\.)+", re.DOTALL)


@dataclass(frozen=True)
class Port:
    """One operand or result of a layer. `dims` is its declared shape, with -1 for a size that is not fixed; `names` the source tensor's."""

    id: int
    dims: tuple[int, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Link:
    """What connects a port of a layer with a Parameter or Result of its body, `inner` by id. `port` is -1 for none; `data` says how: the
    axis of a part, or a purpose."""

    port: int
    inner: int
    data: Mapping[str, str]


@dataclass(frozen=True)
class Inner:
    """A body of a layer, how its Parameters and Results are connected, and which Parameter (by id) gets a Result's value next time."""

    document: Document
    inputs: tuple[Link, ...]
    outputs: tuple[Link, ...]
    back_edges: Mapping[int, int]


@dataclass(frozen=True)
class Layer:
    """One layer. `data` holds its attributes as text; `sources` says for each operand which result it reads; `bodies` are the networks
    within it, by "" or, of an If, "then_" and "else_"."""

    id: int
    name: str
    type: str
    version: str
    data: Mapping[str, str]
    operands: tuple[Port, ...]
    results: tuple[Port, ...]
    output_names: tuple[str, ...] = ()
    sources: list[End | None] = field(default_factory=list)
    bodies: Mapping[str, Inner] = field(default_factory=dict)


@dataclass(frozen=True)
class Document:
    """A whole model; `layers` in the order of the file, by id. `version` is that of the IR, 10 or 11."""

    file: str
    name: str
    version: int
    layers: Mapping[int, Layer]

    def of_type(self, type: str) -> list[Layer]:
        """All layers of one type, in the order of the file."""
        return [layer for layer in self.layers.values() if layer.type == type]

    def where(self, layer: Layer) -> Location:
        """The place of a layer, for an error."""
        return Location(self.file, layer.name, layer.type)

    def order(self, ends: Iterable[Layer]) -> list[Layer]:
        """The layers that `ends` need, operands first and otherwise in the order of the file. Raises SourceError for a cycle."""
        needed: set[int] = set()
        pending = [layer.id for layer in ends]
        while pending:
            layer = self.layers[pending.pop()]
            if layer.id not in needed:
                needed.add(layer.id)
                pending.extend(end[0] for end in layer.sources if end)
        position = {id: k for k, id in enumerate(self.layers)}
        sorter = TopologicalSorter({id: [end[0] for end in layer.sources if end] for id, layer in self.layers.items()})
        try:
            sorter.prepare()
        except CycleError as error:
            names = [f"'{self.layers[id].name}'" for id in error.args[1]]
            shown = [*names[:6], "...", names[-1]] if len(names) > 8 else names
            raise SourceError(f"layers depend on themselves: {' <- '.join(shown)}", Location(self.file)) from None
        ready: list[tuple[int, int]] = []
        ordered = []
        while sorter.is_active():
            for id in sorter.get_ready():
                heapq.heappush(ready, (position[id], id))
            _, id = heapq.heappop(ready)
            sorter.done(id)
            if id in needed:
                ordered.append(self.layers[id])
        return ordered


def read_document(source: str | os.PathLike[str] | bytes) -> Document:
    """Parse and check an IR's .xml, given as a path or as its content.

    Raises SourceError for text that is no IR or contradicts itself, UnsupportedError for a version of the IR other than 10 and 11.
    """
    file = "" if isinstance(source, bytes) else Path(source).name
    root = _parse(source, file)
    version = _version(root, file)
    if root.find("pre-process") is not None:
        raise UnsupportedError("the model subtracts a mean while it reads its inputs (<pre-process>)", Location(file),
                               "Convert the original model again with a newer Model Optimizer: it puts that into layers.")
    document = _network(root, Document(file, root.get("name") or (Path(file).stem if file else "model"), version, {}))
    if not document.of_type("Result"):
        raise SourceError("the model has no Result layer, so it computes nothing", Location(file))
    return document


# ---- XML -----------------------------------------------------------------------------------------------------------------
def _parse(source: str | os.PathLike[str] | bytes, file: str) -> etree._Element:
    """The root element. Entities are not expanded, nothing is loaded, and libxml2's limits on depth and on text stay in force."""
    content = source if isinstance(source, bytes) else _read(source, file)
    if len(content) > MAX_BYTES:
        raise SourceError(f"the .xml has more than {MAX_BYTES // 2**20} MiB, which no network needs", Location(file), _NOT_AN_IR)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, attribute_defaults=False,
                             huge_tree=False, remove_blank_text=True, remove_comments=True, remove_pis=True)
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise SourceError(f"the file is no well-formed XML: {error.msg}", Location(file), _NOT_AN_IR) from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise SourceError("the file declares a document type (DTD), which an IR never does", Location(file), _NOT_AN_IR)
    return root


def _read(path: str | os.PathLike[str], file: str) -> bytes:
    try:
        with open(path, "rb") as opened:
            return opened.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SourceError(f"cannot be read: {reason}", Location(file)) from None


def _version(root: etree._Element, file: str) -> int:
    if root.tag != "net":
        raise SourceError(f"the file is no OpenVINO IR: its root element is <{root.tag}>, not <net>", Location(file), _NOT_AN_IR)
    version = _integer(root, "version", Location(file))
    if version not in (10, 11):
        advice = ("Convert the original model again with a newer Model Optimizer (2020.1 or later) or with openvino.convert_model."
                  if version < 10 else "Write it again with openvino.save_model of an older OpenVINO.")
        raise UnsupportedError(f"the file is an IR of version {version}; versions 10 and 11 are supported", Location(file), advice)
    return version


def _integer(element: etree._Element, attribute: str, where: Location) -> int:
    text = element.get(attribute)
    if text is None:
        raise SourceError(f"a <{element.tag}> has no '{attribute}'", where)
    try:
        return integer(text)
    except SourceError as error:
        raise SourceError(f"'{attribute}' of a <{element.tag}>: {error.reason}", where) from None


def _network(root: etree._Element, empty: Document) -> Document:
    """The document with the layers and edges of a <net> or a body."""
    document = replace(empty, layers=_layers(root, empty))
    _connect(root, document)
    return document


# ---- layers ----------------------------------------------------------------------------------------------------------------
def _layers(root: etree._Element, document: Document) -> dict[int, Layer]:
    found: dict[int, Layer] = {}
    file = document.file
    holder = root.find("layers")
    for element in () if holder is None else holder.iterchildren("layer"):
        layer = _layer(element, document)
        if layer.id in found:
            raise SourceError(f"two layers have the id {layer.id}: '{found[layer.id].name}' and '{layer.name}'", Location(file))
        found[layer.id] = layer
    if not found:
        raise SourceError("the model has no layers", Location(file))
    return found


def _layer(element: etree._Element, document: Document) -> Layer:
    where = Location(document.file, element.get("name") or "", element.get("type") or "")
    for attribute in ("name", "type", "version"):
        if not element.get(attribute):
            raise SourceError(f"layer {element.get('id', '')} has no '{attribute}'", where)
    data = element.find("data")
    operands, results = (tuple(_ports(element.find(side), where)) for side in ("input", "output"))
    return Layer(_integer(element, "id", where), where.layer, where.type, element.get("version") or "",
                 {str(k): str(v) for k, v in data.attrib.items()} if data is not None else {}, operands, results,
                 split_names(element.get("output_names") or ""), [None] * len(operands),
                 {kind: _inner(element, body, kind, document, where) for kind in ("", "then_", "else_")
                  if (body := element.find(f"{kind}body")) is not None})


def _inner(element: etree._Element, body: etree._Element, kind: str, document: Document, where: Location) -> Inner:
    """A body of a layer, with its connections."""
    links: dict[str, list[Link]] = {"input": [], "output": []}
    for tag, found in links.items():
        for child in element.iterfind(f"{kind}port_map/{tag}"):
            found.append(Link(_integer(child, "external_port_id", where), _integer(child, "internal_layer_id", where),
                              {str(k): str(v) for k, v in child.attrib.items()}))
    edges = {_integer(edge, "to-layer", where): _integer(edge, "from-layer", where) for edge in element.iterfind("back_edges/edge")}
    inner = Inner(_network(body, replace(document, layers={})), tuple(links["input"]), tuple(links["output"]), edges)
    for layers, wanted in (((*(link.inner for link in inner.inputs), *edges), "Parameter"),
                           ((*(link.inner for link in inner.outputs), *edges.values()), "Result")):
        for id in layers:
            if id not in inner.document.layers or inner.document.layers[id].type != wanted:
                raise SourceError(f"a body's layer {id} is connected as a {wanted}, which it is not", where)
    return inner


def _ports(element: etree._Element | None, where: Location) -> Iterator[Port]:
    seen: set[int] = set()
    for child in () if element is None else element.iterchildren("port"):
        dims = tuple(_dim(dim, where) for dim in child.iterchildren("dim"))
        port = Port(_integer(child, "id", where), dims, split_names(child.get("names") or ""))
        if port.id in seen:
            raise SourceError(f"two ports have the id {port.id}", where)
        seen.add(port.id)
        yield port


def _dim(element: etree._Element, where: Location) -> int:
    try:
        size = integer(element.text or "")
    except SourceError as error:
        raise SourceError(f"a <dim>: {error.reason}", where) from None
    if size < -1:
        raise SourceError(f"a <dim> of {size}", where)
    return size


def split_names(text: str) -> tuple[str, ...]:
    r"""The names in a comma-separated list in which commas that belong to a name are written `\,`."""
    return tuple(name.replace("\\,", ",") for name in _NAME.findall(text))


# ---- edges -----------------------------------------------------------------------------------------------------------------
def _connect(root: etree._Element, document: Document) -> None:
    """Fill in `sources` of all layers. Raises SourceError for an edge from or to nowhere, and for an operand with no or with two edges."""
    file = Location(document.file)
    outgoing = {(layer.id, port.id): (layer.id, k) for layer in document.layers.values() for k, port in enumerate(layer.results)}
    incoming = {(layer.id, port.id): (layer, k) for layer in document.layers.values() for k, port in enumerate(layer.operands)}
    holder = root.find("edges")
    for edge in () if holder is None else holder.iterchildren("edge"):
        start = (_integer(edge, "from-layer", file), _integer(edge, "from-port", file))
        end = (_integer(edge, "to-layer", file), _integer(edge, "to-port", file))
        if start not in outgoing:
            raise SourceError(f"an edge comes from port {start[1]} of layer {start[0]}, which has no such output", file)
        if end not in incoming:
            raise SourceError(f"an edge goes to port {end[1]} of layer {end[0]}, which has no such input", file)
        layer, k = incoming[end]
        if layer.sources[k] is not None:
            raise SourceError(f"two edges go to input port {end[1]}", document.where(layer))
        layer.sources[k] = outgoing[start]
    for layer in document.layers.values():
        for port, source in zip(layer.operands, layer.sources):
            if source is None:
                raise SourceError(f"no edge goes to input port {port.id}", document.where(layer))
