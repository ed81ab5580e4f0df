"""Deliberately wrong lowerings, one for each op: what a mistake in the emitter looks like, to see that bisecting finds it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from nchw2nhwc.emit.tflite.emitter import Emitter
from nchw2nhwc.emit.tflite.lowering import LOWERINGS
from nchw2nhwc.emit.tflite.model import Operator, OptionValue
from nchw2nhwc.ir import Array, Node
from nchw2nhwc.ops import REGISTRY
from nchw2nhwc.ops.base import Op

Change = Callable[[Emitter, Operator], Operator]


@dataclass(frozen=True)
class Sabotage:
    """A wrong lowering of one op: `change` is done to every operator of one of `codes` that its lowering adds."""

    op: str
    mistake: str
    codes: tuple[str, ...]
    change: Change

    def __str__(self) -> str:
        return f"{self.op}: {self.mistake}"


@contextmanager
def planted(sabotage: Sabotage) -> Iterator[None]:
    """The lowering of the op is wrong inside the block."""
    cls = REGISTRY[sabotage.op]
    right = LOWERINGS.table[cls]

    def lower(e: Emitter, node: Node, op: Op) -> None:
        start = len(e.subgraph.operators)
        right.lower(e, node, op)
        made = e.subgraph.operators[start:]
        e.subgraph.operators[start:] = [sabotage.change(e, each) if each.code in sabotage.codes else each for each in made]

    LOWERINGS.table[cls] = replace(right, lower=lower)
    try:
        yield
    finally:
        LOWERINGS.table[cls] = right


# ---- mistakes ----------------------------------------------------------------------------------------------------------
def swapped(first: int = 0, second: int = 1) -> Change:
    """Two operands change places."""
    def change(_: Emitter, operator: Operator) -> Operator:
        inputs = list(operator.inputs)
        inputs[first], inputs[second] = inputs[second], inputs[first]
        return replace(operator, inputs=tuple(inputs))
    return change


def reversed_results(_: Emitter, operator: Operator) -> Operator:
    """The results come in the opposite order."""
    return replace(operator, outputs=operator.outputs[::-1])


def other(code: str, options: bool = True) -> Change:
    """Another operator with the same operands."""
    return lambda _, operator: replace(operator, code=code, version=1, options=operator.options if options else None)


def option(name: str, wrong: Callable[[OptionValue], OptionValue]) -> Change:
    """One attribute is wrong."""
    def change(_: Emitter, operator: Operator) -> Operator:
        assert operator.options is not None
        fields = tuple((key, wrong(value) if key == name else value) for key, value in operator.options.fields)
        return replace(operator, options=replace(operator.options, fields=fields))
    return change


def constant(operand: int, wrong: Callable[[Array], Array]) -> Change:
    """A constant operand is wrong; one that is computed is left alone."""
    def change(e: Emitter, operator: Operator) -> Operator:
        tensor = e.tensor(operator.inputs[operand])
        if not tensor.buffer:
            return operator
        array = e.pool.blobs[tensor.buffer - 1].array.reshape(tensor.shape)
        inputs = list(operator.inputs)
        inputs[operand] = e.const(np.ascontiguousarray(wrong(array)))
        return replace(operator, inputs=tuple(inputs))
    return change


def _other_axis(axes: Array) -> Array:
    """Reduce along the axis before each, or behind it for the first."""
    return np.asarray(np.where(axes > 0, axes - 1, axes + 1), axes.dtype)


def _rolled(array: Array) -> Array:
    return np.asarray(np.roll(array, 1))


def _backwards(array: Array) -> Array:
    return array[::-1]


_NOT: Callable[[OptionValue], OptionValue] = lambda value: not value  # noqa: E731
_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
_POOLS = ("MAX_POOL_2D", "AVERAGE_POOL_2D")


def _sabotages(mistake: str, *entries: tuple[str, str | Sequence[str], Change]) -> list[Sabotage]:
    return [Sabotage(op, mistake, (codes,) if isinstance(codes, str) else tuple(codes), change) for op, codes, change in entries]


SABOTAGES: tuple[Sabotage, ...] = (
    *_sabotages("operands swapped", ("Sub", "SUB", swapped()), ("Div", "DIV", swapped()), ("Pow", "POW", swapped()),
                ("Mod", "FLOOR_MOD", swapped()), ("Less", "LESS", swapped()),
                ("Greater", "GREATER", swapped()), ("LessEqual", "LESS_EQUAL", swapped()), ("GreaterEqual", "GREATER_EQUAL", swapped()),
                ("Where", "SELECT_V2", swapped(1, 2)), ("Concat", "CONCATENATION", swapped()), ("MatMul", "BATCH_MATMUL", swapped())),
    *_sabotages("weights transposed", ("Conv", _CONVOLUTIONS, constant(1, lambda w: w[:, ::-1])),
                ("ConvTranspose", "TRANSPOSE_CONV", constant(1, lambda w: w[:, :, ::-1])),
                ("FullyConnected", "FULLY_CONNECTED", constant(1, lambda w: w[:, ::-1])),
                ("PRelu", "PRELU", constant(1, lambda slope: slope[..., ::-1]))),
    *_sabotages("axis off by one", ("ReduceMean", "MEAN", constant(1, _other_axis)), ("ReduceSum", "SUM", constant(1, _other_axis)),
                ("ReduceMax", "REDUCE_MAX", constant(1, _other_axis)), ("ReduceMin", "REDUCE_MIN", constant(1, _other_axis)),
                ("ReduceProd", "REDUCE_PROD", constant(1, _other_axis)), ("ArgMax", "ARG_MAX", constant(1, _other_axis)),
                ("ArgMin", "ARG_MIN", constant(1, _other_axis)), ("CumSum", "CUMSUM", constant(1, _other_axis)),
                ("Gather", "GATHER", constant(1, _rolled)), ("Transpose", "TRANSPOSE", constant(1, _backwards)),
                ("Tile", "TILE", constant(1, _backwards)), ("Pad", ("PAD", "PADV2", "MIRROR_PAD"), constant(1, lambda w: w[:, ::-1])),
                ("Split", ("SPLIT", "SPLIT_V"), reversed_results), ("Slice", "STRIDED_SLICE", constant(1, lambda b: np.maximum(b - 1, 0)))),
    *_sabotages("wrong padding", ("MaxPool", _POOLS, option("padding", _NOT)), ("AvgPool", _POOLS, option("padding", _NOT))),
    *_sabotages("wrong attribute", ("Softmax", "SOFTMAX", option("beta", lambda _: 2.0)),
                ("LeakyRelu", "LEAKY_RELU", option("alpha", lambda _: 0.5)), ("Gelu", "GELU", option("approximate", _NOT)),
                ("Resize", ("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"), option("halfPixelCenters", _NOT)),
                ("LRN", "LOCAL_RESPONSE_NORMALIZATION", option("bias", lambda _: 9.0))),
    *_sabotages("another operator", ("Add", "ADD", other("MUL", False)), ("Mul", "MUL", other("ADD", False)),
                ("Maximum", "MAXIMUM", other("MINIMUM")), ("Minimum", "MINIMUM", other("MAXIMUM")), ("Exp", "EXP", other("ABS", False)),
                ("Log", "LOG", other("EXP")), ("Sqrt", "SQRT", other("RSQRT")), ("Rsqrt", "RSQRT", other("SQRT")),
                ("Sin", "SIN", other("COS")), ("Cos", "COS", other("SIN", False)), ("Tanh", "TANH", other("LOGISTIC")),
                ("Sigmoid", "LOGISTIC", other("TANH")), ("Relu", "RELU", other("RELU6")), ("Floor", "FLOOR", other("CEIL")),
                ("Ceil", "CEIL", other("FLOOR")), ("Round", "ROUND", other("FLOOR")), ("Abs", "ABS", other("NEG", False)),
                ("Neg", "NEG", other("ABS", False)), ("Sign", "SIGN", other("ABS", False)), ("Elu", "ELU", other("RELU")),
                ("HardSwish", "HARD_SWISH", other("RELU6", False)), ("LogicalAnd", "LOGICAL_AND", other("LOGICAL_OR", False)),
                ("LogicalOr", "LOGICAL_OR", other("LOGICAL_AND", False)), ("LogSoftmax", "LOG_SOFTMAX", other("LOGISTIC", False))),
)
"""A mistake for each op."""
