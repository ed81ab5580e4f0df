"""Parts of joined layers that are made equally large."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

import nchw2nhwc
from nchw2nhwc.checking.litert import LoadedFile
from nchw2nhwc.options.quantize import QuantizeOptions
from nchw2nhwc.quantize import flatfile
from nchw2nhwc.quantize.accuracy import output_accuracy
from nchw2nhwc.quantize.equalization import equalized
from tests.quantize.models import network, samples

HEADS, SIZE = 2, 16


def attention(end: str = "layer", rotated: bool = False) -> onnx.ModelProto:
    """Queries, keys (a tenth as large) and values (a fifth) of 16 tokens. `end`: what reads the result."""
    rng, width = np.random.default_rng(6), HEADS * SIZE
    parts = {"q": 1.0, "k": 0.1, "v": 0.2}
    nodes = [helper.make_node("Reshape", ["c", "tokens"], ["t"])]
    for name in parts:
        nodes += [helper.make_node("MatMul", ["t", f"w_{name}"], [f"{name}0"], f"layer_{name}"),
                  helper.make_node("Reshape", [f"{name}0", "heads"], [f"{name}1"]),
                  helper.make_node("Transpose", [f"{name}1"], [f"{name}2"], perm=[0, 2, 1, 3])]
    if rotated:
        for name in "qk":
            nodes += [helper.make_node("Split", [f"{name}2"], [f"{name}3", f"{name}4"], axis=3),
                      helper.make_node("Neg", [f"{name}4"], [f"{name}5"]),
                      helper.make_node("Concat", [f"{name}5", f"{name}3"], [f"{name}6"], axis=3),
                      helper.make_node("Mul", [f"{name}2", "cos"], [f"{name}7"]),
                      helper.make_node("Mul", [f"{name}6", "sin"], [f"{name}8"]),
                      helper.make_node("Add", [f"{name}7", f"{name}8"], [f"{name}9"])]
    last = "9" if rotated else "2"
    nodes += [helper.make_node("Transpose", [f"k{last}"], ["kt"], perm=[0, 1, 3, 2]), helper.make_node("MatMul", [f"q{last}", "kt"], ["s"]),
              helper.make_node("Softmax", ["s"], ["p"], axis=-1), helper.make_node("MatMul", ["p", "v2"], ["m"]),
              helper.make_node("Transpose", ["m"], ["m1"], perm=[0, 2, 1, 3]), helper.make_node("Reshape", ["m1", "whole"], ["m2"]),
              helper.make_node(*(("MatMul", ["m2", "w_o"]) if end != "sigmoid" else ("Sigmoid", ["m2"])), ["y"])]
    turn = rng.uniform(0, 3, (16, SIZE))
    constants = {f"w_{name}": rng.normal(0, 0.3 * size, (width, width)) for name, size in parts.items()}
    used = {"cos": np.cos(turn), "sin": np.sin(turn)} if rotated else {}
    used |= {"w_o": rng.normal(0, 0.3, (width, width))} if end != "sigmoid" else {}
    return network(nodes, outputs=("y", "k2") if end == "keys" else ("y",), tokens=np.array([1, 16, width]),
                   heads=np.array([1, 16, HEADS, SIZE]), whole=np.array([1, 16, width]), **constants, **used)


def pieces(content: bytes, inputs: object) -> list[float]:
    """The sizes of what the first operator that takes a layer apart makes."""
    model = flatfile.read(content)
    part = flatfile.Part(model, model.subgraphs[0])
    op = next(op for op in part.graph.operators if part.code(op) == "SPLIT")
    names = [part.graph.tensors[i].name.decode() for i in op.outputs]
    loaded = LoadedFile(content, inputs, inside=True)  # type: ignore[arg-type]
    return [max(float(np.abs(loaded.tensors(sample, {name})[name]).max()) for sample in samples()) for name in names]


@pytest.mark.parametrize("rotated", [False, True])
@pytest.mark.parametrize(("end", "levels"), [("layer", 1), ("sigmoid", 2), ("keys", 2)])
def test_parts_become_equally_large_and_results_stay(end: str, levels: int, rotated: bool) -> None:
    """Values that no layer reads keep their size, and so do keys that are given out, with their queries."""
    converted = nchw2nhwc.convert(attention(end, rotated))
    content = converted.flatbuffer().tobytes()
    loaded = LoadedFile(content, converted.inputs, inside=True)
    equal = equalized(content, lambda wanted: (loaded.tensors(sample, wanted) for sample in samples()))
    before, after = (pieces(each, converted.inputs) for each in (content, equal))
    assert max(before) > 4 * min(before)
    assert len(np.unique(np.round(np.log(after), 2))) == levels
    expected, actual = (LoadedFile(each, converted.inputs).run(converted.outputs, samples()[0]) for each in (content, equal))
    for name in expected:
        np.testing.assert_allclose(actual[name], expected[name], rtol=1e-4, atol=1e-5)


def test_int8_files_are_better() -> None:
    converted, drawn = nchw2nhwc.convert(attention()), samples(40)
    found = {}
    for per_tensor in (False, True):  # with one scale for all weights nothing is made equally large
        content = converted.tflite(quantize=QuantizeOptions(["int8"], calibration=drawn[:32], ranges="minmax", per_tensor=per_tensor))
        expected, made = ([LoadedFile(file, converted.inputs).run(converted.outputs, sample) for sample in drawn[32:]]
                          for file in (converted.tflite(), content))
        found[per_tensor] = output_accuracy(expected, made)["y"].sqnr
    assert found[False] > found[True] + 3, found
