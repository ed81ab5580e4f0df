"""Single OpenVINO ops run by OpenVINO: the oracle of ops that ONNX does not have."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import openvino
import openvino.opset14

from nchw2nhwc.ir.types import Array


def run_openvino(build: Callable[..., openvino.Node], operands: Sequence[Array]) -> list[Array]:
    """The results of the node that `build` makes of one parameter for each operand, in float32 throughout."""
    parameters = [openvino.opset14.parameter(list(x.shape), openvino.Type(x.dtype)) for x in operands]
    model = openvino.Model(build(*parameters).outputs(), parameters)
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1})
    return [np.array(y) for y in compiled(list(operands)).values()]
