"""Run the product's command line, as a user would, and read what it made."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, cast

from measure.cases import Case
from measure.child import REPOSITORY, Outcome, WorkerError, python_path, run
from measure.litert import Port, compare
from measure.reference import Names
from measure.rows import Parity


class _Tensor(TypedDict):
    name: str
    source_shape: list[int]
    shape: list[int]
    perm: list[int]


class Report(TypedDict):
    """The part of `--report` that is read here; counts come from the file, except what only the solver knows."""

    inputs: list[_Tensor]
    outputs: list[_Tensor]
    ops: dict[str, int]
    transposes: dict[str, float]
    check: dict[str, float]


@dataclass(frozen=True)
class Conversion:
    """The file of a conversion, its report, and what it took."""

    file: Path
    report: Report
    outcome: Outcome

    @property
    def inputs(self) -> list[Port]:
        return _ports(self.report["inputs"])

    @property
    def outputs(self) -> list[Port]:
        return _ports(self.report["outputs"])


def _ports(tensors: Sequence[_Tensor]) -> list[Port]:
    return [Port(t["name"], k, tuple(t["perm"])) for k, t in enumerate(tensors)]


def command(case: Case, out: Path, *more: str) -> list[str]:
    """The command line of a conversion without the check."""
    return [sys.executable, "-m", "nchw2nhwc", str(case.path), "-o", str(out), "--no-check", "--quiet", *case.options, *more]


def convert(case: Case, out: Path, *more: str) -> tuple[Outcome, Path]:
    """Convert a case into a folder; the outcome, and the file that is there if it was a success."""
    return run(command(case, out, *more), python_path(REPOSITORY)), out / f"{case.path.stem}_float32.tflite"


def convert_with_report(case: Case, out: Path, *more: str) -> Conversion | str:
    """The same with `--report`; a string says why there is no result."""
    report = out / "report.json"
    outcome, file = convert(case, out, f"--report={report}", *more)
    if not outcome.ok:
        return outcome.complaint
    return Conversion(file, cast(Report, json.loads(report.read_text())), outcome)


def moved(report: Report) -> int:
    """How many inputs and outputs are stored in another order of their elements than the source's; moving axes of size 1 is none."""
    def moves(tensor: _Tensor) -> bool:
        order = [axis for axis in tensor["perm"] if tensor["source_shape"][axis] != 1]
        return order != sorted(order)

    return sum(map(moves, [*report["inputs"], *report["outputs"]]))


def parity(conversion: Conversion, names: Names, arrays: Sequence[Path]) -> Parity:
    """Compare a result with what the source computed, in both of LiteRT's ways of running it."""
    found = Parity()
    for kind, tensors in (("inputs", conversion.report["inputs"]), ("outputs", conversion.report["outputs"])):
        known, declared = names["inputs"] if kind == "inputs" else names["outputs"], [t["name"] for t in tensors]
        # OpenVINO gives unnamed tensors no name, and IR v10 names layers: only the number can be compared.
        if len(known) != len(declared) or (names["format"] == "onnx" and known != declared):
            found.notes.append(f"the report's {kind} {declared} are not the source's {known}")
            return found
    found.xnnpack = _worst(conversion, arrays, found, xnnpack=True)
    found.plain = _worst(conversion, arrays, found, xnnpack=False)
    return found


def checked(case: Case, out: Path) -> Parity:
    """What the product's own check says, which is made with XNNPACK."""
    report = out / "report.json"
    outcome = run([part for part in command(case, out, f"--report={report}") if part != "--no-check"], python_path(REPOSITORY))
    if not outcome.ok:
        return Parity(notes=[outcome.complaint])
    check = cast(Report, json.loads(report.read_text()))["check"]
    return Parity(check["max_rel_error"])


def _worst(conversion: Conversion, arrays: Sequence[Path], found: Parity, *, xnnpack: bool) -> float | None:
    way = "with XNNPACK" if xnnpack else "without XNNPACK"
    try:
        errors = compare(conversion.file, conversion.inputs, conversion.outputs, arrays, xnnpack=xnnpack)
    except WorkerError as error:
        found.notes.append(f"LiteRT {way}: {error}")
        return None
    bad = [port.name for port, error in zip(conversion.outputs, errors) if error is None]
    if bad:
        found.notes.append(f"{way} outputs {', '.join(bad)} have another shape, a NaN or an infinity")
        return None
    return max((error for error in errors if error is not None), default=0.0)
