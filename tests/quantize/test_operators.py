"""Every operator that the emitter writes, in integers: the files of all fixtures are quantized, run and are compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import nchw2nhwc
from nchw2nhwc.checking.inputs import validate_inputs
from nchw2nhwc.checking.litert import LoadedFile
from nchw2nhwc.debug.fixture.files import load_fixture
from nchw2nhwc.errors import ConversionError
from nchw2nhwc.options.quantize import MODES
from nchw2nhwc.quantize import flatfile
from nchw2nhwc.quantize.accuracy import output_accuracy
from nchw2nhwc.quantize.run import Quantization
from tests.quantize.models import network, samples
from tests.test_fixtures import CASES, FOLDER

LEAST = {"int8": 15.0, "int16x8": 30.0}
"""SQNR in dB on the sample that ranges are from."""
RANKING = {"TOPK_V2", "NON_MAX_SUPPRESSION_V4", "NON_MAX_SUPPRESSION_V5"}
"""Operators that choose otherwise where two scores are the same integer; files with them only have to run."""


def part_of(content: bytes) -> flatfile.Part:
    model = flatfile.read(content)
    return flatfile.Part(model, model.subgraphs[0])


def reading_floats(content: bytes) -> set[str]:
    """The operators of a file that have a float32 operand."""
    model = flatfile.read(content)
    return {part.code(op) for part in (flatfile.Part(model, graph) for graph in model.subgraphs) for op in part.graph.operators
            if any(i >= 0 and part.graph.tensors[i].type == flatfile.FLOAT32 for i in op.inputs)}


def sqnr(converted: nchw2nhwc.Converted, content: bytes, sample: dict[str, np.ndarray], expected: dict[str, np.ndarray] | None) -> float:
    """Run a quantized file with XNNPACK and without; of the worst output of floats."""
    found = []
    for plain in (False, True):
        actual = LoadedFile(content, converted.inputs, plain=plain).run(converted.outputs, sample)
        if expected is not None:
            found += [each.sqnr for each in output_accuracy([expected], [actual]).values() if each.equal is None]
    return min(found, default=np.inf)


def of_floats(converted: nchw2nhwc.Converted, sample: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What the float32 file makes of a sample."""
    return LoadedFile(converted.unquantized(), converted.inputs).run(converted.outputs, sample)


def quantizer(converted: nchw2nhwc.Converted, given: list[dict[str, np.ndarray]]) -> Quantization:
    options = nchw2nhwc.QuantizeOptions(list(MODES), calibration=given, ranges="minmax", rounding="nearest")
    return Quantization(converted, options, hold_out=False)


PIECES = 4


@pytest.mark.parametrize("piece", range(PIECES))
def test_all_fixtures(piece: int) -> None:
    wrong: dict[str, str] = {}
    covered: set[str] = set()
    for case in CASES[piece::PIECES]:
        path, inputs, _ = load_fixture(FOLDER / case)
        converted = nchw2nhwc.convert(path, random="inputs")
        codes = reading_floats(converted.unquantized())
        if not codes or converted.quantized:
            continue
        covered |= codes
        sample = dict(validate_inputs(converted.inputs, inputs))
        expected = of_floats(converted, sample) if codes.isdisjoint(RANKING) else None
        quantization = quantizer(converted, [sample])
        for mode, least in LEAST.items():
            try:
                reached = sqnr(converted, quantization.content(mode), sample, expected)
                if reached < least:
                    wrong[f"{case} {mode}"] = f"{reached:.1f} dB"
            except ConversionError as error:
                wrong[f"{case} {mode}"] = str(error)
    assert not wrong
    assert len(covered) > 40


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode not in ("float16", "weight4")])
@pytest.mark.parametrize("side", ["left", "right"])
def test_products_with_constants(side: str, mode: str) -> None:
    """Kernels know one scale for a constant beside integers, and a constant from the left beside int8 alone."""
    rng = np.random.default_rng(5)
    constant, shape = ((3, 48, 40), (1, 3, 40, 8)) if side == "left" else ((3, 40, 48), (1, 3, 8, 40))
    spread = [np.exp(rng.normal(0, 1.5, sizes)) for sizes in ((constant[1], 1), (constant[2],))]
    values = (rng.normal(0, 1, constant) * spread[0] * spread[1]).astype(np.float32)
    graph = helper.make_graph([helper.make_node("MatMul", ["w", "x"] if side == "left" else ["x", "w"], ["y"], "product")], "g",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], [numpy_helper.from_array(values, "w")])
    converted = nchw2nhwc.convert(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))
    given = [{"x": rng.normal(0, 1, shape).astype(np.float32)} for _ in range(3)]
    content = quantizer(converted, given).content(mode)
    assert sqnr(converted, content, given[0], of_floats(converted, given[0])) > 20
    assert len(content) < len(converted.tflite()) - 2 * values.size, "the constant is not stored as int8"


