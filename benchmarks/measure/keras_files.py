"""Worker: open files of the Keras target as a user without this project does, and compare what they compute with the source.

Job "run": `forms` ({form: file}; see `keras_data.FORMS`; of `weights` the .weights.h5), `inputs` and `outputs` ([{name, source, perm}]; see
`litert.Port`), `arrays` (list of .npz, run one after the other). Answer: for every form `errors`, the largest relative error of each output
(`null` where it cannot be compared), or `problem`, why it cannot be opened or run.
Job "convert": `saved_model`, `file` (a .tflite to write, with TensorFlow's own converter). Answer: why it did not, or "".

It runs with any of Keras' backends; only the forms of TensorFlow import it.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, cast

import numpy as np

from measure.child import HERE, Environment, reply, serve, work
from measure.litert import Array, Port, ports, relative_error, worse

if TYPE_CHECKING:
    import keras

Network = Callable[[Sequence[Array]], list[Array]]
"""Computes the outputs from the inputs, both in the source's order and the result's layouts."""

PRODUCT = "nchw2nhwc"


class Tried(TypedDict, total=False):
    """What came of one file."""

    errors: list[float | None]
    problem: str


def try_forms(forms: Mapping[str, Path], inputs: Sequence[Port], outputs: Sequence[Port], arrays: Sequence[Path],
              environment: Environment = HERE) -> dict[str, Tried]:
    """Run the "run" job. Raises WorkerError when the process itself fails."""
    return cast("dict[str, Tried]", work("keras_files", {
        "do": "run", "forms": {form: str(file) for form, file in forms.items()}, "inputs": [asdict(p) for p in inputs],
        "outputs": [asdict(p) for p in outputs], "arrays": [str(a) for a in arrays]}, environment=environment))


def convert_again(saved_model: Path, file: Path) -> str:
    """Run the "convert" job. Raises WorkerError when the process itself fails."""
    return cast(str, work("keras_files", {"do": "convert", "saved_model": str(saved_model), "file": str(file)}))


def tensorflow_names(names: Iterable[str], kind: str, taken: set[str]) -> list[str]:
    """What tensors of a SavedModel and a GraphDef are called, by the documented rule: the source's names, everything but ASCII letters,
    digits, `_`, `.` and `-` replaced by `_`, with the kind (`input`, `output`) before a name that does not begin with a letter, and a
    number behind one that is `taken` in any case."""
    found = []
    for name in names:
        clean = re.sub(r"[^A-Za-z0-9_.-]+", "_", name).strip("_.-")
        clean = clean if clean[:1].isalpha() else f"{kind}_{clean}" if clean else kind
        number, free = 0, clean
        while free.lower() in taken:
            number += 1
            free = f"{clean}_{number}"
        taken.add(free.lower())
        found.append(free)
    return found


# ---- what opens each form ----------------------------------------------------------------------------------------------
def _loaded(file: Path, inputs: Sequence[str], outputs: Sequence[str]) -> Network:
    import keras

    return _predicting(keras.models.load_model(file))


def _rebuilt(file: Path, inputs: Sequence[str], outputs: Sequence[str]) -> Network:
    import keras

    architecture = file.with_name(file.name.replace(".weights.h5", "_architecture.json"))
    model = keras.models.model_from_json(architecture.read_text(encoding="utf-8"))
    model.load_weights(file)
    return _predicting(model)


def _predicting(model: keras.Model) -> Network:
    """`predict`; a model whose inputs are not all led by the batch, which predict splits, is called."""
    def run(arrays: Sequence[Array]) -> list[Array]:
        given = list(arrays) if len(arrays) > 1 else arrays[0]
        batched = len({a.shape[:1] for a in arrays}) == 1 and arrays[0].ndim > 0
        results = model.predict(given, verbose=0) if batched else model(given, training=False)
        return [np.asarray(r) for r in (results if isinstance(results, (list, tuple)) else [results])]

    return run


def _served(folder: Path, inputs: Sequence[str], outputs: Sequence[str]) -> Network:
    """The signature takes arguments by the tensors' names as Python allows them: letters, digits and `_`."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder))
    signature = loaded.signatures["serving_default"]
    arguments = [re.sub(r"\W", "_", name, flags=re.ASCII) for name in inputs]

    def run(arrays: Sequence[Array]) -> list[Array]:
        results = signature(**{name: tf.constant(a) for name, a in zip(arguments, arrays)})
        assert loaded is not None  # the signature needs it alive
        return [results[name].numpy() for name in outputs]

    return run


