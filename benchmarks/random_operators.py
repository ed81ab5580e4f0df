"""Converts random models of one operator each and compares LiteRT, with XNNPACK and without, or Keras with the source's runtime.

python -m benchmarks.random_operators [--source onnx|openvino] [--target tflite|keras] [--op OP...] [--count N] [--seed SEED] [--json FILE]
    [--all]

Every case has random attributes, element types and shapes, of ONNX also a random definition of the operator and opset. It is converted in
up to six forms. `given`: all operands are inputs; `constants`: all but the first are constants; `batch`: the first size of the first
operand is open; `open`: all sizes are; both of these with and without constants. Every file runs
several times in one interpreter, those of open sizes at two sizes. A Keras model is called, and its `.keras` file is opened and runs as
TensorFlow's graph, as SavedModels do.

Where ONNX Runtime and ONNX's reference implementation differ, either counts as right. "noted": integers beyond what the report says they
are computed in. "other sizes": the file takes only sizes, such as multiples of 2, that the case does not have. An error of the conversion
has to name the layer and say what to do. Exit status: 0 when no result is wrong, every file loads and runs, and every error is one that is
meant for users; 1 otherwise.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import re
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.operators import DRAWERS, OPERATIONS, Draw, Spec, onnx_models, openvino_models
from benchmarks.operators.judge import Run, fits, keras_runtimes, litert_runtimes, outcome, same_model
from nchw2nhwc import conversion
from nchw2nhwc.errors import ConversionError
from nchw2nhwc.options import ConvertOptions, Route
from nchw2nhwc.progress import Stages
from nchw2nhwc.source import identify

FORMS = ("given", "constants", "batch", "batch constants", "open", "open constants")
TARGETS: tuple[Route, ...] = ("tflite", "keras")
SOURCES = {"onnx": (onnx_models, DRAWERS), "openvino": (openvino_models, OPERATIONS)}
FINE = ("right", "refused", "noted", "other sizes", "not compared")
SECONDS = 60
"""A case that takes longer than this hangs."""
SLOW = 2.0
"""A conversion of one operator that takes longer, in seconds, is printed."""


@dataclass
class Row:
    """What became of a case in a form."""

    op: str
    seed: int
    form: str
    outcome: str
    text: str = ""
    about: str = ""
    ops: int = 0
    transposes: int = 0
    seconds: float = 0.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser("random_operators.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", choices=tuple(SOURCES), default="onnx")
    parser.add_argument("--target", choices=TARGETS, default="tflite")
    parser.add_argument("--op", nargs="+", metavar="OP", help="only these operators (of OpenVINO: groups of operations)")
    parser.add_argument("--count", type=int, default=10, metavar="N", help="cases of each operator (default 10)")
    parser.add_argument("--seed", type=int, default=0, help="number of the first case of each operator (default 0)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every outcome as a line of JSON")
    parser.add_argument("--all", action="store_true", help="print cases that are refused, too")
    given = parser.parse_args(argv)
    names = given.op or sorted(SOURCES[given.source][1])
    rows = list(outcomes(given.source, given.target, [(op, given.seed + k) for op in names for k in range(given.count)]))
    if given.json:
        given.json.write_text("".join(json.dumps(asdict(row)) + "\n" for row in rows), encoding="utf-8")
    report(rows, everything=given.all)
    return 0 if rows and all(row.outcome in FINE for row in rows) else 1


def report(rows: Sequence[Row], *, everything: bool) -> None:
    """Print what became of the cases; of what is alike the first one."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        if row.outcome not in FINE or (everything and row.outcome == "refused"):
            groups.setdefault((row.outcome, row.op, general(row.text)), []).append(row)
    for (kind, op, _), group in sorted(groups.items()):
        print(f"{kind.upper()}  {op}, {len(group)} times; the first is --seed {group[0].seed}, {group[0].form}\n  {group[0].about}\n"
              f"  {group[0].text}")
    for row in rows:
        if row.seconds > SLOW:
            print(f"{row.seconds:.1f} s  {row.op} --seed {row.seed}, {row.form}: {row.about}")
    counts = Counter(row.outcome for row in rows)
    print(f"{len(rows)} conversions of {len({(row.op, row.seed) for row in rows})} cases of {len({row.op for row in rows})} operators: "
          + ", ".join(f"{count} {name}" for name, count in counts.most_common()))


