"""ONNX's own tests of single operators, and what of them is out of scope."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from functools import cache

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, numpy_helper
from onnx.backend.test.case.test_case import TestCase

from nchw2nhwc.ir import Array
from nchw2nhwc.parse.onnx.functions import has_definition
from nchw2nhwc.parse.onnx.registry import MAPPINGS, OLDEST_OPSET, newest_opset

STATIC: Mapping[str, tuple[int, ...]] = {
    "TopK": (1,), "Unique": (0,), "AffineGrid": (1,), "CenterCropPad": (1,), "Col2Im": (1, 2), "MaxUnpool": (2,),
    "Loop": (0, 1), "ConstantOfShape": (0,), "CumProd": (1,), "CumSum": (1,), "DFT": (1, 2), "Dropout": (1, 2), "Expand": (1,),
    "MelWeightMatrix": (0, 1, 2, 3, 4), "NonMaxSuppression": (2, 3, 4), "OneHot": (1,), "Pad": (1, 2, 3),
    "Range": (0, 1, 2), "Reshape": (1,), "Resize": (1, 2, 3), "STFT": (1, 3), "Slice": (1, 2, 3, 4), "Split": (1,), "Squeeze": (1,),
    "Tile": (1,), "Trilu": (1,), "Unsqueeze": (1,), "Upsample": (1,), "HannWindow": (0,), "HammingWindow": (0,), "BlackmanWindow": (0,),
    **{f"Reduce{kind}": (1,) for kind in ("Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "SumSquare", "LogSum", "LogSumExp")},
}
"""Operands that have to be constants here; the test cases give them as inputs."""

TRAINING = "training mode is not supported"
COMPUTED_SHAPE = "the case computes a shape from data: in its definition, sizes are an ordinary input"
RESIZED_FRACTION = "ONNX's reference divides by a fractional size; ONNX Runtime, like this, by the whole one"
EXCLUDED: Mapping[str, str] = {
    **{f"test_affine_grid_{form}_expanded": COMPUTED_SHAPE for form in ("2d", "2d_align_corners", "3d", "3d_align_corners")},
    "test_center_crop_pad_crop_expanded": COMPUTED_SHAPE,
    "test_center_crop_pad_pad_expanded": COMPUTED_SHAPE,
    "test_center_crop_pad_crop_and_pad_expanded": COMPUTED_SHAPE,
    "test_center_crop_pad_crop_axes_hwc_expanded": COMPUTED_SHAPE,
    "test_center_crop_pad_crop_axes_chw_expanded": COMPUTED_SHAPE,
    "test_center_crop_pad_crop_negative_axes_hwc_expanded": COMPUTED_SHAPE,
    "test_blackmanwindow_expanded": COMPUTED_SHAPE,
    "test_blackmanwindow_symmetric_expanded": COMPUTED_SHAPE,
    "test_hammingwindow_expanded": COMPUTED_SHAPE,
    "test_hammingwindow_symmetric_expanded": COMPUTED_SHAPE,
    "test_hannwindow_expanded": COMPUTED_SHAPE,
    "test_hannwindow_symmetric_expanded": COMPUTED_SHAPE,
    "test_range_float_type_positive_delta_expanded": COMPUTED_SHAPE,
    "test_range_float16_type_positive_delta_expanded": COMPUTED_SHAPE,
    "test_range_bfloat16_type_positive_delta_expanded": COMPUTED_SHAPE,
    "test_range_int32_type_negative_delta_expanded": COMPUTED_SHAPE,
    "test_scan_sum": "a Scan of opset 8 runs over a batch",
    "test_batchnorm_example_training_mode": TRAINING,
    "test_batchnorm_epsilon_training_mode": TRAINING,
    "test_training_dropout": TRAINING,
    "test_cast_e8m0_FLOAT_to": "conversions to bare exponents are not supported",
    "test_cast_e8m0_FLOAT16_to": "conversions to bare exponents are not supported",
    "test_einsum_batch_diagonal": "diagonals are not supported",
    "test_lstm_with_peepholes": "peepholes are not supported",
    "test_maxpool_with_argmax_": "the positions of maxima are not supported",
    "test_resize_downsample_scales_linear_align_corners": RESIZED_FRACTION,
    "test_resize_downsample_scales_cubic_align_corners": RESIZED_FRACTION,
}
"""Beginnings of the names of cases that are left out, and why."""

PRECISION = {"float16": 4e-3, "bfloat16": 3e-2}
"""Relative tolerances of element types that steps in between are rounded to."""


@cache
def cases() -> Mapping[str, list[TestCase]]:
    """All cases that are about tensors, by the type of their (first) operator."""
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: dict[str, list[TestCase]] = {}
        for case in load_model_tests(kind="node"):
            if all(_is_plain(info) for info in (*case.model.graph.input, *case.model.graph.output)):
                # An expanded case is the definition of an operator; it is counted with the operator that it is named after.
                found.setdefault(subject(case), []).append(case)
    return found


def _is_plain(info: onnx.ValueInfoProto) -> bool:
    """Whether an input or output is a tensor of numbers."""
    return info.type.WhichOneof("value") == "tensor_type" and info.type.tensor_type.elem_type not in (
        TensorProto.STRING, TensorProto.COMPLEX64, TensorProto.COMPLEX128)


def subject(case: TestCase) -> str:
    nodes: list[NodeProto] = list(case.model.graph.node)
    return "expanded definitions" if case.name.endswith(("_expanded", "_expanded_ver18")) or len(nodes) > 1 else nodes[0].op_type


def subjects() -> list[str]:
    """The supported operators of the standard domain, those that are read through their definition included."""
    defined = {s.name for s in onnx.defs.get_all_schemas_with_history() if not s.domain and has_definition(s.name, newest_opset())}
    return sorted({op for domain, op in MAPPINGS if not domain} | defined | {"expanded definitions", "If", "Loop", "Scan"})


def prepared(case: TestCase, arrays: Iterable[object], *, constants: bool = False) -> tuple[onnx.ModelProto, dict[str, Array]]:
    """The case's model with its static operands as initializers, with `constants` all inputs but the first, and the remaining inputs."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    model.opset_import[0].version = max(model.opset_import[0].version, OLDEST_OPSET)
    static = {n.input[k] for n in model.graph.node for k in STATIC.get(n.op_type, ()) if k < len(n.input)}
    inputs: dict[str, Array] = {}
    for position, (info, given) in enumerate(zip(model.graph.input, arrays)):
        if info.name in static or (constants and position):
            model.graph.initializer.append(numpy_helper.from_array(array_of(given), info.name))
        else:
            inputs[info.name] = array_of(given)
    return model, inputs


def array_of(given: object) -> Array:
    """An input or output of a case, which has some of them as protobufs."""
    return numpy_helper.to_array(given) if isinstance(given, TensorProto) else np.asarray(given)
