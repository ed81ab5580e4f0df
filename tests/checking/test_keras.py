"""Running Keras models."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="TensorFlow is not installed")

import keras
import tensorflow as tf

from nchw2nhwc.checking.results import KerasResult
from nchw2nhwc.errors import CheckError
from tests.checking.tensors import info


def test_what_does_not_run_is_a_check_error() -> None:
    x = keras.Input(batch_shape=(3,), dtype="int32")
    model = keras.Model(x, keras.layers.Embedding(5, 2)(x))
    ends = (info("x", (3,), np.int32),), (info("y", (3, 2)),)
    assert KerasResult(model).run(*ends, {"x": np.array([0, 4, 2], np.int32)})["y"].shape == (3, 2)
    with pytest.raises(CheckError, match="Keras cannot run the model"):
        KerasResult(model).run(*ends, {"x": np.array([0, 5, 2], np.int32)})


def test_the_check_runs_what_predict_runs() -> None:
    """TensorFlow optimizes graphs, which it may get wrong."""
    seen = []

    class Seen(keras.layers.Layer):  # type: ignore[misc]
        def call(self, x: object) -> object:
            seen.append(tf.inside_function())
            return x

    x = keras.Input(batch_shape=(3,))
    model = keras.Model(x, Seen()(x))
    seen.clear()
    data = np.arange(3, dtype=np.float32)
    found = KerasResult(model).run((info("x", (3,)),), (info("y", (3,)),), {"x": data})
    assert found["y"].tolist() == data.tolist()
    assert seen == [True]
