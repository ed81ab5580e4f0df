"""Run an ONNX model, or a part of it, in ONNX Runtime: as a whole, or one operator after the other where it does not run so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ml_dtypes import bfloat16

from nchw2nhwc.checking.onnx_operators import has_arrays, reads, refusals, run_operators, session_of
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
             optional: Sequence[str] = (), *, by_itself: bool = False) -> dict[str, Array]:
    """Tensors by name, of the model as it is written; of the `optional` ones those that it has. Raises CheckError; ImportError when ONNX
    Runtime is missing.

    A part, and a model that the runtime refuses, runs in float32 where it says bfloat16, for which the runtime has hardly any kernels.

    The runtime's optimisations are off, unless it runs a whole model `by_itself`: some change results. ONNX Runtime 1.31 moves a Pad of
    zeros into the MaxPool behind it, whose own padding is below every number.
    """
    feeds, names = {info.tensor: data[info.name] for info in inputs}, list(dict.fromkeys(wanted))
    if not optional:  # what the runtime does not know may be behind the part that is wanted
        found = _run_whole(source.model, names, feeds, optimized=by_itself)
        if found is not None:
            return found
    part = _part(source, inputs, names, optional, data)
    if widen(part):
        feeds = {name: array.astype(np.float32) if array.dtype == bfloat16 else array for name, array in feeds.items()}
    names = [output.name for output in part.graph.output]
    found = _run_whole(part, names, feeds)
    return dict(zip(names, run_operators(part, names, feeds, source.name))) if found is None else found


def _run_whole(model: Path | bytes | onnx.ModelProto, names: Sequence[str], feeds: Mapping[str, Array], *,
               optimized: bool = False) -> dict[str, Array] | None:
    """A model's tensors in ONNX Runtime; None where it does not run there, or not with these inputs and outputs."""
    content = str(model) if isinstance(model, Path) else model if isinstance(model, bytes) else model.SerializeToString()
    try:
        session = session_of(content, optimized=optimized)
        if not has_arrays(session, feeds.values()) or not _fits(session, names, feeds):
            return None
        return {name: np.asarray(array) for name, array in zip(names, session.run(names, feeds))}
    except refusals():
        return None


def _fits(session: onnxruntime.InferenceSession, wanted: Sequence[str], feeds: Mapping[str, Array]) -> bool:
    """Whether a model has exactly these inputs, in these shapes, and (at least) these outputs."""
    declared = {i.name: i.shape for i in session.get_inputs()}
    computed = {o.name for o in session.get_outputs()}
    if declared.keys() != feeds.keys() or not set(wanted) <= computed:
        return False
    return all(not isinstance(size, int) or size == actual
               for name, array in feeds.items() for size, actual in zip(declared[name], array.shape))


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
