"""Times whole conversions of one network in several sizes, and says how time grows.

python benchmarks/scaling.py [--nodes 1250 2500 5000 10000] [--rounds 2] [--check]

The network is made up (`measure/varied.py`): convolutions, inverted residuals, squeeze and excite, branches, window and global attention,
in random order. Each size is converted with `openvino2tf MODEL --no-check --quiet --report` in a fresh process. `--check` also runs the
smallest in ONNX Runtime and LiteRT. Exit status: 0 when every layout is proven minimal, the largest takes less than 30 s, and from one size
to the next time grows by no more than n log n; 1 otherwise.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log
from pathlib import Path
from statistics import median

import onnx
from measure.child import REPOSITORY, python_path, run
from measure.varied import varied_network

SECONDS = 30.0
"""What the largest network may take."""

NOISE = 0.1
"""How much more than n log n is still that."""


@dataclass(frozen=True)
class Size:
    """One size: nodes of the source, operators of the result, seconds of the whole process and of the solver's stage."""

    nodes: int
    ops: int
    transposes: int
    proven: bool
    seconds: float
    layout: float
    peak_mb: float


def measure(nodes: int, rounds: int, scratch: Path, *, check: bool) -> Size:
    """Convert a network of about so many nodes. Raises RuntimeError where that fails."""
    path, report = scratch / f"varied_{nodes}.onnx", scratch / "report.json"
    model = varied_network(nodes)
    onnx.save(model, path)
    quiet = ["--quiet"] if check else ["--quiet", "--no-check"]
    command = [sys.executable, "-m", "nchw2nhwc", str(path), "-o", str(scratch / "out"), *quiet, f"--report={report}"]
    outcomes = [run(command, python_path(REPOSITORY)) for _ in range(rounds)]
    for outcome in outcomes:
        if not outcome.ok:
            raise RuntimeError(outcome.complaint)
    found = json.loads(report.read_text())
    return Size(len(model.graph.node), found["ops"]["result"], found["transposes"]["count"], found["transposes"]["proven_minimal"],
                median(outcome.seconds for outcome in outcomes), found["seconds"]["layout"], max(outcome.peak_mb for outcome in outcomes))


def complaints(sizes: Sequence[Size]) -> list[str]:
    """What is not as it must be."""
    found = [f"{size.nodes} nodes: transposes not proven minimal" for size in sizes if not size.proven]
    if sizes[-1].seconds >= SECONDS:
        found.append(f"{sizes[-1].nodes} nodes take {sizes[-1].seconds:.1f} s, at most {SECONDS:.0f} allowed")
    return found + [f"from {a.nodes} to {b.nodes} nodes time grows {b.seconds / a.seconds:.2f} times, n log n {growth(a, b):.2f} times"
                    for a, b in pairwise(sizes) if b.seconds > a.seconds * growth(a, b) * (1 + NOISE)]


def growth(a: Size, b: Size) -> float:
    """How many times as much n log n is for the larger one."""
    return b.nodes * log(b.nodes) / (a.nodes * log(a.nodes))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line (default: the process's own)."""
    parser = argparse.ArgumentParser("scaling.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, nargs="+", default=[1250, 2500, 5000, 10_000], metavar="N", help="sizes, ascending")
    parser.add_argument("--rounds", type=int, default=2, metavar="N", help="conversions of each size (default 2; the median counts)")
    parser.add_argument("--check", action="store_true", help="compare the smallest with its source")
    given = parser.parse_args(argv)
    print(f"{'nodes':>7} {'ops':>7} {'transposes':>11} {'minimal':>8} {'s':>7} {'layout s':>9} {'peak MB':>8}")
    sizes = []
    with tempfile.TemporaryDirectory() as scratch:
        if given.check:
            measure(given.nodes[0], 1, Path(scratch), check=True)
            print(f"a network of {given.nodes[0]} nodes agrees with its source")
        for nodes in given.nodes:
            sizes.append(measure(nodes, given.rounds, Path(scratch), check=False))
            s = sizes[-1]
            print(f"{s.nodes:7} {s.ops:7} {s.transposes:11} {'yes' if s.proven else 'no':>8} {s.seconds:7.2f} {s.layout:9.2f} "
                  f"{s.peak_mb:8.0f}", flush=True)
    failures = complaints(sizes)
    print("\n".join(failures) or "time grows by no more than n log n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
