"""Operands of concatenations round to the grid that OpenVINO's CPU plugin rounds them to: its results, of small networks, are ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset13 as ov

from nchw2nhwc import convert
from nchw2nhwc.ir.types import Array
from nchw2nhwc.ops.activation_functions import Clip
from nchw2nhwc.ops.binary import FakeQuantize, Mul
from nchw2nhwc.ops.movement import Concat
from nchw2nhwc.ops.windowed import Conv
from nchw2nhwc.passes.alignment import ALIGN_CONCATENATIONS
from tests.emit.tflite.runs import run_file
from tests.passes.nets import Net, check_untouched

RNG = np.random.default_rng(5)
SHAPE = (1, 4, 12, 12)
Outputs = Sequence[openvino.Output]


def _rounded(x: openvino.Output, low: float, high: float, levels: int = 256) -> openvino.Node:
    bounds = [np.float32(low), np.float32(high)]
    return ov.fake_quantize(x, *bounds, *bounds, levels)


def _weights(*shape: int) -> openvino.Node:
    return ov.multiply(ov.convert(ov.constant(RNG.integers(-127, 128, shape).astype(np.int8)), "f32"), np.float32(0.01))


def _convolved(x: openvino.Output, channels: int = 8, weights: openvino.Node | None = None) -> openvino.Node:
    return ov.convolution(x, _weights(5, channels, 1, 1) if weights is None else weights, [1, 1], [0, 0], [0, 0], [1, 1])


def _depthwise(x: openvino.Output) -> openvino.Node:
    return ov.group_convolution(x, _weights(8, 1, 1, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1])


def _pooled(x: openvino.Output, size: int) -> openvino.Output:
    return ov.max_pool(x, [1, 1], [1, 1], [0, 0], [size - 1] * 2, [size, size]).output(0)


def _joined(a: openvino.Output, b: openvino.Output, axis: int = 1) -> openvino.Node:
    return ov.concat([_rounded(a, 0, 0.5), _rounded(b, 0, 3)], axis)


def _read_twice(a: openvino.Output, b: openvino.Output, c: openvino.Output) -> Outputs:
    first = _rounded(a, 0, 0.5)
    return [_convolved(ov.concat([first, _rounded(b, -3, 3)], 1)), _convolved(first, 4), ov.exp(first)]


def _two(a: openvino.Output, b: openvino.Output, c: openvino.Output, second: Callable[[openvino.Output], openvino.Node]) -> Outputs:
    """Two concatenations that have an operand in common."""
    x, y, z = _rounded(a, 0, 0.5), _rounded(b, 0, 3), _rounded(c, -9, 9)
    return [_convolved(ov.concat([x, y], 1)), second(ov.concat([y, z], 1))]


ALIGNED: dict[str, Callable[[openvino.Output, openvino.Output, openvino.Output], Outputs]] = {
    "unsigned": lambda a, b, c: [_convolved(_joined(a, b))],
    "signed": lambda a, b, c: [_convolved(ov.concat([_rounded(a, -0.7, 0.31), _rounded(b, -2.5, 2.6)], 1))],
    "both": lambda a, b, c: [_convolved(ov.concat([_rounded(a, 0, 0.5), _rounded(b, -2.5, 2.6)], 1))],
    "255 levels": lambda a, b, c: [_convolved(ov.concat([_rounded(a, -0.5, 0.5, 255), _rounded(b, -2.5, 2.5, 255)], 1))],
    "along another axis": lambda a, b, c: [_convolved(_joined(a, b, 2), 4)],
    "behind pooling": lambda a, b, c: [_convolved(_pooled(_joined(a, b), 2))],
    "behind a Relu": lambda a, b, c: [_convolved(ov.relu(ov.concat([_rounded(a, -0.3, 0.5), _rounded(b, -3, 3)], 1)))],
    "before pooling": lambda a, b, c: [_convolved(ov.concat([_pooled(_rounded(a, 0, 0.5), 3), _rounded(b, 0, 3)], 1))],
    "with other readers": _read_twice,
    "twice": lambda a, b, c: [_convolved(_joined(a, b)), _convolved(_rounded(a, 0, 0.5), 4)],
    "with a depthwise reader": lambda a, b, c: [_convolved(joined := _joined(a, b)), _depthwise(joined)],
    "of which one is in two": lambda a, b, c: _two(a, b, c, _convolved),
    "of which one is in two, one convolved": lambda a, b, c: _two(a, b, c, ov.sigmoid),
    "of concatenations": lambda a, b, c: [_convolved(ov.concat([_joined(a, b), _rounded(c, -9, 9)], 1), 12)],
    "of concatenations, with real numbers": lambda a, b, c: [_convolved(ov.concat([_joined(a, b), ov.sigmoid(c)], 1), 12)],
    "transposed": lambda a, b, c: [ov.convolution_backprop_data(_joined(a, b), _weights(8, 5, 2, 2), [2, 2])]}
AS_WRITTEN: dict[str, Callable[[openvino.Output, openvino.Output, openvino.Output], Outputs]] = {
    "depthwise": lambda a, b, c: [_depthwise(_joined(a, b))],
    "other levels": lambda a, b, c: [_convolved(ov.concat([_rounded(a, -0.5, 0.5, 255), _rounded(b, -2.5, 2.5)], 1))],
    "two levels": lambda a, b, c: [_convolved(ov.concat([_rounded(a, 0, 0.5), _rounded(b, 0, 150)], 1))],
    "float weights": lambda a, b, c: [_convolved(_joined(a, b), 8, ov.constant(RNG.normal(0, 1, (5, 8, 1, 1)).astype(np.float32)))],
    "not all rounded": lambda a, b, c: [_convolved(ov.concat([_rounded(a, 0, 0.5), ov.sigmoid(b)], 1))]}


def _noise(build: Callable[[openvino.Output, openvino.Output, openvino.Output], Outputs], tmp_path: Path) -> float:
    """Decibels of the result, the worst output, against OpenVINO's."""
    inputs = [ov.parameter(SHAPE, np.float32, name=name) for name in "abc"]
    results = [ov.result(output, name=f"y{k}") for k, output in enumerate(build(*inputs))]
    openvino.save_model(openvino.Model(results, inputs, "m"), tmp_path / "m.xml", compress_to_fp16=False)
    converted = convert(tmp_path / "m.xml")
    data = {name: (factor * RNG.uniform(-0.4, 1.2, SHAPE)).astype(np.float32) for name, factor in zip("abc", (1, 3, 9))}
    wanted = converted.reference(data).expected
    found = run_file(converted.tflite(), [info.to_result(data[info.name]) for info in converted.inputs], "XNNPACK")

    def decibels(name: str, result: Array) -> float:
        noise = np.square(np.subtract(wanted[name], result, dtype=np.float64)).sum()
        return float(10 * np.log10(np.square(wanted[name], dtype=np.float64).sum() / max(noise, 1e-30)))

    return min(decibels(info.name, info.to_source(result)) for info, result in zip(converted.outputs, found))


