"""Quantization of the source as an op of its own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ir.types import Array
from nchw2nhwc.ops.activation_functions import Clip, Relu
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add, FakeQuantize, Minimum, Mul
from nchw2nhwc.ops.casts import Cast
from nchw2nhwc.ops.elementwise import Exp
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.movement import Concat, Pad, Reshape, Slice, Split, Transpose
from nchw2nhwc.ops.pooling import MaxPool
from nchw2nhwc.ops.quantized import Dequantize, Grid, Quantize, QuantizeDequantize
from nchw2nhwc.ops.reduce import ReduceMax, ReduceMean
from nchw2nhwc.ops.resize import Resize
from nchw2nhwc.ops.windowed import Conv, DepthToSpace
from nchw2nhwc.passes.pipeline import KEEP_QUANTIZATION, SPELL_OUT_QUANTIZATION
from tests.passes.nets import Net, check_pass, check_untouched, feeds

F32, U8 = np.dtype(np.float32), np.dtype(np.uint8)
GRID = Grid(0.0371, 7, 0, 255)
OTHER = Grid(0.05, 7, 0, 255)


def _net(*shape: int) -> tuple[Net, Value]:
    net = Net(F32)
    return net, net.input(*shape)


def _quantized(net: Net, x: Value, grid: Grid = GRID) -> Value:
    return net(Quantize(grid, U8), x)


def test_there_and_back_is_one_op() -> None:
    net, x = _net(2, 3)
    net.output(net(Exp(), net(Dequantize(GRID), _quantized(net, x))))
    assert check_pass(net, KEEP_QUANTIZATION, 1e-6) == ["QuantizeDequantize", "Exp"]


def test_another_scale_is_another_matter() -> None:
    net, x = _net(2, 3)
    net.output(net(Dequantize(OTHER), _quantized(net, x)))
    check_untouched(net, KEEP_QUANTIZATION)


def _single(op: Op) -> Callable[[Net, Value], Value]:
    return lambda net, q: net(op, q)


@pytest.mark.parametrize("build", [
    _single(Reshape((2, 64))), _single(Transpose((0, 2, 3, 1))), _single(Slice((0, 1, 0, 0), (2, 3, 4, 4), (1, 1, 1, 2))),
    _single(Pad((0, 0, 1, 1), (0, 0, 1, 0), value=7.0)), _single(MaxPool((2, 2), (2, 2), (1, 1), (0, 0), (0, 0))),
    _single(DepthToSpace(2, "CRD")), _single(ReduceMax((2,), True)), lambda net, q: net(Concat(1), q, q),
    lambda net, q: net(Gather(1), q, net.const([1, 0], np.int64)), lambda net, q: net.all(Split(1, (1, 3)), q)[1]])
def test_integers_that_are_only_moved_are_real_numbers_that_are(build: Callable[[Net, Value], Value]) -> None:
    net, x = _net(2, 4, 4, 4)
    net.output(net(Exp(), net(Dequantize(GRID), build(net, _quantized(net, x)))))
    left = check_pass(net, KEEP_QUANTIZATION, 1e-6)
    assert "Dequantize" not in left
    assert "QuantizeDequantize" in left


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize("coordinates", ["half_pixel", "align_corners"])
def test_integers_that_are_interpolated(dtype: str, coordinates: str) -> None:
    """What is behind the point is cut off: towards zero of the integers, not of the numbers that they stand for."""
    net, x = _net(2, 3, 4, 5)
    grid = GRID if dtype == "uint8" else GRID.shifted(-128)
    resized = net(Resize((8, 10), mode="linear", coordinate_mode=coordinates), net(Quantize(grid, np.dtype(dtype)), x))
    net.output(net(Exp(), net(Dequantize(grid), resized)))
    left = check_pass(net, KEEP_QUANTIZATION if coordinates == "half_pixel" else SPELL_OUT_QUANTIZATION, 1e-5)
    assert left.count("QuantizeDequantize") == (coordinates == "half_pixel")
    resize = next(node for node in net.graph.nodes if isinstance(node.op, Resize))
    assert resize.input(0).type.dtype == F32


@pytest.mark.parametrize(("low", "high", "found"), [(0, 15, (112, 127)), (None, 100, (27, 127)), (100, 255, (-28, 127))])
def test_integers_of_which_some_are_let_through(low: int | None, high: int, found: tuple[int, int]) -> None:
    net, x = _net(4, 50)
    grid = Grid(0.02, low or 0, 0, 255)
    whole = net(Quantize(grid, np.dtype(np.uint8)), x)
    net.output(net(Exp(), net(Dequantize(grid), net(Clip(low, high), whole))))
    assert check_pass(net, KEEP_QUANTIZATION, 1e-5) == ["QuantizeDequantize", "Exp"]
    op = net.graph.nodes[0].op
    assert isinstance(op, QuantizeDequantize)
    assert (op.grid.low, op.grid.high) == found


def test_what_is_rounded_already_is_not_rounded_again() -> None:
    net, x = _net(2, 3)
    once = net(QuantizeDequantize(GRID.shifted(-128)), x)
    net.output(net(Exp(), net(QuantizeDequantize(GRID.shifted(-128)), once)), net(Quantize(GRID, U8), once))
    assert check_pass(net, KEEP_QUANTIZATION, 1e-6) == ["QuantizeDequantize", "Exp", "Quantize"]


def _fake(net: Net, x: Value, low: object, high: object, levels: int = 256) -> Value:
    bounds = [net.const(bound) for bound in (low, high, low, high)]
    return net(FakeQuantize(levels), x, *bounds)


@pytest.mark.parametrize(("low", "high", "levels", "zero"), [
    (0.0, 2.55, 256, -128), (-1.28, 1.27, 256, 0), (-1.27, 1.27, 255, 0), (-1.0, 3.0, 5, -127), (-2.55, 0.0, 256, 127), (0.0, 1.0, 2, 126),
    (-3.2768, 3.2767, 65536, 0)])
def test_one_range(low: float, high: float, levels: int, zero: int) -> None:
    net, x = _net(4, 50)
    net.output(net(Exp(), _fake(net, x, low, high, levels)))
    assert check_pass(net, KEEP_QUANTIZATION, 1e-5) == ["QuantizeDequantize", "Exp"]
    op = net.graph.nodes[0].op
    assert isinstance(op, QuantizeDequantize)
    assert (op.grid.zero_point, op.grid.high - op.grid.low) == (zero, levels - 1)
    assert not net.graph.remarks


def _mapped(net: Net, x: Value, *bounds: float) -> Value:
    return net(FakeQuantize(256), x, *(net.const(bound, np.float32) for bound in bounds))


@pytest.mark.parametrize("move", [None, Transpose((1, 0)), Pad((1, 0), (0, 2), mode="edge")])
@pytest.mark.parametrize(("dtype", "low"), [(np.int8, -128.0), (np.uint8, 0.0)])
def test_integers_of_the_interface(move: Op | None, dtype: type[np.integer], low: float) -> None:
    """OpenVINO's way to write inputs and outputs of integers: FakeQuantize from their range, or to it."""
    net = Net(np.dtype(dtype))
    x = net(Cast(F32), net.input(3, 50))
    x = x if move is None else net(move, x)
    y = net(Exp(), _mapped(net, x, low, low + 255, -1.28, 1.27))
    y = _mapped(net, y, 0.0, 2.55, 0.0, 255.0)
    net.output(net(Cast(U8), y if move is None else net(move, y)))
    moved = [] if move is None else [type(move).__name__]
    assert check_pass(net, KEEP_QUANTIZATION, 1e-5) == ["Dequantize", *moved, "Exp", "Quantize", *moved]


