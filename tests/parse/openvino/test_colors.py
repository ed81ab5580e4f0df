"""Colour conversions against OpenVINO."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino.opset8 as op8
import pytest

from tests.parse.openvino.harness import Case, Input, agree, case


def plane(*shape: int, dtype: type[np.generic] = np.float32) -> Input:
    return Input(shape, dtype, 0, 256)


U8 = np.uint8

CASES = [
    case(f"{name}{' of bytes' if dtype is U8 else ''} of {'one plane' if len(shapes) == 1 else 'planes'}", op,
         *(plane(*shape, dtype=dtype) for shape in shapes), tolerance=1e-6)
    for name, op, rest in (("NV12toRGB", op8.nv12_to_rgb, ((1, 2, 3, 2),)), ("NV12toBGR", op8.nv12_to_bgr, ((1, 2, 3, 2),)),
                           ("I420toRGB", op8.i420_to_rgb, ((1, 2, 3, 1),) * 2), ("I420toBGR", op8.i420_to_bgr, ((1, 2, 3, 1),) * 2))
    for dtype in (np.float32, U8)
    for shapes in (((2, 6, 6, 1),), ((1, 4, 6, 1), *rest))
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees_with_openvino(case: Case, tmp_path: Path) -> None:
    agree(case, tmp_path)
