"""OpenVINO IR, versions 10 and 11: .xml and .bin become an `ir.Graph`."""

from nchw2nhwc.parse.openvino import (
    activations,
    arithmetic,
    blocks,
    colors,
    convolution,
    detection,
    detectron,
    embedding,
    indexing,
    loss,
    matmul,
    movement,
    multiclass,
    narrow,
    normalization,
    pooling,
    positions,
    priors,
    proposals,
    recurrent,
    reduction,
    regions,
    resize,
    rotated,
    sampling,
    sequences,
    shapes,
    signal,
    slicing,
    ssd,
)
from nchw2nhwc.parse.openvino.reader import read_openvino
from nchw2nhwc.parse.openvino.registry import mappings

__all__ = ["activations", "arithmetic", "blocks", "colors", "convolution", "detection", "detectron", "embedding", "indexing", "loss",
           "mappings", "matmul", "movement", "multiclass", "narrow", "normalization", "pooling", "positions", "priors", "proposals",
           "read_openvino", "recurrent", "reduction", "regions", "resize", "rotated", "sampling", "sequences", "shapes", "signal",
           "slicing", "ssd"]
