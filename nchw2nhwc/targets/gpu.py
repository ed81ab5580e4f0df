"""The GPU delegate of LiteRT."""

from __future__ import annotations

from nchw2nhwc.emit.tflite.model import Operator
from nchw2nhwc.targets.needs import ONE_COMPUTED, REFLECT, constant, data_axes, most_axes, operand_type, option_is
from nchw2nhwc.targets.site import Site
from nchw2nhwc.targets.table import Need, Target, rows

_BUILDER = "tflite/delegates/gpu/common/model_builder.cc"
_CHECKS = "tflite/tools/versioning/gpu_compatibility.cc"
_FLOAT_READERS = ("CAST", "SELECT", "SELECT_V2")
_DATA = "float32 float16 int8 uint8"


def _broadcasts(site: Site) -> bool:
    shapes = sorted((site.operand(k).shape for k in (0, 1)), key=len)
    short, long = shapes
    if len(short) < 2 or len(short) == len(long):
        return True
    if len(long) != 4:
        return False
    return ((len(short) == 3 and long[0] == 1) or (len(short) == 2 and long[0] == 1 and short == (1, 1))
            or (len(short) == 2 and (long[0], long[3]) == short))


_BROADCAST = Need("operands of as many axes, or 3 (or [1, 1]) of them against [1, h, w, c], or [b, c] against [b, h, w, c]", _broadcasts)
_COMPUTED_OR_ONE = Need("one or two computed operands", lambda site: 1 <= len(site.computed) <= 2)


def _logical(site: Site) -> bool:
    def to_float(reader: Operator) -> bool:
        return reader.code in _FLOAT_READERS and site.type_of(reader.outputs[0]) in ("float32", "float16")

    return len(site.readers) == 1 and to_float(site.readers[0]) and not site.is_output()


_READ_AS_FLOAT = Need("a CAST or SELECT_V2 to floating point as the only reader of its truth values", _logical)


def _cast(site: Site) -> bool:
    pair = site.operand(0).dtype.name, site.results[0].dtype.name
    numbers = ("float32", "int32")
    return pair in (("bool", "float32"), ("bool", "float16"), ("float32", "bool"), ("float16", "bool")) or all(n in numbers for n in pair)


def _select(site: Site) -> bool:
    out = site.results[0].shape
    condition = site.operand(0).shape
    offset = len(out) - len(condition)
    fits = offset >= 0 and all(a in (b, 1) for a, b in zip(condition, out[offset:]))
    branches = all(t.shape in ((), out) or t.shape == (1,) for t in (site.operand(1), site.operand(2)))
    return fits and branches and all(t.buffer or len(t.shape) != 2 for t in (site.operand(1), site.operand(2)))


def _forwards(site: Site) -> bool:
    strides = site.constant(3)
    return strides is not None and all(int(step) > 0 for step in strides.reshape(-1))


def _distinct(site: Site) -> bool:
    a, b = site.operator.inputs[:2]
    return a != b


def _no_masks(site: Site) -> bool:
    return not any(site.option(name) for name in ("ellipsisMask", "newAxisMask", "shrinkAxisMask"))


_MATRIX = Need("a second operand that is computed, or a constant of 2 axes",
               lambda site: not site.operand(1).buffer or len(site.operand(1).shape) == 2)
_AS_WIDE = Need("data whose last axis is as wide as the weights", lambda site: site.operand(0).shape[-1:] == site.operand(1).shape[-1:])
_PADS = Need("3 or 4 axes to pad", lambda site: site.operand(1).shape in ((3, 2), (4, 2)))
_AXES = (ONE_COMPUTED, constant(1, "axes"), operand_type(1, "int32", "axes"))
_PAIR = (_COMPUTED_OR_ONE, Need("two operands that are not the same", _distinct))