@pytest.mark.parametrize("mode", ["int8", "int8-full", "int16x8"])
@pytest.mark.parametrize("code", ["SPLIT", "UNPACK"])
def test_results_that_nothing_reads(code: str, mode: str) -> None:
    """Of what a tensor is taken apart into, kernels want all in one type."""
    if code == "UNPACK":
        taken = (1, 2, 3, 5, 6, 7)
        nodes = [*(helper.make_node("Gather", ["c", f"i{k}"], [f"part{k}"], axis=1) for k in taken),
                 helper.make_node("Concat", [f"part{k}" for k in taken], ["y"], "all", axis=1)]
    else:
        nodes = [helper.make_node("Split", ["c"], [f"part{k}" for k in range(8)], "parts", axis=1),
                 helper.make_node("Add", ["part1", "part6"], ["y"], "sum")]
    converted = nchw2nhwc.convert(network(nodes, **{f"i{k}": np.array(k) for k in range(8)}))
    floats = part_of(converted.unquantized())
    assert any(floats.code(op) == code and any(not floats.readers[i] for i in op.outputs) for op in floats.graph.operators)
    given = samples()
    content = quantizer(converted, given).content(mode)
    assert sqnr(converted, content, given[0], of_floats(converted, given[0])) > 20


@pytest.mark.parametrize("mode", ["int8", "int8-full", "int16x8", "dynamic"])
def test_states_of_any_batch(mode: str) -> None:
    """A layer is given the variables of its states, not copies of them that were rounded on the way."""
    rng = np.random.default_rng(5)
    constants = {name: rng.normal(0, 0.3, sizes).astype(np.float32) for name, sizes in (("w", (1, 24, 5)), ("r", (1, 24, 6)))}
    nodes = [helper.make_node("Relu", ["x"], ["positive"]), helper.make_node("LSTM", ["positive", "w", "r"], ["h"], "layer", hidden_size=6),
             helper.make_node("Abs", ["h"], ["y"])]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [9, "batch", 5])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
                              [numpy_helper.from_array(value, name) for name, value in constants.items()])
    converted = nchw2nhwc.convert(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))
    floats = part_of(converted.unquantized())
    assert any(floats.code(op) == "UNIDIRECTIONAL_SEQUENCE_LSTM" for op in floats.graph.operators)
    given = [{"x": rng.normal(0, 1, (9, batch, 5)).astype(np.float32)} for batch in (3, 2)]
    content = quantizer(converted, given).content(mode)
    assert sqnr(converted, content, given[0], of_floats(converted, given[0])) > 20


@pytest.mark.parametrize("mode", ["int8", "int8-full", "int16x8"])
def test_output_that_is_read_inside(mode: str) -> None:
    """Numbers before and after a softmax are both outputs: the softmax reads what its kernel takes, the file gives out what is computed."""
    nodes = [helper.make_node("GlobalAveragePool", ["c"], ["mean"]), helper.make_node("Flatten", ["mean"], ["flat"]),
             helper.make_node("MatMul", ["flat", "v"], ["logits"], "layer"), helper.make_node("Softmax", ["logits"], ["y"], axis=1)]
    source = network(nodes, outputs=("logits", "y"), v=np.random.default_rng(3).normal(0, 4, (8, 4)))
    converted = nchw2nhwc.convert(source)
    given = samples()
    assert sqnr(converted, quantizer(converted, given).content(mode), given[0], of_floats(converted, given[0])) > 20


@pytest.mark.parametrize("mode", ["dynamic", "int8"])
def test_layers_of_loops_of_any_length(mode: str, tmp_path: Path) -> None:
    """LiteRT keeps no results of a loop that nothing reads, where sizes are open: the layers that are left are told of."""
    rng = np.random.default_rng(5)
    constants = {name: rng.normal(0, 0.3, sizes).astype(np.float32) for name, sizes in (("w", (1, 18, 5)), ("r", (1, 18, 6)))}
    nodes = [helper.make_node("GRU", ["x", "w", "r"], ["h"], "layer", hidden_size=6), helper.make_node("Abs", ["h"], ["y"], "last")]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["length", 1, 5])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
                              [numpy_helper.from_array(value, name) for name, value in constants.items()])
    source = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    converted = nchw2nhwc.convert(source)
    quantization = quantizer(converted, [{"x": rng.normal(0, 1, (length, 1, 5)).astype(np.float32)} for length in (30, 40)])
    told = quantization.accuracy(mode, quantization.content(mode)).layers
    assert {"layer", "last"} <= {layer.layer for layer in told}
    path = tmp_path / "loop.tflite"
    path.write_bytes(converted.tflite())
    compared = nchw2nhwc.check(source, path, layers=True)
    assert compared.passed
    assert compared.layers
