"""Means of nothing are 0 in OpenVINO models, too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset13 as ov

from nchw2nhwc import convert


@pytest.mark.parametrize(("size", "kernel", "stride", "pads", "exclude", "wanted"), [
    (3, 2, 2, (1, 1), True, [1, 2.5, 0]),
    (3, 2, 2, (1, 1), False, [0.5, 2.5, 0]),
    (5, 1, 3, (0, 1), False, [1, 4, 0]),
    (5, 1, 4, (0, 0), True, [1, 5]),
    (6, 1, 4, (0, 0), True, [1, 5, 0]),
])
def test_windows_of_padding_alone(size: int, kernel: int, stride: int, pads: tuple[int, int], exclude: bool, wanted: list[float],
                                  tmp_path: Path) -> None:
    x = ov.parameter([1, 1, size], np.float32, name="x")
    pool = ov.avg_pool(x, [stride], [pads[0]], [pads[1]], [kernel], exclude, "ceil")
    openvino.save_model(openvino.Model([ov.result(ov.add(pool, np.float32(0)), name="y")], [x], "m"), tmp_path / "m.xml", False)
    converted = convert(tmp_path / "m.xml")
    given = {"x": np.arange(1, size + 1, dtype=np.float32).reshape(1, 1, size)}
    assert converted.reference(given).expected["y"].ravel().tolist() == wanted
    assert converted.check(given).max_rel_error == 0


def test_data_that_is_no_number_stays(tmp_path: Path) -> None:
    x = ov.parameter([1, 1, 3], np.float32, name="x")
    pool = ov.avg_pool(x, [2], [1], [1], [2], True, "ceil")
    openvino.save_model(openvino.Model([ov.result(pool, name="y")], [x], "m"), tmp_path / "m.xml", False)
    given = {"x": np.float32([[[1, np.nan, 3]]])}
    np.testing.assert_array_equal(convert(tmp_path / "m.xml").reference(given).expected["y"], np.float32([[[1, np.nan, 0]]]))
