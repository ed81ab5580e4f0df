"""A stored graph as a TFLite file."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from nchw2nhwc.emit.tflite import (  # noqa: F401  (importing these fills the table of lowerings)
    lower_binary,
    lower_control,
    lower_dynamic,
    lower_elementwise,
    lower_indexing,
    lower_matmul,
    lower_movement,
    lower_quantized,
    lower_recurrent,
    lower_reduce,
    lower_resize,
    lower_selection,
    lower_sizes,
    lower_windowed,
)
from nchw2nhwc.emit.tflite.delegate import carry_quantization, separate_squares
from nchw2nhwc.emit.tflite.directions import BOTH_DIRECTIONS, ONE_DIRECTION, drop_unused, join_directions
from nchw2nhwc.emit.tflite.emitter import Emitter
from nchw2nhwc.emit.tflite.in_place import keep_apart
from nchw2nhwc.emit.tflite.integers import AT_NEED, Widening, plan_integers
from nchw2nhwc.emit.tflite.lowering import LOWERINGS
from nchw2nhwc.emit.tflite.model import Model
from nchw2nhwc.emit.tflite.unpack import GATHER, UNPACK, unpack
from nchw2nhwc.emit.tflite.value_tensors import Storage
from nchw2nhwc.emit.tflite.writer import FlatBuffer
from nchw2nhwc.ir import DType, Graph
from nchw2nhwc.ir.open_sizes import large_enough


def emit(graph: Graph, *, float16: bool = False, keep_integers: bool = False, widenings: Sequence[Widening] = AT_NEED,
         metadata: Callable[[Mapping[str, str]], Mapping[str, bytes]] | None = None,
         files: Mapping[str, bytes] | None = None, available: Callable[[str, DType], bool] | None = None,
         floats: Collection[str] = ()) -> FlatBuffer:
    """The TFLite file of a stored graph (channels-last, after the target passes).

    `float16` stores weights in half precision; `keep_integers` stores those that consist of integers as such, before that. `widenings` say
    which results have 16 bits that a quantized source does not round, see `plan_integers`, and `floats` which layers compute in float
    though a quantized source has integers there. `metadata` gives the file's metadata by name; it is told, by the names of the graph's
    values, what the file calls their tensors. `files` stand behind the model, by name. `available` tells which operators the device that
    the file is for has, by element type; None: all. What one operator does is said in others where it lacks that one. Raises TargetError,
    before anything is written, that lists every layer which TFLite cannot express.
    """
    plan = plan_integers(graph, widenings=widenings, for_cpu=available is None, kept=floats)
    e = Emitter(graph, large_enough(graph), Storage(float16, keep_integers), plan, available)
    e.subgraph.inputs = [e.input(v) for v in graph.inputs]
    e.subgraph.input_names = [v.name for v in graph.inputs]
    LOWERINGS.lower(e, graph)
    e.leave()
    e.clear()
    e.subgraph.outputs = [e.of(v) for v in graph.outputs]
    e.subgraph.output_names = list(graph.output_names)
    names = e.tensor_names()
    for subgraph in e.subgraphs:
        if (e.has(BOTH_DIRECTIONS) or not e.has(ONE_DIRECTION)) and join_directions(subgraph):
            drop_unused(subgraph)
        unpack(subgraph, e.pool.blobs, lambda dtype: e.has(UNPACK, dtype) or not e.has(GATHER, dtype))
        separate_squares(subgraph)
        carry_quantization(subgraph)
        keep_apart(subgraph)
    left = {tensor.name for tensor in e.subgraph.tensors}
    names = {value: name for value, name in names.items() if name in left}
    return FlatBuffer(Model(e.subgraphs, e.pool.blobs, dict(metadata(names) if metadata else {}), files=dict(files or {}), plan=plan,
                            kept=e.storage.kept))
