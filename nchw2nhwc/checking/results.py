"""Results of any kind, and how they run."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from nchw2nhwc.checking.keras import as_graph, run_keras, run_model
from nchw2nhwc.checking.litert import LoadedFile, litert_tensors, run_litert, run_litert_with
from nchw2nhwc.emit.tflite.scales import bad_scale
from nchw2nhwc.errors import CheckError, Location
from nchw2nhwc.interface import TensorInfo
from nchw2nhwc.ir import Array

if TYPE_CHECKING:
    import keras


class Result(Protocol):
    """Something that runs on inputs by name, in the source's order of axes. All methods raise CheckError when it does not run."""

    def names(self) -> set[str]:
        """The names of the tensors that can be seen inside."""

    def run(self, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo], data: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs by name, in the source's order of axes."""

    def tensors(self, inputs: Sequence[TensorInfo], data: Mapping[str, Array], wanted: Collection[str]) -> Iterator[tuple[str, Array]]:
        """The tensors inside that are called as in `wanted`, in order, each as it is stored."""

    def run_with(self, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo], data: Mapping[str, Array],
                 wanted: Collection[str]) -> tuple[dict[str, Array], dict[str, Array]]:
        """The outputs as `run` gives them, and of the same run the tensors inside that are called as in `wanted`, each as it is stored."""


class TfliteResult:
    """A TFLite file, or its content."""

    def __init__(self, model: Path | bytes) -> None:
        bad = bad_scale(model)
        if bad is not None:
            raise CheckError(f"LiteRT cannot compute with a scale of operator {bad.operator}: {bad.reason}",
                             Location("" if isinstance(model, bytes) else model.name))
        self._model = model

    def names(self) -> set[str]:
        return LoadedFile(self._model, ()).names()

    def run(self, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo], data: Mapping[str, Array]) -> dict[str, Array]:
        return run_litert(self._model, inputs, outputs, data)

    def tensors(self, inputs: Sequence[TensorInfo], data: Mapping[str, Array], wanted: Collection[str]) -> Iterator[tuple[str, Array]]:
        return litert_tensors(self._model, inputs, data, wanted)

    def run_with(self, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo], data: Mapping[str, Array],
                 wanted: Collection[str]) -> tuple[dict[str, Array], dict[str, Array]]:
        content = self._model if isinstance(self._model, bytes) else self._model.read_bytes()
        return run_litert_with(content, inputs, outputs, data, wanted)


class KerasResult:
    """A Keras model, which runs as the graph that `predict` and SavedModels have. Its tensors are called as the layers or functions whose
    only result they are; of several results each has its number behind the name, as in `top_k:0`."""

    def __init__(self, model: keras.Model) -> None:
        self._model, self._graph = model, as_graph(model)

    def names(self) -> set[str]:
        return set(self._tensors())

    def _tensors(self) -> dict[str, keras.KerasTensor]:
        found = {}
        for operation in self._model.operations:
            if isinstance(operation.output, (list, tuple)):
                found.update({f"{operation.name}:{k}": tensor for k, tensor in enumerate(operation.output)})
            else:
                found[operation.name] = operation.output
        return found

    def run(self, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo], data: Mapping[str, Array]) -> dict[str, Array]:
        return run_keras(self._graph, inputs, outputs, data)

    def tensors(self, inputs: Sequence[TensorInfo], data: Mapping[str, Array], wanted: Collection[str]) -> Iterator[tuple[str, Array]]:
        yield from self.run_with(inputs, (), data, wanted)[1].items()

    def run_with(self, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo], data: Mapping[str, Array],
                 wanted: Collection[str]) -> tuple[dict[str, Array], dict[str, Array]]:
        import keras

        inner = {name: tensor for name, tensor in self._tensors().items() if name in wanted}
        ends = self._model.outputs if outputs else []
        entries = self._model.inputs
        part = keras.Model(entries if len(entries) > 1 else entries[0], [*ends, *inner.values()])
        found = run_model(part, inputs, data)
        results, arrays = found[:len(ends)], found[len(ends):]
        return {info.name: info.to_source(array) for info, array in zip(outputs, results, strict=True)}, dict(zip(inner, arrays))


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

    def names(self) -> set[str]:
        return set()

    def run(self, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo], data: Mapping[str, Array]) -> dict[str, Array]:
        import tensorflow as tf

        from nchw2nhwc.emit.keras.names import Names

        names = Names()
        given = {names.take(info.name, "input"): tf.constant(info.to_result(data[info.name])) for info in inputs}
        results = self._function(**given)
        return {info.name: info.to_source(results[names.take(info.name, "output")].numpy()) for info in outputs}

    def tensors(self, inputs: Sequence[TensorInfo], data: Mapping[str, Array], wanted: Collection[str]) -> Iterator[tuple[str, Array]]:
        raise _closed()

    def run_with(self, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo], data: Mapping[str, Array],
                 wanted: Collection[str]) -> tuple[dict[str, Array], dict[str, Array]]:
        raise _closed()


def _closed() -> CheckError:
    return CheckError("the tensors inside a SavedModel cannot be compared", advice="Check a .keras file of the same network.")


def open_result(path: Path) -> Result:
    """A result by its kind. Raises CheckError when it cannot be loaded."""
    if path.suffix.lower() == ".tflite":
        return TfliteResult(path)
    return SavedModelResult(path) if path.is_dir() else KerasResult(_load(path))


def _load(path: Path) -> keras.Model:
    """The model of a .keras or .h5 file. Raises CheckError."""
    import keras

    try:
        return keras.models.load_model(path, compile=False)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise CheckError(f"Keras cannot load it: {error}", Location(path.name)) from None
