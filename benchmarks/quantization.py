"""Measures quantized files; see README.md beside it.

python benchmarks/quantization.py --models DIR [--omz DIR] [--wheels DIR] [--peer PYTHON] [--markdown FILE]

Exit status: 0 when all pass, 1 when something fails or nothing was measured, 2 for a bad command line.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from measure.cases import Case, Folders, find_cases, work_folder
from measure.machine import describe_machine
from measure.options import common_parser
from measure.quantize_peers import MODES as PEER_MODES
from measure.quantize_peers import PeersRow, compare, judge, trained
from measure.quantize_table import WHOSE, State, markdown
from measure.quantize_zoo import FAST, LatencyRow, ZooRow, measure_digits, measure_latency, measure_zoo

from nchw2nhwc.options.quantize import MODES

SETS = {"zoo": "every mode of every network, on random numbers: loads, runs, size, SQNR",
        "digits": "accuracy on the held-out images of the digits example", "latency": "int8 against float32, one thread",
        "peers": "trained networks beside TensorFlow's converter and onnx2tf"}

SEED = 20261


def show(title: str, header: str, rows: Iterator[tuple[str, list[str]]]) -> list[str]:
    """Print a line for each row as it is measured; returns what failed."""
    failures: list[str] = []
    print(f"\n{title}\n{header}", flush=True)
    for line, wrong in rows:
        print(line, flush=True)
        for text in wrong:
            print(f"    {text}", flush=True)
        failures += wrong
    return failures


def _zoo(cases: Sequence[Case], state: State, scratch: Path, kept: list[object]) -> Iterator[tuple[str, list[str]]]:
    for case in sorted(cases, key=lambda each: each.megabytes):
        row = state.find(ZooRow, case.network)
        if row is None:
            with work_folder(scratch, case.network) as folder:
                row = measure_zoo(case, folder)
            state.add(row)
        kept.append(row)
        cells = (f"{row.sqnr[m]:.1f} {row.plain[m]:.1f} {row.size[m]:.1%}" if m in row.size else "-" for m in MODES)
        yield f"{row.network:<20}" + "".join(f"{cell:>18}" for cell in cells) + f" {row.seconds:5.0f} s", row.failures


def _digits(kept: list[object]) -> Iterator[tuple[str, list[str]]]:
    for row in measure_digits():
        kept.append(row)
        yield f"{row.mode:<12} {row.accuracy:6.2f} {row.difference:+6.2f}", row.failures


def _latency(cases: Sequence[Case], state: State, scratch: Path, seconds: float, kept: list[object]) -> Iterator[tuple[str, list[str]]]:
    for case in cases:
        row = state.find(LatencyRow, case.network)
        if row is None:
            with work_folder(scratch, case.network) as folder:
                row = measure_latency(case, folder, seconds)
            state.add(row)
        kept.append(row)
        yield f"{row.network:<20}" + "".join(f" {n} {ms:.2f} ms" + (f" ({row.ratio[n]:.2f})" if n in row.ratio else "")
                                             for n, ms in row.milliseconds.items()), row.failures


def _peers(wheels: Path | None, omz: Path | None, peer: Path | None, only: Sequence[str], seeds: Sequence[int], state: State,
           scratch: Path, kept: list[object]) -> Iterator[tuple[str, list[str]]]:
    rows: list[PeersRow] = []
    for network in (each for seed in seeds for each in trained(wheels, omz, seed)):
        if only and network.name not in only:
            continue
        row = state.find(PeersRow, network.name, seed=network.seed)
        if row is None:
            with work_folder(scratch, f"{network.name.replace(' ', '_')}_{network.seed}") as folder:
                row = compare(network, peer, folder)
            state.add(row)
        rows.append(row)
        kept.append(row)
        for name, whose in WHOSE.items():
            found = getattr(row, name)
            cells = ("-" if found.get(m) is None else f"{found[m]:.1f}" for m in PEER_MODES)
            yield f"{network.name:<22} {whose:<21}" + "".join(f"{cell:>10}" for cell in cells), []
        for note in row.notes:
            yield f"    ({note})", []
    summary, failures = judge(rows)
    yield summary, failures


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line (default: the process's own)."""
    parser = common_parser("quantization.py", __doc__ or "", SETS, "wheels of rapidocr-onnxruntime and basic-pitch")
    parser.add_argument("--latency-seconds", type=float, default=10, metavar="S", help="seconds of runs per network (default 10)")
    parser.add_argument("--state", type=Path, metavar="FILE", help="remembers finished networks, to go on after them")
    parser.add_argument("--seed", type=int, nargs="+", default=[SEED], metavar="N",
                        help=f"of the samples that peers are compared on; of several, the average counts (default {SEED})")
    args = parser.parse_args(argv)
    print("; ".join(describe_machine()))
    failures: list[str] = []
    kept: list[object] = []
    state = State(args.state)
    with ExitStack() as stack:
        scratch = args.scratch or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="quantization-")))
        folders = Folders(args.models, None, None, scratch)
        if "zoo" in args.sets:
            cases = find_cases(folders, ["onnx", "onnx-more"], args.only, print)
            failures += show("zoo: SQNR in dB of the worst output with XNNPACK and without, size relative to float32",
                             " " * 20 + "".join(f"{m:>18}" for m in MODES), _zoo(cases, state, scratch, kept))
        if "digits" in args.sets:
            failures += show("digits: accuracy in points, difference from the source", "mode", _digits(kept))
        if "latency" in args.sets:
            cases = find_cases(folders, ["onnx"], args.only or FAST, print)
            failures += show("latency: median, ratio to float32", "network", _latency(cases, state, scratch, args.latency_seconds, kept))
        if "peers" in args.sets:
            header = " " * 44 + "".join(f"{m:>10}" for m in PEER_MODES)
            peer = args.peer.absolute() if args.peer else None
            failures += show("trained networks: SQNR in dB of the worst output", header,
                             _peers(args.wheels, args.omz, peer, args.only, args.seed, state, scratch, kept))
    if args.json:
        args.json.write_text(json.dumps([{"kind": type(row).__name__, **asdict(row)} for row in kept], indent=1) + "\n")  # type: ignore[call-overload]
    if args.markdown:
        args.markdown.write_text(markdown(kept))
    print(f"\n{len(failures)} failure(s)" if kept else "\nnothing was measured")
    return 1 if failures or not kept else 0


if __name__ == "__main__":
    sys.exit(main())
