"""Weights rounded so that the results of layers differ least on the samples, not each weight by itself.

What rounding one weight does to a result is taken back by the weights that are rounded after it, as far as their operands vary together
(Frantar, Ashkboos, Hoefler, Alistarh: GPTQ, 2023, section 3; ai-edge-quantizer has it for fully connected layers alone). What is left of it
on the average is taken out of the bias (Nagel, van Baalen, Blankevoort, Welling: Data-free quantization through weight equalization and
bias correction, 2019, section 4.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from nchw2nhwc.ir import Array
from nchw2nhwc.quantize.flatfile import INT4, INT8, Part, read
from nchw2nhwc.quantize.weighted import Doubles, Weighted, weighted

if TYPE_CHECKING:
    from ai_edge_litert.schema_py_generated import ModelT, OperatorT

ROWS = 256
"""At about how many places of each sample moments are taken."""
BLOCK = 512
"""The weights of so many operands are rounded together."""
_STEPS = 32
"""So many are rounded before what they have done is taken back in all others of the block."""
_DAMPING = 0.01
"""Part of the mean variance that is added to each operand's, without which those that hardly vary would have to take back the most."""
_EXACT = 1e-4
"""The same of the mean square, which float32 products give no variance beside that is much smaller."""
_FAINT = 1e-30
"""Operands whose mean square is below are taken for zeros: products of float32 numbers as small as these are not exact."""
_LARGEST: Mapping[int, int] = {INT8: 127, INT4: 7}
"""The largest weight of each type; the smallest is its negative."""


@dataclass
class Moments:
    """Of the operands of a layer's weights at so many `rows`: their sums, (group, operand), and those of the products of any two, (group,
    operand, operand), for each `BLOCK` of operands."""

    rows: int
    sums: list[Doubles]
    products: list[Doubles]
    rounded: dict[tuple[bytes, bool, int], Array] = field(default_factory=dict)
    """What weights were rounded to, by their scales, whether a bias is corrected, and type: files of several modes have the same."""

    def add(self, other: Moments) -> None:
        """Take in another sample's."""
        self.rows += other.rows
        for mine, more in zip((*self.sums, *self.products), (*other.sums, *other.products)):
            mine += more

    @property
    def sound(self) -> bool:
        """Whether something can be learned from them."""
        return self.rows > 0 and all(np.isfinite(products).all() for products in self.products)


class Collected:
    """The moments of all layers with weights of a float32 file's main graph, by the name of their result."""

    def __init__(self, file: bytes) -> None:
        model = read(file)
        self._layers = list(weighted(Part(model, model.subgraphs[0])))
        self.found: dict[str, Moments] = {}

    @property
    def wanted(self) -> set[str]:
        """The names of the tensors that are needed."""
        return {layer.data for layer in self._layers}

    def add(self, tensors: Mapping[str, Array]) -> None:
        """Take in what one sample makes of these; others may be there too."""
        for layer in self._layers:
            more = _of(np.asarray(layer.rows(tensors[layer.data], ROWS), np.float32))
            if layer.result in self.found:
                self.found[layer.result].add(more)
            else:
                self.found[layer.result] = more


