"""What every supported ONNX operator becomes. Importing this package fills `registry.MAPPINGS`."""

from nchw2nhwc.parse.onnx.operators import (
    arithmetic,
    contrib,
    einsum,
    elementwise,
    generate,
    indexing,
    logic,
    matmul,
    movement,
    norm,
    recurrent,
    reduction,
    resize,
    shape,
    windowed,
)

__all__ = ["arithmetic", "contrib", "einsum", "elementwise", "generate", "indexing", "logic", "matmul", "movement", "norm",
           "recurrent", "reduction", "resize", "shape", "windowed"]
