"""TensorFlow Lite for Microcontrollers: the reference kernels."""

from __future__ import annotations

from nchw2nhwc.targets.needs import STATIC, constant, data_axes, most_axes, operand_type, result_type
from nchw2nhwc.targets.site import Site
from nchw2nhwc.targets.table import Need, Target, rows

_KERNELS = "tensorflow/lite/micro/kernels"
_WEIGHTED = "float32 int8 int16"
_DATA = "float32 int8 int16 int32"
_MOST_PARTS = 10


def _source(*files: str) -> str:
    return f"{_KERNELS}/{', '.join(f'{name}.cc' for name in files)}"


def _like_weights(site: Site) -> bool:
    """Whether data and weights are both floating point or both integers."""
    kinds = {t.dtype.kind for t in site.operands[:2] if t is not None}
    return len(kinds) == 1


_NOT_HYBRID = Need("data and weights that are both floating point or both integers", _like_weights)

def _side_by_side(site: Site) -> bool:
    axes = site.constant(1)
    places = [] if axes is None else sorted(int(a) % len(site.operand(0).shape) for a in axes.reshape(-1))
    return places == list(range(places[0], places[0] + len(places))) if places else False


_CONTIGUOUS = Need("axes side by side", _side_by_side)
_FEW = Need(f"at most {_MOST_PARTS} operands", lambda site: len(site.operands) <= _MOST_PARTS)

