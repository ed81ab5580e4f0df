"""Small ONNX models, and their comparison with ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnxruntime
from onnx import NodeProto, SparseTensorProto, TensorProto, ValueInfoProto, helper, numpy_helper

from nchw2nhwc.ir import Array, Graph
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ir.verify import verify
from nchw2nhwc.parse.onnx import read_onnx
from tests.runtimes import skip_with_older_runtime

Dims = Sequence[int | str | None]


def tensor(name: str, dims: Dims = (2, 3), dtype: type | np.dtype[np.generic] = np.float32) -> ValueInfoProto:
    """A declared input or output; strings are named dimensions, None is an unnamed one."""
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), dims)


def output(name: str) -> ValueInfoProto:
    """A declared output of unknown type."""
    value = ValueInfoProto()
    value.name = name
    return value


def model(nodes: Sequence[NodeProto], inputs: Sequence[ValueInfoProto] | None = None, outputs: Sequence[str] = ("y",),
          constants: Mapping[str, object] | None = None, opset: int = 17, functions: Sequence[onnx.FunctionProto] = (),
          domains: Sequence[str] = ()) -> onnx.ModelProto:
    """A model with one float input x of shape [2, 3], unless told otherwise. The outputs have no declared type."""
    arrays = {name: np.asarray(value) for name, value in (constants or {}).items()}
    graph = helper.make_graph(list(nodes), "g", [tensor("x")] if inputs is None else list(inputs), [output(name) for name in outputs],
                              [numpy_helper.from_array(array, name) for name, array in arrays.items()])
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10, functions=list(functions))


def node(op: str, inputs: str, outputs: str = "y", **attributes: object) -> NodeProto:
    """A node; operands and results are separated by spaces, "-" is an absent one."""
    names = [["" if part == "-" else part for part in text.split()] for text in (inputs, outputs)]
    return helper.make_node(op, *names, **attributes)


def sparse(name: str, values: Sequence[float], places: Sequence[int] | Sequence[Sequence[int]], dims: Sequence[int]) -> SparseTensorProto:
    """A sparse float32 tensor: its values and where they are, as places in row-major order or as one index per value."""
    return helper.make_sparse_tensor(numpy_helper.from_array(np.asarray(values, np.float32), name),
                                     numpy_helper.from_array(np.asarray(places, np.int64), f"{name}_places"), dims)


def read(source: onnx.ModelProto, **options: object) -> Graph:
    """The model's graph, from its serialised form and verified."""
    graph = read_onnx(source.SerializeToString(), **options)  # type: ignore[arg-type]
    verify(graph)
    return graph


def runtime(source: onnx.ModelProto, inputs: Mapping[str, Array]) -> list[Array]:
    """What ONNX Runtime computes, without optimisations. An older one than is compared with skips the test."""
    skip_with_older_runtime()
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(source.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return list(session.run(None, dict(inputs)))


def data(graph: Graph, unknown: int = 2, seed: int = 0) -> dict[str, Array]:
    """Random inputs; named dimensions have the size `unknown`."""
    rng = np.random.default_rng(seed)
    found: dict[str, Array] = {}
    for value in graph.inputs:
        shape = [size if isinstance(size, int) else unknown for size in value.shape]
        normal = rng.standard_normal(shape)
        found[value.name] = (normal if value.type.dtype.kind == "f" else rng.integers(0, 3, shape)).astype(value.type.dtype)
    return found


def assert_as_runtime(source: onnx.ModelProto, *, unknown: int = 2, rtol: float = 1e-5, atol: float = 1e-6,
                      same_as: onnx.ModelProto | None = None, **options: object) -> Graph:
    """The graph computes what ONNX Runtime computes, of `same_as` where it has no kernel for the model itself. Returns the graph."""
    graph = read(source, **options)
    inputs = data(graph, unknown)
    results = run(graph, inputs)
    for (name, result), wanted in zip(results.items(), runtime(same_as or source, inputs), strict=True):
        assert result.dtype == wanted.dtype, name
        assert result.shape == wanted.shape, name
        np.testing.assert_allclose(result.astype(np.float64), wanted.astype(np.float64), rtol=rtol, atol=atol, err_msg=name)
    return graph


def ops(graph: Graph) -> list[str]:
    """The names of a graph's ops, in order."""
    return [n.op.name for n in graph.nodes]


FLOAT = TensorProto.FLOAT
