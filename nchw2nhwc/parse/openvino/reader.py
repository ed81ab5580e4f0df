"""A checked document and its weights become a graph, layer by layer."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from math import prod

from nchw2nhwc.errors import CUT, ConversionError, SourceError, UnsupportedError
from nchw2nhwc.ir import Dim, Graph, TensorType, Value, product
from nchw2nhwc.ir.states import STATE_IN, STATE_OUT
from nchw2nhwc.ops.movement import FIX_SIZES
from nchw2nhwc.options import Nms, Random
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.detection import NAMES, only
from nchw2nhwc.parse.draws import declare
from nchw2nhwc.parse.open_sizes import OpenSizes, read_with_open_sizes
from nchw2nhwc.parse.openvino.attributes import integer, integers
from nchw2nhwc.parse.openvino.common import require_rank, same
from nchw2nhwc.parse.openvino.control import CONTROL
from nchw2nhwc.parse.openvino.document import Document, End, Inner, Layer, read_document
from nchw2nhwc.parse.openvino.elements import decode, element_of, stored_element
from nchw2nhwc.parse.openvino.inputs import declared_shape, input_types, tensor_name
from nchw2nhwc.parse.openvino.needed import before_suppression, computing, parts, require_mapped, sources, stops_at
from nchw2nhwc.parse.openvino.registry import apply, find
from nchw2nhwc.parse.openvino.states import variable_of
from nchw2nhwc.parse.openvino.weights import Weights
from nchw2nhwc.parse.suppression import ends_with

MAX_ELEMENTS = 2**40
"""No tensor of a model that can run has more."""


def read_openvino(xml: str | os.PathLike[str] | bytes, bin: str | os.PathLike[str] | bytes | None = None, *,
                  input_shapes: Mapping[str, Sequence[int]] | None = None, batch: int | None = None,
                  outputs: Sequence[str] = (), nms: Nms = "builtin", random: Random = "refuse") -> Graph:
    """The graph of an OpenVINO IR (version 10 or 11), in the source's order of axes.

    `xml` and `bin` are paths or the files' content; without `bin` the file beside the .xml is used. `input_shapes` replaces the sizes of
    inputs, by tensor or layer name, with -1 for one that is known only at run time; `batch` that of axis 0 of all other inputs with at
    least two axes. `outputs`: tensors or layers to stop at; what they do not need is not read, whatever it is. Default: the model's
    Results. `nms="cut"` stops before non-maximum suppression: at what it and the layers behind it read; "detection-postprocess" ends with
    another op in its place (see `parse.detection`). `random="inputs"` makes an input of each tensor of random numbers, after the model's
    own. The .bin is mapped: constants are views of it wherever possible. Inputs and outputs are named as in the source.

    Raises SourceError, UnsupportedError, UnsupportedOpsError (one for all op types that are not known), ShapeError or OptionError.
    """
    document = read_document(xml)
    if bin is None and not isinstance(xml, bytes):
        bin = os.path.splitext(os.fspath(xml))[0] + ".bin"
    types, changed = input_types(document, input_shapes, batch)
    stops = stops_at(document, outputs)
    if nms == "cut":
        stops = before_suppression(document, stops)
    declared, weights = input_types(document, None, None)[0], Weights(bin)

    def read(sizes: OpenSizes) -> Graph:
        held = {name: type.with_shape(sizes.shape(name)) for name, type in types.items()}
        reader = Reader(document, weights, check_shapes=not changed)
        reader.builder.limits, reader.builder.counts = sizes.limits, sizes.counts
        return reader.read(held, stops, detects=nms == "detection-postprocess", draws=random == "inputs")

    return read_with_open_sizes(OpenSizes(*({name: t.shape for name, t in each.items()} for each in (types, declared))), read)


class Reader:
    """Builds the graph of one document. `values` holds what stands for each result so far, `names` the name that each is to have."""

    def __init__(self, document: Document, weights: Weights, check_shapes: bool) -> None:
        self.document, self.weights, self.check_shapes = document, weights, check_shapes
        self.graph = Graph(document.name, document.file)
        self.builder = Builder(self.graph, half=False)
        self.values: dict[End, Value | None] = {}
        self.names: dict[End, str] = {}
        self.inner = False
        """Whether this reads a body."""

    def read(self, inputs: Mapping[str, TensorType], stops: Mapping[str, End], *, detects: bool = False,
             draws: bool = False) -> Graph:
        """The graph for inputs of these types, up to the results `stops` (by the names of their tensors) or, without any, the Results; if
        it `detects`, with what stands for the suppression of boxes in the place of those that need it; if it `draws`, with inputs in the
        place of random numbers."""
        self.builder.draws = [] if draws else None
        results = [] if stops else self.document.of_type("Result")
        written = [] if stops else self.document.of_type("Assign")
        ends = [self.document.layers[id] for id, _ in stops.values()] or results
        if detects:
            self.builder.detections = []
            others, suppressed = ends_with(parts(self.document, ends), sources(ends, stops))
            stops = {name: end for name, end in stops.items() if end in others}
            results = [layer for layer in results if layer.sources[0] in others]
            ends = [self.document.layers[id] for id, _ in (*others, *suppressed)]
        ends = [*ends, *written]
        require_mapped(computing(self.document.order(ends)), self.document)
        for layer, (name, type) in zip(self.document.of_type("Parameter"), inputs.items()):
            self.values[layer.id, 0] = self._checked(layer, self.graph.add_input(name, type))
        self.compute(ends)
        for name, value in zip(NAMES, only(self.builder)) if detects else ():
            self.graph.add_output(value, name)
        for name, end in stops.items():
            found = self.values[end]
            if found is not None:
                self.graph.add_output(found, name)
        for layer in results:
            self._add_output(layer)
        for layer in written:
            self._add_state(layer)
        self.graph.prune()
        declare(self.graph, self.builder.draws or (), {tensor_name(self.document, layer, k) for layer in self.document.layers.values()
                                                       for k in range(len(layer.results))})
        return self.graph

    def within(self, inner: Inner, graph: Graph | None = None) -> Reader:
        """A reader of a body, that adds its layers to a graph of its own or to this one; an operand of the body has to be set for each of
        its Parameters."""
        other = Reader(inner.document, self.weights, self.check_shapes)
        other.graph = self.graph if graph is None else graph
        if graph is None:
            other.builder = self.builder
        else:
            other.builder = Builder(graph, half=False)
            self.builder.shares(other.builder)
        other.inner = True
        return other

    def results(self, ids: Sequence[int]) -> list[Value]:
        """Add the layers that these Results (by id) need; their values."""
        ends = [self.document.layers[id] for id in ids]
        origin = self.builder.origin
        require_mapped(computing(self.document.order(ends)), self.document)
        self.compute(ends)
        self.builder.origin = origin
        return [self._operand(end, 0) for end in ends]

    def compute(self, ends: Sequence[Layer]) -> None:
        """Add the layers that `ends` need."""
        order = computing(self.document.order(ends))
        for layer in order:
            for k in range(len(layer.results)):
                self.names[layer.id, k] = self.graph.unique_name(tensor_name(self.document, layer, k))
        for layer in order:
            self.builder.layer(layer.name, layer.type)
            try:
                self._add(layer)
            except ConversionError as error:
                if not error.advice and self._is_symbolic(layer):
                    error.advice = FIX_SIZES
                if isinstance(error, UnsupportedError):
                    error.advice = error.advice or CUT
                raise error.at(self.document.where(layer)) from None

    def _is_symbolic(self, layer: Layer) -> bool:
        """Whether a size of an operand is not known."""
        values = [self.values.get(end) for end in layer.sources if end is not None]
        return any(value is not None and not value.type.is_static for value in values)

    def _add(self, layer: Layer) -> None:
        results: Sequence[Value | None]
        if layer.type == "Const":
            results = (self._constant(layer),)
        elif layer.type == "ReadValue":
            results = (self._state(layer),)
        elif layer.type in CONTROL:
            results = CONTROL[layer.type](self, layer, [self._operand(layer, k) for k in range(len(layer.operands))])
        else:
            found = find(layer.type, layer.version)
            assert found is not None, f"{layer.type} was found before"
            results = apply(found, self.builder, layer, [self._operand(layer, k) for k in range(len(layer.operands))])
        if len(results) < len(layer.results):
            raise SourceError(f"it declares {len(layer.results)} results, but has {len(results)}")
        for k, value in enumerate(results[:len(layer.results)]):
            self.values[layer.id, k] = None if value is None else self._named(layer, k, value)

    def _operand(self, layer: Layer, k: int) -> Value:
        end = layer.sources[k]
        assert end is not None, "every operand has an edge"
        value = self.values[end]
        if value is None:
            producer = self.document.layers[end[0]]
            raise UnsupportedError(f"result {end[1]} of {producer.type} layer '{producer.name}' is not supported",
                                   advice=CUT)
        return value

    def _constant(self, layer: Layer) -> Value:
        text = {name: layer.data.get(name) for name in ("element_type", "shape", "offset", "size")}
        for name, entry in text.items():
            if entry is None:
                raise SourceError(f"attribute '{name}' is missing")
        element, shape = stored_element((text["element_type"] or "").strip()), integers(text["shape"] or "")
        offset, size = integer(text["offset"] or ""), integer(text["size"] or "")
        require_rank(shape)
        if min((offset, size, *shape)) < 0:
            raise SourceError(f"shape {list(shape)}, offset {offset} and size {size} must not be negative")
        needed = element.stored(prod(shape))
        if size != needed and needed:
            raise SourceError(f"{element.name}{list(shape)} takes {needed} bytes, but its size is {size}")
        return self.builder.const(decode(self.weights.take(offset, needed), element, shape))

    def _state(self, layer: Layer) -> Value:
        """What the network remembers from its last run: an input. Where it is given an initial value, that says its type."""
        if self.inner:
            raise UnsupportedError("a body that remembers something from one run to the next is not supported")
        name = STATE_IN + variable_of(layer)
        known = next((v for v in self.graph.inputs if v.name == name), None)
        if known is not None:
            return known
        if layer.operands:
            type = self._operand(layer, 0).type
        else:
            text = {key: layer.data.get(key, "") for key in ("variable_type", "variable_shape")}
            type = TensorType(element_of(text["variable_type"]).dtype, declared_shape(text["variable_shape"], name))
        return self.graph.add_input(name, type)

    def _add_state(self, layer: Layer) -> None:
        """An Assign: what is remembered becomes an output."""
        name = STATE_OUT + variable_of(layer)
        if name in self.graph.output_names:
            raise SourceError(f"the variable '{variable_of(layer)}' is assigned twice", self.document.where(layer))
        try:
            self.graph.add_output(self._operand(layer, 0), name)
        except UnsupportedError as error:
            raise error.at(self.document.where(layer)) from None

    def _named(self, layer: Layer, k: int, value: Value) -> Value:
        """`value` under the source tensor's name; one that has a name from an earlier layer gets a second one."""
        if value.origin:
            value = same(self.builder, value)
        value.name, value.origin = self.names[layer.id, k], tensor_name(self.document, layer, k)
        return self._checked(layer, value, k)

    def _checked(self, layer: Layer, value: Value, k: int = 0) -> Value:
        """`value`, if its shape is possible and agrees with what the file declares. Raises SourceError."""
        where, declared = self.document.where(layer), layer.results[k].dims
        elements = product(s for s in value.shape if isinstance(s, int))
        if isinstance(elements, Dim) or elements > MAX_ELEMENTS:
            raise SourceError(f"a tensor of {elements} elements ({value.type}); at most {MAX_ELEMENTS} are possible", where)
        if self.check_shapes and declared and (len(declared) != value.rank or any(
                isinstance(s, int) and d not in (-1, s) for d, s in zip(declared, value.shape))):
            raise SourceError(f"its result is {value.type}, but the file declares {list(declared)} for it", where,
                              "The file was changed after it was written: write it again, or set the inputs' shapes with --input-shape.")
        return value

    def _add_output(self, layer: Layer) -> None:
        """A Result: called as it says itself, else like the tensor, else (when another output has that name) like its layer."""
        if len(layer.operands) != 1:
            raise SourceError(f"a Result with {len(layer.operands)} operands", self.document.where(layer))
        try:
            value = self._operand(layer, 0)
        except UnsupportedError as error:
            raise error.at(self.document.where(layer)) from None
        end = layer.sources[0]
        assert end is not None, "every operand has an edge"
        tensor = tensor_name(self.document, self.document.layers[end[0]], end[1])
        candidates = [*layer.output_names[:1], tensor, layer.name, *(f"{tensor}_{n}" for n in range(1, len(self.graph.outputs) + 2))]
        self.graph.add_output(value, next(name for name in candidates if name not in self.graph.output_names))