def _between(x: openvino.Output) -> openvino.Node:
    """Zero is 0.6 steps above the first level."""
    return _rounded(x, -0.0012, 0.5)


BETWEEN: dict[str, Callable[[openvino.Output, openvino.Output, openvino.Output], Outputs]] = {
    "convolved": lambda a, b, c: [_convolved(_between(a), 4)],
    "depthwise": lambda a, b, c: [ov.group_convolution(_between(a), _weights(4, 1, 1, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1])],
    "pooled": lambda a, b, c: [_convolved(_pooled(_between(a), 2), 4)],
    "float weights": lambda a, b, c: [_convolved(_between(a), 4, ov.constant(RNG.normal(0, 1, (5, 4, 1, 1)).astype(np.float32)))],
    "multiplied": lambda a, b, c: [ov.matmul(_between(a), _weights(12, 9), False, False)],
    "transposed": lambda a, b, c: [ov.convolution_backprop_data(_between(a), _weights(4, 5, 2, 2), [2, 2])]}


@pytest.mark.parametrize("name", BETWEEN)
def test_zero_between_levels(name: str, tmp_path: Path) -> None:
    """It moves to the nearest where OpenVINO's integer kernels convolve, and stays elsewhere: else, 53 dB are left."""
    assert _noise(BETWEEN[name], tmp_path) > 80


@pytest.mark.parametrize("name", ALIGNED)
def test_openvino_aligns(name: str, tmp_path: Path) -> None:
    """What the file says is at most 57 dB from it."""
    assert _noise(ALIGNED[name], tmp_path) > 65


@pytest.mark.parametrize("name", AS_WRITTEN)
def test_openvino_does_not(name: str, tmp_path: Path) -> None:
    assert _noise(AS_WRITTEN[name], tmp_path) > 90


def test_ends_of_ranges_are_levels() -> None:
    """Zero is level 128 of 256 that are 0.01 apart; 0.234 is nearest to level 23 of those above."""
    net = Net(np.float32)
    a, b = net.input(1, 2, 4, 4), net.input(1, 2, 4, 4)
    first, second = (net(FakeQuantize(256), x, *bounds, *bounds) for x, bounds in ((a, (0.0, 0.234)), (b, (-1.28, 1.27))))
    weights = net.const(np.arange(-6, 6).reshape(3, 4, 1, 1))
    net.output(net(Conv((1, 1), (1, 1), (0, 0), (0, 0)), net(Concat(1), first, second), weights))
    assert ALIGN_CONCATENATIONS(net.graph)
    assert not net.graph.remarks, "zero is a level already"
    made = {type(node.op): node for node in net.graph.nodes}
    assert isinstance(made[Mul].op, Mul)
    np.testing.assert_allclose(made[Mul].input(1).const, 0.23 / 0.234, rtol=1e-6)
    clip = made[Clip].op
    assert isinstance(clip, Clip)
    np.testing.assert_allclose((clip.min, clip.max), (0, 0.23), atol=1e-6)
    for node in net.graph.nodes:
        if isinstance(node.op, FakeQuantize):
            np.testing.assert_allclose([node.input(k).const for k in range(1, 5)], [-1.28, 1.27, -1.28, 1.27], rtol=1e-6)


def test_one_range_is_left_alone() -> None:
    net = Net(np.float32)
    rounded = [net(FakeQuantize(256), net.input(1, 2, 4, 4), 0.0, 1.0, 0.0, 1.0) for _ in range(2)]
    weights = net.const(np.arange(-6, 6).reshape(3, 4, 1, 1))
    net.output(net(Conv((1, 1), (1, 1), (0, 0), (0, 0)), net(Concat(1), *rounded), weights))
    check_untouched(net, ALIGN_CONCATENATIONS)
