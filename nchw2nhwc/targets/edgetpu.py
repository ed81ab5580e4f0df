"""Coral's Edge TPU, by copies of the table of its documentation."""

from __future__ import annotations

from math import prod

from nchw2nhwc.targets.needs import BATCH_KEPT, PLAIN, STATIC, axes_of
from nchw2nhwc.targets.site import Site
from nchw2nhwc.targets.table import Need, Target, rows

_TABLE, _EARLY, _LIST = "Coral's table, by Axis", "Coral's early table", "Coral's list"
_TRANSPOSE, _TRANSPOSE_CONV = f"{_LIST}; google-coral/edgetpu issue 193 (compiler 16)", f"{_LIST}; google-coral/edgetpu issue 684"
_SOURCES = (
    "coral.ai/docs/edgetpu/models-intro, supported operations, in copies",
    "by Axis: developer.axis.com, ARTPEC-7, supported ops, as read up to ResizeBilinear",
    "early, before compiler 2.0: github.com/dgist-datalab/Datalab_Intern, Edge_TPU/convert_model_for_Edge_TPU.md (of what is still listed)",
    "the list, without conditions, of September 2024: phoenix4533.org/blog/vision-research-2",
    "versions: github.com/AxisCommunications/acap3-examples/issues/147, github.com/jsk-ros-pkg/coral_usb_ros/pull/78")
_LARGEST_SOFTMAX = 16_000


def _three_inner(site: Site) -> bool:
    return all(all(size == 1 for size in t.shape[:-3]) for t in (*site.computed, *site.results))


_INNER = Need("sizes of 1 for all but the 3 innermost axes", _three_inner)
_SQUARE = Need("equal dilations along both axes",
               lambda site: (site.option("dilationWFactor") or 1) == (site.option("dilationHFactor") or 1))


def _zero_padding(site: Site) -> bool:
    constants = [site.constant(k) for k in range(len(site.operands))]
    filled = [c for c in constants if c is not None]
    return not filled or (len(site.operands) == 2 and not any(c.any() for c in filled))


def _depth(site: Site) -> bool:
    shape = site.operand(0).shape
    return len(shape) - 1 not in axes_of(site) or shape[-1] % 4 == 0


def _not_along_batch(operand: int) -> Need:
    def met(site: Site) -> bool:
        axis = site.constant(operand)
        rank = max(len(t.shape) for t in site.results)
        return axis is None or rank < 4 or int(axis.reshape(-1)[0]) % rank != 0
    return Need("another axis than the batch", met)


def _pads_inside(site: Site) -> bool:
    pads = site.constant(1)
    return pads is None or len(pads) < 4 or not pads[0].any()


def _stacks_inside(site: Site) -> bool:
    rank = len(site.results[0].shape)
    axis = site.option("axis")
    assert isinstance(axis, int), "PACK has an axis"
    return rank < 4 or axis % rank != 0


def _leading_ones(site: Site) -> bool:
    shape, squeezed = site.operand(0).shape, site.results[0].shape
    return shape[len(shape) - len(squeezed):] == squeezed


def _channel_slopes(site: Site) -> bool:
    return all(size == 1 for size in site.operand(1).shape[:-1])


def _one_list(site: Site) -> bool:
    shape = site.operand(0).shape
    return prod(shape) == shape[-1] <= _LARGEST_SOFTMAX


def _whole_steps(site: Site) -> bool:
    strides = site.constant(3)
    return strides is not None and bool((strides == 1).all()) and not site.option("ellipsisMask") and not site.option("newAxisMask")


_VECTOR = Need("a result that is one list", lambda site: prod(site.results[0].shape) == site.results[0].shape[-1])

_ROWS = {
    **rows("ADD MUL MAXIMUM MINIMUM LOGISTIC RELU RELU6 RELU_N1_TO_1 L2_NORMALIZATION QUANTIZE EXPAND_DIMS RESHAPE RESIZE_BILINEAR",
           source=_TABLE),
    **rows("AVERAGE_POOL_2D MAX_POOL_2D", needs=(PLAIN,), source=_TABLE),
    **rows("CONCATENATION", needs=(PLAIN, Need("no constant operands but zeros beside one other", _zero_padding)), source=_TABLE),
    **rows("CONV_2D DEPTHWISE_CONV_2D", needs=(_SQUARE,), source=_TABLE),
    **rows("FULLY_CONNECTED", needs=(_VECTOR,), source=_TABLE),
    **rows("UNIDIRECTIONAL_SEQUENCE_LSTM", types="int8 uint8 int16", source=_TABLE),
    **rows("MEAN", needs=(BATCH_KEPT, Need("a multiple of 4 channels to reduce", _depth)), source=_TABLE),
    **rows("REDUCE_MAX REDUCE_MIN", needs=(BATCH_KEPT,), source=_TABLE),
    **rows("PACK", needs=(Need("another axis than the batch", _stacks_inside),), source=_TABLE),
    **rows("PAD", needs=(Need("no padding of the batch", _pads_inside),), source=_TABLE),
    **rows("PRELU", needs=(Need("slopes along the last axis only", _channel_slopes),), source=_TABLE),
    **rows("SUB TANH RESIZE_NEAREST_NEIGHBOR SLICE SPACE_TO_DEPTH", source=_EARLY),
    **rows("SOFTMAX", needs=(Need(f"one list of at most {_LARGEST_SOFTMAX} elements", _one_list),), source=_EARLY),
    **rows("SPLIT", needs=(_not_along_batch(0),), source=_EARLY),
    **rows("SQUEEZE", needs=(Need("axes of size 1 in front only", _leading_ones),), source=_EARLY),
    **rows("STRIDED_SLICE", needs=(Need("steps of 1, no ellipsis and no new axes", _whole_steps),), source=_EARLY),
    **rows("RSQRT SQUARED_DIFFERENCE", source=_LIST),
    **rows("SUM", needs=(BATCH_KEPT,), source=_LIST),
    **rows("TRANSPOSE", source=_TRANSPOSE),
    **rows("TRANSPOSE_CONV", source=_TRANSPOSE_CONV),
}

EDGETPU = Target(
    "edgetpu", "the Edge TPU", ("int8", "uint8"), _ROWS, "runs on the CPU", _SOURCES,
    needs=(STATIC, _INNER), quantized=True,
    notes="What Edge TPU Compiler 16.0 takes, whose files need runtime 14. It takes one connected part from the inputs on: what comes "
          "after the first operator that is not supported runs on the CPU as well. It leaves out some resizings, reshapes and transposes "
          "for their sizes, by rules that are not published. No source has conditions of RSQRT, SQUARED_DIFFERENCE, SUM, TRANSPOSE and "
          "TRANSPOSE_CONV; SUM is held to that of REDUCE_MAX, and SPLIT to that of PACK.")
