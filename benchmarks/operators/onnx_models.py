"""Models of one ONNX operator, and what is expected of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnxruntime.capi import onnxruntime_pybind11_state as state

from benchmarks.operators.draw import Array, Draw, Size, Spec

REFUSALS = (
    RuntimeError,
    ValueError,
    TypeError,
    AssertionError,
    IndexError,
    AttributeError,
    KeyError,
    NotImplementedError,
    OverflowError,
    state.Fail,
    state.InvalidArgument,
    state.InvalidGraph,
    state.NotImplemented,
    state.RuntimeException,
)
"""What ONNX Runtime and ONNX's reference implementation raise for what they do not compute."""
IR_VERSIONS = ((19, 8), (23, 10), (25, 11))
"""The newest version of the format for opsets below these, so that older runtimes take it."""


def model(d: Draw, spec: Spec, form: str, folder: Path) -> tuple[onnx.ModelProto, dict[str, Array]]:
    """The model in a form, and the data of its inputs; see `forms`."""
    fixed = form.endswith("constants")
    first = next(k for k, x in enumerate(spec.inputs) if x is not None)
    may_open = opened(spec, form, fixed)
    feeds: dict[str, Array] = {}
    infos, constants = [], []
    for k, x in enumerate(spec.inputs):
        if x is None:
            continue
        if k in spec.always or (fixed and k != first):
            constants.append(numpy_helper.from_array(np.asarray(x), f"x{k}"))
            continue
        feeds[f"x{k}"] = np.asarray(x)
        shape = [s.name if isinstance(s, Size) and s.name in may_open else int(s) for s in spec.shapes.get(k, np.shape(x))]
        infos.append(helper.make_tensor_value_info(f"x{k}", helper.np_dtype_to_tensor_dtype(np.asarray(x).dtype), shape))
    outputs = [f"y{k}" for k in range(spec.outputs)] if isinstance(spec.outputs, int) else list(spec.outputs)
    node = helper.make_node(
        d.op, ["" if x is None else f"x{k}" for k, x in enumerate(spec.inputs)], outputs, name="the_layer", **spec.attributes
    )
    graph = helper.make_graph([node], "g", infos, [onnx.ValueInfoProto(name=name) for name in outputs if name], constants)
    ir_version = next((version for below, version in IR_VERSIONS if d.opset < below), 12)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", d.opset)], ir_version=ir_version), feeds


def opened(spec: Spec, form: str, fixed: bool) -> set[str]:
    """The names of the sizes that are open in a form."""
    names = {s.name for shape in spec.shapes.values() for s in shape if isinstance(s, Size)} - spec.met(fixed=fixed)
    if form.startswith("batch"):
        first = next(k for k, x in enumerate(spec.inputs) if x is not None)
        names &= {s.name for s in spec.shapes.get(first, ())[:1] if isinstance(s, Size)}
    return names if form.startswith(("batch", "open")) else set()


def expected(d: Draw, spec: Spec, folder: Path) -> list[list[Array]]:
    """What ONNX Runtime computes, in float32 where it has no kernels for other floating point, and what ONNX's reference implementation
    does: either counts as right where they differ, for then only reading the standard decides."""
    plain, feeds = model(d, spec, "given", folder)
    found = [_runs(lambda: _session(plain).run(None, dict(feeds))), _runs(lambda: ReferenceEvaluator(plain).run(None, dict(feeds)))]
    if found[0] is None and any(x is not None and np.asarray(x).dtype in (np.float16, np.float64) for x in spec.inputs):
        kind = next(np.asarray(x).dtype for x in spec.inputs if x is not None and np.asarray(x).dtype in (np.float16, np.float64))
        wide = [None if x is None else np.asarray(x, np.float32) if np.asarray(x).dtype.kind == "f" else x for x in spec.inputs]
        single, data = model(d, Spec(wide, spec.attributes, spec.outputs), "given", folder)
        results = _runs(lambda: _session(single).run(None, dict(data)))
        found[0] = results and [y.astype(kind) if y.dtype == np.float32 else y for y in results]
    return [results for results in found if results is not None]


def _runs(compute: Callable[[], object]) -> list[Array] | None:
    try:
        with np.errstate(all="ignore"):
            return [np.asarray(y) for y in compute()]  # type: ignore[attr-defined]
    except REFUSALS:
        return None


def _session(source: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(source.SerializeToString(), options, providers=["CPUExecutionProvider"])


def about(d: Draw, spec: Spec) -> str:
    """A case in one line."""
    operands = " ".join("-" if x is None else f"{np.asarray(x).dtype}{list(np.shape(x))}" for x in spec.inputs)
    attributes = {k: v for k, v in spec.attributes.items() if not isinstance(v, onnx.TensorProto)}
    small = {k: np.asarray(x).tolist() for k, x in enumerate(spec.inputs) if x is not None and k and np.size(x) <= 8}
    return f"opset {d.opset} {operands} {attributes} results {spec.outputs} {small}"
