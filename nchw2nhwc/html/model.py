"""What the page shows, as plain data that JSON can hold."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Literal, TypeAlias, TypedDict

from nchw2nhwc import __version__
from nchw2nhwc.checking.layers import LayerErrors
from nchw2nhwc.html.graphs import GraphData, result_graph, source_graph, twins
from nchw2nhwc.html.pictures import PictureData, pictures
from nchw2nhwc.interface import layout_name
from nchw2nhwc.layout.interface import spatial_inputs
from nchw2nhwc.report import ErrorsReport, Report, build_report, errors_report

if TYPE_CHECKING:
    from pathlib import Path

    from nchw2nhwc.converted import Converted
    from nchw2nhwc.ir import Graph

Counts: TypeAlias = list[tuple[str, int]]


class LayerData(TypedDict):
    """One point of the error chart; the error is null where it is not a number."""

    tensor: str
    layer: str
    type: str
    error: float | None


class LayersData(TypedDict):
    """The error chart. `culprit` is the place of the culprit among the records, -1 when there is none."""

    records: list[LayerData]
    culprit: int
    tolerance: float


class TransposeData(TypedDict):
    """A transpose that is left: why, the bytes it moves, and its op in the result's graph (-1: a later pass has made something
    else of it)."""

    explanation: str
    bytes: int
    op: int


class PageData(TypedDict):
    """The whole page. `layouts` holds the layout of each input and output in words, `counts` the ops by type, most frequent first;
    `checks` the errors of each file that was checked, and `unchecked` why there was no check."""

    product: str
    title: str
    source: str
    format: str
    report: Report
    layouts: dict[Literal["inputs", "outputs"], list[str]]
    checks: dict[str, ErrorsReport]
    unchecked: str
    transposes: list[TransposeData]
    counts: dict[Literal["source", "result"], Counts]
    graphs: dict[Literal["source", "result"], GraphData]
    layers: LayersData | None
    pictures: list[PictureData]


def collect(converted: Converted, *, layers: LayerErrors | None = None, unchecked: str = "", result: Path | None = None) -> PageData:
    """Everything that the page shows. The source is read once more, because its graph was changed by the conversion.

    `layers` are the errors inside the network, if they have been measured; `unchecked` says why there was no check; `result` is the TFLite
    file, where it exists already. When the result has been checked and has outputs that are pictures, it runs once more, for those.
    """
    from nchw2nhwc.source.reading import read

    read_again = read(converted.source, converted.options)
    source, result_ops = source_graph(read_again), result_graph(converted.layout)
    twins(source, result_ops)
    return {
        "product": f"nchw2nhwc {__version__}",
        "title": converted.source.stem,
        "source": converted.source.name,
        "format": converted.source.format.value,
        "report": build_report(converted),
        "layouts": {"inputs": list(map(layout_name, converted.inputs)), "outputs": list(map(layout_name, converted.outputs))},
        "checks": {kind: errors_report(check) for kind, check in converted.checks.items()},
        "unchecked": unchecked,
        "transposes": _transposes(converted, result_ops),
        "counts": {"source": Counter(op["type"] for op in source["ops"] if not op["end"]).most_common(),
                   "result": converted.operator_counts().most_common()},
        "graphs": {"source": source, "result": result_ops},
        "layers": _layers(layers) if layers is not None and layers.layers else None,
        "pictures": _pictures(converted, read_again, result),
    }


def _transposes(converted: Converted, graph: GraphData) -> list[TransposeData]:
    place = {op["transpose"]: k for k, op in enumerate(graph["ops"]) if op["transpose"] >= 0}
    return [{"explanation": move.explanation, "bytes": move.bytes, "op": place.get(k, -1)}
            for k, move in enumerate(converted.layout.transposes)]


def _layers(errors: LayerErrors) -> LayersData:
    records: list[LayerData] = [{"tensor": error.tensor, "layer": error.layer, "type": error.type,
                                 "error": error.max_rel if math.isfinite(error.max_rel) else None} for error in errors.layers]
    return {"records": records, "culprit": -1 if errors.first is None else errors.first, "tolerance": errors.tolerance}


def _pictures(converted: Converted, graph: Graph, result: Path | None) -> list[PictureData]:
    if converted.sample is None:
        return []
    image = spatial_inputs(graph)
    shown = {v.name for v in graph.inputs if id(v) in image} | {i.name for i in converted.inputs if i.perm != tuple(range(len(i.perm)))}
    return pictures(converted.sample, shown, lambda: converted.run(result))