def _of(rows: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Moments:
    pieces = [rows[:, :, k:k + BLOCK] for k in range(0, rows.shape[2], BLOCK)]
    with np.errstate(over="ignore", invalid="ignore"):
        return Moments(rows.shape[1], [piece.sum(1, dtype=np.float64) for piece in pieces],
                       [(piece.transpose(0, 2, 1) @ piece).astype(np.float64) for piece in pieces])


def refine(model: ModelT, file: bytes, known: Mapping[str, Moments]) -> None:
    """Round the int8 and int4 weights of a quantized file's main graph anew, with the scales that they have, in place. `file` is the
    float32 file, `known` holds its `moments`."""
    source = read(file)
    part = Part(model, model.subgraphs[0])
    layers = {layer.result: layer for layer in weighted(Part(source, source.subgraphs[0]))}
    for op in part.graph.operators:
        name = part.graph.tensors[op.outputs[0]].name.decode()
        layer = layers.get(name)
        if layer is not None and part.code(op) == layer.code and known[name].sound:
            _round(part, op, layer, known[name])


def _round(part: Part, op: OperatorT, layer: Weighted, known: Moments) -> None:
    """One layer's weights, and its bias."""
    before = part.made_by(op.inputs[1], "DEQUANTIZE")
    place = op.inputs[1] if before is None else before.inputs[0]
    tensor, bias = part.graph.tensors[place], int(op.inputs[2]) if len(op.inputs) > 2 else -1
    if tensor.type not in _LARGEST:
        return
    scales, weights = layer.of_results(np.asarray(tensor.quantization.scale, np.float64)), layer.matrices()
    corrected = bias >= 0 and len(part.readers[bias]) == 1
    key = (scales.tobytes(), corrected, tensor.type)
    if key not in known.rounded:
        known.rounded[key] = _by_blocks(weights, scales, known, _LARGEST[tensor.type], about_mean=corrected)
    rounded = known.rounded[key]
    stored = layer.stored(rounded)
    part.store(place, stored if tensor.type == INT8 else _packed(stored))
    if corrected:
        part.shift(bias, _lost(weights, rounded, scales, known).reshape(-1))


def _by_blocks(weights: Array, scales: Doubles, known: Moments, largest: int, *, about_mean: bool) -> Array:
    """Weights in steps of their scales, (group, result, operand), as int8."""
    made, start = np.empty(weights.shape, np.int8), 0
    for sums, products in zip(known.sums, known.products):
        stop = start + sums.shape[1]
        second = _second(sums, products, known.rows, about_mean=about_mean)
        made[:, :, start:stop] = rounded_together(np.divide(weights[:, :, start:stop], scales), second, largest)
        start = stop
    return made


def _lost(weights: Array, rounded: Array, scales: Doubles, known: Moments) -> Doubles:
    """What results have lost by rounding on the average, (group, result, 1)."""
    lost, start = np.zeros((*weights.shape[:2], 1)), 0
    for sums in known.sums:
        stop = start + sums.shape[1]
        lost += np.subtract(weights[:, :, start:stop], np.multiply(rounded[:, :, start:stop], scales)) @ sums[:, :, None] / known.rows
        start = stop
    return lost


def _packed(values: Array) -> Array:
    """Two 4-bit integers a byte, the first in the lower half."""
    halves = np.append(values.reshape(-1), np.zeros(values.size % 2, np.int8)).astype(np.uint8) & 15
    return np.asarray(halves[::2] | halves[1::2] << 4, np.uint8)


def _second(sums: Doubles, products: Doubles, rows: int, *, about_mean: bool) -> Doubles:
    """Second moments of operands, about their means where a bias makes up for those. The fewer rows there are for each operand, the less
    is believed of how operands vary together."""
    mean, found = sums / rows, products / rows
    count = found.shape[1]
    typical = np.trace(found, axis1=1, axis2=2)[:, None] / count
    least = np.where(typical > _FAINT, _EXACT * typical, 0)
    found[least[:, 0] == 0] = 0
    if about_mean:
        found -= mean[:, :, None] * mean[:, None, :]
    variances = np.maximum(np.diagonal(found, axis1=1, axis2=2), 0)
    found *= rows / (rows + count)
    found[:, np.arange(count), np.arange(count)] = variances + np.where(least > 0, _DAMPING * variances.mean(1, keepdims=True) + least, 1)
    return found


def rounded_together(values: Doubles, second: Doubles, largest: int) -> Array:
    """Whole numbers (int8) up to `largest` and its negative for `values` (group, result, operand) that keep their sums, weighted by
    operands with the second moments `second` (group, operand, operand; positive definite), nearer than the nearest ones do."""
    order = np.argsort(-np.diagonal(second, axis1=1, axis2=2), axis=1, kind="stable")
    moments = np.take_along_axis(np.take_along_axis(second, order[:, :, None], 1), order[:, None, :], 2)
    upper = np.linalg.cholesky(np.linalg.inv(moments)).transpose(0, 2, 1)
    # What an error of one does to those behind; float32 is exact enough for what is rounded, and operands by rows for the cache.
    spread = (upper / np.diagonal(upper, axis1=1, axis2=2)[:, :, None]).astype(np.float32)
    left = np.take_along_axis(values.transpose(0, 2, 1), order[:, :, None], 1).astype(np.float32)
    whole, count = np.empty(left.shape, np.int8), left.shape[1]
    for start in range(0, count, _STEPS):
        stop = min(start + _STEPS, count)
        for k in range(start, stop):
            nearest = np.clip(np.rint(left[:, k]), -largest, largest)
            whole[:, k] = nearest
            left[:, k] -= nearest
            left[:, k + 1:stop] -= spread[:, k, k + 1:stop, None] * left[:, k, None]
        left[:, stop:] -= spread[:, start:stop, stop:].transpose(0, 2, 1) @ left[:, start:stop]
    made = np.empty_like(whole)
    np.put_along_axis(made, order[:, :, None], whole, 1)
    return made.transpose(0, 2, 1)
