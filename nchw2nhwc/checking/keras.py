"""Run a Keras model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from nchw2nhwc.errors import CheckError
from nchw2nhwc.interface import TensorInfo
from nchw2nhwc.ir import Array

if TYPE_CHECKING:
    import keras


def run_keras(model: Callable[..., object], inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo],
              data: Mapping[str, Array]) -> dict[str, Array]:
    """Outputs by name, in the source's axis order, for inputs by name in the source's axis order; `model`, a Keras model or a graph of one,
    has them in the same order. Raises CheckError."""
    return {info.name: info.to_source(array) for info, array in zip(outputs, run_model(model, inputs, data), strict=True)}


def as_graph(model: keras.Model) -> Callable[..., object]:
    """A model as SavedModels have it, and `predict` nearly so: as a graph, which TensorFlow optimizes, with sizes that are not known."""
    import tensorflow as tf

    types = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in model.inputs]
    function: Callable[..., object] = tf.function(partial(model, training=False), autograph=False,
                                                  input_signature=[types if len(types) > 1 else types[0]])
    return function


def run_model(model: Callable[..., object], inputs: Sequence[TensorInfo], data: Mapping[str, Array]) -> list[Array]:
    """All outputs in the model's order, each as it is stored, for inputs by name in the source's axis order. Raises CheckError."""
    given = [info.to_result(data[info.name]) for info in inputs]
    with errors():
        results = model(given if len(given) > 1 else given[0])
    return [np.asarray(tensor) for tensor in (results if isinstance(results, (list, tuple)) else [results])]


@contextmanager
def errors() -> Iterator[None]:
    """The errors of Keras and TensorFlow while a model runs as CheckError."""
    import tensorflow as tf

    try:
        yield
    except (ValueError, TypeError, tf.errors.OpError) as error:
        raise CheckError(f"Keras cannot run the model: {error}") from error