_ROWS = {
    **rows("ADD SUB MUL", types=_DATA, source=_source("add", "sub", "mul")),
    **rows("DIV", types="float32 int8", source=_source("div")),
    **rows("SQUARED_DIFFERENCE", types=_DATA, source=_source("squared_difference")),
    **rows("MAXIMUM MINIMUM", types=f"{_DATA} int64", source=_source("maximum_minimum")),
    **rows("FLOOR_DIV FLOOR_MOD", types="float32", source=_source("floor_div", "floor_mod")),
    **rows("ABS", types=_WEIGHTED, source=_source("elementwise")),
    **rows("RSQRT", types="float32 int8", source=_source("elementwise")),
    **rows("SIN COS LOG SQRT SQUARE", types="float32", source=_source("elementwise")),
    **rows("EXP FLOOR CEIL ROUND NEG", types="float32", source=_source("exp", "floor", "ceil", "round", "neg")),
    **rows("LOGICAL_NOT LOGICAL_AND LOGICAL_OR", types="bool", source=_source("elementwise", "logical")),
    **rows("EQUAL NOT_EQUAL", types="bool float32 int8 int32 int64", source=_source("comparisons")),
    **rows("GREATER GREATER_EQUAL LESS LESS_EQUAL", types="bool float32 int8 int32 int64", source=_source("comparisons")),
    **rows("RELU RELU6", types=_WEIGHTED, source=_source("activations")),
    **rows("LEAKY_RELU LOGISTIC TANH", types=_WEIGHTED, source=_source("leaky_relu", "logistic", "tanh")),
    **rows("PRELU", types=_WEIGHTED, needs=(most_axes(4),), source=_source("prelu")),
    **rows("ELU HARD_SWISH LOG_SOFTMAX CUMSUM", types="float32 int8", source=_source("elu", "hard_swish", "log_softmax", "cumsum")),
    **rows("SOFTMAX", types=_WEIGHTED, source=_source("softmax")),
    **rows("CONV_2D DEPTHWISE_CONV_2D", types=_WEIGHTED, needs=(_NOT_HYBRID,), source=_source("conv", "depthwise_conv")),
    **rows("TRANSPOSE_CONV FULLY_CONNECTED", types=_WEIGHTED, source=_source("transpose_conv", "fully_connected")),
    **rows("BATCH_MATMUL", types=_WEIGHTED, source=_source("batch_matmul")),
    **rows("AVERAGE_POOL_2D MAX_POOL_2D", types=_WEIGHTED, source=_source("pooling")),
    **rows("ARG_MAX ARG_MIN", types="float32 int8 int32", needs=(operand_type(0, "float32 int8", "data"), result_type("int32")),
           source=_source("arg_min_max")),
    **rows("CAST", types="float32 int8 int16 int32 uint32 bool",
           needs=(Need("a result of numbers", lambda site: site.results[0].dtype.name != "bool"),), source=_source("cast")),
    **rows("CONCATENATION", types=f"{_DATA} int64 bool", needs=(_FEW, most_axes(6)), source=_source("concatenation")),
    **rows("GATHER GATHER_ND", types="float32 int8 int32", needs=(operand_type(0, "float32 int8", "data"),
                                                                 operand_type(1, "int32", "indices")),
           source=_source("gather", "gather_nd")),
    **rows("MIRROR_PAD", types="float32 int8", source=_source("mirror_pad")),
    **rows("PAD PADV2", types=_DATA, needs=(most_axes(5), constant(1, "pads")), source=_source("pad")),
    **rows("PACK", types=f"{_DATA} int64", source=_source("pack")),
    **rows("SPLIT", types=_DATA, needs=(constant(0, "axis"),), source=_source("split")),
    **rows("SPLIT_V", types=_DATA, needs=(constant(2, "axis"),), source=_source("split_v")),
    **rows("MEAN SUM REDUCE_MAX REDUCE_MIN", types=_WEIGHTED, needs=(constant(1, "axes"),), source=_source("reduce")),
    **rows("REDUCE_ALL", types="bool", needs=(constant(1, "axes"),), source=_source("reduce")),
    **rows("RESIZE_BILINEAR", types="float32 int8", needs=(data_axes(4), constant(1, "sizes")), source=_source("resize_bilinear")),
    **rows("RESIZE_NEAREST_NEIGHBOR", types=_WEIGHTED, needs=(data_axes(4), constant(1, "sizes")),
           source=_source("resize_nearest_neighbor")),
    **rows("REVERSE_V2", types=f"{_DATA} int64 uint8 bool", needs=(most_axes(6), _CONTIGUOUS), source=_source("reverse")),
    **rows("SELECT_V2", types=f"{_WEIGHTED} bool", source=_source("select")),
    **rows("SLICE", types=f"{_DATA} bool", needs=(most_axes(5),), source=_source("slice")),
    **rows("STRIDED_SLICE", types=f"{_DATA} bool", needs=(most_axes(4), constant(1, "begin"), constant(2, "end"), constant(3, "strides")),
           source=_source("strided_slice")),
    **rows("SPACE_TO_DEPTH DEPTH_TO_SPACE", types="float32 int8", needs=(data_axes(4),),
           source=_source("space_to_depth", "depth_to_space")),
    **rows("TRANSPOSE", types=_WEIGHTED, needs=(most_axes(5), constant(1, "order of axes")), source=_source("transpose")),
    **rows("BROADCAST_TO", types=f"{_DATA} int64 bool", needs=(most_axes(5),), source=_source("broadcast_to")),
    **rows("RESHAPE SHAPE SQUEEZE EXPAND_DIMS", types=f"{_DATA} int64 uint8 bool",
           source=_source("reshape", "shape", "squeeze", "expand_dims")),
    **rows("QUANTIZE DEQUANTIZE", types=f"{_DATA} uint8", source=_source("quantize", "dequantize")),
    **rows("L2_NORMALIZATION ADD_N", types="float32 int8", source=_source("l2norm", "add_n")),
    **rows("UNIDIRECTIONAL_SEQUENCE_LSTM", types=_WEIGHTED, source=_source("unidirectional_sequence_lstm")),
    **rows("TFLite_Detection_PostProcess", types="float32", source=_source("detection_postprocess")),
    **rows("IF WHILE", types=f"{_DATA} int64 bool", source=_source("if", "while")),
}

MICRO = Target(
    "micro", "TFLite Micro", tuple(_WEIGHTED.split()), _ROWS, "has no kernel, so the file cannot run",
    (f"tensorflow/tflite-micro 90b983c2b3f1 (2026-08-20), tensorflow/lite/micro/micro_mutable_op_resolver.h and {_KERNELS}",),
    needs=(STATIC,), notes="Of the reference kernels; those of single chips (CMSIS-NN, Xtensa, Ethos-U) take fewer or more.")
