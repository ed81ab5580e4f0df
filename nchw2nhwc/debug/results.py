"""Results of any kind, and how they run."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from nchw2nhwc.check.keras import run_keras
from nchw2nhwc.check.litert import litert_tensors, run_litert
from nchw2nhwc.emit.tflite.scales import bad_scale
from nchw2nhwc.errors import CheckError, Location
from nchw2nhwc.interface import TensorInfo
from nchw2nhwc.ir import Array

if TYPE_CHECKING:
    import keras


class Result(Protocol):
    """Something that runs on inputs by name, in the source's order of axes. Both methods raise CheckError when it does not run."""

    def run(self, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo], data: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs by name, in the source's order of axes."""

    def tensors(self, inputs: Sequence[TensorInfo], data: Mapping[str, Array], wanted: Collection[str]) -> Iterator[tuple[str, Array]]:
        """The tensors inside that are called as in `wanted`, in order, each as it is stored."""


class TfliteResult:
    """A TFLite file, or its content."""

    def __init__(self, model: Path | bytes) -> None:
        bad = bad_scale(model)
        if bad is not None:
            raise CheckError(f"LiteRT cannot compute with a scale of operator {bad.operator}: {bad.reason}",
                             Location("" if isinstance(model, bytes) else model.name))
        self._model = model

    def run(self, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo], data: Mapping[str, Array]) -> dict[str, Array]:
        return run_litert(self._model, inputs, outputs, data)

    def tensors(self, inputs: Sequence[TensorInfo], data: Mapping[str, Array], wanted: Collection[str]) -> Iterator[tuple[str, Array]]:
        return litert_tensors(self._model, inputs, data, wanted)


class KerasResult:
    """A .keras or .h5 file."""

    def __init__(self, path: Path) -> None:
        import keras

        try:
            self._model: keras.Model = keras.models.load_model(path, compile=False)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise CheckError(f"Keras cannot load it: {error}", Location(path.name)) from None

    def run(self, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo], data: Mapping[str, Array]) -> dict[str, Array]:
        return run_keras(self._model, inputs, outputs, data)

    def tensors(self, inputs: Sequence[TensorInfo], data: Mapping[str, Array], wanted: Collection[str]) -> Iterator[tuple[str, Array]]:
        import keras

        inner = {operation.name: operation.output for operation in self._model.operations if operation.name in wanted}
        part = keras.Model(self._model.inputs, list(inner.values()))
        given = [info.to_result(data[info.name]) for info in inputs]
        for name, tensor in zip(inner, part(given if len(given) > 1 else given[0], training=False)):
            yield name, np.asarray(tensor)


class SavedModelResult:
    """The folder of a SavedModel; nothing can be seen inside."""

    def __init__(self, path: Path) -> None:
        import tensorflow as tf

        from nchw2nhwc.emit.keras.files import SIGNATURE

        try:
            self._loaded = tf.saved_model.load(str(path))
            self._function = self._loaded.signatures[SIGNATURE]
        except (OSError, ValueError, KeyError) as error:
            raise CheckError(f"TensorFlow cannot load it: {error}", Location(path.name)) from None

    def run(self, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo], data: Mapping[str, Array]) -> dict[str, Array]:
        import tensorflow as tf

        from nchw2nhwc.emit.keras.names import Names

        names = Names()
        given = {names.take(info.name, "input"): tf.constant(info.to_result(data[info.name])) for info in inputs}
        results = self._function(**given)
        return {info.name: info.to_source(results[names.take(info.name, "output")].numpy()) for info in outputs}

    def tensors(self, inputs: Sequence[TensorInfo], data: Mapping[str, Array], wanted: Collection[str]) -> Iterator[tuple[str, Array]]:
        raise CheckError("the tensors inside a SavedModel cannot be compared", advice="Check a .keras file of the same network.")


def open_result(path: Path) -> Result:
    """A result by its kind. Raises CheckError when it cannot be loaded."""
    if path.suffix.lower() == ".tflite":
        return TfliteResult(path)
    return SavedModelResult(path) if path.is_dir() else KerasResult(path)
