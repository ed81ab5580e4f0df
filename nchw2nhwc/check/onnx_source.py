"""Run an ONNX model, or a part of it, in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nchw2nhwc.errors import CheckError, Location
from nchw2nhwc.interface import TensorInfo
from nchw2nhwc.ir import Array
from nchw2nhwc.source import Source

if TYPE_CHECKING:
    import onnx
    import onnxruntime


def run_onnx(source: Source, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo], data: Mapping[str, Array]) -> list[Array]:
    """The outputs, in order, of the model as it is written. Raises CheckError; ImportError when ONNX Runtime is missing.

    The runtime's optimisations are off: some change results. ONNX Runtime 1.31 moves a Pad of zeros into the MaxPool behind it, whose own
    padding is below every number.
    """
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    refusals = (RuntimeError, ValueError, TypeError, state.Fail, state.InvalidArgument, state.InvalidGraph, state.InvalidProtobuf,
                state.NoModel, state.NoSuchFile, state.NotImplemented, state.RuntimeException, state.EPFail)
    try:
        session = _session(source.model)
        if not _fits(session, inputs, outputs, data):
            session = _session(_part(source, inputs, outputs, data).SerializeToString())
        results = session.run([info.tensor for info in outputs], {info.tensor: data[info.name] for info in inputs})
    except refusals as error:
        raise CheckError(f"ONNX Runtime cannot run the model: {str(error).strip().splitlines()[0]}", Location(source.name),
                         "Convert it without the check (--no-check), or give inputs that it accepts (--check-inputs FILE.npz).") from error
    return [np.asarray(r) for r in results]


def _session(model: Path | bytes | onnx.ModelProto) -> onnxruntime.InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    content = str(model) if isinstance(model, Path) else model if isinstance(model, bytes) else model.SerializeToString()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _fits(session: onnxruntime.InferenceSession, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo],
          data: Mapping[str, Array]) -> bool:
    """Whether the model as it is has exactly these inputs, in these shapes, and (at least) these outputs."""
    declared = {i.name: i.shape for i in session.get_inputs()}
    computed = {o.name for o in session.get_outputs()}
    if declared.keys() != {info.tensor for info in inputs} or not {info.tensor for info in outputs} <= computed:
        return False
    return all(not isinstance(size, int) or size == actual
               for info in inputs for size, actual in zip(declared[info.tensor], data[info.name].shape))


def _part(source: Source, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo], data: Mapping[str, Array]) -> onnx.ModelProto:
    """A copy of the model between the given tensors, its inputs declared in the shapes of `data`.

    Raises CheckError for a tensor that the model does not have.
    """
    import onnx
    from onnx import helper, inliner

    model = _load(source.model)
    if model.functions:
        model = inliner.inline_local_functions(model)
    graph = model.graph
    entry = {info.tensor for info in inputs}
    nodes = _between(graph, entry, [info.tensor for info in outputs])
    known = {name for node in graph.node for name in node.output} | {value.name for value in graph.input}
    for info in (*inputs, *outputs):
        if info.tensor not in known:
            raise CheckError(f"the source has no tensor '{info.tensor}' to compare with", Location(source.name))
    for field, values in ((graph.node, nodes),
                          (graph.input, [helper.make_tensor_value_info(info.tensor, helper.np_dtype_to_tensor_dtype(info.source_type.dtype),
                                                                       data[info.name].shape) for info in inputs]),
                          (graph.output, [onnx.ValueInfoProto(name=info.tensor) for info in outputs]),
                          (graph.value_info, []),
                          (graph.initializer, [i for i in graph.initializer if i.name not in entry])):
        kept = [type(v).FromString(v.SerializeToString()) for v in values]
        del field[:]
        field.extend(kept)
    return model


def _load(model: Path | bytes | onnx.ModelProto) -> onnx.ModelProto:
    import onnx

    if isinstance(model, Path):
        return onnx.load(model)
    if isinstance(model, bytes):
        return onnx.load_model_from_string(model)
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def _between(graph: onnx.GraphProto, entry: set[str], wanted: Iterable[str]) -> list[onnx.NodeProto]:
    """The nodes that compute the wanted tensors from the entry tensors, in order."""
    needed = set(wanted) - entry
    chosen = []
    for node in reversed(graph.node):
        if needed & (set(node.output) - entry):
            chosen.append(node)
            needed |= set(_reads(node)) - entry
    return chosen[::-1]


def _reads(node: onnx.NodeProto) -> Iterable[str]:
    """Names a node reads, those that its subgraphs take from outside included."""
    yield from node.input
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                yield from _reads(inner)
            yield from (output.name for output in graph.output)
