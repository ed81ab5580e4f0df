"""Files that are made of a Keras model: .keras, .h5, weights with the architecture as JSON, SavedModel, frozen GraphDef.

Each function writes to the path it is given, whose name has to end as Keras asks for; making that whole or not at all is the caller's.
All raise OSError when the file system refuses.
SavedModel and GraphDef take and give tensors by the source's names.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path

import h5py
import keras
import tensorflow as tf

from nchw2nhwc.emit.keras.emit import Network
from nchw2nhwc.emit.keras.metadata import metadata_json, to_architecture, to_graph, to_h5, to_keras, to_saved_model
from nchw2nhwc.emit.keras.names import Names

SIGNATURE = "serving_default"
"""The signature of a SavedModel."""
_HDF5_EACH, _HDF5_ALL = 1 << 12, 1 << 16
"""Bytes that an HDF5 file takes for a variable besides its content, and for all else, at most."""


@contextmanager
def _quietly() -> Iterator[None]:
    """Without what Keras and TensorFlow say of every file they write."""
    loggers = [logging.getLogger(name) for name in ("absl", "tensorflow")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)


def write(network: Network, path: Path, inputs: Sequence[str], outputs: Sequence[str], interface: bytes) -> None:
    """The file or folder that the ending of `path` stands for (see `options.KERAS_FILES`); all but weights alone hold what `interface`,
    JSON, says of inputs and outputs (see `metadata`)."""
    model, metadata = network.model, metadata_json(interface, network.layers)
    with _quietly():
        if path.name.endswith(".weights.h5"):
            _require_room(model, path)
            model.save_weights(path)
        elif path.name.endswith("_saved_model"):
            write_saved_model(model, path, inputs, outputs, metadata)
        elif path.name.endswith(".pb"):
            write_frozen(model, path, inputs, outputs, metadata)
        else:
            next(f for ending, f in _PLAIN.items() if path.name.endswith(ending))(model, path, metadata)


def _require_room(model: keras.Model, path: Path) -> None:
    """Raises OSError where the disk has no room for an HDF5 file of the model: the library may end the process when it finds out late."""
    needed = sum(prod(v.shape) * v.value.dtype.size + _HDF5_EACH for v in model.variables) + _HDF5_ALL
    if shutil.disk_usage(path.parent).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def write_keras(model: keras.Model, path: Path, metadata: str) -> None:
    """Keras' own format."""
    model.save(path)
    to_keras(path, metadata)


def write_h5(model: keras.Model, path: Path, metadata: str) -> None:
    """The older HDF5 format, architecture and weights in one file.

    Keras writes classes there by name alone, which is ambiguous (the layer Add, the function Add). The architecture is therefore written
    as in its own format, with modules, which Keras reads from HDF5 files too.
    """
    _require_room(model, path)
    model.save(path)
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = model.to_json().encode()
    to_h5(path, metadata)


def write_architecture(model: keras.Model, path: Path, metadata: str) -> None:
    """What `keras.models.model_from_json` reads."""
    path.write_text(to_architecture(model.to_json(), metadata), encoding="utf-8")


_PLAIN: Mapping[str, Callable[[keras.Model, Path, str], None]] = {
    ".keras": write_keras, ".h5": write_h5, "_architecture.json": write_architecture}
"""Formats without named tensors, by ending."""


def write_saved_model(model: keras.Model, path: Path, inputs: Sequence[str], outputs: Sequence[str], metadata: str) -> None:
    """A folder with one signature, whose inputs and outputs are called `inputs` and `outputs` as far as TensorFlow takes these names."""
    function = serving(model, inputs, outputs)
    module = tf.Module()
    module.held = _variables(model)
    module.serve = function
    try:
        tf.saved_model.save(module, str(path), signatures={SIGNATURE: function})
    except tf.errors.OpError as error:  # TensorFlow writes with file systems of its own
        number = errno.ENOSPC if isinstance(error, tf.errors.ResourceExhaustedError) else errno.EIO
        raise OSError(number, os.strerror(number), str(path)) from error
    to_saved_model(path, metadata)


def write_frozen(model: keras.Model, path: Path, inputs: Sequence[str], outputs: Sequence[str], metadata: str) -> None:
    """A GraphDef whose variables are constants; its placeholders and results are nodes called `inputs` and `outputs`."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    function = serving(model, inputs, outputs).get_concrete_function()
    frozen = convert_variables_to_constants_v2(function).graph.as_graph_def()
    wanted = [*(spec.name for spec in function.structured_input_signature[0]), *function.structured_outputs]
    graph = tf.compat.v1.graph_util.extract_sub_graph(frozen, wanted)
    to_graph(graph, metadata)
    path.write_bytes(graph.SerializeToString())


def serving(model: keras.Model, inputs: Sequence[str], outputs: Sequence[str]) -> tf.types.experimental.PolymorphicFunction:
    """The model as a TensorFlow function of named tensors that gives a dictionary of named tensors; inference only."""
    names = Names()
    specs = [tf.TensorSpec(tensor.shape, tensor.dtype, name=names.take(name, "input"))
             for name, tensor in zip(inputs, model.inputs, strict=True)]
    results = [names.take(name, "output") for name in outputs]

    def serve(*tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        given = model(list(tensors) if len(tensors) > 1 else tensors[0], training=False)
        listed = given if isinstance(given, (list, tuple)) else [given]
        return {valid: tf.identity(tensor, name=valid) for valid, tensor in zip(results, listed, strict=True)}

    return tf.function(serve, input_signature=specs, autograph=False)


def _variables(model: keras.Model) -> list[tf.Variable]:
    """TensorFlow's variables behind Keras' ones, which a SavedModel has to hold."""
    return [v.value for v in model.variables]
