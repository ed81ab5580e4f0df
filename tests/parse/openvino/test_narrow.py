"""Numbers rounded to 8 bits against OpenVINO."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino.opset13 as op13
import pytest

from tests.parse.openvino.harness import Build, Case, Input, agree, case, given


def converted(type: str, scale: float = 1.0, shift: float | None = None) -> Build:
    rest = () if shift is None else (np.float32(shift),)
    return lambda x: op13.fake_convert(x, np.float32(scale), *rest, destination_type=type)  # type: ignore[arg-type]


EDGES = given([0, -0.0, 1, 1.0625, 1.1875, 1.125, -1.25, 17, 18, 19, 240, 440, 447, 448, 460, 500, 1e4, -5e4, 57344, 60000, -7e4, 2.0**-6,
               2.0**-9, 1.5 * 2.0**-9, 2.0**-10, 0.9 * 2.0**-9, 3 * 2.0**-8, 2.0**-16, 2.0**-17, 1.5 * 2.0**-16, 2.0**-24,
               1.0625 + 2.0**-13, 1.0625 + 2.0**-10, 1.125 + 2.0**-14], np.float32)

CASES = [
    *(case(f"FakeConvert to {type}{name}", converted(type, *how), inputs)
      for type in ("f8e4m3", "f8e5m2")
      for name, how, inputs in (("", (), Input((3, 40))), (" scaled", (3.7,), Input((40,))), (" moved", (100.0, 2.5), Input((2, 5, 4))),
                                (" of edges", (), EDGES))),
    case("FakeConvert with scales of channels", lambda x: op13.fake_convert(x, np.float32([[1], [20], [300]]), np.float32([[0], [1], [2]])),
         (2, 3, 7)),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees_with_openvino(case: Case, tmp_path: Path) -> None:
    agree(case, tmp_path)
