"""Run onnx2tf from an environment of its own, as a user of it would: its direct FlatBuffer writer.

Two ways, because its default spends much of its time in onnxsim (which needs the environment's programs on PATH): "default", and "fast"
without onnxsim and without naming ops anew. Its time is that of the fastest that makes a file LiteRT runs, its latency that of the best
file. It always writes a float16 file and a correspondence report too; no flag turns them off. It writes over the model that it is given, so
every run gets a copy, made before the clock starts.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from measure.cases import Case
from measure.child import Outcome, WorkerError, run, versions
from measure.flatfile import FileFacts, TensorEntry, read_facts
from measure.litert import Port, compare
from measure.reference import Names
from measure.rows import PeerResult

NAME = "onnx2tf"
VARIANTS = {"default": ("-n",), "fast": ("-n", "--not_use_onnxsim", "--not_use_opname_auto_generate")}
SETS = ("onnx", "onnx-more", "rapidocr", "folder")
"""It reads ONNX files, and fixes every dimension that it is given a shape for."""


@dataclass(frozen=True)
class Peer:
    """The peer's environment, named by its Python."""

    python: Path

    @property
    def program(self) -> Path:
        return self.python.parent / NAME

    def version(self, *more: str) -> str:
        """Its version as it is installed there, with those of `more` packages; raises WorkerError if one is not."""
        found = versions(self.python, (NAME, "onnx", "onnxsim", "numpy", *more))
        if not self.program.exists():
            raise WorkerError(f"no {NAME} there: {self.program} does not exist")
        return found

    def convert(self, case: Case, variant: str, folder: Path) -> tuple[Outcome, Path]:
        """Convert a case in a folder; the outcome, and the file that is there if it was a success."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        model, out = folder / case.path.name, folder / "out"
        shutil.copyfile(case.path, model)
        command = [str(self.program), "-i", str(model), "-o", str(out), "--tflite_backend", "flatbuffer_direct", *VARIANTS[variant]]
        if case.input_shapes:
            command += ["-ois", *(f"{name}:{','.join(map(str, shape))}" for name, shape in case.input_shapes.items())]
        # Its virtual environment's programs first, as activating it does; nothing of this project's environment.
        env = {"PATH": os.pathsep.join([str(self.python.parent), os.environ.get("PATH", "")]), "PYTHONPATH": ""}
        return run(command, env, cwd=folder), out / f"{model.stem}_float32.tflite"


def examine(result: PeerResult, file: Path, names: Names, arrays: Sequence[Path], source_shapes: Sequence[tuple[int, ...]]) -> None:
    """Count, load and compare the peer's file. `source_shapes` are those of the source's inputs, then outputs."""
    facts = read_facts(file)
    result.ops, result.transposes = facts.ops, facts.transposes
    ports = _ports(facts, names, source_shapes)
    inputs, outputs = ports if not isinstance(ports, str) else ([], [])
    if isinstance(ports, str):
        result.note = ports
    try:
        errors = compare(file, inputs, outputs, arrays if inputs else (), xnnpack=True)
    except WorkerError as error:
        result.refused = str(error)
        return
    if outputs:
        result.parity = None if None in errors else max(e for e in errors if e is not None)
        result.note = "" if result.parity is not None else "another shape, a NaN or an infinity in its outputs"


def _ports(facts: FileFacts, names: Names, shapes: Sequence[tuple[int, ...]]) -> tuple[list[Port], list[Port]] | str:
    """How its inputs and outputs belong to the source's, by name and shape; a string says what cannot be told."""
    count = len(names["inputs"])
    found: list[list[Port]] = []
    for entries, known, source in ((facts.inputs, names["inputs"], shapes[:count]), (facts.outputs, names["outputs"], shapes[count:])):
        matched = list(match_names(entries, known))
        if len(matched) != len(known):
            return f"its tensors {[e.name for e in entries]} cannot be matched with {known}"
        perms = {entry.name: layout_by_shape(source[k], entry.shape) for k, entry in matched}
        unclear = [name for name, perm in perms.items() if perm is None]
        if unclear:
            return f"the layout of {', '.join(unclear)} cannot be told from its shape"
        found.append([Port(entry.name, k, perms[entry.name] or ()) for k, entry in matched])
    return found[0], found[1]


def match_names(entries: Sequence[TensorEntry], known: Sequence[str]) -> Iterator[tuple[int, TensorEntry]]:
    """Pairs of the source's number and the file's entry: the only one, or the one whose name is the same after the peer's clean-up."""
    if len(entries) == len(known) == 1:
        yield 0, entries[0]
        return
    by_name = {entry.name: entry for entry in entries}
    for k, name in enumerate(known):
        clean = name.replace(":", "__")
        clean = "wa" + clean if clean.startswith("/") else clean
        if clean in by_name:
            yield k, by_name[clean]


def layout_by_shape(source: tuple[int, ...], result: tuple[int, ...]) -> tuple[int, ...] | None:
    """Source order or channels-last, whichever gives the shape; None when neither does, or both do and are not the same in memory."""
    if len(source) != len(result):
        return None
    same = tuple(range(len(source)))
    last = (0, *same[2:], 1) if len(source) > 2 else same
    fitting = [perm for perm in dict.fromkeys((same, last)) if tuple(source[a] for a in perm) == result]
    orders = {tuple(a for a in perm if source[a] != 1) for perm in fitting}
    return fitting[0] if len(orders) == 1 else None
