"""Exports networks of Keras 3 as tf2onnx writes them: python export_keras.py DIR [--only NAME...]

Runs in an environment of its own: `pip install tensorflow keras tf2onnx onnx`, with Python 3.11 or newer. Applications of Keras and small
networks of its layers, with drawn weights, channels-last, most with open batches, some with open heights, widths and lengths. What tf2onnx
has no operator for it writes as TensorFlow's, so such layers are not among them. Existing files are kept. Exit status: 0 when there is a
file for every network, else 1.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import applications, layers, ops

IMAGE, OPEN, SERIES, OPEN_SERIES = (64, 64, 3), (None, None, 3), (12, 8), (None, 8)
Shape: TypeAlias = "tuple[int | None, ...]"
Tensor: TypeAlias = keras.KerasTensor
Function: TypeAlias = "Callable[[Tensor], Tensor | list[Tensor]]"
APPLICATIONS: Mapping[str, Mapping[str, object]] = {
    "MobileNet": {"alpha": 0.25}, "MobileNetV2": {"alpha": 0.35}, "MobileNetV3Small": {}, "EfficientNetB0": {}, "EfficientNetV2B0": {},
    "NASNetMobile": {}, "ResNet50V2": {}, "DenseNet121": {}, "Xception": {"input_shape": (96, 96, 3)},
    "InceptionV3": {"input_shape": (96, 96, 3)}}


def _dilated(x: Tensor) -> Tensor:
    """Where sizes are open, tf2onnx writes a dilated convolution by blocks in the batch."""
    return layers.DepthwiseConv2D(3, dilation_rate=2, padding="same")(layers.Conv2D(8, 3, 2, "same")(x))


def _unet(x: Tensor) -> Tensor:
    fine = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    coarse = layers.Conv2D(8, 3, padding="same")(layers.MaxPooling2D()(fine))
    return layers.Concatenate()([layers.Conv2DTranspose(4, 2, 2, "same")(coarse), fine])


def _attention(x: Tensor) -> Tensor:
    return layers.LayerNormalization()(layers.MultiHeadAttention(4, 8)(x, x, use_causal_mask=True) + x)


def _pools(x: Tensor) -> list[Tensor]:
    return [layers.AveragePooling2D(3, 2, "same")(x), layers.MaxPooling2D(3, 2, "same")(x), layers.GlobalMaxPooling2D(keepdims=True)(x)]


def _resized(x: Tensor) -> list[Tensor]:
    return [layers.UpSampling2D((2, 3), interpolation="bilinear")(x), layers.Resizing(13, 9)(x), layers.Resizing(13, 9, "nearest")(x),
            layers.ZeroPadding2D(((1, 2), (3, 1)))(x), layers.CenterCrop(4, 5)(x), ops.image.resize(x, (70, 50), interpolation="bicubic")]


def _norms(x: Tensor) -> list[Tensor]:
    return [layers.GroupNormalization(3)(x), layers.LayerNormalization(axis=[1, 2, 3])(x), layers.UnitNormalization()(x),
            layers.RMSNormalization()(x), layers.BatchNormalization(axis=1)(x)]


def _in_turn(*parts: layers.Layer) -> Function:
    def run(x: Tensor) -> Tensor:
        for part in parts:
            x = part(x)
        return x
    return run


SMALL: Mapping[str, tuple[Shape, Callable[[], Function]]] = {
    "dilated": (IMAGE, lambda: _dilated), "dilated_open": (OPEN, lambda: _dilated),
    "dilated_first_open": (OPEN, lambda: layers.Conv2D(8, 3, dilation_rate=2, padding="same")),
    "dilated_apart_open": (OPEN, lambda: layers.Conv2D(8, 3, dilation_rate=(2, 3))),
    "unet": (IMAGE, lambda: _unet), "unet_open": (OPEN, lambda: _unet), "pools": (IMAGE, lambda: _pools), "norms": (IMAGE, lambda: _norms),
    "resized": (IMAGE, lambda: _resized), "attention": (SERIES, lambda: _attention), "attention_open": (OPEN_SERIES, lambda: _attention),
    "transposed_open": (OPEN, lambda: _in_turn(layers.Conv2DTranspose(5, 3, 2, "same"), layers.Conv2DTranspose(5, 4, 2, "valid"))),
    "separable_open": (OPEN, lambda: _in_turn(layers.SeparableConv2D(4, 3, activation="swish"), layers.SeparableConv2D(4, 3, 2, "same"))),
    "volumes": ((4, 8, 8, 2), lambda: _in_turn(layers.Conv3D(4, 3, padding="same"), layers.MaxPooling3D(2),
                                              layers.Conv3DTranspose(3, 3, 2, "same"), layers.UpSampling3D(2))),
    "causal_open": (OPEN_SERIES, lambda: _in_turn(layers.Conv1D(8, 3, 2, "causal"),
                                                  layers.Conv1D(8, 3, dilation_rate=4, padding="causal"))),
    "series": (SERIES, lambda: _in_turn(layers.Conv1D(8, 3, dilation_rate=2, padding="same"), layers.SeparableConv1D(4, 3),
                                        layers.Conv1DTranspose(4, 3, 2), layers.MaxPooling1D(2, padding="same"), layers.UpSampling1D(2))),
    "lstm_open": (OPEN_SERIES, lambda: _in_turn(layers.LSTM(16, return_sequences=True), layers.LSTM(8), layers.Dense(3))),
    "gru": (SERIES, lambda: _in_turn(layers.GRU(16, return_sequences=True), layers.GRU(8, reset_after=False))),
    "both_ways": (SERIES, lambda: _in_turn(layers.Bidirectional(layers.LSTM(16, return_sequences=True)),
                                           layers.Bidirectional(layers.GRU(4)))),
    "images_in_time": ((4, 8, 8, 3), lambda: layers.ConvLSTM2D(5, 3, padding="same")),
    "each_in_time": ((5, 8, 8, 3), lambda: _in_turn(layers.TimeDistributed(layers.Conv2D(4, 3)),
                                                   layers.TimeDistributed(layers.GlobalAveragePooling2D()), layers.LSTM(4)))}


def _small(shape: Shape, make: Callable[[], Function]) -> keras.Model:
    x = keras.Input(shape)
    return keras.Model(x, make()(x))


def networks() -> Mapping[str, Callable[[], keras.Model]]:
    """What makes each network, by name."""
    known = {name: (lambda name=name: getattr(applications, name)(
        **{"input_shape": IMAGE, **APPLICATIONS[name]}, weights=None, classes=10)) for name in APPLICATIONS}
    return {**known, **{name: (lambda given=given: _small(*given)) for name, given in SMALL.items()}}


def export(make: Callable[[], keras.Model], path: Path) -> str:
    """Write one network; the reason if that fails. What libraries raise is theirs, so all of it is a reason."""
    part = path.with_name(f"part-{path.name}")
    try:
        keras.utils.set_random_seed(0)
        model = make()
        model(np.zeros([1 if k == 0 else size or 32 for k, size in enumerate(model.inputs[0].shape)], np.float32))
        model.export(part, format="onnx", verbose=False)
        part.replace(path)
    except Exception as error:  # noqa: BLE001
        part.unlink(missing_ok=True)
        return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return ""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line (default: the process's own)."""
    parser = argparse.ArgumentParser("export_keras.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR", help="where the files go")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="only these networks")
    given = parser.parse_args(argv)
    given.folder.mkdir(parents=True, exist_ok=True)
    failures = 0
    for name, make in networks().items():
        path = given.folder / f"{name}.onnx"
        if path.exists() or (given.only and name not in given.only):
            continue
        failure = export(make, path)
        failures += bool(failure)
        print(f"{name}: {failure or 'written'}", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
