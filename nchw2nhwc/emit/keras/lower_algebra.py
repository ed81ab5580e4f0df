"""Lowerings of matrix products, reductions and normalisations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from keras import layers, ops

from nchw2nhwc.emit.keras.emitter import Emitter
from nchw2nhwc.emit.keras.lower_movement import reshape
from nchw2nhwc.emit.keras.lowering import BOOL, FLOAT, NUMBER, lowering, taking
from nchw2nhwc.ir import Dim, Node, product
from nchw2nhwc.ops import reduce
from nchw2nhwc.ops.matmul import FullyConnected, MatMul
from nchw2nhwc.ops.norm import MVN, BatchNorm, LayerNorm

if TYPE_CHECKING:
    from keras import KerasTensor

_GLOBAL_AVERAGE = {3: layers.GlobalAveragePooling1D, 4: layers.GlobalAveragePooling2D, 5: layers.GlobalAveragePooling3D}
_GLOBAL_MAX = {3: layers.GlobalMaxPooling1D, 4: layers.GlobalMaxPooling2D, 5: layers.GlobalMaxPooling3D}
_LETTERS = "abcdefgh"
_SOFTMAX_RANK = 5
"""The highest rank that TensorFlow's softmax takes on CPUs with oneDNN."""


# ---- products ----------------------------------------------------------------------------------------------------------
@lowering(MatMul, taking(FLOAT))
def matmul(e: Emitter, node: Node, op: MatMul) -> None:
    """matmul; with an adjoint operand and equal batches einsum, which moves nothing first."""
    a, b = node.input(0), node.input(1)
    if not (op.adjoint_a or op.adjoint_b):
        e.set(node, e.op(ops.matmul, *e.operands(node)))
    elif a.shape[:-2] == b.shape[:-2] and a.rank <= len(_LETTERS):
        batch = _LETTERS[:a.rank - 2]
        left, right = "km" if op.adjoint_a else "mk", "nk" if op.adjoint_b else "kn"
        e.set(node, e.op(ops.einsum, f"{batch}{left},{batch}{right}->{batch}mn", *e.operands(node)))
    else:
        sides = [_swapped(e, node, k) if adjoint else e.operand(node.input(k)) for k, adjoint in enumerate((op.adjoint_a, op.adjoint_b))]
        e.set(node, e.op(ops.matmul, *sides))


def _swapped(e: Emitter, node: Node, index: int) -> KerasTensor:
    """An operand with its last two axes swapped."""
    value = node.input(index)
    if value.const is not None and value.const.size <= e.inline:
        return np.ascontiguousarray(np.swapaxes(value.const, -1, -2))
    return e.op(ops.swapaxes, e.of(value), -1, -2, part=f"operand{index}")


def _known_columns(node: Node, op: FullyConnected) -> str:
    unknown = any(isinstance(s, Dim) for s in node.input(1).shape)
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    computed = bias is not None and not bias.is_const
    return taking(FLOAT)(node, op) or ("the size of the weights is not known" if unknown else "the bias is computed" if computed else "")


@lowering(FullyConnected, _known_columns)
def fully_connected(e: Emitter, node: Node, op: FullyConnected) -> None:
    """Dense; with computed weights matmul."""
    x, w = node.input(0), node.input(1)
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    data, columns, inner = e.of(x), int(str(w.shape[0])), w.shape[1]
    shape = x.shape
    if not op.keep_num_dims or x.rank == 1:
        rows = node.output.shape[0] if not op.keep_num_dims else 1
        if shape != (rows, inner):
            data, shape = reshape(e, data, shape, (rows, inner), "rows"), (rows, inner)
    last = "dense" if op.keep_num_dims and x.rank == 1 else ""
    if w.const is not None:
        layer = layers.Dense(columns, use_bias=bias is not None, kernel_initializer="zeros", name=e.name(last))
        y = e.layer(layer, data, weights=[w.const.T, *([] if bias is None or bias.const is None else [bias.const])])
    else:
        y = e.op(ops.matmul, data, e.op(ops.transpose, e.of(w), part="weights"), part="product" if bias is not None else last)
        y = y if bias is None else e.op(ops.add, y, e.operand(bias), part=last)
    e.set(node, reshape(e, y, (1, columns), node.output.shape) if last else y)


