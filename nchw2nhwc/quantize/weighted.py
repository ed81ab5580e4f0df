"""Operators with weights, seen as products of matrices: each result is a sum of operands times weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from nchw2nhwc.ir import Array
from nchw2nhwc.quantize.data import stride
from nchw2nhwc.quantize.flatfile import FLOAT32, Part

if TYPE_CHECKING:
    from ai_edge_litert.schema_py_generated import OperatorT

Doubles: TypeAlias = "np.ndarray[tuple[int, ...], np.dtype[np.float64]]"
CODES = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


@dataclass(frozen=True)
class Weighted:
    """An operator of a float32 file with constant `weights`, as they are stored. `data` and `result` are the names of its tensors; the
    channels of a convolution fall into `groups`, each with results of its own; a depthwise one has a group for each channel."""

    op: OperatorT
    code: str
    data: str
    result: str
    weights: Array
    groups: int

    def matrices(self) -> Array:
        """The weights as (group, result, operand). Operands of one channel are side by side: those vary together."""
        if self.code == "DEPTHWISE_CONV_2D":
            return np.moveaxis(self.weights, 3, 0).reshape(self.groups, 1, -1)
        moved = np.moveaxis(self.weights, 3, 1) if self.code == "CONV_2D" else self.weights
        return moved.reshape(self.groups, -1, moved[0].size)

    def stored(self, matrices: Array) -> Array:
        """The reverse of `matrices`, in the type that is given."""
        shape = self.weights.shape
        if self.code == "DEPTHWISE_CONV_2D":
            return np.moveaxis(matrices.reshape(shape[3], *shape[:3]), 0, 3)
        if self.code == "CONV_2D":
            return np.moveaxis(matrices.reshape(shape[0], shape[3], *shape[1:3]), 1, 3)
        return matrices.reshape(shape)

    def of_results(self, values: Doubles) -> Doubles:
        """One value for each result, or one for all of them, as (group, result, 1)."""
        count = self.weights.shape[3 if self.code == "DEPTHWISE_CONV_2D" else 0]
        return np.broadcast_to(values, (count,)).reshape(self.groups, -1, 1)

    def rows(self, data: Array, most: int) -> Array:
        """What the weights are multiplied by, (group, row, operand), at about `most` places of the result, evenly spread."""
        if self.code == "FULLY_CONNECTED":
            flat = data.reshape(-1, self.weights.shape[1])
            return flat[None, ::stride(len(flat), most)]
        options, sizes = self.op.builtinOptions, self.weights.shape[1:3]
        strides, dilations = (options.strideH, options.strideW), (options.dilationHFactor, options.dilationWFactor)
        reach = [(size - 1) * dilation + 1 for size, dilation in zip(sizes, dilations)]
        if options.padding == schema.Padding.SAME:
            data = np.pad(data, ((0, 0), *(_same(*each) for each in zip(data.shape[1:3], reach, strides)), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(data, reach, axis=(1, 2))  # batch, row, column, channel, height, width
        windows = windows[:, ::strides[0], ::strides[1], :, ::dilations[0], ::dilations[1]]
        count = int(np.prod(windows.shape[:3]))
        picked = windows[np.unravel_index(np.arange(0, count, stride(count, most)), windows.shape[:3])]
        return picked.reshape(len(picked), self.groups, -1).transpose(1, 0, 2)


def _same(size: int, reach: int, stride: int) -> tuple[int, int]:
    """How much is padded before and behind so that a result has `size` / `stride` places, rounded up."""
    more = max((-(-size // stride) - 1) * stride + reach - size, 0)
    return more // 2, more - more // 2


def weighted(part: Part) -> Iterator[Weighted]:
    """The operators of a float32 file's subgraph whose weights are constants, each read by nothing else."""
    for op in part.graph.operators:
        code = part.code(op)
        if code not in CODES or part.constant(op.inputs[0]) is not None:
            continue
        data, result = (part.graph.tensors[i] for i in (op.inputs[0], op.outputs[0]))
        weights = part.constant(op.inputs[1])
        if weights is None or weights.dtype != np.float32 or data.type != FLOAT32 or len(part.readers[op.inputs[1]]) > 1:
            continue
        groups = _groups(code, weights.shape, data.shape)
        if groups:
            yield Weighted(op, code, data.name.decode(), result.name.decode(), weights, groups)


def _groups(code: str, weights: Sequence[int], data: Sequence[int]) -> int:
    """0 where a depthwise convolution has several results for each channel."""
    if code == "FULLY_CONNECTED":
        return 1
    channels = int(data[3])
    if code == "CONV_2D":
        return channels // weights[3]
    return channels if channels == weights[3] else 0
