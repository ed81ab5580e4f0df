"""Normalisations that Keras has with scale and shift in one layer."""

from __future__ import annotations

from math import prod

import numpy as np

from nchw2nhwc.ir import Array, Node, Value
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.binary import Add, Mul
from nchw2nhwc.ops.norm import MVN, LayerNorm
from nchw2nhwc.passes.match import array, constant_operand, op_of, producer, require, static_sizes
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

NORM = RuleSet()


@NORM.on(Add)
def layer_norm(rw: Rewriter, node: Node, op: Add) -> Value:
    """MVN * scale + bias with constants along the axes that are normalised."""
    scaled, bias = constant_operand(node)
    product = producer(scaled, Mul)
    normal, scale = constant_operand(product)
    norm = op_of(producer(normal), MVN)
    require(op.activation is op_of(product, Mul).activation is Activation.NONE, "{!r} has an activation", node)
    require(norm.inside_sqrt and norm.normalize_variance and bool(norm.axes), "{!r} is not the usual normalisation", normal)
    rw.require_single_use(scaled)
    rw.require_single_use(normal)
    sizes = static_sizes(normal, norm.axes)
    parameters = [rw.constant(_along(array(value), normal.rank, norm.axes, sizes)) for value in (scale, bias)]
    return rw.add(LayerNorm(norm.axes, norm.epsilon), producer(normal).input(0), *parameters)


def _along(constant: Array, rank: int, axes: tuple[int, ...], sizes: tuple[int, ...]) -> Array:
    """A constant that broadcasts to `rank` axes as one over `axes` alone. Raises Mismatch where it changes along others."""
    aligned = constant.reshape((1,) * (rank - constant.ndim) + constant.shape)
    others = prod(size for k, size in enumerate(aligned.shape) if k not in axes)
    require(others == 1, "a constant of shape {} changes along other axes than {}", constant.shape, axes)
    return np.broadcast_to(aligned.reshape(tuple(aligned.shape[a] for a in axes)), sizes)
