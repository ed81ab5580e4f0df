"""OpenVINO IR, versions 10 and 11: .xml and .bin become an `ir.Graph`."""

from nchw2nhwc.parse.openvino import (
    activations,
    arithmetic,
    blocks,
    convolution,
    detection,
    indexing,
    matmul,
    movement,
    normalization,
    pooling,
    priors,
    recurrent,
    reduction,
    resize,
    sampling,
    shapes,
    slicing,
)
from nchw2nhwc.parse.openvino.reader import read_openvino
from nchw2nhwc.parse.openvino.registry import mappings

__all__ = ["activations", "arithmetic", "blocks", "convolution", "detection", "indexing", "mappings", "matmul", "movement", "normalization",
           "pooling", "priors", "read_openvino", "recurrent", "reduction", "resize", "sampling", "shapes", "slicing"]
