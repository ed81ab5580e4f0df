"""Transformer layers of ONNX Runtime's own domain against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import NodeProto, helper

from nchw2nhwc.errors import SourceError, UnsupportedError
from nchw2nhwc.ir import Array
from nchw2nhwc.ir.interpreter import run
from tests.parse.onnx.models import assert_as_runtime, model, read, tensor

DOMAIN = "com.microsoft"
RNG = np.random.default_rng(0)
BATCH, LENGTH, HEADS, SIZE = 2, 5, 2, 4
WIDTH = HEADS * SIZE
X = tensor("x", (BATCH, LENGTH, WIDTH))


def own(op: str, inputs: str, outputs: str = "y", **attributes: object) -> NodeProto:
    names = [["" if part == "-" else part for part in text.split()] for text in (inputs, outputs)]
    return helper.make_node(op, *names, domain=DOMAIN, **attributes)


def normal(*shape: int) -> Array:
    return RNG.standard_normal(shape).astype(np.float32)


def check(source: NodeProto, *inputs: object, constants: dict[str, Array] | None = None) -> None:
    given = {k: v for k, v in (constants or {}).items() if k in source.input}
    whole = model([source], list(inputs), [o for o in source.output if o], constants=given, domains=[DOMAIN])  # type: ignore[arg-type]
    assert_as_runtime(whole, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("operands", ["x z g", "x z g b", "x z g b c", "x z g - c"])
def test_skip_layer_norm(operands: str) -> None:
    constants = {name: normal(WIDTH) for name in "gbc"}
    check(own("SkipLayerNormalization", operands, "y - - s", epsilon=1e-5), X, tensor("z", (BATCH, LENGTH, WIDTH)), constants=constants)


@pytest.mark.parametrize("operands", ["x z g", "x z g c"])
def test_skip_rms_norm(operands: str) -> None:
    constants = {name: normal(WIDTH) for name in "gc"}
    check(own("SkipSimplifiedLayerNormalization", operands, "y - - s"), X, tensor("z", (BATCH, LENGTH, WIDTH)), constants=constants)


@pytest.mark.parametrize("operands", ["i s w p t g b", "i - w p - g b"])
def test_embedding(operands: str) -> None:
    constants = {"w": normal(9, WIDTH), "p": normal(12, WIDTH), "t": normal(3, WIDTH), "g": normal(WIDTH), "b": normal(WIDTH)}
    inputs = [tensor("i", (BATCH, LENGTH), np.int32), tensor("s", (BATCH, LENGTH), np.int32)]
    check(own("EmbedLayerNormalization", operands, "y m"), *(i for i in inputs if i.name in operands.split()), constants=constants)


# ---- attention ---------------------------------------------------------------------------------------------------------
MASKS = {"l": np.array([3, 5], np.int32), "m": RNG.integers(0, 2, (BATCH, LENGTH)).astype(np.int32),
         "f": RNG.integers(0, 2, (BATCH, LENGTH, LENGTH)).astype(np.int32)}


@pytest.mark.parametrize("mask", ["", "l", "m", "f"])
@pytest.mark.parametrize("causal", [0, 1])
def test_attention(mask: str, causal: int) -> None:
    constants = {"w": normal(WIDTH, 3 * WIDTH), "b": normal(3 * WIDTH), **MASKS}
    check(own("Attention", f"x w b {mask}", num_heads=HEADS, unidirectional=causal), X, constants=constants)


def test_attention_of_other_sizes() -> None:
    constants = {"w": normal(WIDTH, 8 + 8 + 12), "b": normal(8 + 8 + 12), "a": normal(BATCH, HEADS, LENGTH, LENGTH)}
    check(own("Attention", "x w b - - a", num_heads=HEADS, qkv_hidden_sizes=[8, 8, 12], scale=0.3), X, constants=constants)


def test_attention_with_a_past() -> None:
    constants = {"w": normal(WIDTH, 3 * WIDTH), "b": normal(3 * WIDTH)}
    check(own("Attention", "x w b - p", "y r", num_heads=HEADS, unidirectional=1), X, tensor("p", (2, BATCH, HEADS, 3, SIZE)),
          constants=constants)


@pytest.mark.parametrize("operands", ["x k v", "x k v b", "x k v - l", "x k v b m", "x k v - - a", "x h i"])
def test_multi_head_attention(operands: str) -> None:
    inputs = [X, tensor("k", (BATCH, LENGTH, WIDTH)), tensor("v", (BATCH, LENGTH, WIDTH)), tensor("a", (1, HEADS, LENGTH, LENGTH)),
              tensor("h", (BATCH, HEADS, 7, SIZE)), tensor("i", (BATCH, HEADS, 7, SIZE))]
    constants = {"b": normal(3 * WIDTH), **MASKS}
    check(own("MultiHeadAttention", operands, num_heads=HEADS), *(i for i in inputs if i.name in operands.split()), constants=constants)


def test_packed_operands() -> None:
    """(batch, length, heads, 3 or 2, size), which ONNX Runtime has no kernel for on CPUs: the same as separate ones."""
    arrays = {name: normal(BATCH, LENGTH, HEADS, SIZE) for name in "qkv"}
    flat = {name: a.reshape(BATCH, LENGTH, WIDTH) for name, a in arrays.items()}
    forms = {"q k v": flat, "a": {"a": np.stack(list(arrays.values()), 3)},
             "q n": {"q": flat["q"], "n": np.stack([arrays["k"], arrays["v"]], 3)}}
    results = []
    for operands, inputs in forms.items():
        whole = model([own("MultiHeadAttention", operands, num_heads=HEADS)], [tensor(n, x.shape) for n, x in inputs.items()],
                      domains=[DOMAIN])
        results.append(run(read(whole), inputs)["y"])
    np.testing.assert_allclose(results[1], results[0], rtol=1e-6)
    np.testing.assert_allclose(results[2], results[0], rtol=1e-6)


def test_multi_head_attention_with_a_past() -> None:
    inputs = [X, *(tensor(n, (BATCH, LENGTH, WIDTH)) for n in "kv"), *(tensor(n, (BATCH, HEADS, 3, SIZE)) for n in "pq")]
    check(own("MultiHeadAttention", "x k v - - - p q", "y r s", num_heads=HEADS, unidirectional=1), *inputs)


@pytest.mark.parametrize("interleaved", [0, 1])
@pytest.mark.parametrize("positions", [np.array([3], np.int64), np.arange(10, dtype=np.int64).reshape(BATCH, LENGTH)])
@pytest.mark.parametrize("partial", [False, True])
def test_rotary_embedding(interleaved: int, positions: Array, partial: bool) -> None:
    columns = SIZE // 4 if partial else SIZE // 2
    constants = {"c": normal(12, columns), "s": normal(12, columns), "p": positions}
    more = {"num_heads": HEADS, "rotary_embedding_dim": SIZE // 2} if partial else {}
    check(own("RotaryEmbedding", "x p c s", interleaved=interleaved, **more), X, constants=constants)
    if not partial:
        check(own("RotaryEmbedding", "x p c s", interleaved=interleaved), tensor("x", (BATCH, HEADS, LENGTH, SIZE)), constants=constants)


def test_batches_in_front_of_rows() -> None:
    source = own("FusedMatMul", "x z", transBatchA=1, transBatchB=1, transB=1, alpha=0.5)
    check(source, tensor("x", (3, 2, 5, 4)), tensor("z", (6, 2, 5, 4)))


def test_what_is_not_supported() -> None:
    with pytest.raises(UnsupportedError, match="which training needs"):
        read(model([own("SkipLayerNormalization", "x x g", "y m")], [X], ["m"], constants={"g": normal(WIDTH)}, domains=[DOMAIN]))
    with pytest.raises(UnsupportedError, match="rotary embeddings or a shared buffer"):
        read(model([own("Attention", "x w", num_heads=2, do_rotary=1)], [X], constants={"w": normal(WIDTH, 3 * WIDTH)}, domains=[DOMAIN]))
    with pytest.raises(SourceError, match="cannot be divided into 3 heads"):
        read(model([own("MultiHeadAttention", "x x x", num_heads=3)], [X], domains=[DOMAIN]))
