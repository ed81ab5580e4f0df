"""What options can be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

LAYOUTS = ("auto", "source", "nhwc")
"""What the layout of an input or output can be asked to be; "nchw" is accepted as another word for "source"."""

EVERY = "*"
"""Stands for every input (or output) that is not named itself in `input_layout` (`output_layout`)."""

KERAS_FILES: Mapping[str, tuple[str, ...]] = {"keras": (".keras",), "saved_model": ("_saved_model",), "h5": (".h5",), "pb": (".pb",),
                                              "weights": (".weights.h5", "_architecture.json")}
"""What can be written by way of Keras, with the endings of its files (a SavedModel is a folder)."""

TARGETS = ("tflite", *KERAS_FILES)
"""What can be written."""

CPU = "cpu"

DEVICES = (CPU, "gpu", "edgetpu", "nnapi", "micro")
"""What a TFLite file can be for."""

WITH_INT16 = (CPU, "micro")
"""Devices that convolve integers of 16 bits."""

FIXED_SIZES = ("edgetpu", "micro")
"""Devices for which all sizes have to be known."""

APPROXIMATED = ("edgetpu",)
"""Devices for which functions may be approximated; results are allowed the error of float16 ones."""

Route: TypeAlias = Literal["tflite", "keras", "trainable"]
"""Whose graph is made of a source: TFLite's, Keras', or Keras' with everything kept apart that is trained."""

Form: TypeAlias = Literal["auto", "while", "unroll"]
"""How the steps of recurrent layers and loops run: as the target does it best, as a loop whose body is one step, or one after another."""

FORMS: tuple[Form, ...] = ("auto", "while", "unroll")
"""What `rnn` can be."""

Nms: TypeAlias = Literal["builtin", "detection-postprocess", "cut"]
"""What becomes of non-maximum suppression: operators of the target, the custom operator that TFLite has for it, with which the model ends,
or nothing, because the model ends before it."""

Random: TypeAlias = Literal["refuse", "inputs"]
"""What becomes of numbers that are drawn at random: an error, or an input in their place."""

RANDOM_FORMS: tuple[Random, ...] = ("refuse", "inputs")
"""What `random` can be."""

NMS_FORMS: tuple[Nms, ...] = ("builtin", "detection-postprocess", "cut")
"""What `nms` can be."""
