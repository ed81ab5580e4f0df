"""One case for every operator, element type and rank whose support `kernel_limits.py` probes: a file of one operator and numpy's answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from nchw2nhwc.emit.tflite.model import Options, options, type_number
from nchw2nhwc.ir import Array, DType

DTYPES = tuple(map(np.dtype, ("float32", "int32", "int64", "int16", "int8", "uint8", "uint16", "uint32", "bool")))
RANKS = range(9)


@dataclass(frozen=True)
class Case:
    """One file: what it computes from `inputs` and constants, and what numpy says. Operands are inputs, then constants, or in `order`."""

    code: str
    inputs: tuple[Array, ...]
    expected: tuple[Array, ...]
    consts: tuple[Array, ...] = ()
    options: Options | None = None
    order: tuple[int, ...] | None = None
    tolerance: float = 1e-4


Maker = Callable[[str, DType, int], "Case | None"]
MAKERS: dict[str, tuple[Maker, int]] = {}
"""Per operator: how to make a case for a type and rank (None: the operator has no such form), and its highest version."""


def maker(codes: str) -> Callable[[Maker], Maker]:
    """Registers the function that makes the cases of these operators, each with its highest version (`CODE:3`; default 1)."""
    def register(function: Maker) -> Maker:
        for code in codes.split():
            name, _, own = code.partition(":")
            MAKERS[name] = function, int(own or 1)
        return function
    return register


def shape_of(rank: int) -> tuple[int, ...]:
    """Small sizes, of which neighbours differ."""
    return tuple((3, 2, 4, 2, 3, 2, 2, 3)[:rank])


def values(dtype: DType, shape: Sequence[int], seed: int = 0, low: float = -4, high: float = 4) -> Array:
    """Data that tells wrapping from saturating and 64 from 32 bits where the type can."""
    rng = np.random.default_rng(seed)
    if dtype.kind == "f":
        return rng.uniform(low, high, shape).astype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(max(int(info.min), -2**40), min(int(info.max), 2**40), shape, dtype=np.int64).astype(dtype)


# ---- elementwise ---------------------------------------------------------------------------------------------------------
UNARY: dict[str, tuple[Callable[[Array], Array], Options | None]] = {
    "ABS": (np.abs, options("AbsOptions")), "NEG": (np.negative, options("NegOptions")), "EXP": (np.exp, options("ExpOptions")),
    "LOG": (np.log, None), "SQRT": (np.sqrt, None), "RSQRT": (lambda x: 1 / np.sqrt(x), None), "FLOOR": (np.floor, None),
    "CEIL": (np.ceil, None), "ROUND": (np.rint, None), "SIGN": (np.sign, options("SignOptions")), "SIN": (np.sin, None),
    "COS": (np.cos, options("CosOptions")), "LOGISTIC": (lambda x: 1 / (1 + np.exp(-x)), None), "TANH": (np.tanh, None),
    "RELU": (lambda x: np.maximum(x, 0), None), "RELU6": (lambda x: np.clip(x, 0, 6), None),
    "RELU_N1_TO_1": (lambda x: np.clip(x, -1, 1), None), "RELU_0_TO_1": (lambda x: np.clip(x, 0, 1), None),
    "ELU": (lambda x: np.where(x > 0, x, np.expm1(x)), None),
    "HARD_SWISH": (lambda x: x * np.clip(x + 3, 0, 6) / 6, options("HardSwishOptions")),
    "LEAKY_RELU": (lambda x: np.where(x > 0, x, x * np.float32(0.25)), options("LeakyReluOptions", alpha=0.25)),
    "GELU": (lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))), options("GeluOptions", approximate=True)),
    "SQUARE": (np.square, options("SquareOptions")), "LOGICAL_NOT": (np.logical_not, options("LogicalNotOptions")),
}


@maker("ABS:5 NEG EXP:2 LOG:2 SQRT:2 RSQRT:3 FLOOR CEIL ROUND SIGN:2 SIN COS LOGISTIC TANH RELU RELU6 RELU_N1_TO_1 RELU_0_TO_1 ELU "
       "HARD_SWISH LEAKY_RELU GELU SQUARE LOGICAL_NOT")
def unary(code: str, dtype: DType, rank: int) -> Case | None:
    """One operand."""
    function, opts = UNARY[code]
    x = values(dtype, shape_of(rank))
    if code in ("LOG", "SQRT", "RSQRT"):
        x = np.abs(x) + dtype.type(1)
    if code == "ROUND" and dtype.kind == "f" and x.size > 2:
        x.reshape(-1)[:3] = (0.5, 1.5, -2.5)
    y = function(x)
    return Case(code, (x,), (y.astype(dtype),), options=opts) if dtype.kind == "f" or y.dtype == dtype else None


def _divide(a: Array, b: Array) -> Array:
    return a / b if a.dtype.kind == "f" else np.trunc(a.astype(np.float64) / b).astype(a.dtype)


BINARY: dict[str, tuple[Callable[[Array, Array], Array], str]] = {
    "ADD": (np.add, "Add"), "SUB": (np.subtract, "Sub"), "MUL": (np.multiply, "Mul"), "DIV": (_divide, "Div"),
    "POW": (np.power, "Pow"), "MAXIMUM": (np.maximum, "MaximumMinimum"), "MINIMUM": (np.minimum, "MaximumMinimum"),
    "FLOOR_DIV": (np.floor_divide, "FloorDiv"), "FLOOR_MOD": (np.mod, "FloorMod"), "ATAN2": (np.arctan2, ""),
    "SQUARED_DIFFERENCE": (lambda a, b: (a - b) * (a - b), "SquaredDifference"), "PRELU": (lambda a, b: np.where(a > 0, a, a * b), ""),
    "EQUAL": (np.equal, "Equal"), "NOT_EQUAL": (np.not_equal, "NotEqual"), "LESS": (np.less, "Less"),
    "LESS_EQUAL": (np.less_equal, "LessEqual"), "GREATER": (np.greater, "Greater"), "GREATER_EQUAL": (np.greater_equal, "GreaterEqual"),
    "LOGICAL_AND": (np.logical_and, "LogicalAnd"), "LOGICAL_OR": (np.logical_or, "LogicalOr"),
    "BITWISE_XOR": (np.bitwise_xor, "BitwiseXor"),
}


@maker("ADD:5 SUB:4 MUL:7 DIV:2 POW MAXIMUM:4 MINIMUM:4 FLOOR_DIV:3 FLOOR_MOD:2 ATAN2 SQUARED_DIFFERENCE:2 PRELU EQUAL:4 NOT_EQUAL:3 "
       "LESS:3 LESS_EQUAL:2 GREATER:2 GREATER_EQUAL:3 LOGICAL_AND LOGICAL_OR BITWISE_XOR")
def binary(code: str, dtype: DType, rank: int) -> Case | None:
    """The second operand is broadcast along every other axis, which no kernel can merge away; ATAN2 does not broadcast at all."""
    function, table = BINARY[code]
    if (code.startswith("LOGICAL")) != (dtype.kind == "b") and not (code in ("EQUAL", "NOT_EQUAL", "BITWISE_XOR") and dtype.kind == "b"):
        return None
    shape = shape_of(rank)
    a, b = values(dtype, shape), values(dtype, shape if code == "ATAN2" else tuple(n if k % 2 else 1 for k, n in enumerate(shape)), seed=1)
    if code in ("DIV", "FLOOR_DIV", "FLOOR_MOD"):
        b = np.where(b == 0, 1, b).astype(dtype)
    if code == "POW":
        a, b = (np.abs(a), b) if dtype.kind == "f" else ((a % 5).astype(dtype), (b % 4).astype(dtype))
    if code in ("EQUAL", "NOT_EQUAL") and a.size:
        a.reshape(-1)[:1] = b.reshape(-1)[:1]
    y = function(a, b)
    consts = (b,) if code == "PRELU" else ()
    return Case(code, (a,) if consts else (a, b), (y,), consts, options(f"{table}Options") if table else None)


@maker("SELECT_V2:2")
def select(code: str, dtype: DType, rank: int) -> Case:
    """The condition and the second choice are broadcast along alternate axes."""
    shape = shape_of(rank)
    c = values(np.dtype(bool), tuple(1 if k % 2 else n for k, n in enumerate(shape)))
    a, b = values(dtype, shape), values(dtype, tuple(n if k % 2 else 1 for k, n in enumerate(shape)), seed=1)
    return Case(code, (c, a, b), (np.where(c, a, b),), options=options("SelectV2Options"))


# ---- along axes ----------------------------------------------------------------------------------------------------------
REDUCE: dict[str, Callable[..., Array]] = {
    "MEAN": np.mean, "SUM": np.sum, "REDUCE_MAX": np.max, "REDUCE_MIN": np.min, "REDUCE_PROD": np.prod, "REDUCE_ANY": np.any,
    "REDUCE_ALL": np.all}


@maker("MEAN:3 SUM:2 REDUCE_MAX:3 REDUCE_MIN:3 REDUCE_PROD:2 REDUCE_ANY REDUCE_ALL")
def reduce(code: str, dtype: DType, rank: int) -> Case | None:
    """Over every other axis."""
    if rank == 0 or (dtype.kind == "b") != (code in ("REDUCE_ANY", "REDUCE_ALL")):
        return None
    x, axes = values(dtype, shape_of(rank)), tuple(range(0, rank, 2))
    if code == "REDUCE_PROD" and dtype.kind in "iu":
        x = (x % 3).astype(dtype)
    y = REDUCE[code](x, axis=axes, keepdims=True)
    return Case(code, (x,), (y.astype(dtype),), (np.array(axes, np.int32),), options("ReducerOptions", keepDims=True))


@maker("ARG_MAX:3 ARG_MIN:3")
def arg(code: str, dtype: DType, rank: int) -> Case | None:
    """Along a middle axis."""
    if rank == 0:
        return None
    x, axis = values(dtype, shape_of(rank)), rank // 2
    y = (np.argmax if code == "ARG_MAX" else np.argmin)(x, axis=axis).astype(np.int64)
    table = "ArgMaxOptions" if code == "ARG_MAX" else "ArgMinOptions"
    return Case(code, (x,), (y,), (np.array(axis, np.int32),), options(table, outputType=4))


@maker("SOFTMAX:3 LOG_SOFTMAX:2")
def softmax(code: str, dtype: DType, rank: int) -> Case | None:
    """Along the last axis."""
    if rank == 0 or dtype.kind != "f":
        return None
    x = values(dtype, shape_of(rank))
    e = np.exp(x - x.max(-1, keepdims=True))
    y = e / e.sum(-1, keepdims=True)
    opts = options("SoftmaxOptions", beta=1.0) if code == "SOFTMAX" else options("LogSoftmaxOptions")
    return Case(code, (x,), (y if code == "SOFTMAX" else np.log(y),), options=opts)


@maker("CUMSUM")
def cumsum(code: str, dtype: DType, rank: int) -> Case | None:
    """Along a middle axis."""
    if rank == 0 or dtype.kind == "b":
        return None
    x, axis = values(dtype, shape_of(rank)), rank // 2
    return Case(code, (x,), (np.cumsum(x, axis, dtype=dtype),), (np.array(axis, np.int32),), options("CumsumOptions"))


# ---- movement ------------------------------------------------------------------------------------------------------------
def _swap(rank: int) -> tuple[int, ...]:
    """An order of axes in which no two neighbours stay neighbours."""
    return (*range(1, rank, 2), *range(0, rank, 2))


def _paddings(rank: int) -> Array:
    return np.array([(k % 2, (k + 1) % 2) for k in range(rank)], np.int32)


@maker("TRANSPOSE:7 RESHAPE SLICE:6 STRIDED_SLICE:7 REVERSE_V2:3 PAD:5 PADV2:5 MIRROR_PAD:3 TILE:3 BROADCAST_TO:3 CONCATENATION:4 "
       "SPLIT:4 SPLIT_V:2 GATHER:4 PACK:4 SHAPE")
def movement(code: str, dtype: DType, rank: int) -> Case | None:
    """Every axis, or every other one, is moved, cut, padded or repeated."""
    x, ints = values(dtype, shape_of(rank)), lambda *v: np.array(v, np.int32)
    if rank == 0 and code not in ("RESHAPE", "PACK"):
        return None
    odd = x[tuple(slice(k % 2, None) for k in range(rank))]
    match code:
        case "TRANSPOSE":
            return Case(code, (x,), (x.transpose(_swap(rank)),), (ints(*_swap(rank)),), options("TransposeOptions"))
        case "RESHAPE":
            shape = x.shape[::-1]
            return Case(code, (x,), (x.reshape(shape),), (ints(*shape),) if rank else (), options("ReshapeOptions", newShape=shape))
        case "SLICE":
            return Case(code, (x,), (odd,), (ints(*(k % 2 for k in range(rank))), ints(*odd.shape)), options("SliceOptions"))
        case "STRIDED_SLICE":
            y = x[tuple(slice(k % 2, None, 1 + k % 2) for k in range(rank))]
            return Case(code, (x,), (y,), (ints(*(k % 2 for k in range(rank))), ints(*x.shape), ints(*(1 + k % 2 for k in range(rank)))),
                        options("StridedSliceOptions"))
        case "REVERSE_V2":
            return Case(code, (x,), (np.flip(x, rank // 2),), (ints(rank // 2),), options("ReverseV2Options"))
        case "PAD":
            return Case(code, (x,), (np.pad(x, _paddings(rank)),), (_paddings(rank),), options("PadOptions"))
        case "PADV2":
            value = values(dtype, (), seed=3)
            return Case(code, (x,), (np.pad(x, _paddings(rank), constant_values=value),), (_paddings(rank), value), options("PadV2Options"))
        case "MIRROR_PAD":
            return Case(code, (x,), (np.pad(x, _paddings(rank), mode="reflect"),), (_paddings(rank),), options("MirrorPadOptions", mode=0))
        case "TILE":
            repeats = tuple(1 + k % 2 for k in range(rank))
            return Case(code, (x,), (np.tile(x, repeats),), (ints(*repeats),), options("TileOptions"))
        case "BROADCAST_TO":
            small = values(dtype, tuple(n if k % 2 else 1 for k, n in enumerate(x.shape)))
            return Case(code, (small,), (np.broadcast_to(small, x.shape),), (ints(*x.shape),), options("BroadcastToOptions"))
        case "CONCATENATION":
            axis, other = rank // 2, x[::-1].copy()
            return Case(code, (x, other), (np.concatenate([x, other], axis),), options=options("ConcatenationOptions", axis=axis))
        case "SPLIT":
            y = np.concatenate([x, x], 0)
            return Case(code, (y,), (x, x), (np.array(0, np.int32),), options("SplitOptions", numSplits=2), order=(1, 0))
        case "SPLIT_V":
            sizes = ints(1, x.shape[0] - 1)
            return Case(code, (x,), (x[:1], x[1:]), (sizes, np.array(0, np.int32)), options("SplitVOptions", numSplits=2))
        case "GATHER":
            return Case(code, (x,), (x.take((1, 0, 1), rank // 2),), (ints(1, 0, 1),), options("GatherOptions", axis=rank // 2))
        case "PACK":
            return Case(code, (x, x), (np.stack([x, x]),), options=options("PackOptions", valuesCount=2, axis=0))
        case _:
            return Case(code, (x,), (ints(*x.shape),), options=options("ShapeOptions", outType=2))


@maker("GATHER_ND:3 SCATTER_ND TOPK_V2:3 REVERSE_SEQUENCE")
def indexing(code: str, dtype: DType, rank: int) -> Case | None:
    """Single elements by index; the best along the last axis; sequences along the first axis, of batches on the second one."""
    x = values(dtype, shape_of(rank))
    if rank == 0 or (rank == 1 and code == "REVERSE_SEQUENCE") or (dtype.kind == "b" and code == "TOPK_V2"):
        return None
    rows = np.stack(np.unravel_index(np.arange(x.size)[::2], x.shape), -1).astype(np.int32)
    picked = x[tuple(rows.T)]
    match code:
        case "GATHER_ND":
            return Case(code, (x,), (picked,), (rows,), options("GatherNdOptions"))
        case "SCATTER_ND":
            y = np.zeros_like(x)
            y[tuple(rows.T)] = picked
            return Case(code, (picked,), (y,), (rows, np.array(x.shape, np.int32)), options("ScatterNdOptions"), (1, 0, 2))
        case "TOPK_V2":
            order = np.argsort(-x.astype(np.float64), -1, kind="stable")[..., :2].astype(np.int32)
            return Case(code, (x,), (np.take_along_axis(x, order, -1), order), (np.array(2, np.int32),), options("TopKV2Options"))
        case _:
            lengths = np.array((2, 3)[:x.shape[1]], np.int32)
            y = x.copy()
            for k, n in enumerate(lengths):
                y[:n, k] = x[:n, k][::-1]
            return Case(code, (x,), (y,), (lengths,), options("ReverseSequenceOptions", seqDim=0, batchDim=1))


@maker("UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_MIN")
def segments(code: str, dtype: DType, rank: int) -> Case | None:
    """Slices along the first axis put together, one place without any."""
    if rank == 0 or dtype.kind == "b":
        return None
    x = values(dtype, shape_of(rank))
    combine, least = {"UNSORTED_SEGMENT_PROD": (np.multiply, 1), "UNSORTED_SEGMENT_MAX": (np.maximum, _ends(dtype)[0]),
                      "UNSORTED_SEGMENT_MIN": (np.minimum, _ends(dtype)[1])}[code]
    y = np.full((4, *x.shape[1:]), least, dtype)
    where = np.array((3, 1, 3), np.int32)[:x.shape[0]]
    for k, slice_ in zip(where, x):
        y[k] = combine(y[k], slice_)
    name = "".join(word.capitalize() for word in code.split("_")) + "Options"
    return Case(code, (x,), (y,), (where, np.array(4, np.int32)), options(name))


def _ends(dtype: DType) -> tuple[float, float]:
    """The lowest and the highest number of a type."""
    info = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    return info.min, info.max


# ---- fixed ranks ---------------------------------------------------------------------------------------------------------
@maker("BATCH_MATMUL:4 FULLY_CONNECTED:5")
def matmul(code: str, dtype: DType, rank: int) -> Case | None:
    """With batches of the second operand broadcast along every other axis."""
    if rank < 2 or dtype.kind == "b":
        return None
    shape = (*shape_of(rank)[:-2], 4, 3)
    if code == "FULLY_CONNECTED":
        x, w = values(dtype, shape), values(dtype, (5, 3), seed=1)
        return Case(code, (x,), (x @ w.T,), (w, np.zeros(5, dtype)), options("FullyConnectedOptions", keepNumDims=True))
    a, b = values(dtype, shape), values(dtype, (*(n if k % 2 else 1 for k, n in enumerate(shape[:-2])), 3, 5), seed=1)
    return Case(code, (a, b), (a @ b,), options=options("BatchMatMulOptions"))


@maker("MAX_POOL_2D:3 AVERAGE_POOL_2D:3 RESIZE_BILINEAR:4 RESIZE_NEAREST_NEIGHBOR:4 DEPTH_TO_SPACE:2 SPACE_TO_DEPTH:2 "
       "LOCAL_RESPONSE_NORMALIZATION")
def image(code: str, dtype: DType, rank: int) -> Case | None:
    """Over an image of 4 x 6 elements."""
    if rank != 4 or dtype.kind == "b":
        return None
    x = values(dtype, (2, 4, 6, 4))
    pool = options("Pool2DOptions", padding=1, strideW=2, strideH=2, filterWidth=2, filterHeight=2)
    blocks = x.reshape(2, 2, 2, 3, 2, 4)
    size = np.array([8, 12], np.int32)
    match code:
        case "MAX_POOL_2D":
            return Case(code, (x,), (blocks.max((2, 4)),), options=pool)
        case "AVERAGE_POOL_2D":
            return Case(code, (x,), (blocks.mean((2, 4)).astype(dtype),), options=pool)
        case "RESIZE_BILINEAR" if dtype.kind != "f":  # its integers are quantized
            return None
        case "RESIZE_BILINEAR":
            flat = np.broadcast_to(x[:, :1, :1], x.shape).copy()
            return Case(code, (flat,), (flat.repeat(2, 1).repeat(2, 2),), (size,), options("ResizeBilinearOptions"))
        case "RESIZE_NEAREST_NEIGHBOR":
            return Case(code, (x,), (x.repeat(2, 1).repeat(2, 2),), (size,), options("ResizeNearestNeighborOptions"))
        case "DEPTH_TO_SPACE":
            y = x.reshape(2, 4, 6, 2, 2, 1).transpose(0, 1, 3, 2, 4, 5).reshape(2, 8, 12, 1)
            return Case(code, (x,), (y,), options=options("DepthToSpaceOptions", blockSize=2))
        case "SPACE_TO_DEPTH":
            y = blocks.transpose(0, 1, 3, 2, 4, 5).reshape(2, 2, 3, 16)
            return Case(code, (x,), (y,), options=options("SpaceToDepthOptions", blockSize=2))
        case _:
            square = np.pad(np.square(x), [(0, 0)] * 3 + [(1, 1)])
            total = square[..., :-2] + square[..., 1:-1] + square[..., 2:]
            return Case(code, (x,), (x / (2 + total * 0.5) ** 0.75,),
                        options=options("LocalResponseNormalizationOptions", radius=1, bias=2.0, alpha=0.5, beta=0.75))


@maker("CONV_2D:6 DEPTHWISE_CONV_2D:2 CONV_3D TRANSPOSE_CONV:4 CONV_3D_TRANSPOSE")
def convolution(code: str, dtype: DType, rank: int) -> Case | None:
    """Kernels of size 1, so that the sum over channels is all there is."""
    spatial = 3 if "3D" in code else 2
    if rank != spatial + 2 or dtype.kind == "b":
        return None
    x, w, bias = values(dtype, (2, *(4, 6, 2)[:spatial], 3)), values(dtype, (5, 3), seed=1), values(dtype, (5,), seed=2)
    strides = {f"stride{axis}": 1 for axis in "DHW"[3 - spatial:]}
    ones = (1,) * spatial
    y = x @ w.T + bias
    shape, order = np.array(y.shape, np.int32), (1, 2, 0, 3)
    match code:
        case "CONV_2D":
            return Case(code, (x,), (y,), (w.reshape(5, *ones, 3), bias), options("Conv2DOptions", **strides))
        case "DEPTHWISE_CONV_2D":
            return Case(code, (x,), (x * bias[:3] + w[0],), (bias[:3].reshape(1, *ones, 3), w[0]),
                        options("DepthwiseConv2DOptions", **strides, depthMultiplier=1))
        case "CONV_3D":
            return Case(code, (x,), (y,), (w.T.reshape(*ones, 3, 5), bias), options("Conv3DOptions", **strides))
        case "TRANSPOSE_CONV":
            return Case(code, (x,), (y,), (shape, w.reshape(5, *ones, 3), bias), options("TransposeConvOptions", **strides), order)
        case _:
            return Case(code, (x,), (y,), (shape, w.reshape(*ones, 5, 3), bias), options("Conv3DOptions", **strides), order)


def casts(dtype: DType) -> Iterator[tuple[str, Case]]:
    """One case per type that `dtype` is cast to."""
    for target in DTYPES:
        if target != dtype:
            x = values(dtype, (3, 40), low=-120, high=120)
            if dtype.kind == "f" and target.kind == "u":
                x = np.abs(x)
            y = x.astype(target)
            opts = options("CastOptions", inDataType=type_number(dtype), outDataType=type_number(target))
            yield target.name, Case("CAST", (x,), (y,), options=opts)


def cases(code: str) -> Iterator[tuple[str, int, Case]]:
    """Type name, rank and case, for every case of one operator."""
    for dtype in DTYPES:
        if code == "CAST":
            yield from ((f"{dtype.name}>{target}", 2, case) for target, case in casts(dtype))
            continue
        for rank in RANKS:
            with np.errstate(all="ignore"):
                try:
                    case = MAKERS[code][0](code, dtype, rank)
                except TypeError:  # numpy has no such form either
                    continue
            if case is not None:
                yield dtype.name, rank, case
