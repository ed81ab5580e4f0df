"""Quantized operators against ONNX Runtime."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from onnx import NodeProto, helper

from nchw2nhwc import convert
from nchw2nhwc.errors import SourceError, UnsupportedError
from nchw2nhwc.ir import Array
from nchw2nhwc.ir.interpreter import run
from tests.parse.onnx.models import assert_as_runtime, model, node, ops, read, runtime, tensor

DOMAIN = "com.microsoft"
RNG = np.random.default_rng(0)


def _bytes(*shape: int, dtype: type = np.uint8) -> Array:
    info = np.iinfo(dtype)
    return RNG.integers(info.min, info.max + 1, shape).astype(dtype)


def f32(*values: float) -> Array:
    return np.array(values[0] if len(values) == 1 else values, np.float32)


# ---- to quantized numbers and back -----------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16])
def test_there_and_back(dtype: type) -> None:
    constants = {"s": f32(0.02, 0.5, 0.001), "z": np.array([3, 0, 7], dtype), "t": f32(0.03), "u": np.array(1, dtype)}
    nodes = [node("QuantizeLinear", "x s z", "q", axis=-1), node("DequantizeLinear", "q s z", "y", axis=-1),
             node("QuantizeLinear", "x t u", "r"), node("DequantizeLinear", "r t u", "v")]
    assert_as_runtime(model(nodes, outputs=("q", "y", "r", "v"), constants=constants, opset=21))


def test_infinite_scales() -> None:
    """Quantizers write them for masks of infinities; nothing is warned of but what the report says."""
    nodes = [node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "v"), node("Mul", "v none", "y")]
    constants = {"s": f32(np.inf), "z": np.uint8(0), "none": f32(0.0)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = convert(model(nodes, constants=constants, opset=13)).integers
    assert found is not None
    assert ["its scale is infinite" in text for _, text in found.remarks] == [True, True]


@pytest.mark.parametrize("size", [2, 3, 4])
def test_blocks(size: int) -> None:
    """Also a last block that is not full."""
    blocks = -(-7 // size)
    constants = {"w": _bytes(7, 3, dtype=np.int8), "s": RNG.uniform(0.1, 1, (blocks, 3)).astype(np.float32),
                 "z": _bytes(blocks, 3, dtype=np.int8)}
    nodes = [node("DequantizeLinear", "w s z", "v", axis=0, block_size=size), node("MatMul", "x v")]
    source = model(nodes, [tensor("x", ("N", 7))], constants=constants, opset=21)
    assert_as_runtime(source, rtol=1e-4, atol=1e-4)
    assert [f"a scale for each block of {size} become float32" in note for note in read(source).notes] == [True]


def test_weights_become_constants() -> None:
    """A quantized network in the usual form is a convolution and what rounds its data."""
    constants = {"w": _bytes(4, 3, 3, 3, dtype=np.int8), "s": f32(0.1, 0.2, 0.3, 0.4), "z": np.zeros(4, np.int8), "t": f32(0.02),
                 "u": np.array(5, np.uint8)}
    nodes = [node("QuantizeLinear", "x t u", "q"), node("DequantizeLinear", "q t u", "v"),
             node("DequantizeLinear", "w s z", "f", axis=0), node("Conv", "v f", "c", pads=[1] * 4), node("QuantizeLinear", "c t u", "p"),
             node("DequantizeLinear", "p t u")]
    made = convert(model(nodes, [tensor("x", (1, 3, 6, 6))], constants=constants, opset=13))
    assert ops(made.graph).count("Conv") == 1
    assert "Cast" not in ops(made.graph), "what is stored in bytes is read again at once"
    assert made.check().max_rel_error < 1e-5


@pytest.mark.parametrize(("constants", "attributes", "message"), [
    ({"s": f32(1, 2)}, {"axis": 1}, "do not broadcast|needs|fit"),
    ({"s": np.ones((2, 2), np.float32)}, {"axis": 1, "block_size": 1}, "does not have the 2 blocks"),
    ({"s": np.ones((3, 2), np.float32)}, {"axis": 1, "block_size": 2}, "does not fit"),
    ({"s": f32(1), "z": np.array(0, np.int8)}, {"output_dtype": 2}, "output_dtype is uint8"),
])
def test_parameters_that_do_not_fit(constants: dict[str, Array], attributes: dict[str, int], message: str) -> None:
    names = " ".join(["x", *constants])
    with pytest.raises(Exception, match=message):
        read(model([node("QuantizeLinear", names, **attributes)], constants=constants, opset=21))


# ---- sums of products ------------------------------------------------------------------------------------------------
def _exactly(source: object, inputs: dict[str, Array]) -> None:
    graph = read(source)  # type: ignore[arg-type]
    for mine, wanted in zip(run(graph, inputs).values(), runtime(source, inputs), strict=True):  # type: ignore[arg-type]
        assert mine.dtype == wanted.dtype
        np.testing.assert_array_equal(mine, wanted)


@pytest.mark.parametrize("inner", [5, 300, 9000])
@pytest.mark.parametrize("constant", [False, True])
def test_matmul_integer_is_exact(inner: int, constant: bool) -> None:
    """Also where float32 cannot hold the sums."""
    a, right = _bytes(3, inner), _bytes(inner, 4)
    given = {"z": np.array(128, np.uint8), "t": np.array(3, np.uint8)}
    source = model([node("MatMulInteger", "x b z t")], [tensor("x", a.shape, np.uint8),
                                                       *([] if constant else [tensor("b", right.shape, np.uint8)])],
                   constants=given | ({"b": right} if constant else {}))
    _exactly(source, {"x": a} if constant else {"x": a, "b": right})
    extreme = np.full_like(a, 255)
    _exactly(source, {"x": extreme} if constant else {"x": extreme, "b": np.full_like(right, 255)})


def test_weights_of_conv_integer_that_are_no_integers() -> None:
    weights = np.full((1, 1, 2, 2), np.inf, np.float32)
    source = model([node("ConvInteger", "x w")], [tensor("x", (1, 1, 4, 4), np.uint8)], ("y",), {"w": weights})
    with pytest.raises(SourceError, match="are not whole numbers"):
        read(source)


@pytest.mark.parametrize(("groups", "zeros"), [(1, "z t"), (2, "z"), (1, "")])
def test_conv_integer_is_exact(groups: int, zeros: str) -> None:
    constants = {"w": _bytes(4, 40 // groups, 3, 3), "z": np.array(100, np.uint8), "t": np.array([1, 200, 3, 255], np.uint8)[:1]}
    used = {k: v for k, v in constants.items() if k in f"w {zeros}".split()}
    source = model([node("ConvInteger", f"x w {zeros}", pads=[1] * 4, group=groups)], [tensor("x", (2, 40, 5, 5), np.uint8)],
                   constants=used)
    _exactly(source, {"x": _bytes(2, 40, 5, 5)})


@pytest.mark.parametrize("constant", [False, True])
def test_products_of_16_bits(constant: bool) -> None:
    x, b = (np.random.default_rng(0).integers(-32768, 32768, shape).astype(np.int16) for shape in ((3, 6), (6, 4)))
    x[0] = -32768
    inputs = [tensor("x", x.shape, np.int16), tensor("b", b.shape, np.int16)]
    source = model([helper.make_node("MatMulInteger16", ["x", "b"], ["y"], domain="com.microsoft")], inputs[:1] if constant else inputs,
                   constants={"b": b} if constant else {}, domains=["com.microsoft"])
    _exactly(source, {"x": x} if constant else {"x": x, "b": b})


def test_sums_that_nothing_holds() -> None:
    source = model([node("MatMulInteger", "x b")], [tensor("x", (1, 70000), np.uint8), tensor("b", (70000, 1), np.uint8)])
    with pytest.raises(UnsupportedError, match="not exact in float32"):
        read(source)


# ---- quantized throughout --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_convolution(dtype: type) -> None:
    constants = {"xs": f32(0.02), "xz": np.array(7, dtype), "w": _bytes(4, 3, 3, 3, dtype=np.int8), "ws": f32(0.1, 0.2, 0.3, 0.4),
                 "wz": np.zeros(4, np.int8), "ys": f32(0.7), "yz": np.array(9, dtype), "b": np.arange(-2000, 2000, 1000, dtype=np.int32)}
    source = model([node("QLinearConv", "x xs xz w ws wz ys yz b", strides=[2, 2], pads=[1] * 4)], [tensor("x", (1, 3, 7, 7), dtype)],
                   constants=constants)
    _exactly(source, {"x": _bytes(1, 3, 7, 7, dtype=dtype)})


def test_matmul() -> None:
    constants = {"as": f32(0.02), "az": np.array(7, np.uint8), "b": _bytes(6, 4, dtype=np.int8), "bs": f32(0.1, 0.2, 0.3, 0.4),
                 "bz": np.zeros(4, np.int8), "ys": f32(0.7), "yz": np.array(9, np.uint8)}
    _exactly(model([node("QLinearMatMul", "x as az b bs bz ys yz")], [tensor("x", (2, 5, 6), np.uint8)], constants=constants),
             {"x": _bytes(2, 5, 6)})


# ---- com.microsoft ---------------------------------------------------------------------------------------------------
def own(op: str, inputs: str, **attributes: object) -> NodeProto:
    return helper.make_node(op, ["" if part == "-" else part for part in inputs.split()], ["y"], domain=DOMAIN, **attributes)


CONSTANTS = {"xs": f32(0.02), "xz": np.array(120, np.uint8), "zs": f32(0.05), "zz": np.array(100, np.uint8), "ys": f32(0.03),
             "yz": np.array(110, np.uint8), "ps": f32(1 / 256), "pz": np.array(0, np.uint8)}
PAIR = [tensor("x", (2, 3, 8, 8), np.uint8), tensor("z", (2, 3, 8, 8), np.uint8)]


@pytest.mark.parametrize("source", [
    own("QLinearAdd", "x xs xz z zs zz ys yz"), own("QLinearMul", "x xs xz z zs zz ys yz"),
    own("QLinearSigmoid", "x xs xz ps pz"), own("QLinearLeakyRelu", "x xs xz ys yz", alpha=0.1),
    own("QLinearSoftmax", "x xs xz ps pz", axis=-1, opset=13), own("QLinearSoftmax", "x xs xz ps pz", axis=2, opset=11),
    own("QLinearAveragePool", "x xs xz ys yz", kernel_shape=[3, 3], pads=[1] * 4, strides=[2, 2]),
    own("QLinearAveragePool", "x xs xz ys yz", kernel_shape=[2, 3], channels_last=1),
    own("QLinearGlobalAveragePool", "x xs xz ys yz"), own("QLinearGlobalAveragePool", "x xs xz ys yz", channels_last=1),
    own("QLinearConcat", "ys yz x xs xz z zs zz", axis=1), own("QLinearConcat", "ys yz x xs xz z zs zz x zs xz", axis=-2),
    own("QLinearAveragePool", "x xs xz ys yz", kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"),
    own("QLinearAveragePool", "x xs xz ys yz", kernel_shape=[3, 3], pads=[1, 1, 0, 0], strides=[2, 2], ceil_mode=1, count_include_pad=1),
], ids=lambda n: n.op_type)
def test_own_operators(source: NodeProto) -> None:
    """Within one step: ONNX Runtime's kernels multiply by rounded quotients of scales, so halves may go the other way."""
    used = {name for name in source.input if name in CONSTANTS}
    inputs = [p for p in PAIR if p.name in source.input]
    whole = model([source], inputs, constants={k: CONSTANTS[k] for k in used}, domains=[DOMAIN])
    data = {p.name: _bytes(2, 3, 8, 8) for p in inputs}
    (mine,), (wanted,) = run(read(whole), data).values(), runtime(whole, data)
    assert (mine.dtype, mine.shape) == (wanted.dtype, wanted.shape)
    difference = np.abs(mine.astype(int) - wanted.astype(int))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.02


