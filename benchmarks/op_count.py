"""Counts the operators of whole networks' TFLite files, next to the nodes of their ONNX files that compute something.

python benchmarks/op_count.py --models DIR [--only NAME...] [--json FILE]

A node computes something when its result depends on the contents of the inputs: constants, arithmetic on known shapes and identities do not
count. A loop, a branch or a recurrent layer is one node, whatever its body holds; so what the bodies of WHILE and IF hold is a column of
its own, and the mean is printed with it and without. Operators with more than 4 axes, which delegates for GPUs do not take, and custom ones
are counted, too. Exit status: 0 when there are, on the geometric mean, at most two thirds as many operators as nodes, without bodies on
both sides, and no custom ones; 1 otherwise.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from measure.flatfile import read_facts
from measure.live_nodes import live_nodes
from measure.models import MORE, ONNX
from measure.rows import mean_ratio

import nchw2nhwc
from nchw2nhwc.errors import ConversionError

LIMIT = 2 / 3
"""Largest geometric mean of operators divided by nodes, bodies left out on both sides."""


@dataclass(frozen=True)
class Count:
    """One network: nodes of its ONNX file that compute something, and operators of its TFLite file; `bodies`: those inside WHILE and IF."""

    network: str
    nodes: Counter[str]
    operators: Counter[str]
    high_rank: Counter[str]
    bodies: Counter[str]

    @property
    def ratio(self) -> float:
        return (self.operators.total() - self.bodies.total()) / self.nodes.total()

    @property
    def ratio_with_bodies(self) -> float:
        return self.operators.total() / self.nodes.total()

    @property
    def custom(self) -> int:
        return sum(count for name, count in self.operators.items() if name.startswith("CUSTOM"))


def count(path: Path, scratch: Path) -> Count:
    """Convert a network and count. Raises ConversionError."""
    file = scratch / f"{path.stem}.tflite"
    nchw2nhwc.convert(path).save(file)
    facts = read_facts(file)
    return Count(path.stem, live_nodes(path), facts.operators, facts.high_rank, facts.bodies)


def line(row: Count) -> str:
    """A row of the table."""
    high = ", ".join(f"{n} {name}" for name, n in row.high_rank.most_common())
    bodies = row.bodies.total()
    return (f"{row.network:20} {row.nodes.total():6} {row.operators.total() - bodies:6} {row.ratio:6.2f} {bodies:9} {row.custom:7}  "
            f"{high or '-'}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line (default: the process's own)."""
    parser = argparse.ArgumentParser("op_count.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, required=True, metavar="DIR", help="hydrated zoo models (*.onnx)")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="only these networks")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all counts")
    given = parser.parse_args(argv)
    print(f"{'network':20} {'nodes':>6} {'ops':>6} {'ratio':>6} {'in bodies':>9} {'custom':>7}  more than 4 axes")
    rows = []
    for path in sorted(given.models / f"{name}.onnx" for name in (*ONNX, *MORE) if not given.only or name in given.only):
        try:
            with tempfile.TemporaryDirectory() as scratch:
                rows.append(count(path, Path(scratch)))
            print(line(rows[-1]), flush=True)
        except ConversionError as error:
            print(f"{path.stem:20} skipped: {error.reason}", flush=True)
    mean, whole = mean_ratio(row.ratio for row in rows), mean_ratio(row.ratio_with_bodies for row in rows)
    if given.json:
        given.json.write_text(json.dumps([vars(row) for row in rows], indent=1) + "\n")
    if mean is None or whole is None:
        print("nothing was counted")
        return 1
    high = sum(row.high_rank.total() for row in rows)
    print(f"{len(rows)} networks: ratio {mean:.3f} (geometric mean, at most {LIMIT:.3f}), {whole:.3f} with what bodies hold, "
          f"{high} operators with more than 4 axes")
    return 1 if mean > LIMIT or any(row.custom for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
