"""The NNAPI delegate of LiteRT, on the newest Android that has it."""

from __future__ import annotations

from nchw2nhwc.targets.needs import (
    BIAS,
    NO_BATCH_BROADCAST,
    NOT_SCALAR,
    PLAIN,
    constant,
    data_axes,
    most_axes,
    operand_type,
    result_type,
)
from nchw2nhwc.targets.site import Site
from nchw2nhwc.targets.table import Need, Target, rows

_SOURCE = "tflite/delegates/nnapi/nnapi_delegate.cc"
_QUANT = "float32 int8 uint8"
_NUMBERS = f"{_QUANT} int32"


def _plain_integers(site: Site) -> bool:
    return site.operand(0).dtype.name != "int32" or not site.option("fusedActivationFunction")


def _scalars_constant(site: Site) -> bool:
    return all(t is None or t.buffer or t.shape != () for t in site.operands)


_ARITHMETIC = (most_axes(4), Need("no fused activation for integers", _plain_integers))
_SIZE = (constant(1, "sizes"),)
_GATES = Need("20 or 24 operands", lambda site: len(site.operands) in (20, 24))
_POSITIONS = Need("indices that have axes", lambda site: len(site.operand(1).shape) > 0)
_PARTS = Need("parts of a size that is not 0", lambda site: all(0 not in t.shape for t in site.results))
_SAME = Need("a condition of the operands' shape", lambda site: site.operand(0).shape == site.operand(1).shape)

