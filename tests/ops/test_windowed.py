"""Windowed ops: references against ONNX Runtime and OpenVINO, both storage forms, symbolic sizes, and errors."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import openvino.opset14 as opset
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.dim import Dim
from nchw2nhwc.ir.types import Array, DType, TensorType
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.pooling import AdaptiveAvgPool, AdaptiveMaxPool, AvgPool, LpPool, MaxPool
from nchw2nhwc.ops.windowed import Conv, ConvTranspose, DepthToSpace, SpaceToDepth
from nchw2nhwc.ops.windows import window_count
from tests.ops import samples_spatial  # noqa: F401  (registers the samplers)
from tests.ops.onnx_oracle import run_onnxruntime
from tests.ops.openvino_oracle import run_openvino
from tests.ops.sampling import Case, strategy

F32 = np.dtype(np.float32)
ONE, TWO, NONE = (1, 1), (2, 2), (0, 0)


def floats(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def tensor(*shape: int | Dim, dtype: DType = F32) -> TensorType:
    return TensorType(dtype, shape)


def single(case: Case) -> Case:
    """The case in float32 and without its activation."""
    op, operands = case
    plain = replace(op, activation=Activation.NONE) if hasattr(op, "activation") else op
    return plain, tuple(np.asarray(x, np.float32) for x in operands)


def channels_last(case: Case) -> tuple[Op, tuple[Array, ...]]:
    """The other form of a case: data (N, s..., C), filters (O, k..., I), as the layout rules say."""
    op, (x, *rest) = case
    operands = [np.moveaxis(x, 1, -1), *rest]
    if isinstance(op, Conv):
        operands[1] = np.moveaxis(rest[0], 1, -1)
    elif isinstance(op, ConvTranspose):
        operands[1] = np.moveaxis(rest[0], 0, -1)
    return replace(op, channels_last=True), tuple(operands)


SPATIAL = [Conv, ConvTranspose, MaxPool, AvgPool, LpPool, AdaptiveAvgPool, AdaptiveMaxPool, DepthToSpace, SpaceToDepth]


@pytest.mark.parametrize("cls", SPATIAL)
@settings(max_examples=25)
@given(data=st.data())
def test_both_forms_agree(cls: type[Op], data: st.DataObject) -> None:
    case = data.draw(strategy(cls))
    op, operands = channels_last(case)
    (expected,), (actual,) = case[0].run(*case[1]), op.run(*operands)
    np.testing.assert_allclose(np.moveaxis(actual, -1, 1), expected, rtol=1e-6, atol=1e-6)
    (declared,) = op.infer_types(*(TensorType(x.dtype, x.shape) for x in operands))
    assert declared == TensorType(actual.dtype, actual.shape)


# ---- against ONNX Runtime ------------------------------------------------------------------------------------------------
def windows(op: Conv | ConvTranspose | MaxPool | AvgPool | LpPool) -> dict[str, object]:
    return {"strides": op.strides, "dilations": op.dilations, "pads": (*op.pads_begin, *op.pads_end)}


@settings(max_examples=60)
@given(strategy(Conv))
@example((Conv((1, 2), (2, 1), (0, 3), (1, 2), groups=2), (floats(2, 4, 6, 7), floats(6, 2, 3, 4), floats(6))))
def test_conv_is_onnx(case: Case) -> None:
    op, operands = single(case)
    (expected,) = run_onnxruntime("Conv", operands, kernel_shape=operands[1].shape[2:], group=op.groups, **windows(op))
    np.testing.assert_allclose(op.run(*operands)[0], expected, rtol=1e-4, atol=1e-5)


@settings(max_examples=60)
@given(strategy(ConvTranspose))
@example((ConvTranspose((3, 2), (1, 2), (1, 0), (0, 2), (2, 1), groups=2), (floats(2, 4, 3, 4), floats(4, 3, 2, 3), floats(6))))
def test_conv_transpose_is_onnx(case: Case) -> None:
    op, operands = single(case)
    assume(min((*op.pads_begin, *op.pads_end)) >= 0 and all(o < s for o, s in zip(op.output_padding, op.strides)))
    (expected,) = run_onnxruntime("ConvTranspose", operands, kernel_shape=operands[1].shape[2:], group=op.groups,
                                  output_padding=op.output_padding, **windows(op))
    np.testing.assert_allclose(op.run(*operands)[0], expected, rtol=1e-4, atol=1e-5)


def test_negative_pads_of_a_transposed_convolution_add_rows_of_bias() -> None:
    x, w, bias = floats(1, 2, 3), floats(2, 2, 2, seed=1), floats(2, seed=2)
    plain = ConvTranspose((1,), (1,), (0,), (0,), (0,)).reference(x, w, bias)
    wider = ConvTranspose((1,), (1,), (-2,), (-1,), (0,)).reference(x, w, bias)
    np.testing.assert_array_equal(wider[:, :, 2:-1], plain)
    np.testing.assert_array_equal(wider[0, :, [0, 1, -1]], np.stack([bias] * 3))


POOLS = {MaxPool: "MaxPool", AvgPool: "AveragePool", LpPool: "LpPool"}


@pytest.mark.parametrize("cls", POOLS)
@settings(max_examples=60)
@given(data=st.data())
def test_pools_are_onnx(cls: type[Op], data: st.DataObject) -> None:
    op, operands = single(data.draw(strategy(cls)))
    assume(all(p < k for p, k in zip((*op.pads_begin, *op.pads_end), op.kernel * 2)))
    more = {"p": op.p} if isinstance(op, LpPool) else {"count_include_pad": int(op.count_include_pad)} if isinstance(op, AvgPool) else {}
    (expected,) = run_onnxruntime(POOLS[cls], operands, 22, kernel_shape=op.kernel, ceil_mode=int(op.ceil_mode), **windows(op), **more)
    np.testing.assert_allclose(op.run(*operands)[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("size", "kernel", "stride", "pads", "expected"), [
    (6, 3, 2, (0, 0), 3),  # the last window reaches past the end
    (5, 2, 3, (1, 1), 2),  # a third one would start in the padding after the end
    (6, 1, 4, (0, 3), 2),
])
def test_ceil_mode_leaves_out_windows_past_the_end(size: int, kernel: int, stride: int, pads: tuple[int, int], expected: int) -> None:
    assert window_count(size, kernel, stride, 1, pads, ceil=True) == expected


def test_average_of_a_window_in_which_nothing_counts() -> None:
    x = np.full((1, 1, 1), 3, np.float32)
    (expected,) = run_onnxruntime("AveragePool", [x], 22, kernel_shape=[2], dilations=[2], pads=[1, 1])
    np.testing.assert_array_equal(AvgPool((2,), (1,), (2,), (1,), (1,)).reference(x), expected)


def test_integer_maximum_ignores_padding() -> None:
    x = np.full((1, 1, 2), -100, np.int8)
    np.testing.assert_array_equal(MaxPool((2,), (1,), (1,), (1,), (1,)).reference(x), np.full((1, 1, 3), -100))


@pytest.mark.parametrize("cls", [Conv, ConvTranspose, MaxPool, AvgPool])
def test_activation_is_applied(cls: type[Op]) -> None:
    more: dict[str, object] = {"output_padding": NONE} if cls is ConvTranspose else {} if cls is Conv else {"kernel": TWO}
    op = cls(strides=ONE, dilations=ONE, pads_begin=NONE, pads_end=NONE, **more)
    operands = (10 * floats(1, 3, 4, 4), floats(3, 3, 2, 2))[:1 if "kernel" in more else 2]
    np.testing.assert_array_equal(replace(op, activation=Activation.RELU6).run(*operands)[0], np.clip(op.run(*operands)[0], 0, 6))


def test_half_precision_is_rounded_once() -> None:
    x, w = np.full((1, 4096, 1), 1, np.float16), np.full((1, 4096, 1), 1, np.float16)
    assert Conv((1,), (1,), (0,), (0,)).reference(x, w).item() == 4096


# ---- against OpenVINO ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("cls", [AdaptiveAvgPool, AdaptiveMaxPool])
@pytest.mark.parametrize(("spatial", "sizes"), [((7,), (3,)), ((5, 7), (2, 4)), ((3, 2), (5, 2)), ((4, 5, 6), (3, 1, 4))])
def test_adaptive_pools_are_openvino(cls: type[Op], spatial: tuple[int, ...], sizes: tuple[int, ...]) -> None:
    x = floats(2, 3, *spatial)
    shape = np.array(sizes, np.int32)
    pool = opset.adaptive_avg_pool if cls is AdaptiveAvgPool else partial(opset.adaptive_max_pool, index_element_type="i32")
    expected = run_openvino(lambda data: pool(data, opset.constant(shape)), [x])[0]
    np.testing.assert_allclose(cls(sizes).run(x)[0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("mode", "name"), [("DCR", "blocks_first"), ("CRD", "depth_first")])
@pytest.mark.parametrize("spatial", [(2,), (3, 3), (3, 2), (2, 3, 1)])
def test_depth_and_space_are_openvino(mode: str, name: str, spatial: tuple[int, ...]) -> None:
    deep = np.arange(np.prod((2, 2 * 2 ** len(spatial), *spatial)), dtype=np.float32).reshape(2, -1, *spatial)
    wide = DepthToSpace(2, mode).reference(deep)
    np.testing.assert_array_equal(wide, run_openvino(lambda x: opset.depth_to_space(x, name, 2), [deep])[0])
    np.testing.assert_array_equal(SpaceToDepth(2, mode).reference(wide), deep)
    np.testing.assert_array_equal(run_openvino(lambda x: opset.space_to_depth(x, name, 2), [wide])[0], deep)


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_depth_to_space_is_onnx(mode: str) -> None:
    x = floats(2, 12, 3, 3)
    np.testing.assert_array_equal(DepthToSpace(2, mode).reference(x), run_onnxruntime("DepthToSpace", [x], blocksize=2, mode=mode)[0])


def test_space_to_depth_of_onnx_is_dcr() -> None:
    x = floats(2, 3, 6, 4)
    np.testing.assert_array_equal(SpaceToDepth(2).reference(x), run_onnxruntime("SpaceToDepth", [x], blocksize=2)[0])


# ---- symbolic sizes ------------------------------------------------------------------------------------------------------
N, H, W = Dim.symbol("N"), Dim.symbol("H"), Dim.symbol("W")


@settings(max_examples=100)
@given(st.integers(1, 9), st.integers(1, 3), st.integers(1, 3), st.integers(1, 2), st.data(), st.booleans())
def test_symbolic_count_of_windows_agrees(size: int, kernel: int, stride: int, dilation: int, data: st.DataObject, ceil: bool) -> None:
    reach = dilation * (kernel - 1)
    pads = data.draw(st.integers(0, reach)), data.draw(st.integers(0, reach))
    assume(size + sum(pads) > reach)
    count = window_count(H, kernel, stride, dilation, pads, ceil=ceil)
    assert isinstance(count, Dim)
    assert count.evaluate({"H": size}) == window_count(size, kernel, stride, dilation, pads, ceil=ceil)


def test_symbolic_results() -> None:
    x = tensor(N, 4, H, 8)
    assert Conv(TWO, ONE, ONE, ONE).infer(x, tensor(6, 4, 3, 3)).shape == (N, 6, (H + 1) // 2, 4)
    assert Conv(ONE, ONE, ONE, ONE).infer(x, tensor(6, 4, 3, 3)).shape == (N, 6, H, 8)
    assert ConvTranspose(TWO, ONE, ONE, ONE, ONE).infer(x, tensor(4, 6, 3, 3)).shape == (N, 6, 2 * H, 16)
    assert MaxPool(TWO, TWO, ONE, NONE, NONE, ceil_mode=True).infer(x).shape == (N, 4, (H + 1) // 2, 4)
    assert MaxPool((3, 3), TWO, ONE, NONE, NONE, ceil_mode=True, channels_last=True).infer(tensor(N, H, 8, 4)).shape == (N, H // 2, 4, 4)
    assert DepthToSpace(2).infer(x).shape == (N, 1, 2 * H, 16)
    assert SpaceToDepth(2).infer(tensor(N, 4, 2 * H, 8)).shape == (N, 16, H, 4)
    assert AdaptiveAvgPool((2, 3)).infer(x).shape == (N, 4, 2, 3)


# ---- errors --------------------------------------------------------------------------------------------------------------
IMAGE = tensor(1, 4, 8, 8)


@pytest.mark.parametrize(("op", "operands", "reason"), [
    (Conv(ONE, ONE, NONE, NONE), (IMAGE, tensor(6, 3, 3, 3)), r"has 4 channels, but weights .* take 3"),
    (Conv(ONE, ONE, NONE, NONE, groups=3), (tensor(1, 6, 8, 8), tensor(4, 2, 3, 3)), "4 channels .* divided into 3 groups"),
    (Conv(ONE, ONE, NONE, NONE), (IMAGE, tensor(6, 4, 9, 9)), "a window of 9 does not fit into an axis of 8"),
    (Conv(ONE, TWO, NONE, NONE), (IMAGE, tensor(6, 4, 5, 5)), "a window of 9 does not fit"),
    (Conv((1,), ONE, NONE, NONE), (IMAGE, tensor(6, 4, 3, 3)), "differ in the number of spatial axes"),
    (Conv(ONE, ONE, NONE, NONE), (tensor(1, 4, 8), tensor(6, 4, 3)), "2 spatial axes"),
    (Conv(ONE, ONE, (-1, 0), NONE), (IMAGE, tensor(6, 4, 3, 3)), "must not be negative"),
    (Conv((0, 1), ONE, NONE, NONE), (IMAGE, tensor(6, 4, 3, 3)), "must be at least 1"),
    (Conv(ONE, ONE, NONE, NONE), (IMAGE, tensor(6, 4, H, 3)), "must be known, but is 'H'"),
    (Conv(ONE, ONE, NONE, NONE), (IMAGE, tensor(6, 4, 3, 3), tensor(4)), r"bias .* must have shape \[6\]"),
    (Conv(ONE, ONE, NONE, NONE), (IMAGE, tensor(6, 4, 3, 3, dtype=np.dtype(np.float16))), "different element types"),
    (ConvTranspose(ONE, ONE, NONE, NONE, NONE), (IMAGE, tensor(6, 4, 3, 3)), r"has 4 channels, but weights .* take 6"),
    (ConvTranspose(ONE, ONE, (8, 0), (8, 0), NONE), (IMAGE, tensor(4, 6, 3, 3)), "leave nothing of the result"),
    (ConvTranspose(ONE, ONE, NONE, NONE, NONE), (IMAGE, tensor(4, 6, 3)), "need 2 spatial axes"),
    (MaxPool(TWO, ONE, ONE, NONE, NONE), (tensor(1, 4, 8),), "2 spatial axes"),
    (AvgPool((9, 9), ONE, ONE, NONE, NONE), (IMAGE,), "a window of 9 does not fit"),
    (AvgPool(TWO, ONE, ONE, NONE, NONE), (tensor(1, 4, 8, 8, dtype=np.dtype(np.int32)),), "AvgPool takes floating point"),
    (AdaptiveAvgPool((0, 1)), (IMAGE,), "cannot be pooled"),
    (DepthToSpace(3), (IMAGE,), "the 4 channels of .* cannot be divided into blocks of 3"),
    (SpaceToDepth(3), (IMAGE,), "the spatial axes of .* cannot be divided into blocks of 3"),
    (SpaceToDepth(2), (tensor(1, 4, H, 8),), "cannot be divided into blocks of 2"),
    (DepthToSpace(2, "RCD"), (IMAGE,), "no mode 'RCD'"),
])
def test_operands_that_do_not_fit(op: Op, operands: tuple[TensorType, ...], reason: str) -> None:
    with pytest.raises(ShapeError, match=reason):
        op.infer_types(*operands)
