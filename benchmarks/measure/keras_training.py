"""Worker: train a converted .keras file on, where this project cannot be imported.

Job: `file` (.keras, of a classifier that gives logits), `perm` (of its input), `data` ("digits" or "noise"), `batch`, `rate`, `steps`,
`source` (the ONNX file, for its batch norms and its accuracy on the held-out digits). Answer: `Trained`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypedDict, cast

import numpy as np

from measure.child import REPOSITORY, reply, serve, work
from measure.keras_files import PRODUCT
from measure.litert import Array

if TYPE_CHECKING:
    import keras

DIGITS = REPOSITORY / "docs" / "examples" / "digits"
NOISE_CLASSES = 10


class Trained(TypedDict):
    """See `keras_rows.TrainingRow`."""

    losses: list[float]
    weights: int
    unreached: list[str]
    norms: int
    source_norms: int
    unchanged: list[str]
    source_accuracy: float | None
    accuracy: float | None


def train(job: Mapping[str, object]) -> Trained:
    """Run the worker. Raises WorkerError."""
    return cast(Trained, work("keras_training", job))


# ---- data --------------------------------------------------------------------------------------------------------------
def _digits(held_out: bool) -> tuple[Array, Array]:
    """Images (N, 1, 8, 8) and labels, as the example has them."""
    sys.path.insert(0, str(DIGITS))
    from split import images

    return cast("tuple[Array, Array]", images(held_out=held_out))


def _samples(data: str, shape: Sequence[int | None], steps: int, batch: int) -> tuple[Array, Array]:
    """Images in the source's order, and labels: a batch for every step, the same every time for noise."""
    if data == "digits":
        x, y = _digits(held_out=False)
        return 1 - x[:steps * batch], y[:steps * batch]
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, *shape[1:])).astype(np.float32)
    y = rng.integers(0, NOISE_CLASSES, batch)
    return np.tile(x, (steps, *(1,) * (x.ndim - 1))), np.tile(y, steps)


def _right(logits: Array, labels: Array) -> float:
    return float(np.mean(logits.argmax(1) == labels))


def _accuracies(model: keras.Model, source: str, perm: Sequence[int]) -> tuple[float, float]:
    """Accuracy on the held-out digits: the source's in ONNX Runtime, and the model's."""
    import onnxruntime

    x, labels = _digits(held_out=True)
    session = onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {session.get_inputs()[0].name: x})
    return _right(logits, labels), _right(model.predict(x.transpose(perm), verbose=0), labels)


# ---- training ----------------------------------------------------------------------------------------------------------
def _without_gradient(model: keras.Model, x: Array, y: Array) -> list[str]:
    """The trainable weights whose gradient is missing, 0 throughout or not finite."""
    import keras
    import tensorflow as tf

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    with tf.GradientTape() as tape:
        value = loss(y, model(x, training=True))
    gradients = tape.gradient(value, [w.value for w in model.trainable_weights])
    pairs = [(w.path, None if g is None else tf.convert_to_tensor(g).numpy()) for w, g in zip(model.trainable_weights, gradients)]
    return [path for path, g in pairs if g is None or not np.isfinite(g).all() or not g.any()]


def _statistics(model: keras.Model) -> dict[str, list[Array]]:
    """The statistics of every batch norm, by its name."""
    import keras

    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    return {n.name: [np.array(n.moving_mean), np.array(n.moving_variance)] for n in norms}


def _source_norms(source: str) -> int:
    """How many batch norms an ONNX file has; exporters may have folded them away."""
    import onnx

    return sum(node.op_type == "BatchNormalization" for node in onnx.load(source, load_external_data=False).graph.node)


def _fit(model: keras.Model, x: Array, y: Array, batch: int, rate: float) -> list[float]:
    """Losses of one pass over the samples in their order, step by step."""
    import keras

    losses: list[float] = []

    class Record(keras.callbacks.Callback):  # type: ignore[misc]
        """Keras tells the mean over the steps so far."""

        def on_train_batch_end(self, step: int, logs: Mapping[str, float] | None = None) -> None:
            mean = float((logs or {})["loss"])
            losses.append(mean * (step + 1) - sum(losses))

    model.compile(keras.optimizers.Adam(rate), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, y, batch_size=batch, epochs=1, shuffle=False, verbose=0, callbacks=[Record()])
    return losses


def _train(job: Mapping[str, object]) -> Trained:
    import keras

    keras.utils.set_random_seed(0)
    model, data, perm = keras.models.load_model(str(job["file"])), str(job["data"]), cast("list[int]", job["perm"])
    batch, rate, steps = cast(int, job["batch"]), cast(float, job["rate"]), cast(int, job["steps"])
    shape = [model.inputs[0].shape[perm.index(axis)] for axis in range(len(perm))]
    accuracies = _accuracies(model, str(job["source"]), perm) if data == "digits" else (None, None)
    x, y = _samples(data, shape, steps, batch)
    x = np.ascontiguousarray(x.transpose(perm))
    unreached = _without_gradient(model, x[:batch], y[:batch])
    before = _statistics(model)
    losses = _fit(model, x, y, batch, rate)
    after = _statistics(model)
    unchanged = [name for name, values in before.items() if any(np.array_equal(a, b) for a, b in zip(values, after[name]))]
    return {"losses": losses, "weights": len(model.trainable_weights), "unreached": unreached, "norms": len(before),
            "source_norms": _source_norms(str(job["source"])), "unchanged": unchanged, "source_accuracy": accuracies[0],
            "accuracy": accuracies[1]}


def main(argv: Sequence[str]) -> int:
    sys.modules[PRODUCT] = None  # type: ignore[assignment]  # from here on importing it fails
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    job, answer = serve(argv)
    reply(answer, _train(job))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
