"""ONNX's operators that are not read, and why."""

from __future__ import annotations

from collections.abc import Mapping

_STRINGS = "targets have no tensors of strings"

REASONS: Mapping[str, str] = {
    "ImageDecoder": "no operator of the targets decodes images",
    "Multinomial": "its results are random; --random inputs spells it out with an input of uniform numbers (opset 15)",
    "RegexFullMatch": _STRINGS, "StringConcat": _STRINGS, "StringNormalizer": _STRINGS, "StringSplit": _STRINGS,
}
"""By the name of a standard operator. What is neither here nor read is not ONNX's, or newer than this version."""

_MAPS = "targets have no maps"

_COMPILED = "it holds what was compiled for one device; convert the model that it was made of"

OF_OTHERS: Mapping[str, str] = {
    **{f"ai.onnx.ml.{op}": f"{_MAPS}; leave the encoder out of the exported pipeline" for op in ("CastMap", "DictVectorizer")},
    "ai.onnx.ml.CategoryMapper": f"{_STRINGS}; leave the encoder out of the exported pipeline",
    **{f"com.microsoft.{op}": "it is a whole search for text around decoders, which are graphs inside of it; export the decoder by itself, "
                              "and search in the program that runs it"
       for op in ("BeamSearch", "GreedySearch", "Sampling", "WhisperBeamSearch")},
    **{f"com.microsoft.{op}": _COMPILED for op in ("EPContext", "Snpe")},
    **{f"com.microsoft.{op}": "it takes padding out, so that data decides how large tensors are; export the model without packing mode"
       for op in ("PackedAttention", "PackedMultiHeadAttention", "RemovePadding", "RestorePadding")},
    "com.microsoft.Tokenizer": _STRINGS,
    "ai.onnx.ml.ZipMap": f"{_MAPS}; end the model at its operand, or export it with options={{'zipmap': False}}",
}
"""By domain and name, for operators of other domains than ONNX's own."""

OF_DOMAINS: Mapping[str, str] = {
    "com.microsoft.nchwc": "ONNX Runtime wrote the model for the machine that it ran on, with the layout of its registers; save it with "
                           "GraphOptimizationLevel.ORT_ENABLE_EXTENDED instead of ORT_ENABLE_ALL",
}
"""By domain."""


def reason_of(type: str) -> str:
    """Why an operator is not read, by its name and domain as messages show it; "" where there is nothing to say."""
    return REASONS.get(type) or OF_OTHERS.get(type) or OF_DOMAINS.get(type.rpartition(".")[0], "")
