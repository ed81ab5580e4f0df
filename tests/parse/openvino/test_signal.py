"""Fourier transforms against OpenVINO."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openvino.opset7 as op7
import openvino.opset9 as op9
import openvino.opset15 as op15
import openvino.opset16 as op16
import pytest

from tests.parse.openvino.harness import Build, Case, Input, agree, case


def fourier(op: Build, axes: Sequence[int], size: Sequence[int] | None = None) -> Build:
    rest = () if size is None else (np.array(size, np.int64),)
    return lambda x: op(x, np.array(axes, np.int64), *rest)


def frames(transpose: bool, size: int = 8, step: int = 3) -> Build:
    return lambda x, window: op15.stft(x, window, np.int64(size), np.int64(step), transpose)


def signal(size: int = 8, step: int = 4, length: int | None = None, center: bool = False, normalized: bool = False) -> Build:
    rest = () if length is None else (np.int64(length),)
    return lambda x, window: op16.istft(x, window, np.int64(size), np.int64(step), center, normalized, *rest)


COMPLEX = Input((2, 4, 6, 2))
WINDOW = Input((8,), low=0.2, high=1)
BINS = Input((2, 5, 4, 2))

CASES = [
    *(case(f"{name} along {axes}{'' if size is None else f' of {size}'}", fourier(op, axes, size), COMPLEX, tolerance=1e-5)
      for name, op in (("DFT", op7.dft), ("IDFT", op7.idft))
      for axes, size in (([1], None), ([0, 2], None), ([-1], [4]), ([1, 2], [5, -1]))),
    *(case(f"RDFT along {axes}{'' if size is None else f' of {size}'}", fourier(op9.rdft, axes, size), (2, 4, 6), tolerance=1e-5)
      for axes, size in (([2], None), ([1, 2], None), ([-1], [4]), ([2, 0], [3, 1]))),
    *(case(f"IRDFT along {axes}{'' if size is None else f' of {size}'}", fourier(op9.irdft, axes, size), (2, 4, 5, 2), tolerance=1e-5)
      for axes, size in (([2], None), ([1, 2], None), ([-1], [9]), ([1, 2], [3, 6]))),
    case("DFT of one vector", fourier(op7.dft, [0]), (5, 2), tolerance=1e-5),
    case("STFT", frames(False), (2, 20), WINDOW, tolerance=1e-5),
    case("STFT frequencies first", frames(True), (2, 20), WINDOW, tolerance=1e-5),
    case("STFT of one signal", frames(True), (20,), WINDOW, tolerance=1e-5),
    case("STFT of a short window", frames(False, 9, 4), (2, 23), Input((6,), low=0.2, high=1), tolerance=1e-5),
    case("ISTFT", signal(), BINS, WINDOW, tolerance=1e-5),
    case("ISTFT centred", signal(center=True), BINS, WINDOW, tolerance=1e-5),
    case("ISTFT normalized", signal(normalized=True), BINS, WINDOW, tolerance=1e-5),
    case("ISTFT of a length", signal(length=14, center=True), BINS, WINDOW, tolerance=1e-5),
    case("ISTFT of a greater length", signal(length=27), BINS, WINDOW, tolerance=1e-5),
    case("ISTFT of one signal", signal(center=True), (5, 4, 2), WINDOW, tolerance=1e-5),
    case("ISTFT of a short window", signal(9, 3), (1, 5, 4, 2), Input((5,), low=0.2, high=1), tolerance=1e-5),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees_with_openvino(case: Case, tmp_path: Path) -> None:
    agree(case, tmp_path)
