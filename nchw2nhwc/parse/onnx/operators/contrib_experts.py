"""Mixtures of experts of ONNX Runtime's own domain, com.microsoft."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.ir.dim import product
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.activation_functions import Gelu, Relu, Sigmoid, Swish
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.elementwise import Identity, Unary
from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.ops.movement import Slice
from nchw2nhwc.ops.reduce import Softmax
from nchw2nhwc.parse.formula import Formula
from nchw2nhwc.parse.onnx.operators.contrib import MICROSOFT
from nchw2nhwc.parse.onnx.operators.contrib_weights import unpacked, zero_points_of
from nchw2nhwc.parse.onnx.registry import LayerBuilder, onnx_op

_SIMPLE: dict[str, Unary] = {"relu": Relu(), "gelu": Gelu(approximate=True), "silu": Swish(), "identity": Identity()}
_CPU = "ONNX Runtime's kernel for CPUs lacks it, so that no result could be compared."


@dataclass(frozen=True)
class _Mixture:
    """How the experts of a token are chosen, and what each does between its two layers."""

    count: int
    normalize: bool
    activation: str
    alpha: float
    beta: float
    limit: float | None

    def inner(self, x: Formula) -> Formula:
        """The activation of (experts, tokens, units); for "swiglu" gates and what they let through take turns along the last axis."""
        if self.activation != "swiglu":
            return x.apply(_SIMPLE[self.activation])
        gate, up = (x.apply(Slice((None, None, k), (None, None, None), (1, 1, 2))) for k in (0, 1))
        if self.limit is not None:
            gate, up = gate.at_most(self.limit), up.at_least(-self.limit).at_most(self.limit)
        return gate * (gate * self.alpha).apply(Sigmoid()) * (up + self.beta)

    def shares(self, b: LayerBuilder, router: Value, weights: Value | None) -> Formula:
        """What each expert counts for each token, (tokens, experts): 0 for those that are not among its best ones."""
        experts = static(router.shape[1], "the number of experts")
        chances = Formula(b, router).apply(Softmax(1))
        best, where = chances.top(self.count, 1)
        found = best if weights is None else Formula(b, weights).take_along(where, 1)
        if self.normalize:
            found = found / found.sum(1, keepdims=True)
        tokens = router.shape[0]
        hit = where.reshape(tokens, self.count, 1).equals(np.arange(experts).reshape(1, 1, experts)).cast(router.type.dtype)
        return (found.reshape(tokens, self.count, 1) * hit).sum(1)


def _mixture(b: LayerBuilder, k: int, normalize: bool, activation: str, alpha: float, beta: float, limit: float | None,
             fused: int, **others: int) -> _Mixture:
    """Raises UnsupportedError for forms that ONNX Runtime has for other devices only."""
    for name, number in others.items():
        if number:
            raise UnsupportedError(f"{name}={number} is not supported", b.where, _CPU)
    if activation not in (*_SIMPLE, "swiglu") or (activation == "swiglu" and fused != 1):
        raise UnsupportedError(f"experts with activation_type '{activation}' and swiglu_fusion={fused} are not supported", b.where, _CPU)
    return _Mixture(k, normalize, activation, alpha, beta, limit)


def _mixed(b: LayerBuilder, x: Value, shares: Formula, how: _Mixture, first: tuple[Value, Value | None],
           second: tuple[Value, Value | None]) -> Value:
    """Two layers of each expert with weights (experts, units, features), for every token, added up by their shares."""
    width = x.shape[-1]
    tokens = product(x.shape[:-1])
    if x.rank not in (2, 3) or shares.shape[0] != tokens:
        raise b.damaged(f"{x.type} does not have {shares.shape[0]} tokens to choose experts for")
    found = Formula(b, x).reshape(1, tokens, width)
    for layer, (weights, bias) in enumerate((first, second)):
        experts, units = weights.shape[:2]
        found = found.apply(MatMul(adjoint_b=True), weights)
        if bias is not None:
            found = found + Formula(b, bias).reshape(experts, 1, units)
        found = found if layer else how.inner(found)
    return (found * shares.transpose(1, 0).reshape(shares.shape[1], tokens, 1)).sum(0).reshape(*x.shape).value


@onnx_op("MoE", 1, domain=MICROSOFT)
def mixture_of_experts(b: LayerBuilder, x: Value, router: Value, fc1: Value, fc1_bias: Value | None, fc2: Value,
                       fc2_bias: Value | None = None, fc3: Value | None = None, fc3_bias: Value | None = None, *, k: int = 1,
                       activation_type: str = "relu", activation_alpha: float = 1.0, activation_beta: float = 0.0,
                       normalize_routing_weights: bool = False, swiglu_fusion: int = 0, swiglu_limit: float | None = None,
                       swiglu_limit_after_activation: int = 0, use_sparse_mixer: int = 0) -> Value:
    """The `k` experts of each token that the softmax of the router gives the largest shares. Every expert computes for every token."""
    how = _mixture(b, k, normalize_routing_weights, activation_type, activation_alpha, activation_beta, swiglu_limit, swiglu_fusion,
                   swiglu_limit_after_activation=swiglu_limit_after_activation, use_sparse_mixer=use_sparse_mixer, fc3=int(fc3 is not None))
    return _mixed(b, x, how.shares(b, router, None), how, (fc1, fc1_bias), (fc2, fc2_bias))


@onnx_op("QMoE", 1, domain=MICROSOFT)
def quantized_mixture_of_experts(
        b: LayerBuilder, x: Value, router: Value, fc1: Value, fc1_scales: Value, fc1_bias: Value | None, fc2: Value, fc2_scales: Value,
        fc2_bias: Value | None = None, fc3: Value | None = None, fc3_scales: Value | None = None, fc3_bias: Value | None = None,
        fc1_zeros: Value | None = None, fc2_zeros: Value | None = None, fc3_zeros: Value | None = None,
        router_weights: Value | None = None, *, k: int = 1, activation_type: str = "relu", activation_alpha: float = 1.0,
        activation_beta: float = 0.0, normalize_routing_weights: bool = False, swiglu_fusion: int = 0, swiglu_limit: float | None = None,
        swiglu_limit_after_activation: int = 0, use_sparse_mixer: int = 0, expert_weight_bits: int = 4,
        fc1_expert_weight_bits: int | None = None, fc2_expert_weight_bits: int | None = None, fc3_expert_weight_bits: int | None = None,
        block_size: int = 0, quant_type: str = "int", weights_prepacked: int = -1, accuracy_level: int = 0) -> Value:
    """MoE with weights of a few bits, (q - zero point) * scale, which become floating point numbers: with one scale for each row, or for
    each block of one. Shares are those of `router_weights` or, without these, those of MoE, which then add up to 1 always. `accuracy_level`
    may let ONNX Runtime quantize what the weights are multiplied with, too."""
    if quant_type != "int":
        raise UnsupportedError(f"weights of quant_type '{quant_type}' are not supported", b.where, _CPU)
    normalize = normalize_routing_weights or router_weights is None
    how = _mixture(b, k, normalize, activation_type, activation_alpha, activation_beta, swiglu_limit, swiglu_fusion,
                   swiglu_limit_after_activation=swiglu_limit_after_activation, use_sparse_mixer=use_sparse_mixer, fc3=int(fc3 is not None))
    layers = [_weights(b, *each, block_size, x) for each in (
        (fc1, fc1_scales, fc1_zeros, fc1_expert_weight_bits or expert_weight_bits),
        (fc2, fc2_scales, fc2_zeros, fc2_expert_weight_bits or expert_weight_bits))]
    b.note(f"weights of {expert_weight_bits} bits become {x.type.dtype.name}")
    return _mixed(b, x, how.shares(b, router, router_weights), how, (layers[0], fc1_bias), (layers[1], fc2_bias))


def _weights(b: LayerBuilder, stack: Value, scales: Value, zeros: Value | None, bits: int, block_size: int, x: Value) -> Value:
    """Weights (experts, units, features) as real numbers, from bytes along the last axis. Raises SourceError."""
    packed, steps = b.array(stack, "the weights of experts"), b.array(scales, "the scales of experts")
    if bits not in (2, 4, 8) or packed.ndim != 3 or packed.dtype != np.uint8 or steps.shape[:2] != packed.shape[:2]:
        raise b.damaged(f"weights {stack.type} of {bits} bits with scales {scales.type} are not those of experts")
    experts, units, count = *packed.shape[:2], packed.shape[2] * 8 // bits
    blocks = steps.size // (experts * units)
    if blocks * (block_size or count) != count:
        raise b.damaged(f"scales {scales.type} are not those of blocks of {block_size or count} of {stack.type}")
    numbers = unpacked(packed.reshape(experts * units, -1), bits).reshape(experts * units, blocks, -1).astype(np.float64)
    middle = zero_points_of(b, zeros, experts * units, blocks, bits)
    real = (numbers - middle[:, :, None]) * steps.reshape(experts * units, blocks, 1).astype(np.float64)
    return b.const(real.reshape(experts, units, count), x.type.dtype)
