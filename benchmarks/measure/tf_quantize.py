"""TensorFlow's own converter on a SavedModel: python tf_quantize.py SAVED_MODEL SAMPLES.npz OUT MODE...

The samples are arrays by input name, as the SavedModel takes them, samples along an axis of their own in front. Writes OUT/MODE.tflite and
prints a line `MODE ok` or `MODE failed: why` for each.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np


def quantize(model: str, samples: dict[str, np.ndarray], mode: str) -> bytes:
    """The file's content."""
    import tensorflow as tf

    wanted = list(tf.saved_model.load(model).signatures["serving_default"].structured_input_signature[1])
    # A name that begins with a digit has another one in front in the signature.
    given = {next(w for w in wanted if w == name or w.endswith(f"_{name}")): array for name, array in samples.items()}

    def representative() -> Iterator[dict[str, np.ndarray]]:
        for k in range(len(next(iter(given.values())))):
            yield {name: array[k] for name, array in given.items()}

    converter = tf.lite.TFLiteConverter.from_saved_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    ops = tf.lite.OpsSet
    if mode == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if mode.startswith("int"):
        converter.representative_dataset = representative
    if mode == "int8-full":
        converter.target_spec.supported_ops = [ops.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    if mode == "int16x8":
        converter.target_spec.supported_ops = [ops.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8, ops.TFLITE_BUILTINS]
    content = converter.convert()
    assert isinstance(content, bytes)
    return content


def main() -> None:
    """Run the command line."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    model, data, out, *modes = sys.argv[1:]
    with np.load(data) as loaded:
        samples = dict(loaded)
    for mode in modes:
        try:
            Path(out, f"{mode}.tflite").write_bytes(quantize(model, samples, mode))
        except Exception as error:  # noqa: BLE001  (whatever the converter raises is its answer)
            print(f"{mode} failed: {type(error).__name__}: {' '.join(str(error).split())[:200]}", flush=True)
        else:
            print(f"{mode} ok", flush=True)


if __name__ == "__main__":
    main()
