"""The operator versions that a file declares: the lowest that has each feature in use, so that older runtimes refuse what they cannot run
and nothing else.

The facts are those of LiteRT's `op_version.cc`; what no rule here names is version 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from nchw2nhwc.emit.tflite.model import DATA_OPERANDS, TYPES, Options, Tensor

_Rule = Callable[[Sequence[Tensor | None], Options | None], bool]


def _by_type(text: str) -> Mapping[str, int]:
    return {code: int(number) for code, number in (entry.split(":") for entry in text.split())}


TYPE_VERSIONS: Mapping[str, Mapping[str, int]] = {
    "INT8": _by_type("ADD:2 SUB:2 MUL:2 MAX_POOL_2D:2 AVERAGE_POOL_2D:2 TRANSPOSE:2 SPLIT:2 SPLIT_V:2 SLICE:2 STRIDED_SLICE:2 "
                     "REVERSE_V2:3 RESIZE_BILINEAR:2 RESIZE_NEAREST_NEIGHBOR:2 MAXIMUM:2 MINIMUM:2 PACK:2 TILE:3 EQUAL:2 NOT_EQUAL:2 "
                     "LESS:2 LESS_EQUAL:2 GREATER:2 GREATER_EQUAL:2 PAD:2 PADV2:2 CONCATENATION:2 SOFTMAX:2 MEAN:2 MIRROR_PAD:2 "
                     "REDUCE_MAX:2 REDUCE_MIN:2 SUM:2 REDUCE_PROD:2 SPACE_TO_DEPTH:2 "
                     "DEPTH_TO_SPACE:2 SQUARED_DIFFERENCE:2 ARG_MAX:2 ARG_MIN:2 FLOOR_DIV:3 FLOOR_MOD:2 "
                     "BROADCAST_TO:3 GATHER:2 TOPK_V2:2 "
                     "CONV_2D:3 DEPTHWISE_CONV_2D:3 TRANSPOSE_CONV:2 FULLY_CONNECTED:4 BATCH_MATMUL:2 RELU:2 LEAKY_RELU:2 LOGISTIC:2 "
                     "TANH:2 DEQUANTIZE:2"),
    "UINT8": _by_type("ABS:2"),
    "INT16": _by_type("ADD:5 MUL:7 MAX_POOL_2D:3 TRANSPOSE:5 SPLIT:4 SLICE:4 RESIZE_BILINEAR:4 RESIZE_NEAREST_NEIGHBOR:4 "
                      "MAXIMUM:4 MINIMUM:4 PACK:3 "
                      "EQUAL:4 LESS:3 GREATER_EQUAL:3 PAD:3 PADV2:3 CONCATENATION:3 MEAN:3 MIRROR_PAD:3 REDUCE_MAX:3 REDUCE_MIN:3 "
                      "REDUCE_PROD:2 FLOOR_DIV:3 FLOOR_MOD:2 BROADCAST_TO:3 GATHER:4 ABS:4 GATHER_ND:3 TOPK_V2:3 DEQUANTIZE:3"),
    "INT32": _by_type("SPLIT:3 ABS:5 SIGN:2"),
    "INT64": _by_type("ADD:4 SUB:4 MUL:5"),
    "UINT32": _by_type("MUL:7 SLICE:6 STRIDED_SLICE:7 PACK:4 CONCATENATION:4"),
    "BOOL": _by_type("TRANSPOSE:3 STRIDED_SLICE:3 REVERSE_V2:2 GATHER:3 PAD:5 PADV2:5 ARG_MAX:3 ARG_MIN:3 GATHER_ND:5"),
    "FLOAT16": _by_type("DEQUANTIZE:3"),
    "FLOAT32": _by_type("FLOOR_DIV:2"),
}
"""Versions that an element type of the data operand needs."""

QUANTIZED_16: Mapping[str, int] = _by_type(
    "ADD:3 SUB:5 MUL:4 CONV_2D:4 DEPTHWISE_CONV_2D:5 FULLY_CONNECTED:7 AVERAGE_POOL_2D:3 LOGISTIC:3 TANH:3 SOFTMAX:3 BATCH_MATMUL:3 "
    "LEAKY_RELU:2 RELU:3")
"""Versions that integers of 16 bits on a grid need, where those without one need others or are not known."""

CAST_VERSIONS: Mapping[str, int] = {"UINT32": 2, "INT8": 3, "UINT16": 4, "FLOAT64": 5, "FLOAT16": 5, "BFLOAT16": 7}
"""Versions that a type on either side of a CAST needs."""


def _rank_over(limit: int) -> _Rule:
    return lambda operands, _: any(t is not None and len(t.shape) > limit for t in operands[:1])


def _broadcasts_over(limit: int) -> _Rule:
    def needs(operands: Sequence[Tensor | None], _: Options | None) -> bool:
        shapes = [t.shape for t in operands[:2] if t is not None]
        return len(set(shapes)) > 1 and max(map(len, shapes)) > limit
    return needs


def _option(*names: str) -> _Rule:
    """Whether one of these options is set to anything but its neutral value (1 for a dilation, else 0)."""
    def needs(_: Sequence[Tensor | None], options: Options | None) -> bool:
        return options is not None and any(name in names and value != int(name.endswith("Factor")) for name, value in options.fields)
    return needs


def _grouped(operands: Sequence[Tensor | None], _: Options | None) -> bool:
    x, w = operands[:2]
    return x is not None and w is not None and x.shape[-1] != w.shape[-1]


def _many_scales(operands: Sequence[Tensor | None], _: Options | None) -> bool:
    known = operands[0].quantization if operands[0] is not None else None
    return known is not None and len(known.scales) > 1


RULES: Mapping[str, tuple[tuple[int, _Rule], ...]] = {
    "CONV_2D": ((6, _grouped), (8, _option("quantizedBiasType"))),
    "DEPTHWISE_CONV_2D": ((2, _option("dilationWFactor", "dilationHFactor")),),
    "TRANSPOSE_CONV": ((3, lambda operands, _: len(operands) > 3), (4, _option("fusedActivationFunction"))),
    "FULLY_CONNECTED": ((5, _option("keepNumDims")), (11, _option("quantizedBiasType"))),
    "DEQUANTIZE": ((5, _many_scales),),
    "GATHER": ((5, _option("batchDims")),),
    "TRANSPOSE": ((4, _rank_over(4)), (6, _rank_over(5))),
    "SLICE": ((5, _rank_over(4)),),
    "STRIDED_SLICE": ((4, _rank_over(4)),),
    "PAD": ((4, _rank_over(4)),),
    "PADV2": ((4, _rank_over(4)),),
    "RESIZE_BILINEAR": ((3, _option("halfPixelCenters")),),
    "RESIZE_NEAREST_NEIGHBOR": ((3, _option("halfPixelCenters", "alignCorners")),),
    "MAXIMUM": ((3, _broadcasts_over(4)),),
    "MINIMUM": ((3, _broadcasts_over(4)),),
    "SUB": ((3, _broadcasts_over(4)),),
    "DIV": ((2, _broadcasts_over(4)),),
    "BROADCAST_TO": ((2, lambda operands, _: True),),
}
"""Versions that a feature needs, by operator. Version 1 of BROADCAST_TO was withdrawn."""


def version_of(code: str, operands: Sequence[Tensor | None], results: Sequence[Tensor], options: Options | None) -> int:
    """The lowest version of `code` that takes these operands and options."""
    if code == "CAST":
        return max(CAST_VERSIONS.get(TYPES[t.dtype], 1) for t in (*operands, *results) if t is not None)
    data = operands[DATA_OPERANDS.get(code, 0)]
    by_type = {} if data is None else TYPE_VERSIONS.get(TYPES[data.dtype], {})
    if data is not None and data.dtype == "int16" and data.quantization is not None:
        by_type = {**by_type, **QUANTIZED_16}
    found = [by_type.get(code, 1)]
    found += [number for number, needs in RULES.get(code, ()) if needs(operands, options)]
    if code == "QUANTIZE" and results[0].dtype == "int16":
        found.append(2)
    if code == "MUL" and _grows(operands, results):
        found.append(3)
    return max(found)


def _grows(operands: Sequence[Tensor | None], results: Sequence[Tensor]) -> bool:
    """Whether the scale of quantized products is not below that of the results."""
    scales = [t.quantization.scales[0] for t in (*operands, *results) if t is not None and t.quantization is not None]
    return len(scales) == 3 and scales[0] * scales[1] >= scales[2]
