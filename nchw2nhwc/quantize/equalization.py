"""Channels that are made equally large where one scale rounds them all.

A layer's result has one scale, and its small channels few of the steps. Where nothing but depthwise convolutions read it, a channel can be
multiplied by a positive number and the weights that it is multiplied with divided by that: what comes out is the same, also with a ReLU
between, and every channel has as many steps as the largest. Weights lose nothing, as those of a depthwise convolution have a scale for each
channel. (Meller, Finkelstein, Almog, Grobman: Same, same but different: recovering neural network quantization error through weight
factorization, 2019.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from nchw2nhwc.ir import Array
from nchw2nhwc.quantize.flatfile import FLOAT32, Part, read, write
from nchw2nhwc.quantize.joined import balance, joined
from nchw2nhwc.quantize.weighted import CODES, Doubles

if TYPE_CHECKING:
    from ai_edge_litert.schema_py_generated import OperatorT

Run: TypeAlias = Callable[[Set[str]], Iterator[Mapping[str, Array]]]
"""What each of some samples makes of the tensors of these names."""
LARGEST = 6.4
"""A channel is made at most so many times as large: what is left to gain is little."""
SHARE = 0.8
"""And as large as this part of the largest: other data may have larger values."""
_SMALLEST = 1e-30
_SAME = ("PAD", "MAX_POOL_2D", "AVERAGE_POOL_2D", "RELU", "LEAKY_RELU", "PRELU")
"""Operators whose result is as many times as large as a channel of their operand is."""
_NONE, _RELU = schema.ActivationFunctionType.NONE, schema.ActivationFunctionType.RELU


def equalized(content: bytes, run: Run) -> bytes:
    """The float32 file with weights and biases scaled so that channels, and parts of joined layers, are as large as they can be. Its
    tensors have names of their own, and its constants buffers. Raises what `run` raises."""
    model = read(content)
    part = Part(model, model.subgraphs[0])
    found = {op.outputs[0]: (op, readers) for op in part.graph.operators if _can_scale(part, op)
             for readers in [_readers(part, op.outputs[0])] if readers}
    several = list(joined(part, (op for op in part.graph.operators if _can_scale(part, op) and part.code(op) != "DEPTHWISE_CONV_2D")))
    names = {part.graph.tensors[i].name.decode(): i for i in (*found, *(piece.tensor for each in several for piece in each.pieces))}
    if not names:
        return content
    sizes: dict[int, Doubles] = {}
    for tensors in run(names.keys()):
        for name, i in names.items():
            size = np.abs(tensors[name]).reshape(-1, tensors[name].shape[-1] if i in found else 1).max(0 if i in found else None, initial=0)
            sizes[i] = np.maximum(sizes.get(i, 0.0), size.astype(np.float64))
    for i, (op, readers) in found.items():
        if i in sizes and np.isfinite(sizes[i]).all() and sizes[i].any():
            _scale(part, op, readers, np.clip(SHARE * sizes[i].max() / np.maximum(sizes[i], _SMALLEST), 1, LARGEST))
    largest = {i: float(size.max(initial=0.0)) for i, size in sizes.items()}
    for each in several:
        factors = np.ones(part.graph.tensors[each.op.inputs[1]].shape[0])
        for piece, factor, behind in balance(part, each, largest):
            factors[piece.rows] = factor
            _divide(part, behind, factor)
        _scale(part, each.op, [], factors)
    return write(model)


def _can_scale(part: Part, op: OperatorT) -> bool:
    """Whether an operator has constants that scale its result."""
    if part.code(op) not in CODES or op.builtinOptions.fusedActivationFunction not in (_NONE, _RELU):
        return False
    bias = _bias(part, op)
    return part.graph.tensors[op.outputs[0]].type == FLOAT32 and _owned(part, op.inputs[1]) and (bias is None or _owned(part, bias))


def _bias(part: Part, op: OperatorT) -> int | None:
    """None where there is none, or only zeros, which many layers may share."""
    bias = int(op.inputs[2]) if len(op.inputs) > 2 else -1
    values = part.constant(bias) if bias >= 0 else None
    return None if bias < 0 or (values is not None and not values.any()) else bias


def _owned(part: Part, tensor: int) -> bool:
    """Whether it is a float32 constant that nothing else reads."""
    values = part.constant(tensor)
    return values is not None and values.dtype == np.float32 and len(part.readers[tensor]) == 1


def _readers(part: Part, tensor: int) -> list[OperatorT] | None:
    """The depthwise convolutions that read a tensor; None where something else does, too."""
    if tensor in part.graph.outputs:
        return None
    found: list[OperatorT] = []
    for op in part.readers[tensor]:
        code = part.code(op)
        if op.inputs[0] != tensor or tensor in op.inputs[1:]:
            return None
        if code in _SAME and getattr(op.builtinOptions, "fusedActivationFunction", _NONE) in (_NONE, _RELU):
            if code == "PRELU" and part.constant(op.inputs[1]) is None:
                return None
            behind = _readers(part, op.outputs[0])
            if behind is None:
                return None
            found += behind
        elif code == "DEPTHWISE_CONV_2D" and _owned(part, op.inputs[1]) and _single(part, op):
            found.append(op)
        else:
            return None
    return found


def _single(part: Part, op: OperatorT) -> bool:
    """Whether a depthwise convolution has one result for each channel."""
    data, weights = part.graph.tensors[op.inputs[0]].shape, part.graph.tensors[op.inputs[1]].shape
    return bool(data[-1] == weights[-1])


def _scale(part: Part, op: OperatorT, readers: list[OperatorT], factors: Doubles) -> None:
    """Multiply channels of a layer's result, and divide in those that read it."""
    weights, bias = np.asarray(part.constant(op.inputs[1]), np.float64), _bias(part, op)
    last = part.code(op) == "DEPTHWISE_CONV_2D"
    _store(part, op.inputs[1], weights * (factors if last else factors.reshape(-1, *[1] * (weights.ndim - 1))))
    if bias is not None:
        _store(part, bias, np.asarray(part.constant(bias), np.float64) * factors)
    _divide(part, readers, factors)


def _divide(part: Part, layers: Iterable[OperatorT], factors: Doubles | float) -> None:
    """Divide the weights of layers."""
    for op in layers:
        _store(part, op.inputs[1], np.asarray(part.constant(op.inputs[1]), np.float64) / factors)


def _store(part: Part, tensor: int, values: Doubles) -> None:
    part.store(tensor, values.astype(np.float32))
