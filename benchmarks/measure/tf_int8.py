"""Worker: small networks that TensorFlow's quantizer has made int8, as .tflite files. Job: `folder` (to write to). Answer: their names."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from measure.child import reply, serve, work

if TYPE_CHECKING:
    from keras import KerasTensor, Model

SHAPE = (48, 48, 3)
SAMPLES = 16


def make_int8(folder: Path) -> list[str]:
    """Run the worker. Raises WorkerError."""
    return cast("list[str]", work("tf_int8", {"folder": str(folder)}))


def _separable(x: KerasTensor) -> KerasTensor:
    """Separable convolutions with batch norms, and a sum."""
    from keras import layers

    x = layers.ReLU(6)(layers.BatchNormalization()(layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False)(x)))
    y = layers.ReLU(6)(layers.BatchNormalization()(layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)))
    x = layers.Add()([x, layers.BatchNormalization()(layers.Conv2D(16, 1, use_bias=False)(y))])
    x = layers.ReLU()(layers.Conv2D(24, 3, dilation_rate=2)(x))
    return layers.Dense(10, activation="softmax")(layers.GlobalAveragePooling2D()(x))


def _branches(x: KerasTensor) -> KerasTensor:
    """Branches of several ranges that are put together, pooling, resizing and transposed convolutions."""
    from keras import layers

    x = layers.Conv2D(12, 5, strides=2, padding="same", activation="relu")(x)
    parts = layers.Conv2D(8, 3, padding="same")(x), layers.MaxPooling2D(3, 1, "same")(x), layers.AveragePooling2D(3, 1, "same")(x)
    y = layers.MaxPooling2D()(layers.LeakyReLU()(layers.Concatenate()(parts)))
    y = layers.UpSampling2D(interpolation="bilinear")(layers.Conv2D(16, 1, activation="relu")(y))
    return layers.Conv2DTranspose(3, 3, strides=2, padding="same", activation="sigmoid")(layers.Concatenate()([x, y]))


def _gates(x: KerasTensor) -> KerasTensor:
    """Channels that are weighed by what the whole picture holds, and hard swish."""
    from keras import layers

    x = layers.Activation("hard_swish")(layers.Conv2D(16, 3, strides=2, padding="same")(x))
    gate = layers.Dense(16, activation="sigmoid")(layers.Dense(8, activation="relu")(layers.GlobalAveragePooling2D(keepdims=True)(x)))
    x = layers.Activation("tanh")(layers.Conv2D(12, 3, padding="same")(layers.Multiply()([x, gate])))
    return layers.Dense(5)(layers.Flatten()(layers.MaxPooling2D(4)(x)))


NETWORKS: Mapping[str, Callable[[KerasTensor], KerasTensor]] = {"separable": _separable, "branches": _branches, "gates": _gates}


def _quantized(model: Model, *, full: bool) -> bytes:
    """The file of a network with integers inside; `full`: its inputs and outputs are int8, too."""
    import tensorflow as tf

    def samples() -> Iterator[list[np.ndarray]]:
        rng = np.random.default_rng(1)
        yield from ([rng.uniform(0, 1, (1, *SHAPE)).astype(np.float32)] for _ in range(SAMPLES))

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations, converter.representative_dataset = [tf.lite.Optimize.DEFAULT], samples
    if full:
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    content = converter.convert()
    assert isinstance(content, bytes)
    return content


def main(argv: Sequence[str]) -> int:
    import keras

    job, answer = serve(argv)
    names = []
    for name, network in NETWORKS.items():
        keras.utils.set_random_seed(0)
        x = keras.Input(SHAPE, batch_size=1)
        model = keras.Model(x, network(x))
        for kind, full in (("int8", False), ("int8_full", True)):
            names.append(f"{name}_{kind}.tflite")
            Path(str(job["folder"]), names[-1]).write_bytes(_quantized(model, full=full))
    reply(answer, names)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
