"""Measures the product on whole networks, next to what a user would pick instead; see README.md beside it.

python benchmarks/zoo.py --models DIR [--omz DIR] [--wheels DIR] [--peer PYTHON] [--json FILE] [--markdown FILE]

Every network is converted in a process of its own, run in LiteRT with and without XNNPACK, compared with ONNX Runtime or OpenVINO,
counted in the written file, timed, and judged. Nothing runs at the same time as anything else. Exit status: 0 when all pass, 1 when
something fails or nothing was measured, 2 for a bad command line.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from measure.cases import Case, Folders, find_cases
from measure.child import WorkerError
from measure.machine import describe_machine
from measure.models import SETS
from measure.network import Settings, measure
from measure.options import common_parser
from measure.peer import Peer
from measure.rows import Row, Summary, summarize
from measure.table import COLUMNS, PEER_COLUMNS, markdown, summary_lines, text_header, text_row, write


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = common_parser("zoo.py", __doc__ or "", SETS, "wheel of rapidocr-onnxruntime")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="any folder with ONNX files")
    parser.add_argument("--latency-seconds", type=float, default=6.0, metavar="S", help="latency runs per network (default 6; 0: none)")
    parser.add_argument("--no-parity", action="store_true", help="do not run the sources")
    parser.add_argument("--no-keep-layout", action="store_true", help="do not convert with --keep-layout too")
    return parser.parse_args(argv)


def run(cases: Sequence[Case], settings: Settings) -> list[Row]:
    """Measure all and print a line for each."""
    rows = []
    print(text_header(COLUMNS))
    for case in cases:
        row = measure(case, settings)
        print(text_row(COLUMNS, row), flush=True)
        for failure in row.failures:
            print(f"    {failure}", flush=True)
        rows.append(row)
    return rows


def show_peers(rows: Sequence[Row]) -> None:
    """Print the table that has the peer beside us."""
    compared = [row for row in rows if row.peers]
    if not compared:
        return
    print("\n" + text_header(PEER_COLUMNS))
    for row in compared:
        print(text_row(PEER_COLUMNS, row))
        for peer in row.peers:
            reason = peer.error or peer.refused or peer.note
            if reason:
                print(f"    {peer.variant}: {reason}")


def as_json(rows: Sequence[Row], summary: Summary, machine: Sequence[str]) -> str:
    """Everything, as JSON."""
    return json.dumps({"machine": list(machine), "summary": asdict(summary), "networks": [asdict(row) for row in rows]}, indent=1) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line (default: the process's own)."""
    args = arguments(argv)
    machine = describe_machine()
    peer = Peer(args.peer.absolute()) if args.peer else None
    with ExitStack() as stack:
        scratch = args.scratch or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zoo-")))
        try:
            machine += [f"peer: {peer.version()}"] if peer else []
        except WorkerError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        print("; ".join(machine))
        folders = Folders(args.models, args.omz, args.wheels, scratch, args.folder)
        cases = find_cases(folders, [s for s in SETS if s in args.sets], args.only, print)
        rows = run(cases, Settings(args.rounds, args.latency_seconds, not args.no_parity, not args.no_keep_layout, peer, scratch))
    show_peers(rows)
    summary = summarize(rows)
    print("\n" + "\n".join(summary_lines(summary)))
    if args.json:
        write(args.json, as_json(rows, summary, machine))
    if args.markdown:
        write(args.markdown, markdown(rows, summary, machine))
    return 1 if summary.failures or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
