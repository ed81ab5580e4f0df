"""Measures the Keras target on whole networks; see README.md beside it.

python benchmarks/keras_models.py --models DIR [--omz DIR] [--wheels DIR] [--backend NAME=PYTHON] [--peer PYTHON] [--markdown FILE]

Every network is converted to all Keras and TensorFlow formats in a process of its own; every file is opened in another one, where this
project cannot be imported, run, and compared with ONNX Runtime or OpenVINO. Conversions are timed next to onnx2tf, and models trained on.
Exit status: 0 when all pass, 1 when something fails or nothing was measured, 2 for a bad command line.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

from measure.cases import Folders, find_cases
from measure.child import WorkerError, elsewhere, versions
from measure.keras_data import SETS, SPEED_ALONE, SPEED_NETWORKS, TRAINING
from measure.keras_network import Settings, measure_files, measure_speed, measure_training, training_case
from measure.keras_rows import FilesRow, Rows, SpeedRow, Summary, TrainingRow, summarize
from measure.keras_table import SPEED_COLUMNS, TRAINING_COLUMNS, files_columns, markdown, summary_lines
from measure.machine import describe_machine
from measure.options import common_parser
from measure.peer import Peer
from measure.table import Column, text_header, text_row, write

R = TypeVar("R", FilesRow, SpeedRow, TrainingRow)


def _backend(text: str) -> tuple[str, Path]:
    """`NAME=PYTHON`."""
    name, equals, python = text.partition("=")
    if not equals or not name or not python:
        raise argparse.ArgumentTypeError(f"'{text}' is not of the form NAME=PYTHON")
    return name, Path(python).absolute()


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = common_parser("keras_models.py", __doc__ or "", SETS, "wheels of rapidocr-onnxruntime and others")
    parser.add_argument("--backend", type=_backend, action="append", default=[], metavar="NAME=PYTHON", dest="backends",
                        help="the Python of an environment with Keras on jax or torch, to run .keras files there too; repeatable")
    parser.add_argument("--no-tf-converter", action="store_true", help="leave out TensorFlow's own converter to TFLite")
    return parser.parse_args(argv)


def others(args: argparse.Namespace) -> list[str]:
    """The versions in the other environments; raises WorkerError if something is not there."""
    found = [f"peer: {Peer(args.peer.absolute()).version('tensorflow', 'tf-keras')}"] if args.peer else []
    return found + [f"beside it {versions(python, ('keras', name))}" for name, python in args.backends]


def show(title: str, columns: Sequence[Column[R]], rows: Iterator[R]) -> list[R]:
    """Print a line for each row as it is measured, under a header."""
    shown: list[R] = []
    for row in rows:
        if not shown:
            print(f"\n{title}\n{text_header(columns)}")
        print(text_row(columns, row), flush=True)
        for text in (*row.failures, *([row.skipped] if not isinstance(row, TrainingRow) and row.skipped else ()),
                     *([f"onnx2tf: {row.peer_error}"] if isinstance(row, SpeedRow) and row.peer_error else ())):
            print(f"    {text}", flush=True)
        shown.append(row)
    return shown


def measure(args: argparse.Namespace, settings: Settings) -> list[FilesRow | SpeedRow | TrainingRow]:
    """Measure everything that was asked for."""
    sets = [name for name in SETS if name in args.sets]
    cases = find_cases(Folders(args.models, args.omz, args.wheels, settings.scratch), [s for s in sets if s not in ("training", "speed")],
                       args.only, print)
    files = show("every file", files_columns(list(settings.backends)), (measure_files(case, settings) for case in cases))
    training = [(t, training_case(t, args.models)) for t in TRAINING if "training" in sets and (not args.only or t.network in args.only)]
    trained = show("training on", TRAINING_COLUMNS, (measure_training(t, case, settings) for t, case in training if case))
    wanted = "speed" in sets and args.models
    timed = [args.models / f"{name}.onnx" for name in (*SPEED_NETWORKS, *SPEED_ALONE) if wanted and (not args.only or name in args.only)]
    speed = show("conversion to a Keras model in memory", SPEED_COLUMNS, (measure_speed(m, settings) for m in timed if m.exists()))
    for kind, name in (("training", [t.network for t, case in training if not case]), ("speed", [m.stem for m in timed if not m.exists()])):
        if name:
            print(f"set {kind}: {', '.join(name)} skipped: not in {args.models}")
    return [*files, *trained, *speed]


def as_json(rows: Rows, summary: Summary, machine: Sequence[str]) -> str:
    """Everything, as JSON."""
    kinds = {"networks": FilesRow, "training": TrainingRow, "speed": SpeedRow}
    return json.dumps({"machine": list(machine), "summary": asdict(summary),
                       **{name: [asdict(row) for row in rows if isinstance(row, kind)] for name, kind in kinds.items()}}, indent=1) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line (default: the process's own)."""
    args = arguments(argv)
    try:
        machine = describe_machine() + others(args)
    except WorkerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("; ".join(machine))
    backends = {name: elsewhere(python, KERAS_BACKEND=name) for name, python in args.backends}
    with ExitStack() as stack:
        scratch = args.scratch or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="keras-models-")))
        peer = elsewhere(args.peer.absolute()) if args.peer else None
        rows = measure(args, Settings(backends, not args.no_tf_converter, peer, args.rounds, scratch))
    summary = summarize(rows)
    print("\n" + "\n".join(summary_lines(summary)))
    if args.json:
        write(args.json, as_json(rows, summary, machine))
    if args.markdown:
        write(args.markdown, markdown(rows, list(backends), summary, machine))
    return 1 if summary.failures or not summary.measured else 0


if __name__ == "__main__":
    sys.exit(main())