_ROWS = {
    **rows("ADD", types=_NUMBERS, version=2, needs=_ARITHMETIC, source=_SOURCE),
    **rows("MUL", types=_NUMBERS, version=2, needs=_ARITHMETIC, source=_SOURCE),
    **rows("SUB", types=_NUMBERS, version=3, needs=_ARITHMETIC, source=_SOURCE),
    **rows("SQUARED_DIFFERENCE", types=_NUMBERS, version=2, needs=(most_axes(4),), source=_SOURCE),
    **rows("DIV", types="float32", version=1, needs=(most_axes(4),), source=_SOURCE),
    **rows("ARG_MAX ARG_MIN", types=_NUMBERS, version=2, needs=(operand_type(1, "int32 int64", "an axis"), result_type("int32")),
           source=_SOURCE),
    **rows("AVERAGE_POOL_2D MAX_POOL_2D RELU RELU_N1_TO_1 RELU6 LOGISTIC TANH RSQRT", version=2, source=_SOURCE),
    **rows("HARD_SWISH DEPTH_TO_SPACE", source=_SOURCE),
    **rows("L2_NORMALIZATION", version=2, needs=(PLAIN,), source=_SOURCE),
    **rows("LOCAL_RESPONSE_NORMALIZATION FLOOR ABS EXP LOG POW SIN COS SQRT ELU LOG_SOFTMAX", types="float32", version=1, source=_SOURCE),
    **rows("CONV_2D", version=5, needs=(BIAS,), source=_SOURCE),
    **rows("DEPTHWISE_CONV_2D", version=3, source=_SOURCE),
    **rows("TRANSPOSE_CONV", version=4, needs=(constant(0, "sizes"), constant(1, "weights")), source=_SOURCE),
    **rows("FULLY_CONNECTED", version=5, source=_SOURCE),
    **rows("BATCH_MATMUL", types="float32 int32 int8", version=2, needs=(data_axes(2, 3, 4), NO_BATCH_BROADCAST), source=_SOURCE),
    **rows("SOFTMAX", version=2, needs=(most_axes(4),), source=_SOURCE),
    **rows("RESHAPE", types=_NUMBERS, version=1, needs=(most_axes(4), constant(1, "sizes")), source=_SOURCE),
    **rows("RESIZE_BILINEAR", version=3, needs=(data_axes(4), *_SIZE), source=_SOURCE),
    **rows("RESIZE_NEAREST_NEIGHBOR", version=3, needs=_SIZE, source=_SOURCE),
    **rows("UNIDIRECTIONAL_SEQUENCE_LSTM", version=2, needs=(_GATES,), source=_SOURCE),
    **rows("CONCATENATION", version=2, needs=(most_axes(4), PLAIN), source=_SOURCE),
    **rows("DEQUANTIZE", version=2, source=_SOURCE),
    **rows("QUANTIZE", version=2, source=_SOURCE),
    **rows("PAD PADV2", version=2, source=_SOURCE),
    **rows("MIRROR_PAD REVERSE_V2", types=_NUMBERS, version=3, source=_SOURCE),
    **rows("STRIDED_SLICE", version=2, source=_SOURCE),
    **rows("SLICE", types=_NUMBERS, version=2, needs=(operand_type(1, "int32", "places"), operand_type(2, "int32", "sizes")),
           source=_SOURCE),
    **rows("TRANSPOSE", types=_NUMBERS, version=2, needs=(constant(1, "order of axes"),), source=_SOURCE),
    **rows("SPACE_TO_DEPTH", version=2, source=_SOURCE),
    **rows("SPLIT", types=_NUMBERS, version=3, needs=(constant(0, "axis"),), source=_SOURCE),
    **rows("SPLIT_V", types=_NUMBERS, version=2, needs=(constant(1, "sizes"), constant(2, "axis"), _PARTS), source=_SOURCE),
    **rows("PACK", types=_NUMBERS, version=2, source=_SOURCE),
    **rows("MEAN", version=2, needs=(most_axes(4), NOT_SCALAR), source=_SOURCE),
    **rows("SUM REDUCE_PROD", types="float32", version=1, needs=(NOT_SCALAR,), source=_SOURCE),
    **rows("REDUCE_MIN REDUCE_MAX", version=2, needs=(NOT_SCALAR,), source=_SOURCE),
    **rows("REDUCE_ANY", types="bool", version=2, needs=(NOT_SCALAR,), source=_SOURCE),
    **rows("MAXIMUM MINIMUM", types=_NUMBERS, version=3,
           needs=(Need("single numbers that are constant", _scalars_constant),), source=_SOURCE),
    **rows("CAST", types=_NUMBERS, version=1, source=_SOURCE),
    **rows("LEAKY_RELU PRELU", version=1, source=_SOURCE),
    **rows("TILE", types=_NUMBERS, version=1, needs=(operand_type(1, "int32", "repeats"),), source=_SOURCE),
    **rows("LOGICAL_OR LOGICAL_AND LOGICAL_NOT", types="bool", version=1, source=_SOURCE),
    **rows("LESS LESS_EQUAL GREATER GREATER_EQUAL EQUAL NOT_EQUAL", types=f"{_NUMBERS} bool", version=2, source=_SOURCE),
    **rows("NEG", types="float32 int32", version=2, source=_SOURCE),
    **rows("TOPK_V2", types=_NUMBERS, version=2, needs=(constant(1, "k"), operand_type(1, "int32", "k")), source=_SOURCE),
    **rows("SELECT", types=f"{_NUMBERS} bool", version=2, needs=(_SAME,), source=_SOURCE),
    **rows("GATHER", types=_NUMBERS, version=2, needs=(operand_type(1, "int32", "indices"), _POSITIONS), source=_SOURCE),
    **rows("EXPAND_DIMS", types=_NUMBERS, version=1, needs=(constant(1, "axis"),), source=_SOURCE),
    **rows("SQUEEZE", types=_NUMBERS, version=1, source=_SOURCE),
}

NNAPI = Target(
    "nnapi", "the NNAPI delegate", tuple(_QUANT.split()), _ROWS, "runs on the CPU",
    (f"google-ai-edge/LiteRT f67457790c9c (2026-08-21), {_SOURCE}: NNAPIDelegateKernel::Validate",),
    notes="For the newest feature level that the delegate knows, with no accelerator named. Android deprecates NNAPI since version 15.")