def _frozen(file: Path, inputs: Sequence[str], outputs: Sequence[str]) -> Network:
    import tensorflow as tf

    definition = tf.compat.v1.GraphDef.FromString(file.read_bytes())
    wrapped = tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(definition, name=""), [])
    graph = wrapped.graph
    function = wrapped.prune([graph.as_graph_element(f"{name}:0") for name in inputs],
                             [graph.as_graph_element(f"{name}:0") for name in outputs])
    return lambda arrays: [result.numpy() for result in function(*map(tf.constant, arrays))]


_OPENERS: Mapping[str, Callable[[Path, Sequence[str], Sequence[str]], Network]] = {
    "keras": _loaded, "h5": _loaded, "weights": _rebuilt, "saved_model": _served, "pb": _frozen}


# ---- jobs --------------------------------------------------------------------------------------------------------------
def _failures() -> tuple[type[Exception], ...]:
    """What Keras and the backends raise for files that they do not take; anything else ends the worker."""
    plain = (ValueError, TypeError, LookupError, AttributeError, OSError, RuntimeError, ImportError)
    if "tensorflow" not in sys.modules:
        return plain
    import tensorflow as tf

    return (*plain, tf.errors.OpError)


def _run(job: Mapping[str, object]) -> dict[str, Tried]:
    found: dict[str, Tried] = {}
    for form, file in cast("dict[str, str]", job["forms"]).items():
        try:
            found[form] = {"errors": _errors(form, Path(file), job)}
        except _failures() as error:
            found[form] = {"problem": f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"}
    return found


def _errors(form: str, file: Path, job: Mapping[str, object]) -> list[float | None]:
    inputs, outputs, taken = ports(job["inputs"]), ports(job["outputs"]), set[str]()
    names = [tensorflow_names([p.name for p in some], kind, taken) for some, kind in ((inputs, "input"), (outputs, "output"))]
    network = _OPENERS[form](file, names[0], names[1])
    worst: list[float | None] = [0.0] * len(outputs)
    for path in cast("list[str]", job["arrays"]):
        with np.load(path) as arrays:
            results = network([np.ascontiguousarray(arrays[f"in{p.source}"].transpose(p.perm)) for p in inputs])
            expected = [arrays[f"out{p.source}"].transpose(p.perm) for p in outputs]
            worst = [worse(before, relative_error(e, r)) for before, e, r in zip(worst, expected, results, strict=True)]
    return worst


def _convert(job: Mapping[str, object]) -> str:
    """Its errors are many lines, each op's with the word `error` before the reason."""
    import tensorflow as tf
    from tensorflow.lite.python.convert import ConverterError

    try:
        content = tf.lite.TFLiteConverter.from_saved_model(str(job["saved_model"])).convert()
    except ConverterError as error:
        reasons = re.findall(r"error: (.+)", str(error)) or str(error).splitlines()[:1]
        return "; ".join(dict.fromkeys(reasons))[:300]
    Path(str(job["file"])).write_bytes(content)
    return ""


def main(argv: Sequence[str]) -> int:
    sys.modules[PRODUCT] = None  # type: ignore[assignment]  # from here on importing it fails
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    job, answer = serve(argv)
    reply(answer, _run(job) if job["do"] == "run" else _convert(job))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
