"""Linear attention of ONNX Runtime's own domain, com.microsoft, and what stands around it in networks with such layers: a state for each
head that every token changes, causal convolutions with a state, gates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.ir.dim import exact_div, product
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ir.types import TensorType
from nchw2nhwc.ops.activation_functions import Sigmoid, Softplus, Swish
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.control import Loop
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.ops.movement import Concat, Pad, Slice
from nchw2nhwc.parse.body import INT64, Body, add_loop
from nchw2nhwc.parse.formula import Formula
from nchw2nhwc.parse.onnx.operators.contrib import MICROSOFT
from nchw2nhwc.parse.onnx.operators.norm import inverse_root
from nchw2nhwc.parse.onnx.operators.windowed import conv
from nchw2nhwc.parse.onnx.registry import LayerBuilder, onnx_op

_SILU = ("silu", "swish")
_RULES = {"linear": (False, False), "gated": (True, False), "delta": (False, True), "gated_delta": (True, True)}
"""Whether the state decays, and whether it learns what it does not say yet."""


def _require_zero(b: LayerBuilder, **attributes: int) -> None:
    """Raises UnsupportedError for attributes that keep states of several tokens, or that ONNX Runtime's kernels for CPUs lack as well."""
    for name, number in attributes.items():
        if number:
            raise UnsupportedError(f"{name}={number} is not supported", b.where, "Export the model for CPUs, without speculative decoding.")


# ---- convolutions --------------------------------------------------------------------------------------------------------
@onnx_op("CausalConvWithState", 1, domain=MICROSOFT)
def causal_conv(b: LayerBuilder, x: Value, weight: Value, bias: Value | None = None, past: Value | None = None, *, ndim: int = 1,
                activation: str = "none", dilation: int = 1, channels_last: bool = False, state_window: int = 0, state_length: int = 0,
                state_channels_last: int = -1, state_update_capacity: int = 0, input_channel_offset: int = 0) -> tuple[Value, ...]:
    """Every channel (N, C, L), or (N, L, ...) if `channels_last`, convolved with its own weights (C, 1, k) over what comes before: as much
    of `past` as the weights reach, or zeros. The second result is what the next call needs of this one."""
    _require_zero(b, state_window=state_window, state_length=state_length, state_update_capacity=state_update_capacity,
                  input_channel_offset=input_channel_offset, state_channels_last=state_channels_last + 1)
    if ndim != 1 or weight.rank != 3 or dilation < 1 or x.rank < 3 or (not channels_last and x.rank != 3):
        raise UnsupportedError(f"a causal convolution of {x.type} with {weight.type} over {ndim} axes", b.where)
    if activation not in ("none", *_SILU):
        raise b.damaged(f"there is no activation '{activation}'")
    kept = (static(weight.shape[2], "the size of a kernel") - 1) * dilation
    data = _channels_first(b, x, channels_last)
    if past is None:
        whole = b.add1(Pad((0, 0, kept), (0, 0, 0)), data) if kept else data
    else:
        whole = b.add1(Concat(2), _channels_first(b, past, channels_last), data)
    result = conv(b, whole, weight, bias, group=static(weight.shape[0], "the number of channels"), dilations=(dilation,))
    result = b.add1(Swish(), result) if activation in _SILU else result
    ends = (None, None, None)
    state = b.add1(Slice((None, None, -kept), ends, (1, 1, 1)), whole) if kept else b.add1(Slice(ends, (None, None, 0), (1, 1, 1)), whole)
    return _as_given(b, result, x, channels_last), _as_given(b, state, x, channels_last)


def _channels_first(b: LayerBuilder, x: Value, channels_last: bool) -> Value:
    """(N, L, ...) as (N, channels, L)."""
    return b.transpose(b.reshape(x, (*x.shape[:2], product(x.shape[2:]))), (0, 2, 1)) if channels_last else x


def _as_given(b: LayerBuilder, result: Value, x: Value, channels_last: bool) -> Value:
    return b.reshape(b.transpose(result, (0, 2, 1)), (result.shape[0], result.shape[2], *x.shape[2:])) if channels_last else result


# ---- gates ---------------------------------------------------------------------------------------------------------------
@onnx_op("GatedRMSNorm", 1, domain=MICROSOFT)
def gated_rms_norm(b: LayerBuilder, x: Value, scale: Value, gate: Value, *, activation: str = "silu", epsilon: float = 1e-5) -> Value:
    """Groups of as many elements as there are scales, divided by the root of their mean square, times scale and gate."""
    gates = {"sigmoid": Sigmoid(), **dict.fromkeys(_SILU, Swish())}
    groups = exact_div(x.shape[-1], scale.shape[0]) if scale.rank == 1 and x.rank else None
    if activation not in gates or groups is None:
        raise b.damaged(f"{x.type} has no groups of {scale.type}, or there is no gate '{activation}'")
    grouped = b.reshape(x, (*x.shape[:-1], groups, scale.shape[0]))
    normal = Formula(b, grouped) * inverse_root(b, grouped, (grouped.rank - 1,), epsilon) * scale
    return (normal.reshape(*x.shape) * Formula(b, gate).apply(gates[activation])).value


