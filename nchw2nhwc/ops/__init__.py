"""All ops. Importing this package fills `base.REGISTRY`."""

from nchw2nhwc.ops import (
    activation_functions,
    binary,
    control,
    detection,
    dynamic,
    elementwise,
    indexing,
    matmul,
    movement,
    norm,
    pooling,
    quantized,
    recurrent,
    reduce,
    resize,
    sampling,
    selection,
    sizes,
    windowed,
)
from nchw2nhwc.ops.base import REGISTRY, Op

__all__ = ["REGISTRY", "Op", "activation_functions", "binary", "control", "detection", "dynamic", "elementwise", "indexing", "matmul",
          "movement", "norm", "pooling", "quantized", "recurrent", "reduce", "resize", "sampling", "selection", "sizes", "windowed"]
