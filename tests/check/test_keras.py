"""Running Keras models."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="TensorFlow is not installed")

import keras

from nchw2nhwc.check.results import KerasResult
from nchw2nhwc.errors import CheckError
from nchw2nhwc.interface import TensorInfo
from nchw2nhwc.ir import TensorType


def _info(name: str, dtype: type[np.generic], *shape: int) -> TensorInfo:
    own = TensorType(np.dtype(dtype), shape)
    return TensorInfo(name, shape, shape, own.dtype, tuple(range(len(shape))), own, name)


def test_what_does_not_run_is_a_check_error() -> None:
    x = keras.Input(batch_shape=(3,), dtype="int32")
    model = keras.Model(x, keras.layers.Embedding(5, 2)(x))
    ends = (_info("x", np.int32, 3),), (_info("y", np.float32, 3, 2),)
    assert KerasResult(model).run(*ends, {"x": np.array([0, 4, 2], np.int32)})["y"].shape == (3, 2)
    with pytest.raises(CheckError, match="Keras cannot run the model"):
        KerasResult(model).run(*ends, {"x": np.array([0, 5, 2], np.int32)})
