"""Which layer keeps a model from being converted, or its result from being loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from nchw2nhwc.checking.litert import run_litert
from nchw2nhwc.conversion import run
from nchw2nhwc.converted import Converted
from nchw2nhwc.debug.bisect.finding import LOADING, Finding
from nchw2nhwc.errors import CheckError, ConversionError, TargetError, UnsupportedOpsError
from nchw2nhwc.ir import Array, Graph
from nchw2nhwc.options import ConvertOptions
from nchw2nhwc.progress import Stages
from nchw2nhwc.source import Source
from nchw2nhwc.source.reading import read


def running(source: Source, options: ConvertOptions, data: Mapping[str, Array]) -> tuple[Converted, bytes]:
    """The conversion of a source and its file, which has run once. Raises ConversionError."""
    converted = run(source, options, Stages())
    content = converted.unquantized()
    run_litert(content, converted.inputs, converted.outputs, data)
    return converted, content


def what_fails(source: Source, options: ConvertOptions, data: Mapping[str, Array],
               error: ConversionError) -> tuple[Finding, ConvertOptions | None]:
    """The first layer with which `error` appears, and options for the largest part before it that can be converted and runs.

    An error while the source is read names its layer. Else prefixes of the graph, cut behind more or fewer of its nodes, are converted and
    run, to find the smallest one that fails.
    """
    if isinstance(error, UnsupportedOpsError):
        first = error.missing[0]
        return Finding("read", "", first.layers[0], first.type, reason=error.reason), None
    try:
        graph = read(source, options)
    except ConversionError as damaged:
        return Finding("read", "", damaged.where.layer, damaged.where.type, reason=damaged.reason), None
    tensors = list(dict.fromkeys(v.origin for node in graph.nodes for v in node.outputs if v.origin))
    low, high, reason = 0, len(tensors), error
    while low + 1 < high:
        middle = (low + high) // 2
        failed = _failure(source, replace(options, outputs=ends(graph, tensors[:middle])), data)
        low, high, reason = (middle, high, reason) if failed is None else (low, middle, failed)
    value = next(v for node in graph.nodes for v in node.outputs if v.origin == tensors[high - 1])
    assert value.producer is not None
    node = value.producer
    stage = LOADING if isinstance(reason, (TargetError, CheckError)) else "convert"
    rest = replace(options, outputs=ends(graph, tensors[:low])) if low else None
    return Finding(stage, node.op.name, node.origin.layer, node.origin.type, value.origin, reason=reason.reason), rest


def ends(graph: Graph, tensors: list[str]) -> tuple[str, ...]:
    """Of these first tensors of a graph those that none of the others is computed from."""
    members = set(tensors)
    inner: set[str] = set()
    for node in graph.nodes:
        if any(v.origin in members for v in node.outputs):
            inner |= {v.origin for v in node.inputs if v is not None}
    return tuple(name for name in tensors if name not in inner)


def _failure(source: Source, options: ConvertOptions, data: Mapping[str, Array]) -> ConversionError | None:
    """Why a part of the source cannot be converted or does not run; None when it does."""
    try:
        running(source, options, data)
    except ConversionError as error:
        return error
    return None
