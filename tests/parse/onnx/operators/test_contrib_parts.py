"""Parts of tensors and of images, of ONNX Runtime's own domain, against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.errors import SourceError
from nchw2nhwc.ir import Array
from tests.parse.onnx.models import model, read, tensor
from tests.parse.onnx.operators.test_contrib_attention import DOMAIN, check, own

X = tensor("x", (2, 3, 7, 9))


@pytest.mark.parametrize("attributes", [{"size": 3}, {"size": 2, "step": 2, "dim": 1}, {"size": 7, "step": 3, "dim": -2}])
def test_unfold_tensor(attributes: dict[str, int]) -> None:
    check(own("UnfoldTensor", "x", **attributes), X)


def _regions() -> dict[str, Array]:
    regions = np.array([[0, 0, 1, 1], [0.1, 0.2, 0.6, 1.3], [0.9, 0.8, 0.1, 0.2], [-0.4, 0.3, 0.7, 0.3]], np.float32)
    return {"r": regions, "i": np.array([0, 1, 1, 0], np.int32)}


@pytest.mark.parametrize("sizes", [(4, 3), (1, 5), (2, 1)])
@pytest.mark.parametrize("attributes", [{}, {"mode": "nearest"}, {"extrapolation_value": -2.5}])
def test_crop_and_resize(sizes: tuple[int, int], attributes: dict[str, object]) -> None:
    check(own("CropAndResize", "x r i s", **attributes), X, constants=_regions() | {"s": np.array(sizes, np.int32)})


def test_what_does_not_fit() -> None:
    constants = _regions() | {"s": np.array([4, 0], np.int32)}
    for source, message in ((own("UnfoldTensor", "x", size=10), "no slices of 10"), (own("CropAndResize", "x r i s"), r"to \[4, 0\]")):
        with pytest.raises(SourceError, match=message):
            read(model([source], [X], constants=constants, domains=[DOMAIN]))