# ---- reductions --------------------------------------------------------------------------------------------------------
def _register_reduction(cls: type[reduce.Reduce], function: str, types: tuple[str, ...]) -> None:
    def refuse(node: Node, op: reduce.Reduce) -> str:
        nothing = cls in (reduce.ReduceMax, reduce.ReduceMin) and 0 in node.input(0).shape
        return "TensorFlow has no extremes of nothing" if nothing else taking(types)(node, op)

    @lowering(cls, refuse)
    def lower(e: Emitter, node: Node, op: reduce.Reduce) -> None:
        x = node.input(0)
        pools = {reduce.ReduceMean: _GLOBAL_AVERAGE, reduce.ReduceMax: _GLOBAL_MAX}.get(cls, {})
        if not op.axes:
            e.set(node, e.of(x))
        elif x.rank in pools and op.axes == tuple(range(1, x.rank - 1)) and x.type.dtype == np.float32:
            e.set(node, e.layer(pools[x.rank](keepdims=op.keepdims, name=e.name()), e.of(x)))
        elif cls is reduce.ReduceMean and x.type.dtype != np.float32:
            exact = e.op(ops.mean, e.op(ops.cast, e.of(x), "float64", part="exact"), axis=op.axes, keepdims=op.keepdims, part="mean")
            e.set(node, e.op(ops.cast, exact, x.type.dtype.name))
        else:
            e.set(node, e.op(getattr(ops, function), e.of(x), axis=op.axes, keepdims=op.keepdims))


for _cls, _function, _types in ((reduce.ReduceSum, "sum", NUMBER), (reduce.ReduceMean, "mean", NUMBER), (reduce.ReduceMax, "max", NUMBER),
                                (reduce.ReduceMin, "min", NUMBER), (reduce.ReduceProd, "prod", NUMBER), (reduce.ReduceAnd, "all", BOOL),
                                (reduce.ReduceOr, "any", BOOL)):
    _register_reduction(_cls, _function, _types)


@lowering(reduce.ReduceLogSumExp, lambda node, op: taking(FLOAT)(node, op) or ("" if op.axes else "nothing is reduced"))
def log_sum_exp(e: Emitter, node: Node, op: reduce.ReduceLogSumExp) -> None:
    """logsumexp."""
    e.set(node, e.op(ops.logsumexp, e.of(node.input(0)), axis=op.axes, keepdims=op.keepdims))


def _register_position(cls: type[reduce.ArgReduce], function: str) -> None:
    @lowering(cls, lambda node, op: taking(NUMBER)(node, op) or ("Keras finds the first position" if op.select_last_index else ""))
    def lower(e: Emitter, node: Node, op: reduce.ArgReduce) -> None:
        cast = op.dtype != np.int32
        found = e.op(getattr(ops, function), e.of(node.input(0)), axis=op.axis, keepdims=op.keepdims, part="position" if cast else "")
        e.set(node, e.op(ops.cast, found, op.dtype.name) if cast else found)


_register_position(reduce.ArgMax, "argmax")
_register_position(reduce.ArgMin, "argmin")


@lowering(reduce.Softmax, taking(FLOAT))
def softmax(e: Emitter, node: Node, op: reduce.Softmax) -> None:
    """Softmax; along the last of many axes with those between it and the first one merged, as oneDNN's kernel asks for."""
    x = node.input(0)
    axis = -1 if op.axis == x.rank - 1 else op.axis
    merged = product(x.shape[1:-1])
    if x.rank > _SOFTMAX_RANK and axis == -1 and isinstance(merged, int):
        flat = (x.shape[0], merged, x.shape[-1])
        y = e.layer(layers.Softmax(name=e.name()), reshape(e, e.of(x), x.shape, flat, "rows"))
        e.set(node, reshape(e, y, flat, x.shape, "result"))
    else:
        e.set(node, e.layer(layers.Softmax(axis=axis, name=e.name()), e.of(x)))