def general(text: str) -> str:
    """A message without what differs between cases: names, shapes, numbers."""
    return re.sub(r"\s+", " ", re.sub(r"\[[^\]]*\]|'[^']*'|\(\S*\)|-?\b\d+(\.\d+)?\b", "..", text))[:170]


# ---- running cases -----------------------------------------------------------------------------------------------------
def outcomes(source: str, target: Route, cases: Sequence[tuple[str, int]]) -> Iterator[Row]:
    """All cases, in a process of their own: where one crashes or hangs, that is its outcome, and another process goes on."""
    context = multiprocessing.get_context("fork")
    todo = list(cases)
    with tempfile.TemporaryDirectory() as folder:
        while todo:
            here, there = context.Pipe()
            process = context.Process(target=_work, args=(there, source, target, todo, Path(folder)), daemon=True)
            process.start()
            there.close()
            done, lost = 0, False
            while done < len(todo) and not lost:
                try:
                    lost = not here.poll(SECONDS)
                    found: list[Row] = [] if lost else here.recv()
                except EOFError:
                    lost = True
                if not lost:
                    yield from found
                    done += 1
            if lost:
                process.join(1)
                yield Row(*todo[done], "", "hangs" if process.is_alive() else "crash", f"exit status {process.exitcode}")
                done += 1
            process.kill()
            process.join()
            todo = todo[done:]


def _work(pipe: Connection, source: str, target: Route, cases: Sequence[tuple[str, int]], folder: Path) -> None:
    warnings.simplefilter("ignore")
    if target == "keras":
        import keras  # noqa: F401 - so that no case is timed with it
    for op, seed in cases:
        pipe.send(list(case(source, target, op, seed, folder)))


def case(source: str, target: Route, op: str, seed: int, folder: Path) -> Iterator[Row]:
    """A case in all its forms."""
    maker, drawers = SOURCES[source]
    d = Draw(op, seed)
    spec = drawers[op](d)
    if spec is None:
        return
    about = maker.about(d, spec)
    wanted = maker.expected(d, spec, folder)
    if not wanted:
        yield Row(op, seed, "", "not compared", "the source's runtime does not run it", about)
        return
    first = next(k for k, x in enumerate(spec.inputs) if x is not None)
    several = any(x is not None and k != first and k not in spec.always for k, x in enumerate(spec.inputs))
    for form in FORMS:
        opens = onnx_models.opened(spec, form, form.endswith("constants"))
        if (several or not form.endswith("constants")) and (opens or form in ("given", "constants")):
            row = _row(source, target, d, seed, spec, form, wanted, folder)
            row.about = about
            yield row


def _row(source: str, target: Route, d: Draw, seed: int, spec: Spec, form: str, wanted: list[list[object]], folder: Path) -> Row:
    maker, _ = SOURCES[source]
    row = Row(d.op, seed, form, "right")
    model, feeds = maker.model(d, spec, form, folder)
    start = time.perf_counter()
    try:
        made = conversion.run(identify(model), ConvertOptions(), Stages(), target)
        runtimes = litert_runtimes(made) if target == "tflite" else keras_runtimes(made, folder)
    except ConversionError as error:
        row.outcome, row.text = "refused", str(error)
        if "the_layer" not in row.text or not error.advice:
            row.outcome = "unhelpful error"
        return row
    except Exception:  # noqa: BLE001 - whatever it is, it is what this looks for
        row.outcome, row.text = "traceback", traceback.format_exc()
        return row
    row.seconds, row.ops, row.transposes = time.perf_counter() - start, made.result_ops, made.transpose_operators
    again = Run(feeds, wanted)
    others = _at_other_sizes(source, d, seed, spec, form, folder) if form.startswith("open") else []
    runs = [again, *others, again]
    fitting = [run for run in runs if fits(made, run.data)]
    row.outcome, row.text = outcome(made, runtimes, fitting, spec) if fitting else ("other sizes", "")
    return row


def _at_other_sizes(source: str, d: Draw, seed: int, spec: Spec, form: str, folder: Path) -> list[Run]:
    """Inputs of other sizes for the same model, if the case can have them."""
    maker, drawers = SOURCES[source]
    again = Draw(d.op, seed, run=1)
    other = drawers[d.op](again)
    if other is None or not same_model(spec, other, form):
        return []
    allowed = maker.expected(again, other, folder)
    feeds: Mapping[str, object] = maker.model(again, other, form, folder)[1]
    return [Run(feeds, allowed)] if allowed else []


if __name__ == "__main__":
    sys.exit(main())