@onnx_op("LinearAttentionGate", 1, domain=MICROSOFT)
def linear_attention_gate(b: LayerBuilder, decay: Value, bias: Value, scale: Value, update: Value | None = None) -> tuple[Value, ...]:
    """scale * softplus(decay + bias); sigmoid(update)."""
    decays = (Formula(b, decay) + bias).apply(Softplus()) * scale
    return (decays.value,) if update is None else (decays.value, b.add1(Sigmoid(), update))


# ---- attention -----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Token:
    """What a token does to states (batch, heads, keys, values): all of it (batch, heads, ...)."""

    query: Formula
    key: Formula
    value: Formula
    decay: Formula | None
    update: Formula | None

    def apply(self, state: Formula) -> tuple[Formula, Formula]:
        """The state after it, and what its queries (batch, heads, queries of a head, keys) read of that."""
        if self.decay is not None:
            state = state * self.decay.exp()
        key, new = self.key, self.value
        if self.update is not None:
            new = (new - key.transpose(0, 1, 3, 2).apply(MatMul(), state)) * self.update
        state = state + key * new
        return state, self.query.apply(MatMul(), state)


@onnx_op("LinearAttention", 1, domain=MICROSOFT)
def linear_attention(b: LayerBuilder, query: Value, key: Value, value: Value, past: Value | None = None, decay: Value | None = None,
                     beta: Value | None = None, *, q_num_heads: int, kv_num_heads: int, update_rule: str = "gated_delta",
                     scale: float = 0.0, chunk_size: int = 64, state_window: int = 0) -> tuple[Value, ...]:
    """Token by token, whatever `chunk_size` says. Each state serves several heads of queries, or each head of queries and keys several
    states, whichever there are more of."""
    _require_zero(b, state_window=state_window)
    decays, learns = _RULES.get(update_rule, (False, False))
    if update_rule not in _RULES or (decays and decay is None) or (learns and beta is None):
        raise b.damaged(f"there is no update rule '{update_rule}', or it lacks a decay or an update rate")
    batch, steps, _ = query.shape
    keys, values = (exact_div(v.shape[2], n) for v, n in ((query, q_num_heads), (value, kv_num_heads)))
    key_heads = None if keys is None else exact_div(key.shape[2], keys)
    if keys is None or values is None or not isinstance(key_heads, int) or kv_num_heads % key_heads or (
            max(q_num_heads, kv_num_heads) % min(q_num_heads, kv_num_heads)):
        raise b.damaged(f"{query.type}, {key.type} and {value.type} do not have {q_num_heads} and {kv_num_heads} heads")
    each = max(q_num_heads // kv_num_heads, 1)
    factor = scale or float(static(keys, "the size of a head")) ** -0.5
    moved = {
        "query": _repeated(Formula(b, query).reshape(batch, steps, q_num_heads, keys), kv_num_heads // min(q_num_heads, kv_num_heads))
        .reshape(batch, steps, kv_num_heads, each, keys) * factor,
        "key": _repeated(Formula(b, key).reshape(batch, steps, key_heads, keys), kv_num_heads // key_heads)
        .reshape(batch, steps, kv_num_heads, keys, 1),
        "value": Formula(b, value).reshape(batch, steps, kv_num_heads, 1, values)}
    if decays and decay is not None:
        moved["decay"] = Formula(b, decay).reshape(batch, steps, kv_num_heads, exact_div(decay.shape[2], kv_num_heads) or 1, 1)
    if learns and beta is not None:
        moved["update"] = Formula(b, beta).reshape(batch, steps, beta.shape[2], 1, 1)
    start = b.full(np.zeros((), np.float32), (batch, kv_num_heads, keys, values)) if past is None else past
    state, read = _each_token(b, {name: v.value for name, v in moved.items()}, b.cast(start, query.type.dtype))
    outputs = Formula(b, read).transpose(1, 0, 2, 3, 4).reshape(batch, steps, kv_num_heads * each * values)
    return outputs.value, state if past is None else b.cast(state, past.type.dtype)


def _repeated(x: Formula, times: int) -> Formula:
    """Every head (axis 2) so many times in a row."""
    if times == 1:
        return x
    batch, steps, heads, size = x.shape
    return x.reshape(batch, steps, heads, 1, size).expand(batch, steps, heads, times, size).reshape(batch, steps, heads * times, size)


def _each_token(b: LayerBuilder, sequences: dict[str, Value], start: Value) -> tuple[Value, ...]:
    """The state after the last token, and what each token reads, with the tokens in front."""
    body = Body("token", b.graph.source)
    number = body.graph.add_input("number", TensorType(INT64))
    state = body.graph.add_input("state", start.type)
    inner = LayerBuilder(body.graph, b.tensors)
    inner.origin = b.origin
    parts = {name: Formula(inner, inner.add1(Gather(1), body.take(v), number)) for name, v in sequences.items()}
    token = _Token(parts["query"], parts["key"], parts["value"], parts.get("decay"), parts.get("update"))
    after, read = token.apply(Formula(inner, state))
    body.returns([after.value, read.reshape(1, *read.shape).value])
    return add_loop(b, body, Loop(body.graph, 1, sequences["query"].shape[1], (0,)), [start])
