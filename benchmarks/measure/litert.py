"""Worker: run .tflite files in LiteRT.

Job "compare": `file`, `xnnpack`, `inputs` and `outputs` ([{name, source, perm}]; `source` is the N of `inN`/`outN`), `arrays` (list of
.npz, run one after the other in one interpreter; none: the file is only loaded). Answer: the largest relative error of each output, `null`
where it cannot be compared.
Job "time": `files` ([{file, inputs: [{name, shape}]}]), `seconds`, `threads`. Answer: for every file the milliseconds of each round.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

from measure.child import reply, serve, work

if TYPE_CHECKING:
    from ai_edge_litert.interpreter import Interpreter

Array = npt.NDArray[np.generic]

WARM_UP = 3
ROUNDS = range(11, 201)
"""How many rounds are timed: as many as fit into the given seconds, within these."""


@dataclass(frozen=True)
class Port:
    """An input or output of the result: its name (of the signature, or of the tensor), which of the source's it is, and its layout:
    `result = source.transpose(perm)`."""

    name: str
    source: int
    perm: tuple[int, ...]


@dataclass(frozen=True)
class Timed:
    """A file whose latency is measured, with the shapes of its inputs by name ({}: as the file says)."""

    file: str
    inputs: Mapping[str, tuple[int, ...]]


def compare(file: Path, inputs: Sequence[Port], outputs: Sequence[Port], arrays: Sequence[Path], *, xnnpack: bool) -> list[float | None]:
    """Run the "compare" job. Raises WorkerError when LiteRT does not load or run the file."""
    return cast("list[float | None]", work("litert", {
        "do": "compare", "file": str(file), "xnnpack": xnnpack, "inputs": [asdict(p) for p in inputs],
        "outputs": [asdict(p) for p in outputs], "arrays": [str(a) for a in arrays]}))


def latencies(files: Sequence[Timed], seconds: float) -> list[list[float]]:
    """Run the "time" job: milliseconds per run, with XNNPACK and one thread, the files taking turns. Raises WorkerError."""
    return cast("list[list[float]]", work("litert", {"do": "time", "files": [asdict(f) for f in files], "seconds": seconds, "threads": 1}))


def relative_error(expected: Array, actual: Array) -> float | None:
    """The largest difference relative to the largest magnitude of `expected` (the difference itself where that is 0); for integers and
    truth values the share of elements that differ; None when shapes differ or a NaN or infinity stands on one side only."""
    if expected.shape != actual.shape:
        return None
    if expected.dtype.kind != "f":
        return float(np.mean(expected != actual)) if expected.size else 0.0
    a, b = expected.astype(np.float64), actual.astype(np.float64)
    finite = np.isfinite(a)
    if not np.array_equal(a[~finite], b[~finite], equal_nan=True) or not np.isfinite(b[finite]).all():
        return None
    if not finite.any():
        return 0.0
    return float(np.abs(a[finite] - b[finite]).max() / (np.abs(a[finite]).max() or 1.0))


def largest(errors: Sequence[float | None]) -> float | None:
    """The largest error of all outputs; None when one of them is."""
    worst: float | None = 0.0
    for error in errors:
        worst = worse(worst, error)
    return worst


def worse(before: float | None, error: float | None) -> float | None:
    """The larger of two errors; None when one of them is."""
    return None if before is None or error is None else max(before, error)


def _open(file: str, xnnpack: bool, threads: int | None = None) -> Interpreter:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = OpResolverType.AUTO if xnnpack else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    return Interpreter(file, experimental_op_resolver_type=resolver, num_threads=threads)


def _indices(interpreter: Interpreter, outputs: bool) -> dict[str, int]:
    """Tensor indices by name: the tensors' names, and the signature's where there is one."""
    details = interpreter.get_output_details() if outputs else interpreter.get_input_details()
    found = {d["name"]: int(d["index"]) for d in details}
    if interpreter.get_signature_list():
        runner = interpreter.get_signature_runner()
        signature = runner.get_output_details() if outputs else runner.get_input_details()
        found |= {name: int(d["index"]) for name, d in signature.items()}
    return found


def _feed(interpreter: Interpreter, arrays: Mapping[int, Array]) -> None:
    """Set inputs by tensor index; those of another shape than the interpreter has at present are resized first."""
    shapes = {d["index"]: tuple(d["shape"]) for d in interpreter.get_input_details()}
    for index, array in arrays.items():
        if shapes[index] != array.shape:
            interpreter.resize_tensor_input(index, array.shape, strict=True)
    interpreter.allocate_tensors()
    types = {d["index"]: d["dtype"] for d in interpreter.get_input_details()}
    for index, array in arrays.items():
        interpreter.set_tensor(index, np.ascontiguousarray(array, dtype=types[index]))


def _compare(job: Mapping[str, object]) -> list[float | None]:
    interpreter = _open(str(job["file"]), bool(job["xnnpack"]))
    entry, leave = _indices(interpreter, outputs=False), _indices(interpreter, outputs=True)
    inputs, outputs = ports(job["inputs"]), ports(job["outputs"])
    interpreter.allocate_tensors()
    worst: list[float | None] = [0.0] * len(outputs)
    for path in cast("list[str]", job["arrays"]):
        with np.load(path) as arrays:
            _feed(interpreter, {entry[p.name]: arrays[f"in{p.source}"].transpose(p.perm) for p in inputs})
            interpreter.invoke()
            for k, port in enumerate(outputs):
                expected = arrays[f"out{port.source}"].transpose(port.perm)
                worst[k] = worse(worst[k], relative_error(expected, interpreter.get_tensor(leave[port.name])))
    return worst


def ports(entries: object) -> list[Port]:
    """Ports that were passed as JSON."""
    return [Port(str(entry["name"]), cast(int, entry["source"]), tuple(cast("list[int]", entry["perm"])))
            for entry in cast("list[dict[str, object]]", entries)]


def _time(job: Mapping[str, object]) -> list[list[float]]:
    interpreters = [_prepared(entry, cast(int, job["threads"])) for entry in cast("list[dict[str, object]]", job["files"])]
    for interpreter in interpreters:
        for _ in range(WARM_UP):
            interpreter.invoke()
    taken: list[list[float]] = [[] for _ in interpreters]
    end = time.perf_counter() + cast(float, job["seconds"])
    for rounds in range(ROUNDS.stop):
        if rounds >= ROUNDS.start and time.perf_counter() > end:
            break
        # Every other round goes backwards, so that none always runs after the same neighbour.
        order = range(len(interpreters))
        for k in order if rounds % 2 == 0 else reversed(order):
            start = time.perf_counter()
            interpreters[k].invoke()
            taken[k].append((time.perf_counter() - start) * 1e3)
    return taken


def _prepared(entry: Mapping[str, object], threads: int) -> Interpreter:
    """An interpreter with random inputs in place."""
    interpreter = _open(str(entry["file"]), xnnpack=True, threads=threads)
    indices = _indices(interpreter, outputs=False)
    given = {indices[name]: tuple(shape) for name, shape in cast("dict[str, list[int]]", entry["inputs"]).items()}
    rng = np.random.default_rng(0)
    _feed(interpreter, {d["index"]: rng.standard_normal(given.get(d["index"], tuple(d["shape"]))) for d in interpreter.get_input_details()})
    return interpreter


def main(argv: Sequence[str]) -> int:
    job, answer = serve(argv)
    reply(answer, _compare(job) if job["do"] == "compare" else _time(job))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
