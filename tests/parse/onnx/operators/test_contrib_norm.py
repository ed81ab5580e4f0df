"""Normalisation of ONNX Runtime's own domain, against ONNX Runtime or, where it has no kernel for CPUs, against standard operators."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from onnx import NodeProto, helper

from nchw2nhwc.errors import ConversionError
from tests.parse.onnx.models import assert_as_runtime, model, node, read, tensor
from tests.parse.onnx.operators.test_contrib_attention import BATCH, DOMAIN, LENGTH, WIDTH, X, check, normal, own


@pytest.mark.parametrize("operands", ["x z g", "x z g b", "x z g b c", "x z g - c"])
def test_skip_layer_norm(operands: str) -> None:
    constants = {name: normal(WIDTH) for name in "gbc"}
    for shape in ((BATCH, LENGTH, WIDTH), (1, LENGTH, WIDTH), (LENGTH, WIDTH)):
        check(own("SkipLayerNormalization", operands, "y m d s", epsilon=1e-5), X, tensor("z", shape), constants=constants)


@pytest.mark.parametrize("operands", ["x z g", "x z g c"])
def test_skip_rms_norm(operands: str) -> None:
    constants = {name: normal(WIDTH) for name in "gc"}
    check(own("SkipSimplifiedLayerNormalization", operands, "y - d s"), X, tensor("z", (BATCH, LENGTH, WIDTH)), constants=constants)


@pytest.mark.parametrize("operands", ["i s w p t g b", "i - w p - g b", "i s w p t g b m", "i - w p - g b - o", "i - w p - g b m s"])
def test_embedding(operands: str) -> None:
    constants = {"w": normal(9, WIDTH), "p": normal(12, WIDTH), "t": normal(3, WIDTH), "g": normal(WIDTH), "b": normal(WIDTH)}
    inputs = [tensor(name, (1 if name == "o" else BATCH, LENGTH), np.int32) for name in "isom"]
    check(own("EmbedLayerNormalization", operands, "y n e"), *(i for i in inputs if i.name in operands.split()), constants=constants)


def test_embedding_of_words_of_any_number() -> None:
    constants = {"w": normal(9, WIDTH), "p": normal(12, WIDTH), "g": normal(WIDTH), "b": normal(WIDTH)}
    check(own("EmbedLayerNormalization", "i - w p - g b", "y m"), tensor("i", ("N", "T"), np.int32), constants=constants)


@pytest.mark.parametrize("segments", [False, True])
def test_quantized_embedding(segments: bool) -> None:
    rng = np.random.default_rng(0)
    tables = {name: rng.integers(0, 256, shape).astype(np.uint8) for name, shape in
              {"w": (9, WIDTH), "p": (12, WIDTH), "t": (3, WIDTH), "g": WIDTH, "b": WIDTH}.items()}
    scales = {f"{name}s": np.float32(0.01 * k) for k, name in enumerate(tables, 1)}
    zeros = {f"{name}z": np.uint8(100 + k) for k, name in enumerate(tables)}
    names = "i s w p t g b m ws ps ts gs bs wz pz tz gz bz" if segments else "i - w p - g b m ws ps - gs bs wz pz - gz bz"
    inputs = [tensor(name, (BATCH, LENGTH), np.int32) for name in "ism" if name in names.split()]
    check(own("QEmbedLayerNormalization", names, "y n"), *inputs, constants={**tables, **scales, **zeros})


@pytest.mark.parametrize("channels_last", [0, 1])
@pytest.mark.parametrize("activation", [0, 1])
@pytest.mark.parametrize("skip", [None, (2, 4, 3, 5), (2, 4), (2, 4, 1, 1)])
@pytest.mark.parametrize("bias", [False, True])
def test_groups_of_channels(channels_last: int, activation: int, skip: tuple[int, ...] | None, bias: bool) -> None:
    if skip is None and bias:
        pytest.skip("only sums have a bias")

    def stored(shape: tuple[int, ...]) -> tuple[int, ...]:
        return (shape[0], *shape[2:], shape[1]) if channels_last and len(shape) == 4 else shape

    shape, constants = (2, 4, 3, 5), {"g": normal(4), "b": normal(4), **({"d": normal(4)} if bias else {})}
    attributes = {"channels_last": channels_last, "activation": activation, "groups": 2}
    if skip is None:
        source, outputs = own("GroupNorm", "x g b", epsilon=1e-3, **attributes), ["y"]
    else:
        source, outputs = own("SkipGroupNorm", "x g b z d" if bias else "x g b z", "y s", epsilon=1e-3, **attributes), ["y", "s"]
    inputs = [tensor("x", stored(shape)), *([tensor("z", stored(skip))] if skip else [])]
    assert_as_runtime(model([source], inputs, outputs, constants, domains=[DOMAIN]), rtol=1e-4, atol=1e-5, same_as=model(
        _standard_groups(channels_last, activation, skip, bias), inputs, outputs,
        {**constants, "ends": np.array([-1] if channels_last else [2, 3]), "middle": np.array([1, 2])}, opset=21))


def _standard_groups(channels_last: int, activation: int, skip: tuple[int, ...] | None, bias: bool) -> Sequence[NodeProto]:
    """GroupNorm or SkipGroupNorm in standard operators."""
    def first(name: str, to: str) -> NodeProto:
        return node("Transpose", name, to, perm=[0, 3, 1, 2]) if channels_last else node("Identity", name, to)

    nodes = [first("x", "x1")]
    if skip is not None and len(skip) == 2:
        nodes += [node("Unsqueeze", "z middle" if channels_last else "z ends", "z4"), first("z4", "z1")]
    elif skip is not None:
        nodes += [first("z", "z1")]
    if skip is not None:
        nodes += [node("Add", "x1 z1", "t0")]
    if bias:
        nodes += [node("Reshape", "d shape", "d4"), node("Add", "t0 d4", "t1"),
                  helper.make_node("Constant", [], ["shape"], value_ints=[1, 4, 1, 1])]
        nodes = [nodes[-1], *nodes[:-1]]
    last = "x1" if skip is None else "t1" if bias else "t0"
    nodes += [node("GroupNormalization", f"{last} g b", "n", num_groups=2, epsilon=1e-3)]
    nodes += [node("Sigmoid", "n", "q"), node("Mul", "n q", "a")] if activation else [node("Identity", "n", "a")]
    back = {"perm": [0, 2, 3, 1]}
    nodes += [node("Transpose", "a", "y", **back) if channels_last else node("Identity", "a", "y")]
    if skip is not None:
        nodes += [node("Transpose", last, "s", **back) if channels_last else node("Identity", last, "s")]
    return nodes


def test_statistics_of_layers() -> None:
    check(own("SkipLayerNormalization", "x x g", "y m d", epsilon=1e-5), X, constants={"g": normal(WIDTH)})
    simplified = node("SimplifiedLayerNormalization", "x g", "y d", axis=1, epsilon=1e-5)
    assert_as_runtime(model([simplified], [X], ["y", "d"], {"g": normal(LENGTH, WIDTH)}), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("source", "message"), [
    (own("SkipSimplifiedLayerNormalization", "x x g", "y m"), "mean, the second result"),
    (own("GroupNorm", "i g g", activation=2, groups=2), "activation=2"),
    (own("GroupNorm", "i g g", activation=0, groups=3), "cannot be divided into 3 groups"),
    (own("EmbedLayerNormalization", "w"), "an embedding, the scale or the shift is absent"),
])
def test_what_is_refused(source: NodeProto, message: str) -> None:
    inputs = [X, tensor("i", (1, 3, 3, WIDTH)), tensor("w", (1, 3), np.int32)]
    outputs = [name for name in source.output if name]
    with pytest.raises(ConversionError, match=message):
        read(model([source], [i for i in inputs if i.name in source.input], outputs,
                   {"g": normal(WIDTH)} if "g" in source.input else {}, domains=[DOMAIN]))
