"""Building one-op graphs in stored form, and running files in LiteRT."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from nchw2nhwc.emit.tflite import emit
from nchw2nhwc.emit.tflite.passes import target_passes
from nchw2nhwc.ir import Array, Graph, Origin, TensorType
from nchw2nhwc.ir.verify import verify
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.indexing import TopK
from nchw2nhwc.ops.reduce import LogSoftmax, Softmax
from nchw2nhwc.ops.rules import Spatial
from nchw2nhwc.passes import run_passes

RESOLVERS = {"XNNPACK": OpResolverType.AUTO, "plain": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES}


def run_file(content: bytes, inputs: Sequence[Array], resolver: str) -> list[Array]:
    """The outputs, in the order of the file; inputs are resized where their shape differs."""
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=RESOLVERS[resolver], num_threads=1)
    for detail, x in zip(interpreter.get_input_details(), inputs, strict=True):
        if tuple(detail["shape"]) != x.shape:
            interpreter.resize_tensor_input(detail["index"], x.shape)
    interpreter.allocate_tensors()
    for detail, x in zip(interpreter.get_input_details(), inputs):
        interpreter.set_tensor(detail["index"], x)
    interpreter.invoke()
    details = interpreter.get_output_details()  # LiteRT hands out no tensor that has no elements
    return [np.zeros(d["shape"], d["dtype"]) if 0 in d["shape"] else interpreter.get_tensor(d["index"]) for d in details]


def codes(content: bytes) -> list[str]:
    """The operators of a file, as built-in kernels see them."""
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=RESOLVERS["plain"])
    return [op["op_name"] for op in interpreter._get_ops_details()]


def single(x: Array) -> Array:
    """Floating point operands as float32, as they are once the passes have run."""
    return np.asarray(x, np.float32) if x.dtype.kind == "f" else x


def stored(op: Op, operands: Sequence[Array]) -> tuple[Op, list[Array]]:
    """An op instance in source form as layout leaves it: channels last, softmax and top-k along the last axis."""
    arrays = list(operands)
    if isinstance(op.rule, Spatial):
        for k, form in enumerate(op.rule.operands):
            if form == "filter_transposed":
                arrays[k] = np.moveaxis(arrays[k], 0, -1)
            elif form in ("data", "filter"):
                arrays[k] = np.moveaxis(arrays[k], 1, -1)
        return replace(op, channels_last=True), arrays  # type: ignore[call-arg]
    if isinstance(op, (Softmax, LogSoftmax, TopK)):
        arrays[0] = np.moveaxis(arrays[0], op.axis, -1)
        return replace(op, axis=arrays[0].ndim - 1), arrays
    return op, arrays


def one_op(op: Op, operands: Sequence[Array], constant: Sequence[bool]) -> tuple[Graph, dict[str, Array]]:
    """A graph of one node, some operands of which are constants, and the data for the others."""
    graph, inputs, values = Graph("one", "one.onnx"), {}, []
    for k, (x, fixed) in enumerate(zip(operands, constant)):
        if fixed:
            values.append(graph.constant(np.array(x, order="C"), f"constant{k}"))
        else:
            inputs[f"x{k}"] = np.array(x, order="C")
            values.append(graph.add_input(f"x{k}", TensorType(x.dtype, x.shape)))
    for k, value in enumerate(graph.add(op, values, origin=Origin("the_layer", op.name))):
        graph.add_output(value, f"y{k}")
    return graph, inputs


def prepared(graph: Graph) -> Graph:
    """The graph after the target passes, verified after each."""
    run_passes(graph, target_passes(), check=verify)
    verify(graph)
    return graph


def check_file(graph: Graph, inputs: Mapping[str, Array], wanted: Sequence[Array], tolerance: float = 2e-5, *,
               float16: bool = False) -> bytes:
    """Emit a prepared graph, run it with XNNPACK and without, compare; returns the file."""
    content = emit(graph, float16=float16).tobytes()
    for resolver in RESOLVERS:
        results = run_file(content, [inputs[v.name] for v in graph.inputs], resolver)
        for result, want in zip(results, wanted, strict=True):
            assert (result.dtype, result.shape) == (want.dtype, want.shape), resolver
            if want.dtype.kind == "f":  # at poles, kernels saturate instead of giving infinities
                finite = np.isfinite(want)
                scale = max(1.0, float(np.max(np.abs(want), initial=0, where=finite)))
                np.testing.assert_allclose(result[finite], want[finite], rtol=tolerance, atol=tolerance * scale, err_msg=resolver)
            else:
                np.testing.assert_array_equal(result, want, err_msg=resolver)
    return content
