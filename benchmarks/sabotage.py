"""Plants wrong lowerings in whole networks, one at a time, and sees whether bisecting finds them.

python benchmarks/sabotage.py --models DIR... [--only OP...] [--json FILE]

For every op of `measure/saboteurs.py` the smallest network is taken in which the op occurs. Its lowering is made wrong, the network is
bisected, and a line says what was found: right when it is exactly that op, in a layer of that network, and its fixture is wrong by itself
too, but not once the lowering is right again. Exit status: 0 when all are right, 1 otherwise, 2 for a bad command line.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from measure.saboteurs import SABOTAGES, Sabotage, planted

from nchw2nhwc.conversion import run
from nchw2nhwc.debug.bisect import bisect
from nchw2nhwc.debug.fixture import run_fixture
from nchw2nhwc.errors import ConversionError
from nchw2nhwc.options import ConvertOptions
from nchw2nhwc.progress import Stages
from nchw2nhwc.source import identify

MADE_OF_OTHERS = ("GRU", "LSTM", "RNN")
"""Ops whose lowering is a loop that uses the lowerings of other ops."""


@dataclass(frozen=True)
class Row:
    """What became of one sabotage. `found` is the stage, the op and the layer that bisecting names."""

    op: str
    mistake: str
    network: str
    seconds: float
    found: str
    reproduced: bool
    right: bool


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser("sabotage.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, nargs="+", metavar="DIR", required=True, help="folders with .onnx and .xml files")
    parser.add_argument("--only", nargs="+", default=(), metavar="OP", help="only these ops")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the lines as JSON")
    given = parser.parse_args(argv)
    wanted = [each for each in SABOTAGES if not given.only or each.op in given.only]
    rows = []
    for sabotage, networks in occurrences(wanted, sorted(models(given.models), key=size)).items():
        row = next((row for network in networks if (row := attempt(sabotage, network)) is not None), None)
        if row is not None:
            rows.append(row)
            print(f"{'right' if row.right else 'WRONG'}  {row.op:<14} {row.mistake:<20} {row.network:<28} {row.seconds:5.1f} s  {row.found}"
                  f"{'' if row.reproduced else '  (fixture does not show it)'}", flush=True)
    print(f"{sum(row.right for row in rows)} of {len(rows)} found as exactly the op that is wrong, each with a fixture that shows it alone")
    if given.json:
        given.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")
    return 0 if rows and all(row.right for row in rows) else 1


def models(folders: Iterable[Path]) -> list[Path]:
    """The models below these folders."""
    return [path for folder in folders for pattern in ("*.onnx", "*.xml") for path in folder.rglob(pattern)]


def size(path: Path) -> int:
    """Bytes of a model with its weights."""
    weights = path.with_suffix(".bin")
    return path.stat().st_size + (weights.stat().st_size if path.suffix == ".xml" and weights.exists() else 0)


def occurrences(wanted: Sequence[Sabotage], networks: Sequence[Path]) -> dict[Sabotage, list[Path]]:
    """For each sabotage the networks, smallest first, in which its op occurs; what cannot be converted is passed over."""
    found: dict[Sabotage, list[Path]] = {each: [] for each in wanted}
    for path in networks:
        try:
            graph = run(identify(path), ConvertOptions(), Stages()).graph
        except ConversionError:
            continue
        ops = {node.op.name for node in graph.nodes}
        for sabotage, paths in found.items():
            if sabotage.op in ops:
                paths.append(path)
    return found


def attempt(sabotage: Sabotage, network: Path) -> Row | None:
    """The outcome in one network; None where the mistake makes no difference there (its operators are others, or operands are alike), or
    where it is in what another op is made of."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        with planted(sabotage):
            found = bisect(identify(network), ConvertOptions(), folder=Path(folder, "fixture"))
        seconds = time.perf_counter() - start
        if found.passed:
            return None
        finding = found.finding
        if finding is not None and finding.op in MADE_OF_OTHERS:
            return None
        named = f"{finding.stage}: {finding.op} of {finding.type} '{finding.layer}'" if finding is not None else "nothing"
        exact = finding is not None and finding.op == sabotage.op and finding.stage in ("emit", "load")
        alone = found.reproduced and found.fixture is not None and all(o.passed for o in run_fixture(found.fixture, ["tflite"]))
        return Row(sabotage.op, sabotage.mistake, network.name, seconds, named, alone, exact and alone)


if __name__ == "__main__":
    sys.exit(main())
