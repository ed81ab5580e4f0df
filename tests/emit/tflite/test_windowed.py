"""Convolutions in all the forms that TFLite has for them, and the file's operators for each."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from nchw2nhwc.emit.tflite import native
from nchw2nhwc.ir import Array
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.norm import LRN
from nchw2nhwc.ops.windowed import Conv, ConvTranspose
from tests.emit.tflite.graphs import random
from tests.emit.tflite.runs import check_file, codes, one_op, prepared


def operators(op: Op, operands: list[Array], constant: list[bool]) -> list[str]:
    """The operators of the file for one stored op, once it has been found to compute what the reference does."""
    graph, inputs = one_op(op, operands, constant)
    assert native(graph.nodes[0])
    return codes(check_file(prepared(graph), inputs, list(op.run(*operands)), 5e-5))


def transposed(kernel: int, stride: int, pads: tuple[int, int], extra: int, dilation: int = 1) -> ConvTranspose:
    """The same along both axes."""
    return ConvTranspose((stride,) * 2, (dilation,) * 2, (pads[0],) * 2, (pads[1],) * 2, (extra,) * 2, channels_last=True)


# ---- convolution -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("groups", "filters", "constant", "expected"), [
    (1, 6, True, ["CONV_2D"]), (2, 6, True, ["CONV_2D"]), (4, 4, True, ["DEPTHWISE_CONV_2D"]), (4, 12, True, ["DEPTHWISE_CONV_2D"]),
    (1, 6, False, ["CONV_2D"]), (4, 8, False, ["CONV_2D"])])
def test_groups(groups: int, filters: int, constant: bool, expected: list[str]) -> None:
    op = Conv((1, 2), (2, 1), (0, 0), (0, 0), groups, Activation.RELU6, channels_last=True)
    operands = [random(2, 7, 6, 4), random(filters, 3, 2, 4 // groups, seed=1), random(filters, seed=2)]
    assert operators(op, operands, [False, constant, True]) == expected


@pytest.mark.parametrize("constant", [True, False])
def test_three_spatial_axes(constant: bool) -> None:
    op = Conv((1, 2, 1), (1, 1, 2), (1, 1, 1), (1, 1, 1), activation=Activation.RELU, channels_last=True)
    found = operators(op, [random(1, 4, 5, 6, 3), random(5, 3, 3, 2, 3, seed=1)], [False, constant])
    assert found == (["CONV_3D"] if constant else ["TRANSPOSE", "CONV_3D"])


# ---- transposed convolution --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("kernel", "stride", "pads", "extra", "expected"), [
    (2, 2, (0, 0), 0, ["TRANSPOSE_CONV"]),  # the whole
    (3, 2, (0, 0), 1, ["TRANSPOSE_CONV"]),  # an empty row behind
    (4, 2, (1, 1), 0, ["TRANSPOSE_CONV"]),  # SAME
    (3, 1, (1, 1), 0, ["TRANSPOSE_CONV"]),
    (3, 2, (0, 1), 0, ["TRANSPOSE_CONV"]),
    (3, 2, (1, 1), 1, ["TRANSPOSE_CONV", "STRIDED_SLICE"]),  # SAME cuts the odd row behind, this one in front
    (5, 1, (0, 3), 0, ["TRANSPOSE_CONV", "STRIDED_SLICE"]),
    (3, 2, (-1, 1), 0, ["PAD", "TRANSPOSE_CONV", "STRIDED_SLICE"]),
    (2, 2, (0, -3), 0, ["PAD", "TRANSPOSE_CONV", "STRIDED_SLICE"])])
def test_transposed_forms(kernel: int, stride: int, pads: tuple[int, int], extra: int, expected: list[str]) -> None:
    op = transposed(kernel, stride, pads, extra)
    assert operators(op, [random(2, 4, 5, 3), random(6, kernel, kernel, 3, seed=1), random(6, seed=2)], [False, True, True]) == expected


def test_every_transposed_convolution() -> None:
    """All small kernels, strides, pads and output paddings agree with the reference."""
    for kernel, stride, begin, end, extra in product((1, 2, 3), (1, 2, 3), (-2, 0, 1), (-1, 0, 2), (0, 1)):
        if extra < stride and 2 * stride + kernel + extra > begin + end:
            operands = [random(1, 3, 4, 2), random(3, kernel, kernel, 2, seed=1)]
            operators(transposed(kernel, stride, (begin, end), extra), operands, [False, True])


@pytest.mark.parametrize("constant", [True, False])
def test_transposed_in_three_axes(constant: bool) -> None:
    op = ConvTranspose((2, 1, 2), (1, 1, 1), (1, 0, 0), (1, 1, 0), (0, 0, 1), activation=Activation.RELU, channels_last=True)
    assert "CONV_3D_TRANSPOSE" in operators(op, [random(1, 3, 4, 3, 2), random(4, 3, 2, 3, 2, seed=1)], [False, constant])


def test_dilated_weights_are_spread() -> None:
    op = transposed(3, 2, (1, 2), 0, dilation=2)
    assert operators(op, [random(1, 4, 5, 3), random(6, 3, 3, 3, seed=1)], [False, True]) == ["TRANSPOSE_CONV"]


# ---- normalization over channels ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("shape", "expected"), [((2, 3, 4, 6), 1), ((2, 5, 6), 3), ((2, 3, 2, 2, 6), 3)])
def test_local_response_normalization(shape: tuple[int, ...], expected: int) -> None:
    """Ranks other than 4 are reshaped."""
    found = operators(LRN(5, 0.5, 0.75, 2.0, channels_last=True), [random(*shape)], [False])
    assert len(found) == expected
    assert np.all(np.array(found) != "TRANSPOSE")
