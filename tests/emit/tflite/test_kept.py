"""Weights that a source which computes in float keeps as integers."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from ai_edge_litert.interpreter import Interpreter
from onnx import TensorProto, helper, numpy_helper

import nchw2nhwc
from nchw2nhwc.checking.litert import LoadedFile
from nchw2nhwc.emit.tflite.kept import integers_of
from nchw2nhwc.quantize import flatfile

RNG = np.random.default_rng(21)
LIMITS = {"int8": (-128, 127), "uint8": (0, 255), "int4": (-8, 7), "uint4": (0, 15)}


def weights(shape: tuple[int, ...], axis: int | None, dtype: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Integers of all values that a type has, scales and zero points along an axis (None: one of each)."""
    low, high = LIMITS[dtype]
    count = () if axis is None else (shape[axis],)
    return (RNG.integers(low, high + 1, shape), np.float32(RNG.uniform(0.01, 0.03, count)),
            np.asarray(RNG.integers(low + (high - low) // 4, high - (high - low) // 4, count)))


def real(values: np.ndarray, scale: np.ndarray, zero: np.ndarray, axis: int | None) -> np.ndarray:
    """What they stand for, in float32 as a runtime computes it."""
    sizes = [-1 if k == axis else 1 for k in range(values.ndim)] if axis is not None else ()
    return (values - zero.reshape(sizes)).astype(np.float32) * scale.reshape(sizes)


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("axis", [None, 0, 1, 2])
@pytest.mark.parametrize("factors", [False, True])
def test_the_numbers_are_what_they_were(axis: int | None, dtype: str, factors: bool) -> None:
    """Also after factors per channel were folded into them."""
    array = real(*weights((6, 40, 25), axis, dtype), axis)
    if factors and axis is not None:
        array *= RNG.uniform(0.2, 3, [array.shape[k] if k == axis else 1 for k in range(3)]).astype(np.float32)
    kept = integers_of(array)
    assert kept is not None
    assert kept.array.dtype == np.int8
    assert len(kept.quantization.scales) == (1 if axis is None else array.shape[axis])
    scale, zero = (np.asarray(each).reshape([-1 if k == kept.quantization.axis else 1 for k in range(3)])
                   for each in (kept.quantization.scales, kept.quantization.zero_point))
    np.testing.assert_allclose((kept.array.astype(np.float32) - zero) * scale.astype(np.float32), array, rtol=4e-7, atol=0)


def test_what_is_no_integers_stays() -> None:
    drawn = RNG.normal(0, 1, (64, 64)).astype(np.float32)
    in_blocks = real(*weights((64, 4, 16), 0, "int8"), 0) * RNG.uniform(1, 2, (64, 4, 1)).astype(np.float32)
    close = real(*weights((64, 64), 0, "int8"), 0) * RNG.uniform(1 - 1e-5, 1 + 1e-5, (64, 64)).astype(np.float32)
    wide = RNG.integers(-300, 301, (64, 64)).astype(np.float32)
    small = real(*weights((5, 5), 0, "int8"), 0)
    infinite = np.where(RNG.random((64, 64)) < 0.1, np.inf, 1).astype(np.float32)
    for array in (drawn, in_blocks.reshape(64, 64), close, wide, small, infinite):
        assert integers_of(array) is None


def network(dtype: str, per_channel: bool) -> onnx.ModelProto:
    """Convolutions with a batch norm, in groups and transposed, products and a table, whose weights go through DequantizeLinear."""
    nodes, constants = [], []
    for name, shape, axis in (("w", (32, 16, 3, 3), 0), ("d", (32, 1, 3, 3), 0), ("u", (32, 8, 2, 2), 1), ("m", (8, 48), 1),
                              ("t", (200, 48), 0)):
        along = axis if per_channel else None
        values, scale, zero = weights(shape, along, dtype)
        for suffix, array in (("q", values), ("z", zero)):
            constants.append(helper.make_tensor(f"{name}_{suffix}", getattr(TensorProto, dtype.upper()), array.shape,
                                                array.reshape(-1).tolist()))
        constants.append(numpy_helper.from_array(scale, f"{name}_s"))
        nodes.append(helper.make_node("DequantizeLinear", [f"{name}_q", f"{name}_s", f"{name}_z"], [name], axis=axis))
    norm = {"gain": RNG.uniform(0.5, 2, 32), "bias": RNG.normal(0, 1, 32), "mean": RNG.normal(0, 1, 32), "variance": RNG.uniform(1, 2, 32)}
    constants += [numpy_helper.from_array(array.astype(np.float32), name) for name, array in norm.items()]
    nodes += [helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]), helper.make_node("BatchNormalization", ["c", *norm], ["n"]),
              helper.make_node("Relu", ["n"], ["r"]), helper.make_node("Conv", ["r", "d"], ["e"], group=32, pads=[1, 1, 1, 1]),
              helper.make_node("ConvTranspose", ["e", "u"], ["f"], strides=[2, 2]), helper.make_node("GlobalMaxPool", ["f"], ["g"]),
              helper.make_node("Flatten", ["g"], ["h"]), helper.make_node("MatMul", ["h", "m"], ["p"]),
              helper.make_node("Gather", ["t", "i"], ["k"]), helper.make_node("Add", ["p", "k"], ["y"])]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 16, 8, 8)),
                                           helper.make_tensor_value_info("i", TensorProto.INT64, (1,))],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("per_channel", [False, True])