@lowering(reduce.LogSoftmax, taking(FLOAT))
def log_softmax(e: Emitter, node: Node, op: reduce.LogSoftmax) -> None:
    """log_softmax."""
    e.set(node, e.op(ops.log_softmax, e.of(node.input(0)), axis=op.axis))


@lowering(reduce.CumSum, taking(NUMBER))
def cumsum(e: Emitter, node: Node, op: reduce.CumSum) -> None:
    """cumsum, from the end between two flips; an exclusive one of the elements behind a zero."""
    x = node.input(0)
    data = e.op(ops.flip, e.of(x), axis=op.axis, part="flipped") if op.reverse else e.of(x)
    if op.exclusive:
        ahead = tuple((1, 0) if k == op.axis else (0, 0) for k in range(x.rank))
        spans = tuple(slice(None, -1) if k == op.axis else slice(None) for k in range(x.rank))
        data = e.op(lambda t: t[spans], e.op(ops.pad, data, ahead, part="ahead"), part="before")
    sums = e.op(ops.cumsum, data, axis=op.axis, part="sums" if op.reverse else "")
    e.set(node, e.op(ops.flip, sums, axis=op.axis) if op.reverse else sums)


# ---- normalisations ----------------------------------------------------------------------------------------------------
def _constant_parameters(node: Node, op: BatchNorm) -> str:
    computed = any(v is None or not v.is_const for v in node.inputs[1:]) or isinstance(node.input(0).shape[op.axis], Dim)
    return taking(FLOAT)(node, op) or ("the parameters of a batch norm are computed" if computed else "")


@lowering(BatchNorm, _constant_parameters)
def batch_norm(e: Emitter, node: Node, op: BatchNorm) -> None:
    """BatchNormalization."""
    gamma, beta, mean, variance = (np.asarray(node.input(k).const) for k in range(1, 5))
    axis = -1 if op.axis == node.output.rank - 1 else op.axis
    layer = layers.BatchNormalization(axis=axis, momentum=op.momentum, epsilon=op.epsilon, name=e.name())
    e.set(node, e.layer(layer, e.of(node.input(0)), weights=[gamma, beta, mean, variance]))


def _layer_norm(node: Node, op: MVN) -> str:
    usual = op.inside_sqrt and op.normalize_variance and len(op.axes) > 0
    sizes = product(tuple(node.input(0).shape[a] for a in op.axes))
    return taking(FLOAT)(node, op) or ("" if usual and isinstance(sizes, int) else "Keras has LayerNormalization over known sizes only")


@lowering(MVN, _layer_norm)
def layer_norm(e: Emitter, node: Node, op: MVN) -> None:
    """LayerNormalization without scale and shift."""
    layer = layers.LayerNormalization(axis=_axes(node, op), epsilon=op.epsilon, center=False, scale=False, name=e.name())
    e.set(node, e.layer(layer, e.of(node.input(0))))


def _axes(node: Node, op: MVN | LayerNorm) -> int | list[int]:
    """As LayerNormalization takes them."""
    return -1 if op.axes == (node.output.rank - 1,) else list(op.axes)


def _known_norm(node: Node, op: LayerNorm) -> str:
    known = all(node.input(k).is_const for k in (1, 2)) and op.axes
    return taking(FLOAT)(node, op) or ("" if known else "Keras has LayerNormalization over some axes, with weights")


@lowering(LayerNorm, _known_norm)
def scaled_layer_norm(e: Emitter, node: Node, op: LayerNorm) -> None:
    """LayerNormalization."""
    scale, bias = (np.asarray(node.input(k).const) for k in (1, 2))
    layer = layers.LayerNormalization(axis=_axes(node, op), epsilon=op.epsilon, name=e.name())
    e.set(node, e.layer(layer, e.of(node.input(0)), weights=[scale, bias]))
