"""Mixtures of experts, of ONNX Runtime's own domain, against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.errors import SourceError, UnsupportedError
from nchw2nhwc.ir import Array
from tests.parse.onnx.models import model, read, tensor
from tests.parse.onnx.operators.test_contrib_attention import DOMAIN, check, normal, own

TOKENS, WIDTH, UNITS, EXPERTS = 6, 32, 16, 4
X, ROUTER = tensor("x", (TOKENS, WIDTH)), tensor("r", (TOKENS, EXPERTS))


def _layers(fused: bool = False) -> dict[str, Array]:
    inner = UNITS * (2 if fused else 1)
    return {"v": normal(EXPERTS, inner, WIDTH), "a": normal(EXPERTS, inner), "w": normal(EXPERTS, WIDTH, UNITS),
            "b": normal(EXPERTS, WIDTH)}


@pytest.mark.parametrize("activation", ["relu", "gelu", "silu", "identity"])
@pytest.mark.parametrize("more", [{}, {"k": 2}, {"k": 3, "normalize_routing_weights": 1}])
def test_activations(activation: str, more: dict[str, int]) -> None:
    check(own("MoE", "x r v a w b", activation_type=activation, **more), X, ROUTER, constants=_layers())


@pytest.mark.parametrize("more", [{}, {"activation_alpha": 1.7, "activation_beta": 1.0, "swiglu_limit": 0.5}])
def test_gates_that_take_turns(more: dict[str, float]) -> None:
    check(own("MoE", "x r v a w b", activation_type="swiglu", swiglu_fusion=1, k=2, **more), X, ROUTER, constants=_layers(fused=True))


def test_a_batch_without_biases() -> None:
    check(own("MoE", "x r v - w", k=2), tensor("x", (2, TOKENS // 2, WIDTH)), ROUTER, constants=_layers())
    check(own("MoE", "x r v - w", k=2), tensor("x", (1, "T", WIDTH)), tensor("r", ("T", EXPERTS)), constants=_layers())


def _quantized(bits: int, block: int, *, zeros: bool) -> dict[str, Array]:
    rng, found = np.random.default_rng(bits), {}
    for layer, (rows, columns) in (("1", (UNITS, WIDTH)), ("2", (WIDTH, UNITS))):
        blocks = columns // block if block else 1
        shape = (EXPERTS, rows, blocks) if block else (EXPERTS, rows)
        found[f"q{layer}"] = rng.integers(0, 256, (EXPERTS, rows, columns * bits // 8)).astype(np.uint8)
        found[f"s{layer}"] = rng.uniform(0.5, 1, shape).astype(np.float32) / np.float32(1 << bits)
        if zeros:
            size = (EXPERTS, rows, -(-blocks * bits // 8)) if block else (EXPERTS, -(-rows * bits // 8))
            found[f"z{layer}"] = rng.integers(0, 256, size).astype(np.uint8)
    return found | {"a": normal(EXPERTS, UNITS), "b": normal(EXPERTS, WIDTH)}


@pytest.mark.parametrize(("bits", "block", "zeros"), [(4, 0, False), (8, 0, False), (4, 16, False), (4, 16, True)])
def test_weights_of_a_few_bits(bits: int, block: int, zeros: bool) -> None:
    more = {"block_size": block} if block else {}
    operands = "x r q1 s1 a q2 s2 b" + (" - - - z1 z2" if zeros else "")
    check(own("QMoE", operands, k=2, expert_weight_bits=bits, activation_type="silu", **more), X, ROUTER,
          constants=_quantized(bits, block, zeros=zeros))


@pytest.mark.parametrize("normalize", [0, 1])
@pytest.mark.parametrize("weighed", [False, True])
def test_shares_of_their_own(weighed: bool, normalize: int) -> None:
    operands = "x r q1 s1 a q2 s2 b" + (" - - - - - - p" if weighed else "")
    shares = np.random.default_rng(2).uniform(0.1, 1, (TOKENS, EXPERTS)).astype(np.float32)
    check(own("QMoE", operands, k=2, normalize_routing_weights=normalize), X, ROUTER,
          constants=_quantized(4, 0, zeros=False) | {"p": shares})


def test_what_is_not_expressed() -> None:
    def refused(error: type[Exception], message: str, op: str, operands: str, **attributes: object) -> None:
        constants = _layers() | _quantized(4, 0, zeros=False)
        with pytest.raises(error, match=message):
            read(model([own(op, operands, **attributes)], [X, ROUTER], constants=constants, domains=[DOMAIN]))

    refused(UnsupportedError, "swiglu_fusion=2", "MoE", "x r v a w b", activation_type="swiglu", swiglu_fusion=2)
    refused(UnsupportedError, "use_sparse_mixer=1", "MoE", "x r v a w b", use_sparse_mixer=1)
    refused(UnsupportedError, "fc3=1", "MoE", "x r v a w b v", k=2)
    refused(UnsupportedError, "quant_type 'fp8'", "QMoE", "x r q1 s1 a q2 s2 b", quant_type="fp8")
    refused(SourceError, "are not those of blocks of 8", "QMoE", "x r q1 s1 a q2 s2 b", block_size=8)
