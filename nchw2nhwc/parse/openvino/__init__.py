"""OpenVINO IR, versions 10 and 11: .xml and .bin become an `ir.Graph`."""

from nchw2nhwc.parse.openvino import (
    activations,
    arithmetic,
    blocks,
    colors,
    convolution,
    detection,
    embedding,
    indexing,
    loss,
    matmul,
    movement,
    narrow,
    normalization,
    pooling,
    positions,
    priors,
    recurrent,
    reduction,
    regions,
    resize,
    sampling,
    sequences,
    shapes,
    signal,
    slicing,
    multiclass,
)
from nchw2nhwc.parse.openvino.reader import read_openvino
from nchw2nhwc.parse.openvino.registry import mappings

__all__ = ["activations", "arithmetic", "blocks", "colors", "convolution", "detection", "embedding", "indexing", "loss", "mappings",
           "matmul", "movement", "narrow", "normalization", "pooling", "positions", "priors", "read_openvino", "recurrent", "reduction",
           "regions", "resize", "sampling", "sequences", "shapes", "signal", "slicing", "multiclass"]
