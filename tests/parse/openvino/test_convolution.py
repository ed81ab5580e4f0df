"""Convolutions and transposed convolutions against OpenVINO."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino
import openvino.opset1 as op1
import pytest
from openvino.op import Constant

from nchw2nhwc.errors import SourceError, UnsupportedError
from nchw2nhwc.parse.openvino import read_openvino
from tests.parse.openvino.harness import Build, Case, Input, agree, case, given, model_of, saved

IMAGE = Input((2, 4, 9, 8))
WIDE = Input((1, 3, 7, 10))


def weights(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def centred(x: object, zero: int) -> object:
    """Bytes less a zero point, in int32."""
    return op1.subtract(op1.convert(x, "i32"), np.int32(zero))


def whole(x: object, channels: int) -> object:
    """Sums of products of bytes, as OpenVINO reads ONNX's ConvInteger."""
    w = np.random.default_rng(channels).integers(0, 256, (2, channels, 3, 3), dtype=np.uint8)
    return op1.convolution(centred(x, 7), centred(Constant(w), 120), [1, 1], [1, 1], [1, 1], [1, 1])


def conv(x: object, shape: tuple[int, ...], strides: list[int], begin: list[int], end: list[int], dilations: list[int],
         auto_pad: str = "explicit") -> object:
    return op1.convolution(x, weights(*shape), strides, begin, end, dilations, auto_pad)


def deconv(x: object, shape: tuple[int, ...], strides: list[int], output_shape: list[int] | None = None, begin: list[int] | None = None,
           end: list[int] | None = None, dilations: list[int] | None = None, auto_pad: str = "explicit",
           extra: list[int] | None = None) -> object:
    zeros = [0] * len(strides)
    wanted = None if output_shape is None else np.asarray(output_shape, np.int64)
    fn = op1.group_convolution_backprop_data if len(shape) > len(strides) + 2 else op1.convolution_backprop_data
    return fn(x, weights(*shape), strides, wanted, begin or zeros, end or zeros, dilations or [1] * len(strides), auto_pad, extra or zeros)


def binary(strides: list[int], pads: list[int], dilations: list[int], value: float = 0.0, **attributes: str) -> Build:
    filters = np.random.default_rng(3).integers(0, 2, (5, 8, 3, 3)).astype(np.uint8)
    bits = Constant(openvino.Type.u1, openvino.Shape(filters.shape), filters.ravel().tolist())
    return lambda x: op1.binary_convolution(x, bits, strides, pads, pads, dilations, "xnor-popcount", value, **attributes)


BITS = given(np.random.default_rng(4).integers(0, 2, (2, 8, 6, 7)), np.float32)

