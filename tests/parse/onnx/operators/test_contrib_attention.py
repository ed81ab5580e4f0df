"""Transformer layers of ONNX Runtime's own domain against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import NodeProto, helper

from nchw2nhwc.errors import ConversionError
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


# ---- attention ---------------------------------------------------------------------------------------------------------
MASKS = {"l": np.array([3, 5], np.int32), "e": np.array([3, 5, 1, 0], np.int32), "t": np.array([3, 5, 0, 5, 10, 0, 5, 10], np.int32),
         "o": np.array([[1], [0]], np.int32), "m": RNG.integers(0, 2, (BATCH, LENGTH)).astype(np.int32),
         "f": RNG.integers(0, 2, (BATCH, LENGTH, LENGTH)).astype(np.int32)}


@pytest.mark.parametrize("mask", ["", "l", "e", "t", "o", "m", "f"])
@pytest.mark.parametrize("more", [{}, {"unidirectional": 1}, {"mask_filter_value": -2.0, "scale": 0.7}])
def test_attention(mask: str, more: dict[str, float]) -> None:
    constants = {"w": normal(WIDTH, 3 * WIDTH), "b": normal(3 * WIDTH), **MASKS}
    check(own("Attention", f"x w b {mask}", num_heads=HEADS, **more), X, constants=constants)


def test_attention_to_words_of_any_number() -> None:
    constants = {"w": normal(WIDTH, 3 * WIDTH), "l": MASKS["l"]}
    check(own("Attention", "x w - l", "y r", num_heads=HEADS, unidirectional=1), tensor("x", (BATCH, "T", WIDTH)), constants=constants)


def test_attention_of_other_sizes() -> None:
    constants = {"w": normal(WIDTH, 8 + 8 + 12), "b": normal(8 + 8 + 12), "a": normal(BATCH, HEADS, LENGTH, LENGTH)}
    check(own("Attention", "x w b - - a", num_heads=HEADS, qkv_hidden_sizes=[8, 8, 12], scale=0.3), X, constants=constants)


def test_attention_with_a_past() -> None:
    constants = {"w": normal(WIDTH, 3 * WIDTH), "b": normal(3 * WIDTH), "e": np.array([6, 8, 1, 2], np.int32),
                 "f": RNG.integers(0, 2, (BATCH, LENGTH, LENGTH + 3)).astype(np.int32), "n": np.array([3], np.int32),
                 }
    for mask in ("-", "e", "f"):
        check(own("Attention", f"x w b {mask} p - n", "y r", num_heads=HEADS, unidirectional=1), X,
              tensor("p", (2, BATCH, HEADS, 3, SIZE)), constants=constants)


@pytest.mark.parametrize("kind", [np.int8, np.uint8])
@pytest.mark.parametrize("columns", [1, 3 * WIDTH])
def test_quantized_attention(kind: type, columns: int) -> None:
    scales = np.abs(normal(columns)) / 30
    zeros = RNG.integers(100, 150, columns).astype(np.uint8) if kind is np.uint8 else np.zeros(columns, np.int8)
    constants = {"w": RNG.integers(0, 100, (WIDTH, 3 * WIDTH)).astype(kind), "b": normal(3 * WIDTH), "s": np.float32(0.02), "t": scales,
                 "z": np.uint8(120), "o": zeros, "l": MASKS["l"]}
    check(own("QAttention", "x w b s t l z o p", "y r", num_heads=HEADS, unidirectional=1), tensor("x", (BATCH, LENGTH, WIDTH), np.uint8),
          tensor("p", (2, BATCH, HEADS, 3, SIZE)), constants=constants)


@pytest.mark.parametrize("operands", ["x k v", "x k v b", "x k v - l", "x k v - t", "x k v b m", "x k v - f", "x k v - - a", "x h i",
                                      "x h i b", "x k w c"])
def test_multi_head_attention(operands: str) -> None:
    inputs = [X, tensor("k", (BATCH, LENGTH, WIDTH)), tensor("v", (BATCH, LENGTH, WIDTH)), tensor("a", (1, HEADS, LENGTH, LENGTH)),
              tensor("h", (BATCH, HEADS, 7, SIZE)), tensor("i", (BATCH, HEADS, 7, SIZE)), tensor("w", (BATCH, LENGTH, 12))]
    constants = {"b": normal(3 * WIDTH), "c": normal(2 * WIDTH + 12), **MASKS}
    check(own("MultiHeadAttention", operands, num_heads=HEADS), *(i for i in inputs if i.name in operands.split()), constants=constants)


@pytest.mark.parametrize("operands", ["x k v", "x k v - m", "x k v - - a", "x k v - m a"])
@pytest.mark.parametrize("causal", [0, 1])
def test_scores_as_a_result(operands: str, causal: int) -> None:
    inputs = [X, *(tensor(n, (BATCH, LENGTH, WIDTH)) for n in "kv"), tensor("a", (1, HEADS, LENGTH, LENGTH))]
    source = own("MultiHeadAttention", operands, "y - - s", num_heads=HEADS, unidirectional=causal)
    constants = {name: array for name, array in MASKS.items() if name in source.input}
    whole = model([source], [i for i in inputs if i.name in operands.split()], ["y", "s"], constants, domains=[DOMAIN])
    whole.graph.output[1].CopyFrom(tensor("s", (BATCH, HEADS, LENGTH, LENGTH)))  # ONNX Runtime does not infer its type
    assert_as_runtime(whole, rtol=1e-4, atol=1e-5)


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


@pytest.mark.parametrize("causal", [0, 1])
@pytest.mark.parametrize("length", [1, LENGTH])
def test_multi_head_attention_to_a_buffer(length: int, causal: int) -> None:
    inputs = [*(tensor(n, (BATCH, length, WIDTH)) for n in "xkv"), *(tensor(n, (BATCH, HEADS, 9, SIZE)) for n in "pq")]
    check(own("MultiHeadAttention", "x k v - - - p q n", "y r s", num_heads=HEADS, unidirectional=causal), *inputs,
          constants={"n": np.array([3], np.int32)})


STEP = {"num_heads": HEADS, "past_present_share_buffer": 1, "scale": 0.4}
BUFFERS = [tensor(name, (BATCH, HEADS, 7, SIZE)) for name in ("k", "v")]


@pytest.mark.parametrize("bias", ["-", "b"])
def test_one_step_of_a_decoder(bias: str) -> None:
    source = own("DecoderMaskedMultiHeadAttention", f"x x x - - k v n - - {bias}", "y pk pv", **STEP)
    check(source, tensor("x", (BATCH, 1, WIDTH)), *BUFFERS, constants={"n": np.array([3], np.int32), "b": normal(3 * WIDTH)})


def test_one_step_of_a_decoder_of_packed_operands() -> None:
    """ONNX Runtime 1.32 has that on GPUs alone."""
    split = helper.make_node("Split", ["x"], ["q", "r", "s"], axis=2, num_outputs=3)
    graphs = [read(model(nodes, [tensor("x", (BATCH, 1, 3 * WIDTH)), *BUFFERS], opset=18, constants={"n": np.array([3], np.int32)},
                         domains=[DOMAIN]))
              for nodes in ([own("DecoderMaskedMultiHeadAttention", "x - - - - k v n", **STEP)],
                            [split, own("DecoderMaskedMultiHeadAttention", "q r s - - k v n", **STEP)])]
    given = {"x": normal(BATCH, 1, 3 * WIDTH), "k": normal(BATCH, HEADS, 7, SIZE), "v": normal(BATCH, HEADS, 7, SIZE)}
    np.testing.assert_array_equal(*(run(graph, given)["y"] for graph in graphs))


def test_one_step_of_a_decoder_to_what_was_encoded() -> None:
    inputs = [tensor("x", (BATCH, 1, WIDTH)), *(tensor(name, (BATCH, HEADS, LENGTH, SIZE)) for name in ("k", "v"))]
    graph = read(model([own("DecoderMaskedMultiHeadAttention", "x k v m", num_heads=HEADS)], inputs, constants={"m": MASKS["m"]},
                       domains=[DOMAIN]))
    wanted = read(model([own("MultiHeadAttention", "x k v - m", num_heads=HEADS)], inputs, constants={"m": MASKS["m"]}, domains=[DOMAIN]))
    given = {"x": normal(BATCH, 1, WIDTH), "k": normal(BATCH, HEADS, LENGTH, SIZE), "v": normal(BATCH, HEADS, LENGTH, SIZE)}
    np.testing.assert_array_equal(run(graph, given)["y"], run(wanted, given)["y"])


def test_batches_in_front_of_rows() -> None:
    source = own("FusedMatMul", "x z", transBatchA=1, transBatchB=1, transB=1, alpha=0.5)
    check(source, tensor("x", (3, 2, 5, 4)), tensor("z", (6, 2, 5, 4)))


@pytest.mark.parametrize(("source", "message"), [
    (own("Attention", "x w", num_heads=2, do_rotary=1), "do_rotary"),
    (own("Attention", "x w", num_heads=2, past_present_share_buffer=1), "past_present_share_buffer"),
    (own("Attention", "x w - f", num_heads=2), "mask with 4 axes"), (own("Attention", "x w - l", num_heads=2), "does not fit 2 batch"),
    (own("MultiHeadAttention", "x x x", num_heads=3), "cannot be divided into 3 heads"),
    (own("MultiHeadAttention", "x k k", num_heads=2, unidirectional=1), "unidirectional=1 of 5 queries to 7 keys"),
    (own("MultiHeadAttention", "x x x - - - p p n c", num_heads=2), "cache_indirection"),
    (own("MultiHeadAttention", "x x x - - a p p n", num_heads=2), "past_sequence_length and key_padding_mask"),
    (own("DecoderMaskedMultiHeadAttention", "x x x - - p p n - c", num_heads=2, past_present_share_buffer=1), "cache_indirection"),
    (own("DecoderMaskedMultiHeadAttention", "x x x - - p p", num_heads=2), "needs past_sequence_length"),
])
def test_what_is_refused(source: NodeProto, message: str) -> None:
    constants = {"w": normal(WIDTH, 3 * WIDTH), "f": np.ones((BATCH, 1, 9, 9), np.int32), "l": np.ones(3, np.int32),
                 "p": normal(BATCH, HEADS, 9, SIZE), "n": np.array([3], np.int32), "c": np.zeros((BATCH, 1, 9), np.int32),
                 "a": normal(1, 1, LENGTH, 8), "k": normal(BATCH, 7, WIDTH)}
    with pytest.raises(ConversionError, match=message):
        read(model([source], [X], constants={k: v for k, v in constants.items() if k in source.input}, domains=[DOMAIN]))
