"""GroupQueryAttention against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import NodeProto, helper

from nchw2nhwc.errors import ConversionError
from nchw2nhwc.ir import Array
from tests.parse.onnx.models import assert_as_runtime, model, node, read, tensor
from tests.parse.onnx.operators.test_contrib_attention import DOMAIN, normal, own

HEADS, SHARED, SIZE = 4, 2, 32
QUERIES, KEYS = HEADS * SIZE, SHARED * SIZE
TABLES = {"c": normal(12, SIZE // 2), "s": normal(12, SIZE // 2), "d": normal(12, SIZE // 4), "e": normal(12, SIZE // 4)}


def layer(operands: str, outputs: str = "y j w", **attributes: object) -> NodeProto:
    return own("GroupQueryAttention", operands, outputs, num_heads=HEADS, kv_num_heads=SHARED, **attributes)


def check(source: NodeProto, *, batch: int = 2, length: int, past: int | None = None, counts: list[int], total: int,
          **constants: Array) -> None:
    """`counts` are seqlens_k, `total` is total_sequence_length."""
    shapes = {"q": (batch, length, QUERIES), "k": (batch, length, KEYS), "v": (batch, length, KEYS),
              "packed": (batch, length, QUERIES + 2 * KEYS), "m": (batch, SHARED, past, SIZE), "n": (batch, SHARED, past, SIZE)}
    known = {"l": np.array(counts, np.int32), "t": np.array(total, np.int32), **TABLES, **constants}
    inputs = [tensor(name, shape) for name, shape in shapes.items() if name in source.input]
    given = {name: array for name, array in known.items() if name in source.input}
    whole = model([source], inputs, [name for name in source.output if name], given, domains=[DOMAIN])
    assert_as_runtime(whole, rtol=1e-4, atol=1e-5)


VARIANTS: list[dict[str, object]] = [
    {}, {"local_window_size": 2}, {"softcap": 0.5, "scale": 0.3}, {"smooth_softmax": 1}, {"do_rotary": 1},
    {"do_rotary": 1, "rotary_interleaved": 1}]


@pytest.mark.parametrize("attributes", [*VARIANTS, {"causal": 0}], ids=str)
@pytest.mark.parametrize("operands", ["q k v - - l t c s", "packed - - - - l t c s", "q k v m n l t c s"])
def test_a_prompt(operands: str, attributes: dict[str, object]) -> None:
    check(layer(operands, **attributes), length=5, past=0, counts=[4, 4], total=5)


@pytest.mark.parametrize("attributes", VARIANTS, ids=str)
@pytest.mark.parametrize(("past", "counts"), [(3, [3, 3]), (3, [1, 3]), (9, [3, 3]), (9, [0, 3])])
def test_one_more_word(past: int, counts: list[int], attributes: dict[str, object]) -> None:
    """A cache that grows by it, or has room; sequences of one length, or of several."""
    check(layer("q k v m n l t c s", **attributes), length=1, past=past, counts=counts, total=4)


@pytest.mark.parametrize("past", [3, 9])
@pytest.mark.parametrize("count", [7, 6])
def test_several_more_words(past: int, count: int) -> None:
    check(layer("packed - - m n l t c s", do_rotary=1), batch=1, length=5, past=past, counts=[count], total=8)


def test_a_part_of_each_head_is_turned() -> None:
    check(layer("q k v m n l t d e", do_rotary=1), length=1, past=9, counts=[1, 3], total=4)


def test_a_prompt_in_a_cache_with_room() -> None:
    check(layer("q k v m n l t c s", do_rotary=1), length=5, past=9, counts=[4, 4], total=5)


@pytest.mark.parametrize(("length", "past", "total"), [(5, 0, 5), (1, 4, 5), (1, 9, 5)])
def test_positions(length: int, past: int, total: int) -> None:
    """Only the first one counts in a prompt."""
    positions = np.arange(2 * length, dtype=np.int64).reshape(2, length) + 1
    check(layer("q k v m n l t c s p", do_rotary=1), length=length, past=past, counts=[total - 1] * 2, total=total, p=positions)


@pytest.mark.parametrize(("length", "past"), [(5, 0), (1, 4), (1, 9)])
def test_biases_and_sinks(length: int, past: int) -> None:
    bias = normal(1, HEADS, length, 5)
    check(layer("q k v m n l t - - - a h", softcap=0.5), length=length, past=past, counts=[4, 4], total=5, a=bias, h=normal(HEADS))


@pytest.mark.parametrize("which", [1, 2])
@pytest.mark.parametrize(("length", "past", "counts"), [(5, 0, [4, 4]), (1, 4, [2, 4]), (1, 9, [4, 4])])
def test_scores(which: int, length: int, past: int, counts: list[int]) -> None:
    source = layer("q k v m n l t", "y j w o", qk_output=which, softcap=0.5)
    check(source, length=length, past=past, counts=counts, total=5)


def test_chunks_with_padding() -> None:
    """As long as what counts."""
    check(layer("q k v m n l t - - - - - - - - - u", "y j w"), length=1, past=9, counts=[3, 5], total=6, u=np.ones(2, np.int32))


def test_lengths_that_are_computed() -> None:
    """As the model builder writes them: from an attention mask."""
    nodes = [node("Shape", "mask", "shape"), node("Gather", "shape one", "size", axis=0), node("Cast", "size", "t", to=6),
             node("Min", "mask one", "counts"),
             node("ReduceSum", "counts one1", "sum", keepdims=0), node("Sub", "sum one", "less"), node("Cast", "less", "l", to=6),
             layer("q k v m n l t c s", do_rotary=1)]
    inputs = [tensor("mask", (1, 4), np.int64), *(tensor(n, (1, 1, width)) for n, width in (("q", QUERIES), ("k", KEYS), ("v", KEYS))),
              *(tensor(n, (1, SHARED, 9, SIZE)) for n in "mn")]
    constants = {"one": np.array(1), "one1": np.array([1]), **TABLES}
    assert_as_runtime(model(nodes, inputs, ["y", "j"], constants, domains=[DOMAIN]), rtol=1e-4, atol=1e-5)


def test_norms_of_heads() -> None:
    """ONNX Runtime has a kernel for it on other devices only: the same as norms in front."""
    weights = {"f": normal(SIZE), "g": normal(SIZE)}
    inputs = [tensor("q", (2, 5, QUERIES)), *(tensor(n, (2, 5, KEYS)) for n in "kv")]
    lengths = {"l": np.array([4, 4], np.int32), "t": np.array(5, np.int32)}
    source = layer("q k v - - l t - - - - - - - f g", "y", q_norm_epsilon=1e-2)
    nodes = [helper.make_node("Constant", [], ["apart"], value_ints=[0, 0, -1, SIZE]),
             helper.make_node("Constant", [], ["flat"], value_ints=[0, 0, -1])]
    for name, scale, epsilon in (("q", "f", 1e-2), ("k", "g", 1e-6)):
        nodes += [node("Reshape", f"{name} apart", f"{name}1"),
                  node("SimplifiedLayerNormalization", f"{name}1 {scale}", f"{name}2", axis=-1, epsilon=epsilon),
                  node("Reshape", f"{name}2 flat", f"{name}3")]
    other = model([*nodes, layer("q3 k3 v - - l t", "y")], inputs, constants={**lengths, **weights}, domains=[DOMAIN])
    assert_as_runtime(model([source], inputs, constants={**lengths, **weights}, domains=[DOMAIN]), same_as=other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("operands", "attributes", "total", "message"), [
    ("q k v m n l t", {"sliding_window_cache": 1, "local_window_size": 2}, 9, "sliding_window_cache=1"),
    ("q k v m n l t", {"k_quant_type": "PER_TENSOR"}, 9, "k_quant_type=PER_TENSOR"),
    ("q k v m n l t", {"v_quant_type": "PER_CHANNEL"}, 9, "v_quant_type=PER_CHANNEL"),
    ("q k v m n l t", {}, 11, "neither 9 .* 1 nor at most 9"),
    ("q k v - - l t", {}, 4, "must be the number of new keys, 1"),
    ("q k v m n l t", {"do_rotary": 1}, 9, "needs tables"), ("q k - m n l t", {}, 9, "values are absent"),
    ("x - - m n l t", {}, 9, "4 heads of queries and 2 of keys"),
    ("q k v m n l q", {}, 9, "total_sequence_length depends on data"),
])
def test_what_is_refused(operands: str, attributes: dict[str, object], total: int, message: str) -> None:
    shapes = {"q": (2, 1, QUERIES), "k": (2, 1, KEYS), "v": (2, 1, KEYS), "x": (2, 1, 12), **dict.fromkeys("mn", (2, SHARED, 9, SIZE))}
    source = layer(operands, "y", **attributes)
    constants = {"l": np.array([3, 3], np.int32), **({"t": np.array(total, np.int32)} if "t" in source.input else {})}
    with pytest.raises(ConversionError, match=message):
        read(model([source], [tensor(n, s) for n, s in shapes.items() if n in source.input], constants=constants, domains=[DOMAIN]))
