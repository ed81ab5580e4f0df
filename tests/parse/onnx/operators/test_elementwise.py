"""Operators of one operand against ONNX Runtime; what changed between versions above all."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from onnx import NodeProto, TensorProto

from nchw2nhwc.errors import ConversionError, SourceError, UnsupportedError
from nchw2nhwc.ir.interpreter import run
from tests.parse.onnx.models import assert_as_runtime, data, model, node, ops, read, runtime, tensor

PLAIN = {"Abs": 7, "Neg": 7, "Exp": 7, "Reciprocal": 7, "Erf": 9, "Floor": 7, "Ceil": 7, "Round": 11, "Sign": 9, "Sin": 7, "Cos": 7,
         "Tan": 7,
         "Atan": 7, "Sinh": 9, "Cosh": 9, "Tanh": 7, "Asinh": 9, "Sigmoid": 7, "Relu": 7, "Softplus": 7, "Softsign": 7, "Mish": 18,
         "HardSwish": 14, "LeakyRelu": 7, "Elu": 7, "Selu": 7, "Celu": 12, "ThresholdedRelu": 10, "HardSigmoid": 7, "Gelu": 20, "Shrink": 9,
         "Identity": 7, "Dropout": 7}


@pytest.mark.parametrize("op", PLAIN)
@pytest.mark.parametrize("newest", [False, True])
def test_defaults(op: str, newest: bool) -> None:
    assert_as_runtime(model([node(op, "x")], [tensor("x", ("N", 3, 4))], opset=22 if newest else PLAIN[op]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("op", "attributes"), [
    ("LeakyRelu", {"alpha": 0.3}), ("Elu", {"alpha": 2.0}), ("Selu", {"alpha": 2.0, "gamma": 0.5}), ("Celu", {"alpha": 0.5}),
    ("ThresholdedRelu", {"alpha": 0.2}), ("HardSigmoid", {"alpha": 0.3, "beta": 0.4}), ("Gelu", {"approximate": "tanh"}),
    ("Shrink", {"bias": 0.2, "lambd": 0.3}),
])
def test_attributes(op: str, attributes: dict[str, object]) -> None:
    assert_as_runtime(model([node(op, "x", **attributes)], [tensor("x", (3, 40))], opset=20), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("source", "opset"), [
    (node("Clip", "x", min=-0.5), 7), (node("Clip", "x", min=-0.5, max=0.5), 7), (node("Clip", "x"), 7), (node("Clip", "x low"), 11),
    (node("Clip", "x - high"), 12), (node("Clip", "x low high"), 13), (node("Clip", "x"), 13),
])
def test_clip(source: NodeProto, opset: int) -> None:
    constants = {"low": np.array(-0.5, np.float32), "high": np.array(0.25, np.float32)}
    assert ops(assert_as_runtime(model([source], [tensor("x", (3, 20))], constants=constants, opset=opset))) == ["Clip"]


def test_clip_with_computed_bounds() -> None:
    source = model([node("Clip", "x low high")], [tensor("x", (3, 20)), tensor("low", ())], constants={"high": np.array(9.0, np.float32)})
    assert ops(assert_as_runtime(source)) == ["Maximum", "Minimum"]


def test_clip_of_integers_is_exact() -> None:
    """A bound that no double holds must not be rounded."""
    bound = 2**53 + 1
    source = model([node("Clip", "x - high")], [tensor("x", (1,), np.int64)], constants={"high": np.array(bound)})
    assert run(read(source), {"x": np.array([2**60])})["y"].item() == bound


@pytest.mark.parametrize("to", [TensorProto.INT32, TensorProto.INT64, TensorProto.UINT8, TensorProto.BOOL, TensorProto.DOUBLE,
                                TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.FLOAT])
def test_cast(to: int) -> None:
    source = model([node("Abs", "x", "a"), node("Cast", "a", "c", to=to), node("Cast", "c", "y", to=TensorProto.FLOAT)], opset=13)
    assert_as_runtime(source, rtol=1e-2)


def test_cast_like() -> None:
    source = model([node("CastLike", "x i")], [tensor("x"), tensor("i", (1,), np.int32)], opset=15)
    assert_as_runtime(source)


def test_casts_to_narrow_floats_saturate_when_asked_to() -> None:
    big = {"x": np.array([1e6, -1e6, 1.0], np.float32)}
    found = [run(read(model([node("Cast", "x", to=TensorProto.FLOAT8E4M3FN, **more)], [tensor("x", (3,))], opset=19)), big)["y"]
             for more in ({}, {"saturate": 0})]
    assert found[0].dtype == ml_dtypes.float8_e4m3fn
    assert found[0].astype(np.float32).tolist() == [448, -448, 1]
    assert np.isnan(found[1].astype(np.float32)).tolist() == [True, True, False]


@pytest.mark.parametrize("saturate", [0, 1])
@pytest.mark.parametrize("round_mode", ["up", "down", "nearest"])
def test_casts_to_powers_of_two(round_mode: str, saturate: int) -> None:
    x = np.array([0, 1, 1.25, 1.5, 1.75, 2, 3, 6, -1, np.inf, -np.inf, np.nan, 3e38, 1.8e38, 2**127, 2.0**-126, 2.0**-127, 1.75 * 2.0**-127,
                  2.0**-128], np.float32)
    casts = [node("Cast", "x", "c", to=TensorProto.FLOAT8E8M0, round_mode=round_mode, saturate=saturate),
             node("Cast", "c", "y", to=TensorProto.FLOAT)]
    source = model(casts, [tensor("x", x.shape)], opset=24)
    np.testing.assert_array_equal(run(read(source), {"x": x})["y"], runtime(source, {"x": x})[0])


def test_casts_to_powers_of_two_need_a_mode() -> None:
    with pytest.raises(SourceError, match="round_mode 'odd'"):
        read(model([node("Cast", "x", to=TensorProto.FLOAT8E8M0, round_mode="odd")], opset=24))


def test_bits_of_doubles() -> None:
    """Those of the float32 number next to each."""
    x = np.array([0, -0.0, 1, -2.5, np.pi, 1e-30, -1e30, 3.4e38, 1e300, -1e300, 1e-300, np.inf, -np.inf, 1 + 2.0**-24, 1 + 3 * 2.0**-24,
                  2 - 2.0**-50, *np.random.default_rng(0).standard_normal(50)])
    with np.errstate(over="ignore"):
        single = x.astype(np.float32).astype(np.float64)
    there = read(model([node("BitCast", "x", to=TensorProto.INT64)], [tensor("x", x.shape, np.float64)], opset=26))
    np.testing.assert_array_equal(run(there, {"x": x})["y"], single.view(np.int64))
    back = read(model([node("BitCast", "x", to=TensorProto.DOUBLE)], [tensor("x", x.shape, np.int64)], opset=26))
    np.testing.assert_array_equal(run(back, {"x": x.view(np.int64)})["y"], single)
    assert np.isnan(run(back, {"x": np.full(x.shape, np.nan).view(np.int64)})["y"]).all()


def test_cast_to_strings_is_not_supported() -> None:
    with pytest.raises(UnsupportedError, match="string"):
        read(model([node("Cast", "x", to=TensorProto.STRING)]))


@pytest.mark.parametrize(("dtype", "opset"), [(np.float32, 10), (np.float64, 10)])
def test_infinities_and_nan(dtype: type, opset: int) -> None:
    x = np.array([1, np.nan, np.inf, -np.inf], dtype)
    nodes = [node("IsNaN", "x", "a"), node("IsInf", "x", "b"), node("IsInf", "x", "c", detect_negative=0),
             node("IsInf", "x", "d", detect_positive=0)]
    results = run(read(model(nodes, [tensor("x", (4,), dtype)], "abcd", opset=opset)), {"x": x})
    assert [r.tolist() for r in results.values()] == [[False, True, False, False], [False, False, True, True], [False, False, True, False],
                                                      [False, False, False, True]]


@pytest.mark.parametrize(("source", "opset"), [
    (node("Dropout", "x", "y m", ratio=0.3), 7), (node("Dropout", "x", "y m"), 10), (node("Dropout", "x r", "y m"), 12),
    (node("Dropout", "x r off", "y m", seed=3), 13),
])
@pytest.mark.parametrize("masked", [False, True])
def test_dropout_keeps_everything(source: NodeProto, opset: int, masked: bool) -> None:
    constants = {"r": np.array(0.3, np.float32), "off": np.array(False)}
    graph = read(model([source], [tensor("x", ("N", 3))], ["y", "m"] if masked else ["y"], constants, opset=opset))
    inputs = data(graph)
    results = run(graph, inputs)
    assert np.array_equal(results["y"], inputs["x"])
    kind = np.float32 if opset == 7 else np.bool_
    assert not masked or (results["m"].dtype == kind and results["m"].all() and results["m"].shape == (2, 3))


@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
def test_integers_are_shrunk_by_parts(dtype: type[np.generic]) -> None:
    assert_as_runtime(model([node("Shrink", "x", bias=0.5, lambd=1.0)], [tensor("x", (3, 9), dtype)]))


def test_dropout_in_training_is_not_supported() -> None:
    with pytest.raises(UnsupportedError, match="training"):
        read(model([node("Dropout", "x - on")], constants={"on": np.array(True)}))


@pytest.mark.parametrize(("source", "message"), [
    (node("Gelu", "x", approximate="sigmoid"), "no approximation 'sigmoid'"), (node("Relu", "x x"), "at most 1"),
    (node("Relu", "-"), "needs 1"),
    (node("Clip", "x two"), "must be one number"), (node("Not", "x"), "boolean"),
])
def test_operands_that_do_not_fit(source: NodeProto, message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        read(model([source], constants={"two": np.zeros(2, np.float32)}, opset=20))
