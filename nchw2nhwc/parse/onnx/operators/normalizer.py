"""ai.onnx.ml.Normalizer of ONNX."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.binary import Div, Equal, Where
from nchw2nhwc.ops.reduce import ReduceL1, ReduceL2, ReduceMax
from nchw2nhwc.parse.onnx.registry import LayerBuilder, onnx_op

_NORMS = {"MAX": ReduceMax, "L1": ReduceL1, "L2": ReduceL2}


@onnx_op("Normalizer", 1, domain="ai.onnx.ml")
def normalizer(b: LayerBuilder, x: Value, *, norm: str = "MAX") -> Value:
    """Rows divided by their norm ("MAX": the largest element, whatever its sign); one whose norm is 0 stays as it is. Always float32."""
    if norm not in _NORMS or not 1 <= x.rank <= 2:
        raise b.damaged(f"there is no norm '{norm}' of {x.type}")
    x = b.cast(x, np.dtype(np.float32))
    divisor = b.add1(_NORMS[norm]((x.rank - 1,)), x)
    return b.add1(Div(), x, b.add1(Where(), b.add1(Equal(), divisor, b.scalar(0, x)), b.scalar(1, x), divisor))
