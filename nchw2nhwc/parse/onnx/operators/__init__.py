"""What every supported ONNX operator becomes. Importing this package fills `registry.MAPPINGS`."""

from nchw2nhwc.parse.onnx.operators import (
    arithmetic,
    c_dist,
    contrib,
    contrib_attention,
    contrib_quantized,
    einsum,
    elementwise,
    generate,
    indexing,
    logic,
    matmul,
    movement,
    norm,
    normalizer,
    quantized,
    recurrent,
    reduction,
    resize,
    sampling,
    shape,
    signal,
    windowed,
)

__all__ = ["arithmetic", "c_dist", "contrib", "contrib_attention", "contrib_quantized", "einsum", "elementwise", "generate", "indexing",
          "logic", "matmul", "movement", "norm", "normalizer", "quantized", "recurrent", "reduction", "resize", "sampling", "shape",
          "signal", "windowed"]
