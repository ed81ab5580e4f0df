"""TFLite files that others made, by way of OpenVINO and back: python benchmarks/round_trip.py [--files DIR] [--int8]
[--latency-seconds S] [--json FILE] [--markdown FILE]; see README.md beside it.

OpenVINO reads each .tflite file of a folder and writes an IR, which is in the source's axis order again; this is converted, and has to be
what it was before: the same outputs, and no more operators or transposes. Operators that only unpack weights are not counted. Files that
OpenVINO does not read are left out. `--int8` has TensorFlow's quantizer make files of integers, too; where such a file has a QUANTIZE of
integers, which LiteRT rounds less exactly than the result does, outputs may be two steps apart, and have to be OpenVINO's.
Exit status: 0 when every file comes back as it was, 1 when one does not or nothing was measured.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import geometric_mean, median

import numpy as np
from measure.child import WorkerError
from measure.flatfile import read_facts
from measure.litert import Port, Timed, compare, largest, latencies
from measure.machine import describe_machine
from measure.make_ir import make_ir
from measure.models import PARITY
from measure.table import Column, markdown_table, number, text_header, text_row, write
from measure.tf_int8 import make_int8

import nchw2nhwc

UNPACKING = ("DEQUANTIZE", "DENSIFY")
"""Operators that make float32 weights of smaller ones."""
STEPS = 2 / 127
"""Two steps of an int8 output."""


@dataclass
class Row:
    """One file: operators and transposes before and after, the largest difference of an output, milliseconds; `error` says why not."""

    file: str
    before: dict[str, int]
    after: dict[str, int]
    difference: float | None = None
    seconds: float | None = None
    latency: float | None = None
    error: str = ""
    requantizes: bool = False
    """Whether integers go from one scale to another by an operator of the original, whose kernels round some to the wrong side."""

    @property
    def passes(self) -> bool:
        fewer = sum(self.after.values()) <= sum(self.before.values()) and transposes(self.after) <= transposes(self.before)
        allowed = STEPS if self.requantizes else PARITY
        return not self.error and fewer and self.difference is not None and self.difference <= allowed


def transposes(operators: Mapping[str, int]) -> int:
    """How many there are."""
    return operators.get("TRANSPOSE", 0)


COLUMNS = (
    Column[Row]("file", 36, lambda row: row.file),
    Column[Row]("ops before", 10, lambda row: str(sum(row.before.values()))),
    Column[Row]("after", 5, lambda row: str(sum(row.after.values()))),
    Column[Row]("transposes", 10, lambda row: f"{transposes(row.before)}, {transposes(row.after)}"),
    Column[Row]("difference", 10, lambda row: number(row.difference, ".0e")),
    Column[Row]("seconds", 7, lambda row: number(row.seconds)),
    Column[Row]("latency after/before", 20, lambda row: number(row.latency)),
    Column[Row]("", 4, lambda row: "PASS" if row.passes else "FAIL"),
)


def operators(file: Path) -> dict[str, int]:
    """The operators of a file but those that unpack weights."""
    return {name: count for name, count in read_facts(file).operators.items() if name not in UNPACKING}


def run_original(file: Path, arrays: Path) -> None:
    """Run a file on random inputs between 0 and 1, as images are, or any integers of their type, and keep what it takes and gives."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter, rng = Interpreter(str(file)), np.random.default_rng(0)
    interpreter.allocate_tensors()
    kept = {}
    for k, detail in enumerate(interpreter.get_input_details()):
        kept[f"in{k}"] = _drawn(rng, detail["shape"], np.dtype(detail["dtype"]))
        interpreter.set_tensor(detail["index"], kept[f"in{k}"])
    interpreter.invoke()
    kept |= {f"out{k}": interpreter.get_tensor(detail["index"]) for k, detail in enumerate(interpreter.get_output_details())}
    np.savez(arrays, **kept)


def _drawn(rng: np.random.Generator, shape: Sequence[int], dtype: np.dtype[np.generic]) -> np.ndarray:
    if dtype.kind not in "iu":
        return rng.uniform(0, 1, shape).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)


def _ports(infos: Sequence[nchw2nhwc.TensorInfo]) -> list[Port]:
    return [Port(info.name, k, info.perm) for k, info in enumerate(infos)]


def measure(file: Path, seconds: float, folder: Path) -> Row | None:
    """There and back; None for a file that OpenVINO does not read."""
    source, result, arrays = folder / f"{file.stem}.xml", folder / "result.tflite", folder / "arrays.npz"
    try:
        make_ir(file, source, float16=False)
    except WorkerError as error:
        print(f"{file.name} is left out: {str(error).strip().splitlines()[-1]}", flush=True)
        return None
    row = Row(file.name, operators(file), {})
    try:
        converted = nchw2nhwc.convert(source)
        converted.save(result)
        row.requantizes = row.before.get("QUANTIZE", 0) > sum(info.dtype.kind == "f" for info in converted.inputs)
        if row.requantizes and not converted.check().passed:
            row.error = "the result is not what OpenVINO computes"
        row.after, row.seconds = operators(result), converted.report["seconds"]["total"]
        run_original(file, arrays)
        row.difference = largest(compare(result, _ports(converted.inputs), _ports(converted.outputs), [arrays], xnnpack=True))
        if seconds:
            before, after = latencies([Timed(str(each), {}) for each in (file, result)], seconds)
            row.latency = median(a / b for a, b in zip(after, before))
    except (nchw2nhwc.ConversionError, WorkerError) as error:
        row.error = str(error)
    return row


def _summary(rows: Sequence[Row]) -> Iterator[str]:
    passed = [row for row in rows if row.passes]
    yield f"{len(passed)} of {len(rows)} come back with the same outputs, and no more operators or transposes"
    yield f"{sum(row.difference == 0 for row in passed)} of them compute the same bits"
    ratios = [row.latency for row in rows if row.latency]
    if ratios:
        yield f"latency after/before: {geometric_mean(ratios):.2f} (geometric mean)"
    yield from (f"{row.file}: {row.error}" for row in rows if row.error)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line (default: the process's own)."""
    parser = argparse.ArgumentParser("round_trip.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=Path, metavar="DIR", help="folder of .tflite files")
    parser.add_argument("--int8", action="store_true", help="files that TensorFlow's quantizer makes of small networks")
    parser.add_argument("--latency-seconds", type=float, default=2.0, metavar="S",
                        help="seconds of runs for each file (default: 2; 0: none)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table")
    given = parser.parse_args(argv)
    if not given.files and not given.int8:
        parser.error("give --files or --int8")
    machine = describe_machine()
    print("; ".join(machine) + "\n" + text_header(COLUMNS), flush=True)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="round-trip-int8-") as made:
        integers = [Path(made, name) for name in (make_int8(Path(made)) if given.int8 else ())]
        for file in (*(sorted(given.files.glob("*.tflite")) if given.files else ()), *integers):
            with tempfile.TemporaryDirectory(prefix="round-trip-") as folder:
                row = measure(file, given.latency_seconds, Path(folder))
            if row is not None:
                rows.append(row)
                print(text_row(COLUMNS, row), flush=True)
    lines = [*_summary(rows)]
    print(*lines, sep="\n")
    if given.json:
        write(given.json, json.dumps({"machine": machine, "files": [asdict(row) for row in rows]}, indent=1) + "\n")
    if given.markdown:
        listed = "\n".join(f"- {line}" for line in lines)
        write(given.markdown, f"{markdown_table(COLUMNS, rows)}\n\n{listed}\n\nMeasured with: {'; '.join(machine)}.\n")
    return 0 if rows and all(row.passes for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
