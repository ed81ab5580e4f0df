"""Run an ONNX model, or a part of it, in ONNX Runtime; in ONNX's reference implementation where that alone has its operators."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ml_dtypes import bfloat16

from nchw2nhwc.checking.onnx_widened import widen
from nchw2nhwc.errors import CheckError, Location
from nchw2nhwc.interface import TensorInfo
from nchw2nhwc.ir import Array
from nchw2nhwc.source import Source
from nchw2nhwc.source.native import inlined, onnx_model

if TYPE_CHECKING:
    import onnx
    import onnxruntime


def run_onnx(source: Source, inputs: Sequence[TensorInfo], wanted: Sequence[str], data: Mapping[str, Array],
             optional: Sequence[str] = ()) -> dict[str, Array]:
    """Tensors by name, of the model as it is written; of the `optional` ones those that it has. Raises CheckError; ImportError when ONNX
    Runtime is missing.

    A part, and a model that the runtime refuses, runs in float32 where it says bfloat16, for which the runtime has hardly any kernels.

    The runtime's optimisations are off: some change results. ONNX Runtime 1.31 moves a Pad of zeros into the MaxPool behind it, whose own
    padding is below every number.
    """
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    refusals = (RuntimeError, ValueError, TypeError, state.Fail, state.InvalidArgument, state.InvalidGraph, state.InvalidProtobuf,
                state.NoModel, state.NoSuchFile, state.NotImplemented, state.RuntimeException, state.EPFail)
    runtime, feeds = "ONNX Runtime", {info.tensor: data[info.name] for info in inputs}
    try:
        session = None if optional else _session(source.model)
    except refusals:  # what the runtime does not know may be behind the part that is wanted
        session = None
    try:
        names = list(dict.fromkeys(wanted))
        if session is None or not _fits(session, inputs, names, data):
            part = _part(source, inputs, names, optional, data)
            if widen(part):
                feeds = {name: array.astype(np.float32) if array.dtype == bfloat16 else array for name, array in feeds.items()}
            names = [output.name for output in part.graph.output]
            session = None if _is_beyond_runtime(part) else _session(part.SerializeToString())
        if session is None:
            runtime = "ONNX's reference implementation"
            results = _by_reference(part, names, feeds)
        else:
            results = session.run(names, feeds)
    except refusals as error:
        raise CheckError(f"{runtime} cannot run the model: {str(error).strip().splitlines()[0]}", Location(source.name),
                         "Convert it without the check (--no-check), or give inputs that it accepts (--check-inputs FILE.npz).") from error
    return {name: np.asarray(array) for name, array in zip(names, results)}


def _session(model: Path | bytes | onnx.ModelProto) -> onnxruntime.InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    content = str(model) if isinstance(model, Path) else model if isinstance(model, bytes) else model.SerializeToString()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _is_beyond_runtime(model: onnx.ModelProto) -> bool:
    """Whether a model has operators of the standard that ONNX Runtime does not know at all, such as previews."""
    from onnx import defs
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    known = {(schema.domain, schema.name) for schema in state.get_all_operator_schema()}
    beyond = {(node.domain, node.op_type) for node in model.graph.node} - known
    return any(defs.has(op, domain) for domain, op in beyond if domain != "ai.onnx")


def _by_reference(model: onnx.ModelProto, names: Sequence[str], feeds: Mapping[str, Array]) -> Sequence[Array]:
    from onnx.reference import ReferenceEvaluator

    results: Sequence[Array] = ReferenceEvaluator(model).run(list(names), dict(feeds))  # type: ignore[assignment]
    return results


def _fits(session: onnxruntime.InferenceSession, inputs: Sequence[TensorInfo], wanted: Sequence[str], data: Mapping[str, Array]) -> bool:
    """Whether the model as it is has exactly these inputs, in these shapes, and (at least) these outputs."""
    declared = {i.name: i.shape for i in session.get_inputs()}
    computed = {o.name for o in session.get_outputs()}
    if declared.keys() != {info.tensor for info in inputs} or not set(wanted) <= computed:
        return False
    return all(not isinstance(size, int) or size == actual
               for info in inputs for size, actual in zip(declared[info.tensor], data[info.name].shape))


def _part(source: Source, inputs: Sequence[TensorInfo], wanted: Sequence[str], optional: Sequence[str],
          data: Mapping[str, Array]) -> onnx.ModelProto:
    """A copy of the model between the given tensors, its inputs declared in the shapes of `data`.

    Raises CheckError for a tensor that the model does not have, unless it is optional.
    """
    from onnx import helper

    model = inlined(onnx_model(source.model))
    graph = model.graph
    entry = {info.tensor for info in inputs}
    known = ({name for node in graph.node for name in node.output if name}
             | {value.name for value in (*graph.input, *graph.initializer)})
    for name in (*entry, *wanted):
        if name not in known:
            raise CheckError(f"the source has no tensor '{name}' to compare with", Location(source.name))
    declared = [helper.make_tensor_value_info(info.tensor, helper.np_dtype_to_tensor_dtype(info.source_type.dtype), data[info.name].shape)
                for info in inputs]
    keep_part(model, declared, [*wanted, *(name for name in dict.fromkeys(optional) if name in known and name not in wanted)])
    return model


def keep_part(model: onnx.ModelProto, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[str]) -> None:
    """Reduce a model to what computes `outputs` from `inputs`, which it gets as its interface."""
    import onnx

    graph, entry = model.graph, {value.name for value in inputs}
    nodes = between(graph, entry, outputs)
    read = {name for node in nodes for name in reads(node)} | set(outputs)
    for field, values in ((graph.node, nodes), (graph.input, inputs), (graph.output, [onnx.ValueInfoProto(name=name) for name in outputs]),
                          (graph.value_info, []), (graph.initializer, [i for i in graph.initializer if i.name in read - entry])):
        kept = [type(v).FromString(v.SerializeToString()) for v in values]
        del field[:]
        field.extend(kept)


def between(graph: onnx.GraphProto, entry: set[str], wanted: Iterable[str]) -> list[onnx.NodeProto]:
    """The nodes that compute the wanted tensors from the entry tensors, in order."""
    needed = set(wanted) - entry
    chosen = []
    for node in reversed(graph.node):
        if needed & (set(node.output) - entry):
            chosen.append(node)
            needed |= set(reads(node)) - entry
    return chosen[::-1]


def reads(node: onnx.NodeProto) -> Iterable[str]:
    """Names a node reads, those that its subgraphs take from outside included."""
    yield from node.input
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                yield from reads(inner)
            yield from (output.name for output in graph.output)