CASES = [
    case("1D", lambda x: conv(x, (5, 4, 3), [2], [1], [0], [1]), (2, 4, 9), ops="Conv"),
    case("2D", lambda x: conv(x, (5, 4, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1]), IMAGE, ops="Conv"),
    case("2D strided, uneven padding", lambda x: conv(x, (5, 4, 3, 2), [2, 3], [0, 1], [2, 0], [1, 1]), IMAGE, ops="Conv"),
    case("of bytes", lambda x: whole(x, 4), Input((1, 4, 9, 8), np.uint8, 0, 256)),
    case("of many bytes", lambda x: whole(x, 40), Input((1, 40, 5, 6), np.uint8, 0, 256)),
    case("2D dilated", lambda x: conv(x, (5, 4, 3, 2), [1, 1], [2, 1], [2, 0], [2, 3]), IMAGE, ops="Conv"),
    case("3D", lambda x: conv(x, (2, 3, 3, 1, 2), [1, 2, 1], [1, 0, 0], [1, 0, 1], [1, 1, 1]), (1, 3, 4, 5, 6), ops="Conv"),
    *(case(f"2D {auto}, strides {strides}", lambda x, auto=auto,
           strides=strides: conv(x, (5, 4, 3, 4), strides, [7, 7], [7, 7], [1, 1], auto),
           IMAGE, ops="Conv") for auto in ("same_upper", "same_lower", "valid") for strides in ([1, 1], [2, 3])),
    case("2D same_upper dilated", lambda x: conv(x, (5, 4, 3, 4), [1, 2], [0, 0], [0, 0], [2, 2], "same_upper"), IMAGE, ops="Conv"),
    case("weights that are computed", lambda x, w: op1.convolution(x, w, [1, 1], [0, 0], [0, 0], [1, 1]), IMAGE, (2, 4, 3, 3), ops="Conv"),
    case("depthwise", lambda x: op1.group_convolution(x, weights(4, 1, 1, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1]), IMAGE, ops="Conv"),
    case("groups", lambda x: op1.group_convolution(x, weights(2, 3, 2, 3, 2), [2, 1], [1, 0], [1, 0], [1, 2]), IMAGE, ops="Conv"),
    case("groups same_lower", lambda x: op1.group_convolution(x, weights(2, 3, 2, 2, 2), [2, 1], [0, 0], [0, 0], [1, 1], "same_lower"),
         IMAGE, ops="Conv"),
    case("transposed", lambda x: deconv(x, (3, 5, 3, 3), [2, 2]), WIDE, ops="ConvTranspose"),
    case("transposed 1D", lambda x: deconv(x, (3, 5, 4), [3], begin=[1], end=[2]), (2, 3, 6), ops="ConvTranspose"),
    case("transposed, padded, output padding", lambda x: deconv(x, (3, 5, 3, 4), [2, 3], begin=[1, 0], end=[0, 2], extra=[1, 2]), WIDE,
         ops="ConvTranspose"),
    case("transposed, dilated", lambda x: deconv(x, (3, 5, 3, 2), [2, 1], begin=[1, 1], end=[1, 1], dilations=[2, 3]), WIDE,
         ops="ConvTranspose"),
    case("transposed, groups", lambda x: deconv(x, (3, 1, 2, 4, 4), [2, 2], begin=[1, 1], end=[1, 1]), WIDE, ops="ConvTranspose"),
    case("transposed, valid", lambda x: deconv(x, (3, 5, 3, 3), [2, 2], begin=[1, 1], end=[1, 1], auto_pad="valid"), WIDE,
         ops="ConvTranspose"),
    case("transposed, same without a shape", lambda x: deconv(x, (3, 5, 3, 3), [2, 2], auto_pad="same_upper"), WIDE, ops="ConvTranspose"),
    *(case(f"transposed, {auto} to a shape of {sizes}", lambda x, auto=auto,
           sizes=sizes: deconv(x, (3, 5, 4, 3), [2, 2], sizes, auto_pad=auto), WIDE,
           ops="ConvTranspose") for auto in ("same_upper", "same_lower") for sizes in ([14, 20], [13, 19], [15, 18])),
    case("transposed, groups to a shape", lambda x: deconv(x, (3, 1, 2, 3, 3), [2, 2], [14, 20], auto_pad="same_upper"), WIDE,
         ops="ConvTranspose"),
    case("BinaryConvolution", binary([1, 1], [0, 0], [1, 1]), BITS),
    case("BinaryConvolution with ones around", binary([1, 1], [1, 1], [1, 1], 1.0), BITS),
    case("BinaryConvolution with nothing around", binary([1, 1], [1, 1], [1, 1], 0.0), BITS),
    case("BinaryConvolution with zeros around", binary([1, 1], [1, 1], [1, 1], -1.0), BITS),
    case("BinaryConvolution with strides", binary([2, 1], [1, 0], [1, 1], 1.0), BITS),
    case("BinaryConvolution with dilations", binary([1, 1], [2, 2], [2, 2], 1.0), BITS),
    case("BinaryConvolution same", binary([2, 2], [0, 0], [1, 1], 1.0, auto_pad="SAME_UPPER"), BITS),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees_with_openvino(case: Case, tmp_path: Path) -> None:
    agree(case, tmp_path)


def test_bits_that_runtimes_do_not_agree_on(tmp_path: Path) -> None:
    path = saved(model_of(case("x", binary([1, 1], [1, 1], [1, 1], 0.5), BITS)), tmp_path)
    with pytest.raises(UnsupportedError, match="multiples of 8 channels"):
        read_openvino(path)


def test_negative_padding_is_not_supported(tmp_path: Path) -> None:
    path = saved(model_of(case("x", lambda x: conv(x, (5, 4, 3, 3), [1, 1], [-1, 0], [0, 0], [1, 1]), IMAGE)), tmp_path)
    with pytest.raises(UnsupportedError, match="negative padding"):
        read_openvino(path)


@pytest.mark.parametrize(("old", "new", "reason"), [
    ('strides="1, 1"', 'strides="0,1"', "must be at least 1"), ('strides="1, 1"', 'strides="1"', "entries for 2 spatial axes"),
    ('strides="1, 1"', 'strides="1,a"', "'a' is no integer"), ('strides="1, 1" ', "", "'strides' is missing"),
    ('auto_pad="explicit"', 'auto_pad="other"', "is none of"), ('pads_begin="1, 1"', 'pads_begin="1,1,1"', "entries for 2 spatial axes")])
def test_attributes_that_do_not_fit(old: str, new: str, reason: str, tmp_path: Path) -> None:
    path = saved(model_of(case("x", lambda x: conv(x, (5, 4, 3, 3), [1, 1], [1, 1], [1, 1], [2, 2]), IMAGE)), tmp_path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(SourceError, match=reason) as caught:
        read_openvino(path)
    assert caught.value.where.type == "Convolution"
