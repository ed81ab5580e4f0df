"""Networks that are quantized already: which operators compute with integers, and that they give what the source's runtime does."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc import convert
from nchw2nhwc.emit.tflite import emit
from nchw2nhwc.ir import Array, Graph, TensorType
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ops.movement import Transpose
from nchw2nhwc.ops.quantized import Dequantize, Grid
from tests.emit.tflite.integer_networks import CASES, SCALES, SCALES_16, Case, check_both, integer_codes, network
from tests.emit.tflite.runs import RESOLVERS, run_file
from tests.parse.onnx.models import model, node, runtime, tensor


def _inputs(case: Case) -> Array:
    return np.random.default_rng(0).uniform(-2.5, 2.5, [int(size) for size in case.shape if isinstance(size, int)]).astype(np.float32)


@pytest.mark.parametrize("dtype", ["uint16", "int16"])
@pytest.mark.parametrize("case", [case for case in CASES if case.has_16_bits], ids=str)
def test_networks_of_16_bits(case: Case, dtype: str) -> None:
    """As with 8, where zero is in the middle; kernels of 16 bits round products twice."""
    source = network(case, dtype)
    converted = convert(source)
    assert integer_codes(converted) == case.codes.split()
    x = _inputs(case)
    (wanted,) = runtime(source, {"x": x})  # type: ignore[arg-type]
    content = converted.tflite()
    for resolver in RESOLVERS:
        (result,) = run_file(content, [converted.inputs[0].to_result(x)], resolver)
        off = np.abs(converted.outputs[0].to_source(result).astype(np.float64) - wanted)
        assert off.max() <= 2.01 * SCALES_16.get(case.lines[-1][2][0], 1e-4), resolver


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_networks(case: Case, dtype: str) -> None:
    source = network(case, dtype)
    converted = convert(source)
    assert integer_codes(converted) == case.codes.split()
    found = converted.integers
    assert found is not None
    assert [text for _, text in found.floats if case.reasons in text] if case.reasons else not found.floats
    x = _inputs(case)
    (wanted,) = runtime(source, {"x": x})  # type: ignore[arg-type]
    last = case.lines[-1][2]
    check_both(converted, x, wanted, SCALES.get(last[0], 1e-4), 1 if len(case.lines) == 1 else 2)


@pytest.mark.parametrize(("scale", "listed"), [(1e-9, "too small beside those of its operands"), (1e-31, "its scale is 1e-31")])
def test_scales_that_kernels_do_not_take(scale: float, listed: str) -> None:
    """Nothing ends the process: what has them computes in float."""
    constants = {"s": np.float32(0.02), "z": np.int8(3), "t": np.float32(scale)}
    nodes = [node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "a"), node("Add", "a a", "b"),
             node("QuantizeLinear", "b t z", "p"), node("DequantizeLinear", "p t z", "y")]
    converted = convert(model(nodes, [tensor("x", (2, 3))], constants=constants, opset=17))
    found = converted.integers
    assert found is not None
    assert [text for _, text in (*found.floats, *found.remarks) if listed in text]
    assert converted.check().passed


@pytest.mark.parametrize(("scale", "zero", "operators"), [
    (0.010504047386348248, -5, ["DEQUANTIZE", "QUANTIZE"]), (0.0021, 4, ["DEQUANTIZE", "QUANTIZE"]),
    (0.004492492415010929, -5, ["QUANTIZE"])])
def test_from_one_grid_to_another(scale: float, zero: int, operators: list[str]) -> None:
    """Every integer goes where the source has it: QUANTIZE of integers would round some to the other side of a half."""
    nodes = [node("DequantizeLinear", "x s z", "d"), node("QuantizeLinear", "d t u", "y")]
    constants = {"s": np.float32(0.004492492415010929), "z": np.int8(2), "t": np.float32(scale), "u": np.int8(zero)}
    source = model(nodes, [tensor("x", (1, 256), "int8")], ["y"], constants, opset=17)
    converted, x = convert(source), np.arange(-128, 128, dtype=np.int8)[None]
    (wanted,) = runtime(source, {"x": x})
    assert [op.code for op in converted.flatbuffer().model.subgraphs[0].operators] == operators
    assert converted.check().passed
    for resolver in RESOLVERS:
        np.testing.assert_array_equal(run_file(converted.tflite(), [x], resolver)[0], wanted)
    assert convert(source, target="edgetpu").operator_counts() == {"QUANTIZE": 1}


@pytest.mark.parametrize(("alpha", "scale"), [(0.0137, 0.02), (0.103, 0.021)])
def test_slopes(alpha: float, scale: float) -> None:
    """Both slopes give every integer what the source has: XNNPACK's kernel has whole 256ths. Devices have theirs."""
    constants = {"s": np.float32(0.02), "t": np.float32(scale)}
    for dtype, zero, codes in (("int8", 2, ["DEQUANTIZE", "LEAKY_RELU", "QUANTIZE"]), ("int16", 0, ["LEAKY_RELU"])):
        nodes = [node("DequantizeLinear", "x s z", "d"), node("LeakyRelu", "d", "l", alpha=alpha), node("QuantizeLinear", "l t z", "y")]
        source = model(nodes, [tensor("x", (1, 256), dtype)], ["y"], constants | {"z": np.array(zero, dtype)}, opset=21)
        converted, x = convert(source), np.arange(-128, 128, dtype=dtype)[None]
        (wanted,) = runtime(source, {"x": x})
        assert [op.code for op in converted.flatbuffer().model.subgraphs[0].operators] == codes
        for resolver in RESOLVERS:
            off = run_file(converted.tflite(), [x], resolver)[0].astype(int) - wanted
            assert np.abs(off).max() <= (dtype == "int16"), resolver  # which rounds twice
        assert dtype == "int16" or convert(source, target="micro").operator_counts() == {"LEAKY_RELU": 1}


@pytest.mark.parametrize(("low", "high", "zero"), [(0, 15, 0), (-8, 7, 0), (-128, 127, 3)])
def test_an_input_of_fewer_levels(low: int, high: int, zero: int) -> None:
    """What is told of the graph's own integers, and on which grid what is made of them is held, differ then."""
    graph = Graph("levels", "levels.onnx")
    x = graph.add_input("x", TensorType(np.dtype(np.int8), (4, 4)))
    real = graph.add1(Dequantize(Grid(0.0371, zero, low, high)), [x])
    for k, value in enumerate([real, graph.add1(Transpose((1, 0)), [x]), graph.add1(Transpose((1, 0)), [real])]):
        graph.add_output(value, f"y{k}")
    data = np.arange(low, low + 16, dtype=np.int8).reshape(4, 4)
    wanted = list(run(graph, {"x": data}).values())
    content = emit(graph).tobytes()
    for resolver in RESOLVERS:
        for found, exact in zip(run_file(content, [data], resolver), wanted, strict=True):
            np.testing.assert_allclose(found, exact, rtol=2e-5)


def test_dequantize_computes_in_float() -> None:
    source = network(CASES[0], "int8")
    converted = convert(source, dequantize=True)
    assert converted.integers is None
    assert not integer_codes(converted)
    assert converted.check().passed