_ROWS = {
    **rows("ABS COS ELU EXP FLOOR GELU LOG LOGISTIC NEG RSQRT SIGN SIN SQRT SQUARE TANH", version=2, source=_BUILDER),
    **rows("DIV FLOOR_DIV FLOOR_MOD MAXIMUM MINIMUM POW SQUARED_DIFFERENCE SUB", version=2, needs=_PAIR,
           source=_BUILDER),
    **rows("ADD", version=2, needs=(_BROADCAST,), source=_CHECKS),
    **rows("MUL", version=3, needs=(_BROADCAST,), source=_CHECKS),
    **rows("EQUAL GREATER GREATER_EQUAL LESS LESS_EQUAL NOT_EQUAL", types=f"{_DATA} bool", version=2, needs=(_READ_AS_FLOAT,),
           source=_BUILDER),
    **rows("LOGICAL_AND", types="bool", version=2, needs=(_READ_AS_FLOAT,), source=_BUILDER),
    **rows("ADD_N", version=2, needs=(Need("two operands", lambda site: len(site.operands) == 2),), source=_CHECKS),
    **rows("AVERAGE_POOL_2D MAX_POOL_2D", version=2, needs=(ONE_COMPUTED,), source=_CHECKS),
    **rows("BATCH_MATMUL", needs=(_MATRIX,), source=_BUILDER),
    **rows("CAST", types="float32 float16 int32 bool", needs=(Need("floats and int32, or truth values and floats", _cast),),
           source=_CHECKS),
    **rows("CONCATENATION", version=2, source=_BUILDER),
    **rows("CONV_2D", version=6, source=_BUILDER),
    **rows("CUMSUM", types="float32 float16", version=1, needs=(constant(1, "axis"),), source=_CHECKS),
    **rows("DEPTHWISE_CONV_2D", version=6, source=_BUILDER),
    **rows("DEPTH_TO_SPACE", needs=(ONE_COMPUTED,), source=_CHECKS),
    **rows("SPACE_TO_DEPTH", version=2, needs=(ONE_COMPUTED,), source=_CHECKS),
    **rows("DEQUANTIZE", version=3, source=_BUILDER),
    **rows("QUANTIZE", version=2, source=_BUILDER),
    **rows("FULLY_CONNECTED", version=9, needs=(Need("computed data", lambda site: not site.operand(0).buffer), _AS_WIDE), source=_BUILDER),
    **rows("GATHER", types=f"{_DATA} int32", version=1,
           needs=(Need("a list of indices", lambda site: len(site.operand(1).shape) == 1), operand_type(1, "int32", "indices")),
           source=_CHECKS),
    **rows("HARD_SWISH", needs=(ONE_COMPUTED,), source=_CHECKS),
    **rows("MEAN REDUCE_MAX REDUCE_MIN REDUCE_PROD SUM", needs=_AXES, source=_CHECKS),
    **rows("MIRROR_PAD", version=2, needs=(REFLECT, _PADS, ONE_COMPUTED), source=_CHECKS),
    **rows("PAD PADV2", version=2, needs=(_PADS, ONE_COMPUTED), source=_CHECKS),
    **rows("PACK UNPACK SPLIT SPLIT_V", source=_CHECKS),
    **rows("PRELU", version=1, source=_BUILDER),
    **rows("RELU RELU6 RELU_0_TO_1 RELU_N1_TO_1 LEAKY_RELU", version=2, source=_BUILDER),
    **rows("RESHAPE", version=1, needs=(ONE_COMPUTED,), source=_CHECKS),
    **rows("RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR", version=3, needs=(ONE_COMPUTED,), source=_CHECKS),
    **rows("SELECT SELECT_V2", types=f"{_DATA} bool", version=1,
           needs=(Need("branches of the result's shape, or single constants", _select),), source=_CHECKS),
    **rows("SLICE", version=2, needs=(data_axes(3, 4),), source=_CHECKS),
    **rows("SOFTMAX", version=2, needs=(option_is("beta", 1, "a beta of 1"),), source=_CHECKS),
    **rows("STRIDED_SLICE", version=4,
           needs=(data_axes(3, 4), Need("no ellipsis, new or dropped axes", _no_masks), Need("constant steps forwards", _forwards)),
           source=_BUILDER),
    **rows("TILE", needs=(ONE_COMPUTED,), source=_CHECKS),
    **rows("TRANSPOSE", version=4, needs=(ONE_COMPUTED,), source=_CHECKS),
    **rows("TRANSPOSE_CONV", version=3, source=_BUILDER),
}

GPU = Target(
    "gpu", "the GPU delegate", tuple(_DATA.split()), _ROWS, "runs on the CPU",
    (f"google-ai-edge/LiteRT f67457790c9c (2026-08-21), {_BUILDER} and {_CHECKS}",), needs=(most_axes(4),),
    notes="Of the delegate's standard flags. It takes the largest connected part of what it supports; every part that is left runs on the "
          "CPU. Quantized operators are computed in floating point.")