@pytest.mark.parametrize("bounds", [
    (-128.0, 127.0, 0.5, 2.5), (-128.0, 128.0, -1.28, 1.27), (-100.0, 155.0, -1.28, 1.27), (-128.0, 127.0, 1.0, 1.0)])
def test_integers_that_stand_for_something_else(bounds: tuple[float, float, float, float]) -> None:
    """Zero is none of them, or some are cut, or they are no different numbers."""
    net = Net(np.dtype(np.int8))
    net.output(_mapped(net, net(Cast(F32), net.input(3, 50)), *bounds))
    check_untouched(net, KEEP_QUANTIZATION)


@pytest.mark.parametrize(("low", "high", "dtype"), [(-128.0, 127.0, np.uint8), (0.0, 254.0, np.uint8), (0.5, 255.5, np.int32)])
def test_levels_that_are_not_the_integers(low: float, high: float, dtype: type[np.integer]) -> None:
    net, x = _net(3, 50)
    net.output(net(Cast(np.dtype(dtype)), net(Relu(), _mapped(net, x, 0.0, 2.55, low, high))))
    net.output(net(Cast(np.dtype(dtype)), _mapped(net, x, 0.0, 2.55, low, high)))
    check_untouched(net, KEEP_QUANTIZATION)


@pytest.mark.parametrize(("low", "high", "levels"), [
    (0.5, 2.5, 256), (-1.0, 1.004, 256), (1.0, 0.0, 256), (0.0, 1.0, 300), (0.0, 6.5535, 65536),
    (np.array([[0.0], [-1.28], [0.0]]), np.array([[1.0], [1.27], [2.0]]), 256),
    (np.zeros((3, 1)), np.array([[1e-12], [1.0], [2.0]]), 256)])
def test_other_ranges_stay(low: object, high: object, levels: int) -> None:
    net, x = _net(3, 50)
    net.output(_fake(net, x, low, high, levels))
    check_untouched(net, KEEP_QUANTIZATION)


