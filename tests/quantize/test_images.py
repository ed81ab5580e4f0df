"""Which values images are fed with: those that the result takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import helper
from PIL import Image

import nchw2nhwc
from nchw2nhwc.errors import OptionError
from nchw2nhwc.options.quantize import QuantizeOptions
from nchw2nhwc.quantize.run import Quantization
from tests.quantize.models import network

MODEL = network([helper.make_node("Relu", ["c"], ["y"], "relu")], channels=3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.fromarray(np.full((8, 8, 3), (10, 20, 200), np.uint8)).save(tmp_path / "a.png")
    return tmp_path


def fed(folder: Path, convert: dict[str, object], **options: object) -> list[float]:
    """What the three channels of the result's input get."""
    converted = nchw2nhwc.convert(MODEL, **convert)
    quantization = Quantization(converted, QuantizeOptions(["int8"], calibration=folder, **options))  # type: ignore[arg-type]
    assert quantization.given.calibration is not None
    return [float(v) for v in quantization.given.calibration.samples[0]["x"][0, :, 0, 0]]


@pytest.mark.parametrize("convert", [{"mean": {"": (100, 100, 100)}}, {"scale": {"": (255,)}}, {"input_dtype": {"": "uint8"}}])
def test_a_model_that_prepares_its_images_gets_pixels(folder: Path, convert: dict[str, object]) -> None:
    assert fed(folder, convert) == [10, 20, 200]
    with pytest.raises(OptionError, match="the model itself prepares its images"):
        fed(folder, convert, calibration_scale=(255,))


@pytest.mark.parametrize("convert", [{}, {"reverse_channels": [""]}])
def test_a_model_that_says_nothing_of_values_has_to_be_told(folder: Path, convert: dict[str, object]) -> None:
    with pytest.raises(OptionError, match="nothing says which ones the model takes"):
        fed(folder, convert)
    assert fed(folder, convert, calibration_mean=(10,), calibration_scale=(10, 10, 19)) == [0, 1, 10]
