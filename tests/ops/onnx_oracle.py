"""Single ONNX ops run by ONNX Runtime and by ONNX's own reference evaluator: the oracles of the ops' numpy references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from nchw2nhwc.ir.types import Array
from tests.runtimes import skip_with_older_runtime

onnxruntime.set_default_logger_severity(4)


def model(op_type: str, operands: Sequence[Array | None], attributes: Mapping[str, object], opset: int, results: int = 1,
          constants: Sequence[int] = ()) -> onnx.ModelProto:
    """A model of one node; operand k is called x<k>, result k y<k>, and the operands at `constants` are initializers."""
    names = ["" if x is None else f"x{k}" for k, x in enumerate(operands)]
    node = helper.make_node(op_type, names, [f"y{k}" for k in range(results)], **attributes)
    present = [(k, x) for k, x in enumerate(operands) if x is not None]
    inputs = [helper.make_tensor_value_info(f"x{k}", helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)
              for k, x in present if k not in constants]
    outputs = [onnx.ValueInfoProto(name=f"y{k}") for k in range(results)]
    initializers = [numpy_helper.from_array(x, f"x{k}") for k, x in present if k in constants]
    graph = helper.make_graph([node], "one_node", inputs, outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def run_onnxruntime(op_type: str, operands: Sequence[Array | None], opset: int = 19, results: int = 1, constants: Sequence[int] = (),
                    **attributes: object) -> list[Array]:
    """The results that ONNX Runtime computes. An older one than is compared with skips the test."""
    skip_with_older_runtime()
    proto = model(op_type, operands, attributes, opset, results, constants)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return list(session.run(None, {f"x{k}": np.asarray(x) for k, x in enumerate(operands) if x is not None and k not in constants}))


def run_onnx_reference(op_type: str, operands: Sequence[Array | None], opset: int = 19, results: int = 1,
                       **attributes: object) -> list[Array]:
    """The results that ONNX's reference evaluator computes."""
    proto = model(op_type, operands, attributes, opset, results)
    feeds = {f"x{k}": x for k, x in enumerate(operands) if x is not None}
    return [np.asarray(y) for y in ReferenceEvaluator(proto).run(None, feeds)]