def test_files_keep_them(dtype: str, per_channel: bool) -> None:
    source = network(dtype, per_channel)
    kept, floats = nchw2nhwc.convert(source), nchw2nhwc.convert(source, dequantize=True)
    sample = {"x": RNG.normal(0, 1, (1, 16, 8, 8)).astype(np.float32), "i": np.array([7])}
    for plain in (False, True):
        found, wanted = (LoadedFile(each.tflite(), each.inputs, plain=plain).run(each.outputs, sample)["y"] for each in (kept, floats))
        np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-6 * np.abs(wanted).max())
    assert kept.check().max_rel_error < 1e-5
    assert max(len(kept.tflite()), len(kept.tflite(float16=True))) < 0.4 * len(floats.tflite())
    assert [note for note in kept.report["notes"] if note.startswith("5 constants of the TFLite file are stored as integers")]
    assert [note for note in floats.report["notes"] if "floating point in the result" in note]


def test_a_quantized_source_keeps_those_of_what_computes_in_float() -> None:
    """Of the layers behind the first, whose data is rounded."""
    source = network("int8", True)
    source.graph.initializer.extend([numpy_helper.from_array(np.float32(0.02), "scale"), numpy_helper.from_array(np.int8(3), "zero")])
    around = [helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["rounded"]),
              helper.make_node("DequantizeLinear", ["rounded", "scale", "zero"], ["data"])]
    for node in source.graph.node:
        node.input[:] = ["data" if name == "x" else name for name in node.input]
    nodes = [*around, *source.graph.node]
    del source.graph.node[:]
    source.graph.node.extend(nodes)
    kept, floats = nchw2nhwc.convert(source), nchw2nhwc.convert(source, dequantize=True)
    assert kept.integers is not None
    assert kept.integers.convolutions == (1, 3)
    assert kept.check().least_sqnr > 50
    assert len(kept.tflite()) < 0.45 * len(floats.tflite())
    assert [note for note in kept.report["notes"] if note.startswith("4 constants of the TFLite file are stored as integers")]
    assert not [note for note in floats.report["notes"] if "--quantize" in note]


def test_they_are_made_float_once() -> None:
    """XNNPACK takes as much of the network as with float32 weights: it has them when the file is loaded."""
    content = nchw2nhwc.convert(network("uint8", True)).tflite()
    model = flatfile.read(content)
    part = flatfile.Part(model, model.subgraphs[0])
    versions = [model.operatorCodes[op.opcodeIndex].version for op in part.graph.operators if part.code(op) == "DEQUANTIZE"]
    assert versions == [5] * 5
    counts = []
    for file in (content, nchw2nhwc.convert(network("uint8", True), dequantize=True).tflite()):
        interpreter = Interpreter(model_content=file)
        interpreter.allocate_tensors()
        counts.append([op["op_name"] for op in interpreter._get_ops_details()].count("DELEGATE"))
    assert counts[0] == counts[1] > 0


def test_quantized_files_are_made_of_floats() -> None:
    converted = nchw2nhwc.convert(network("int8", True))
    samples = [{"x": RNG.normal(0, 1, (1, 16, 8, 8)).astype(np.float32), "i": np.array([k])} for k in range(4)]
    content = converted.tflite(quantize=nchw2nhwc.QuantizeOptions(["int8"], calibration=samples))
    model = flatfile.read(content)
    part = flatfile.Part(model, model.subgraphs[0])
    layers = [op for op in part.graph.operators if part.code(op) in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")]
    assert [part.graph.tensors[op.inputs[1]].type for op in layers] == [flatfile.INT8] * 3
    assert all(part.graph.tensors[i].type == flatfile.INT8 for op in layers for i in op.outputs)


def test_norms_beside_them_are_not_folded_into_them() -> None:
    """A factor for each operand, or no mean over the results, and they would be no integers any more."""
    nodes, constants = [], []
    for name in ("v", "w"):
        values, scale, zero = weights((96, 96), 1, "uint8")
        constants += [numpy_helper.from_array(array, f"{name}_{k}") for k, array in
                      (("q", values.astype(np.uint8)), ("s", scale), ("z", zero.astype(np.uint8)))]
        nodes.append(helper.make_node("DequantizeLinear", [f"{name}_q", f"{name}_s", f"{name}_z"], [name], axis=1))
    constants += [numpy_helper.from_array(RNG.uniform(0.5, 2, 96).astype(np.float32), name) for name in ("gain", "bias")]
    nodes += [helper.make_node("MatMul", ["x", "v"], ["p"]), helper.make_node("Relu", ["p"], ["r"]),
              helper.make_node("MatMul", ["r", "v"], ["q"]), helper.make_node("LayerNormalization", ["q", "gain", "bias"], ["n"]),
              helper.make_node("MatMul", ["n", "w"], ["y"])]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, (3, 96))],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], constants)
    converted = nchw2nhwc.convert(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10))
    assert converted.report["notes"][0].startswith("2 constants")
    assert converted.check().max_rel_error < 1e-5
