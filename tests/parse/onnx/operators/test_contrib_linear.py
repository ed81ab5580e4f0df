"""Linear attention and what stands around it, of ONNX Runtime's own domain, against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.errors import SourceError, UnsupportedError
from nchw2nhwc.ir import Array
from tests.parse.onnx.models import model, read, tensor
from tests.parse.onnx.operators.test_contrib_attention import DOMAIN, check, normal, own

N, STEPS, KEYS, VALUES = 2, 5, 4, 3


@pytest.mark.parametrize("activation", ["none", "silu", "swish"])
@pytest.mark.parametrize("operands", ["x w", "x w b", "x w b p", "x w - p"])
@pytest.mark.parametrize("dilation", [1, 2])
def test_causal_conv(operands: str, activation: str, dilation: int) -> None:
    constants = {"w": normal(6, 1, 4), "b": normal(6), "p": normal(N, 6, 3 * dilation)}
    check(own("CausalConvWithState", operands, "y s", activation=activation, dilation=dilation), tensor("x", (N, 6, STEPS)),
          constants=constants)


@pytest.mark.parametrize("operands", ["x w", "x w b p"])
def test_causal_conv_of_channels_last(operands: str) -> None:
    constants = {"w": normal(6, 1, 3), "b": normal(6), "p": normal(N, 2, 2, 3)}
    check(own("CausalConvWithState", operands, "y s", channels_last=1), tensor("x", (N, STEPS, 2, 3)), constants=constants)


def test_causal_conv_of_single_elements_and_of_one_token() -> None:
    check(own("CausalConvWithState", "x w", "y s"), tensor("x", (N, 6, STEPS)), constants={"w": normal(6, 1, 1)})
    check(own("CausalConvWithState", "x w - p", "y s"), tensor("x", (N, 6, 1)), constants={"w": normal(6, 1, 4), "p": normal(N, 6, 3)})


@pytest.mark.parametrize("activation", ["silu", "swish", "sigmoid"])
def test_gated_rms_norm(activation: str) -> None:
    shape = (N, STEPS, 12)
    check(own("GatedRMSNorm", "x s g", activation=activation, epsilon=1e-3), tensor("x", shape), tensor("g", shape),
          constants={"s": normal(4)})


def test_gates() -> None:
    shape, constants = (N, STEPS, 4), {"d": normal(4), "s": -np.exp(normal(4))}
    check(own("LinearAttentionGate", "x d s b", "y u"), tensor("x", shape), tensor("b", shape), constants=constants)
    check(own("LinearAttentionGate", "x d s"), tensor("x", shape), constants=constants)


def _operands(query_heads: int, heads: int, key_heads: int, *, wide: bool) -> dict[str, Array]:
    keys = normal(N, STEPS, key_heads, KEYS)
    keys /= np.linalg.norm(keys, axis=3, keepdims=True)
    return {"k": keys.reshape(N, STEPS, -1), "v": normal(N, STEPS, heads * VALUES), "p": normal(N, heads, KEYS, VALUES),
            "g": -np.abs(normal(N, STEPS, heads * (KEYS if wide else 1))),
            "u": np.asarray(1 / (1 + np.exp(normal(N, STEPS, heads))), np.float32)}


@pytest.mark.parametrize("rule", ["linear", "gated", "delta", "gated_delta"])
@pytest.mark.parametrize(("query_heads", "heads", "key_heads"), [(2, 2, 2), (4, 2, 2), (2, 4, 2), (2, 4, 4)])
@pytest.mark.parametrize("past", [False, True])
def test_linear_attention(rule: str, query_heads: int, heads: int, key_heads: int, past: bool) -> None:
    operands = f"x k v {'p' if past else '-'} {'g' if 'gated' in rule else '-'} {'u' if 'delta' in rule else '-'}"
    check(own("LinearAttention", operands, "y s", q_num_heads=query_heads, kv_num_heads=heads, update_rule=rule),
          tensor("x", (N, STEPS, query_heads * KEYS)), constants=_operands(query_heads, heads, key_heads, wide=past))


def test_linear_attention_with_a_scale() -> None:
    check(own("LinearAttention", "x k v - g u", "y s", q_num_heads=2, kv_num_heads=2, scale=0.7), tensor("x", (N, STEPS, 2 * KEYS)),
          constants=_operands(2, 2, 2, wide=False))


def test_what_does_not_fit() -> None:
    constants = _operands(2, 2, 2, wide=False)

    def refused(error: type[Exception], message: str, operands: str, **attributes: object) -> None:
        source = own("LinearAttention", operands, "y s", **{"q_num_heads": 2, "kv_num_heads": 2, **attributes})
        with pytest.raises(error, match=message):
            read(model([source], [tensor("x", (N, STEPS, 2 * KEYS))], constants=constants, domains=[DOMAIN]))

    refused(SourceError, "no update rule 'square'", "x k v - g u", update_rule="square")
    refused(SourceError, "lacks a decay", "x k v")
    refused(SourceError, "do not have 3 and 2 heads", "x k v - g u", q_num_heads=3)
    refused(UnsupportedError, "state_window=2", "x k v - g u", state_window=2)