@pytest.mark.parametrize(("op", "most", "attributes"), [
    ("QLinearAdd", "x xs - z zs - ys -", {}), ("QLinearMul", "x xs - z zs - ys -", {}), ("QLinearSigmoid", "x xs - ps -", {}),
    ("QLinearLeakyRelu", "x xs - ys -", {"alpha": 0.3}), ("QLinearAveragePool", "x xs - ys -", {"kernel_shape": [2, 2]}),
    ("QLinearSoftmax", "x xs - ps -", {"opset": 13})])
def test_absent_zero_points(op: str, most: str, attributes: dict[str, object]) -> None:
    """0, which ONNX Runtime has to be given: it ends the process where they are absent."""
    inputs = [p for p in PAIR if p.name in most.split()]
    absent, given = (model([own(op, text, **attributes)], inputs, constants={k: CONSTANTS[k] for k in CONSTANTS if k in text.split()},
                           domains=[DOMAIN]) for text in (most, most.replace("-", "pz")))
    assert_as_runtime(absent, same_as=given, rtol=0, atol=1)


def test_where() -> None:
    whole = model([own("QLinearWhere", "c x xs xz z zs zz ys yz")], [tensor("c", (8,), np.bool_), *PAIR], constants=CONSTANTS,
                  domains=[DOMAIN])
    _exactly(whole, {"c": np.arange(8) % 3 == 0, "x": _bytes(2, 3, 8, 8), "z": _bytes(2, 3, 8, 8)})


