"""Runs ONNX's own backend tests through TFLite: every case is right in LiteRT, with XNNPACK and without, or its conversion is refused.

python -m benchmarks.node_tests [--kind KIND...] [--only PATTERN] [--target tflite|keras] [--json FILE] [--all]

Cases of kind `node` count where all inputs and outputs are tensors of numbers: no strings, complex numbers, sequences or optionals. Each
runs twice. `given`: with all inputs of the test as inputs of the model, none made constant; that is the form that counts. `constants`: with
all inputs but the first as constants. Kinds `simple`, `pytorch-operator` and `pytorch-converted` run as they are given.

A refused case has to be on the list of exceptions that the tests use (`tests/emit/node_exceptions.py`, `tests/emit/*/test_op_cases.py`),
with the reason; a listed one has to be refused. Exit status: 0 when every case is right or refused as listed, and at most 30 cases of
kind `node` are refused as given; 1 otherwise; 2 for a bad command line.
"""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
import re
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from onnx.backend.test.case.test_case import TestCase
from onnx.backend.test.loader import load_model_tests

from nchw2nhwc.errors import ConversionError
from tests.emit.op_cases import OpCase, OpCaseTests, difference
from tests.parse.onnx.node_cases import data_sets, is_numeric, loaded, prepared, tolerance_of, wanted_of

KINDS = ("node", "simple", "pytorch-operator", "pytorch-converted")
MOST_REFUSED = 30
TARGETS = {"tflite": ("tests.emit.tflite.test_op_cases", "TestTFLite"), "keras": ("tests.emit.keras.test_op_cases", "TestKeras")}
"""Where it is said how each target converts and what its exceptions are."""
SECONDS = 60
"""A case that takes longer than this hangs."""


@dataclass(frozen=True)
class Row:
    """What became of a case. `outcome` is right, refused, wrong, "does not load" or crash; `text` says more."""

    kind: str
    name: str
    form: str
    outcome: str
    text: str = ""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser("node_tests.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", nargs="+", choices=KINDS, default=KINDS, help="only these kinds")
    parser.add_argument("--only", default="", metavar="PATTERN", help="only cases in whose names this regular expression is found")
    parser.add_argument("--target", choices=tuple(TARGETS), default="tflite")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every case's outcome as JSON")
    parser.add_argument("--all", action="store_true", help="print every refused case, not only how many there are of a reason")
    given = parser.parse_args(argv)
    warnings.simplefilter("ignore")
    cases = [(kind, case) for kind in given.kind for case in load_model_tests(kind=kind) if re.search(given.only, case.name)]
    rows = list(outcomes([(kind, case) for kind, case in cases if kind != "node" or is_numeric(case)], given.target))
    listed = tests_of(given.target).exceptions
    failures = [row for row in rows if row.outcome not in ("right", "refused")]
    unlisted = [row for row in rows if row.outcome == "refused" and not listed.lists(label(row))]
    stale = [row for row in rows if row.outcome == "right" and listed.lists(label(row))]
    for title, group in (("FAILED", failures), ("NOT LISTED", unlisted), ("LISTED, BUT RIGHT", stale)):
        for row in group:
            print(f"{title}  {label(row)}: {row.outcome} {row.text}")
    for row in rows if given.all else ():
        if row.outcome == "refused":
            print(f"refused  {label(row)}: {row.text}")
    refused = summary(rows)
    if given.json:
        given.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")
    return 0 if rows and not failures and not unlisted and not stale and refused <= MOST_REFUSED else 1


def tests_of(target: str) -> type[OpCaseTests]:
    """The tests of a target, which say how it converts and what its exceptions are."""
    module, name = TARGETS[target]
    found: type[OpCaseTests] = getattr(importlib.import_module(module), name)
    return found


def label(row: Row) -> str:
    """A case's name on the list of exceptions."""
    return row.name if row.form == "given" else f"{row.name} {row.form}"


def summary(rows: Sequence[Row]) -> int:
    """Print how many cases there are of each outcome and reason; the number of cases of kind `node` that are refused as given."""
    for kind in KINDS:
        for form in ("given", "constants"):
            group = [row for row in rows if (row.kind, row.form) == (kind, form)]
            if group:
                counts = Counter(row.outcome for row in group)
                print(f"{kind}, {form}: {len(group)} cases, " + ", ".join(f"{n} {outcome}" for outcome, n in counts.most_common()))
    refused = [row for row in rows if row.outcome == "refused" and row.form == "given" and row.kind == "node"]
    print("refused as given, by reason:")
    for reason, count in Counter(general(row.text) for row in refused).most_common():
        print(f"{count:5} {reason}")
    return len(refused)


def general(text: str) -> str:
    """A message without what differs between layers: the place, names, numbers."""
    text = re.sub(r"^ONNX model:? ?|layer '[^']*' \([^)]*\):? ?", "", text)
    return re.sub(r"\s+", " ", re.sub(r"\[[^\]]*\]|'[^']*'|\b\d+\b", "..", text))[:150]


# ---- running cases -----------------------------------------------------------------------------------------------------
def outcomes(cases: Sequence[tuple[str, TestCase]], target: str) -> Iterator[Row]:
    """Every case in a process of its own kind: one that crashes or hangs is an outcome, and another process goes on with the next one."""
    context = multiprocessing.get_context("fork")
    todo = list(range(len(cases)))
    while todo:
        here, there = context.Pipe()
        process = context.Process(target=_work, args=(there, [cases[k] for k in todo], target))
        process.start()
        there.close()
        done = 0
        while done < len(todo):
            if not here.poll(SECONDS):
                break
            try:
                found: list[Row] = here.recv()
            except EOFError:
                process.join()
                break
            yield from found
            done += 1
        if done < len(todo):
            kind, case = cases[todo[done]]
            yield Row(kind, case.name, "given", "crash" if not process.is_alive() else "hangs", f"exit status {process.exitcode}")
            process.kill()
            done += 1
        process.join()
        todo = todo[done:]


def _work(pipe: Connection, cases: Sequence[tuple[str, TestCase]], target: str) -> None:
    warnings.simplefilter("ignore")
    for kind, case in cases:
        pipe.send(list(_rows(kind, case, target)))


def _rows(kind: str, case: TestCase, target: str) -> Iterator[Row]:
    model = loaded(case)
    found: dict[str, list[tuple[str, str]]] = {"given": [], "constants": []}
    for arrays, expected in data_sets(case):
        wanted = wanted_of(case, arrays, expected)
        tolerance = tolerance_of(case, wanted)
        for form in found if kind == "node" and len(arrays) > 1 else ("given",):
            content, data = prepared(model, arrays, constants=form == "constants")
            found[form].append(_outcome(OpCase(case.name, content, data, wanted, tolerance), target))
    for form, results in found.items():
        if results:
            worst = next((r for r in results if r[0] != "right"), results[0])
            yield Row(kind, case.name, form, *worst)


def _outcome(case: OpCase, target: str) -> tuple[str, str]:
    try:
        run = tests_of(target).target(case.model)
    except ConversionError as error:
        return "refused", str(error)
    try:
        results: Mapping[str, Sequence[object]] = run(case.data)
    except (RuntimeError, ValueError) as error:
        return "does not load", str(error)
    for runtime, found in results.items():
        text = difference(case, found)
        if text:
            return "wrong", f"{runtime}: {text}"
    return "right", ""


if __name__ == "__main__":
    sys.exit(main())