@pytest.mark.parametrize(("first", "count"), [(Relu(), 1), (Clip(0.0, 6.0), 1), (Clip(0.0, 1.9), 2), (Clip(0.47, 6.0), 2), (None, 1)])
def test_ranges_with_zero_at_one_level(first: Op | None, count: int) -> None:
    """They become one range of scaled data; what clips less than they do goes."""
    net, x = _net(3, 50)
    y = x if first is None else net(first, net(Mul(), x, 3.0))
    net.output(net(Exp(), _fake(net, y, np.zeros((3, 1)), np.array([[1.0], [4.0], [2.0]]))))
    found = check_pass(net, KEEP_QUANTIZATION, 1e-5)
    assert found == [*([] if first is None else ["Mul"]), *([type(first).__name__] if count > 1 else []),
                     "Mul", "QuantizeDequantize", "Mul", "Exp"]
    assert not net.graph.remarks


@pytest.mark.parametrize("cut", [True, False])
def test_small_ranges_with_zero_elsewhere(cut: bool) -> None:
    """Of channels without negative numbers they begin at zero as the others do: what the source cuts is all that differs."""
    net, x = _net(3, 50)
    low, high = np.array([[0.0], [-0.008], [0.0]]), np.array([[1.0], [0.0079375], [2.0]])
    factors = net.const([[1.0], [0.0075], [1.0]])
    y = net(Mul(), x, factors)
    net.output(net(Exp(), _fake(net, net(Minimum(), net(Relu(), y), 6.0) if cut else y, low, high)))
    if not cut:
        check_untouched(net, KEEP_QUANTIZATION)
        return
    inputs = {"x0": np.random.default_rng(3).uniform(-1, 1, (3, 50)).astype(np.float32)}
    before = run(net.graph, inputs)["y0"]
    assert KEEP_QUANTIZATION(net.graph) > 0
    np.testing.assert_allclose(run(net.graph, inputs)["y0"], before, atol=1e-5)
    assert [type(node.op).__name__ for node in net.graph.nodes] == ["Mul", "Mul", "QuantizeDequantize", "Mul", "Exp"]
    assert [remark.text[:19] for remark in net.graph.remarks] == ["1 of its ranges, of"]


def test_levels_that_are_moved_are_reached_by_the_same_numbers() -> None:
    """Where a bias takes the shift, every number goes to the level of the source, which is a little off its place."""
    net, x = _net(1, 2, 20, 20)
    weights, bias = net.random_const(3, 2, 1, 1), net.random_const(3)
    net.output(_fake(net, net(Conv((1, 1), (1, 1), (0, 0), (0, 0)), x, weights, bias), -1.28, 1.2704))
    inputs = feeds(net.graph)
    before = run(net.graph, inputs)["y0"]
    assert KEEP_QUANTIZATION(net.graph) > 0
    after = run(net.graph, inputs)["y0"]
    step = (1.2704 + 1.28) / 255
    assert [remark.text for remark in net.graph.remarks] == ["its zero is -0.020 steps off the nearest level; it was moved there"]
    levels: Array = np.rint((before + 1.28) / step)
    np.testing.assert_array_equal(np.rint(after / step) + 128, levels)


@pytest.mark.parametrize("op", [Relu(), ReduceMean((1,), True), Add()])
def test_what_computes_with_integers_keeps_them(op: Op) -> None:
    net, x = _net(2, 3)
    q = _quantized(net, x)
    made = net(op, q, q) if isinstance(op, Add) else net(op, q if isinstance(op, (Relu,)) else net(Dequantize(GRID), q))
    net.output(net(Dequantize(GRID), made) if made.type.dtype == U8 else made)
    KEEP_QUANTIZATION(net.graph)
    assert op.name in [node.op.name for node in net.graph.nodes]


def test_spelled_out() -> None:
    net, x = _net(2, 30)
    net.output(net(Dequantize(GRID), _quantized(net, x)), net(QuantizeDequantize(OTHER), x))
    left = check_pass(net, SPELL_OUT_QUANTIZATION, 1e-6)
    assert not {"Quantize", "Dequantize", "QuantizeDequantize"} & set(left)


@pytest.mark.parametrize("both", [False, True])
def test_a_zero_beside_a_level_of_a_sum(both: bool) -> None:
    """Sums of integers have kernels that add no other number; what is added in float is moved."""
    net, x = _net(1, 3, 4, 4)
    step = 1 / 64
    low = -128.03 * step
    other = net(FakeQuantize(256), net.input(1, 3, 4, 4), -128 * step, 127 * step, -128 * step, 127 * step)
    mine = net(FakeQuantize(256), x, -128 * step, 127 * step, -128 * step, 127 * step) if both else net(Exp(), x)
    net.output(net(Exp(), net(FakeQuantize(256), net(Add(), mine, other), *(low, low + 255 * step) * 2)))
    assert KEEP_QUANTIZATION(net.graph)
    moved = [node for node in net.graph.nodes if isinstance(node.op, Add) and any(v is not None and v.is_const for v in node.inputs)]
    assert len(moved) == (not both)
    if moved:
        np.testing.assert_allclose(moved[0].input(1).const, 0.03 * step, rtol=1e-3)