@pytest.mark.parametrize("result", ["", " ys yz"])
@pytest.mark.parametrize("transposed", [0, 1])
def test_qgemm(result: str, transposed: int) -> None:
    constants = CONSTANTS | {"b": _bytes(*((4, 6) if transposed else (6, 4)), dtype=np.int8), "bs": f32(0.1, 0.2, 0.3, 0.4),
                             "bz": np.array([1, 0, -3, 4], np.int8), "c": np.arange(4, dtype=np.int32) * 100}
    whole = model([own("QGemm", f"x xs xz b bs bz c{result}", alpha=0.5, transB=transposed)], [tensor("x", (3, 6), np.uint8)],
                  constants=constants, domains=[DOMAIN])
    assert_as_runtime(whole, rtol=1e-5)


def test_products_of_integers_as_floats() -> None:
    constants = CONSTANTS | {"b": _bytes(6, 4), "bs": f32(0.1, 0.2, 0.3, 0.4), "bz": _bytes(4), "c": f32(1, 2, 3, 4)}
    whole = model([own("MatMulIntegerToFloat", "x b xs bs xz bz c")], [tensor("x", (2, 6), np.uint8)], constants=constants,
                  domains=[DOMAIN])
    assert_as_runtime(whole, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("alpha", [1.0, 0.5])
def test_qgemm_of_transposed_rows_and_no_addend(alpha: float) -> None:
    constants = CONSTANTS | {"b": _bytes(6, 4), "bs": f32(0.1), "bz": np.array(7, np.uint8)}
    whole = model([own("QGemm", "x xs xz b bs bz - ys yz", alpha=alpha, transA=1)], [tensor("x", (6, 3), np.uint8)], constants=constants,
                  domains=[DOMAIN])
    assert_as_runtime(whole, rtol=1e-5)


@pytest.mark.parametrize("channels_last", [0, 1])
def test_convolution_in_any_order(channels_last: int) -> None:
    shape = (1, 7, 6, 4) if channels_last else (1, 4, 7, 6)
    constants = CONSTANTS | {"w": _bytes(6, 2, 3, 3, dtype=np.int8), "ws": f32(*np.linspace(0.01, 0.02, 6)), "wz": np.zeros(6, np.int8),
                             "b": RNG.integers(-500, 500, 6).astype(np.int32)}
    source = own("QLinearConv", "x xs xz w ws wz ys yz b", channels_last=channels_last, group=2, pads=[1, 0, 1, 2], strides=[2, 1])
    whole = model([source], [tensor("x", shape, np.uint8)], constants=constants, domains=[DOMAIN])
    assert_as_runtime(whole, rtol=0, atol=1)


@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("axes", [[-1, 1], [0]])
def test_means_of_quantized_numbers(axes: list[int], keepdims: int) -> None:
    """As standard operators: ONNX Runtime has no kernel for it."""
    source = own("QLinearReduceMean", "x xs xz ys yz", axes=axes, keepdims=keepdims)
    others = [node("DequantizeLinear", "x xs xz", "d"), node("ReduceMean", "d", "m", axes=axes, keepdims=keepdims),
              node("QuantizeLinear", "m ys yz")]
    assert_as_runtime(model([source], PAIR[:1], constants=CONSTANTS, domains=[DOMAIN]),
                      same_as=model(others, PAIR[:1], constants=CONSTANTS), rtol=0, atol=1)


@pytest.mark.parametrize("kind", [np.uint8, np.int8])
@pytest.mark.parametrize("columns", [False, True])
@pytest.mark.parametrize("operands", ["x b bs", "x b bs bz", "x b bs bz c", "x b bs - c"])
def test_products_that_quantize_one_operand(operands: str, columns: bool, kind: type) -> None:
    count = 4 if columns else 1
    constants = {"b": _bytes(6, 4, dtype=kind), "bs": np.linspace(0.01, 0.02, count).astype(np.float32), "bz": _bytes(count, dtype=kind),
                 "c": f32(1, 2, 3, 4)}
    constants = {name: array if array.shape != (1,) else array.reshape(()) for name, array in constants.items() if name in operands.split()}
    whole = model([own("DynamicQuantizeMatMul", operands)], [tensor("x", (2, "N", 6))], constants=constants, domains=[DOMAIN])
    assert_as_runtime(whole, rtol=1e-4, atol=1e-4)


def test_nothing_but_zeros_is_quantized_as_such() -> None:
    constants = {"b": _bytes(6, 4), "bs": f32(0.1), "zero": f32(0)}
    nodes = [node("Mul", "x zero", "z"), own("DynamicQuantizeMatMul", "z b bs")]
    assert_as_runtime(model(nodes, [tensor("x", (2, 6))], constants=constants, domains=[DOMAIN]))


def test_own_operators_that_do_not_fit() -> None:
    with pytest.raises(SourceError, match="are not tensors with a scale"):
        read(model([own("QLinearConcat", "ys yz x xs", axis=1)], PAIR[:1], constants=CONSTANTS, domains=[DOMAIN]))
    with pytest.raises(SourceError, match="must be one number"):
        read(model([own("QLinearSigmoid", "x two xz ps pz")], PAIR[:1], constants=CONSTANTS | {"two": f32(1, 2)}, domains=[DOMAIN]))
