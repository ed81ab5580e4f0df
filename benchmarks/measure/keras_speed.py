"""Worker: seconds of one conversion of an ONNX file to a Keras model in memory, TensorFlow and the converter imported before the clock
starts. A process of its own for each, so that none profits from what another has left behind.

Job: `by` ("ours", or "onnx2tf" in an environment that has it), `model` (an .onnx file), `folder` (for onnx2tf, which wants a folder though
it is told to write nothing: `disable_model_save`). Answer: `Timing`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypedDict, cast

from measure.child import HERE, REPOSITORY, Environment, python_path, reply, serve, work

PEER_TIMEOUT = 300.0
"""Seconds after which the peer is stopped."""


class Timing(TypedDict):
    """Seconds, and the number of the model's layers."""

    seconds: float
    layers: int


def time_ours(model: Path) -> Timing:
    """Run the worker. Raises WorkerError."""
    own = Environment(HERE.python, python_path(REPOSITORY, REPOSITORY / "benchmarks"))
    return cast(Timing, work("keras_speed", {"by": "ours", "model": str(model), "folder": ""}, environment=own))


def time_peer(model: Path, folder: Path, environment: Environment) -> Timing:
    """Run the worker in the peer's environment; `model` is a copy, as the peer writes over it. Raises WorkerError."""
    job = {"by": "onnx2tf", "model": str(model), "folder": str(folder)}
    return cast(Timing, work("keras_speed", job, PEER_TIMEOUT, environment))


def _ours(model: str, folder: str) -> Callable[[], object]:
    import nchw2nhwc

    return lambda: nchw2nhwc.convert(model).keras()


def _onnx2tf(model: str, folder: str) -> Callable[[], object]:
    """By the backend that makes Keras models, as its documentation runs it, without writing files."""
    import onnx2tf

    return lambda: onnx2tf.convert(input_onnx_file_path=model, output_folder_path=folder, tflite_backend="tf_converter",
                                   disable_model_save=True, non_verbose=True)


def main(argv: Sequence[str]) -> int:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    job, answer = serve(argv)
    import tensorflow as tf

    tf.constant(0.0)  # the devices are there
    convert = {"ours": _ours, "onnx2tf": _onnx2tf}[str(job["by"])](str(job["model"]), str(job["folder"]))
    start = time.perf_counter()
    model = convert()
    seconds = time.perf_counter() - start
    reply(answer, {"seconds": seconds, "layers": len(model.layers)})  # type: ignore[attr-defined]
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
