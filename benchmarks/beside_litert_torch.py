"""Compares with litert-torch, which converts PyTorch models and reads no files: python benchmarks/beside_litert_torch.py --peer PYTHON
[--only NAME...] [--latency-seconds S] [--json FILE] [--markdown FILE]

Networks of torchvision with the same drawn weights: our file comes from the ONNX file that PyTorch exports, the peer's from PyTorch itself.
All seconds and MB are those of whole processes. Each network is converted once and its files run in turns. Exit status: 0 when every
file of ours is within 1e-4 of ONNX Runtime; 1 when one is not or nothing was measured; 2 for a bad command line.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import geometric_mean, median

from measure import ours, peer
from measure.cases import Case
from measure.child import Environment, Outcome, WorkerError, elsewhere, run, versions
from measure.flatfile import read_facts
from measure.litert import Timed, latencies
from measure.machine import describe_machine
from measure.models import MINIMAL, PARITY
from measure.reference import reference
from measure.rows import PeerResult
from measure.table import Column, markdown_table, number, text_header, text_row, write

NETWORKS = ("mobilenet_v2", "mobilenet_v3_large", "shufflenet_v2_x1_0", "resnet50", "densenet121", "efficientnet_b0",
            "deeplabv3_mobilenet_v3_large", "r3d_18", "convnext_tiny", "swin_t", "swin_v2_t", "maxvit_t", "vit_b_16")
PACKAGES = ("litert-torch", "torch", "torchvision")


@dataclass
class Row:
    """One network. `export` is PyTorch's way to ONNX, `theirs` the peer's to TFLite; `error` says why there is nothing else."""

    network: str
    export_seconds: float = 0.0
    seconds: float = 0.0
    peak_mb: float = 0.0
    ops: int = 0
    transposes: int = 0
    parity: float | None = None
    theirs: PeerResult = field(default_factory=lambda: PeerResult("litert-torch"))
    latency_ms: float | None = None
    error: str = ""

    @property
    def times_faster(self) -> float | None:
        """The peer's seconds divided by ours with those of the export."""
        return self.theirs.seconds[0] / (self.export_seconds + self.seconds) if self.theirs.seconds else None

    @property
    def passes(self) -> bool:
        return not self.error and self.parity is not None and self.parity <= PARITY


def _count(value: int | None) -> str:
    return "-" if not value else str(value)


COLUMNS = (
    Column[Row]("network", 28, lambda row: row.network),
    Column[Row]("export s", 8, lambda row: number(row.export_seconds)),
    Column[Row]("ours s", 6, lambda row: number(row.seconds)),
    Column[Row]("peer s", 6, lambda row: number(row.theirs.seconds[0] if row.theirs.seconds else None)),
    Column[Row]("faster", 6, lambda row: number(row.times_faster, ".1f")),
    Column[Row]("MB", 5, lambda row: number(row.peak_mb, ".0f")),
    Column[Row]("peer MB", 7, lambda row: number(row.theirs.peak_mb or None, ".0f")),
    Column[Row]("ops", 5, lambda row: _count(row.ops)),
    Column[Row]("peer", 5, lambda row: _count(row.theirs.ops)),
    Column[Row]("transposes", 10, lambda row: str(row.transposes)),
    Column[Row]("peer", 5, lambda row: number(row.theirs.transposes, "d")),
    Column[Row]("error", 6, lambda row: number(row.parity, ".0e")),
    Column[Row]("peer", 6, lambda row: number(row.theirs.parity, ".0e")),
    Column[Row]("ms", 7, lambda row: number(row.latency_ms)),
    Column[Row]("peer ms", 7, lambda row: number(row.theirs.latency_ms)),
    Column[Row]("ours/peer", 9, lambda row: number(row.theirs.latency_ratio)),
)


def _made(there: Environment, network: str, file: Path) -> Outcome:
    """Have the peer's environment write a file."""
    task, answer = file.with_suffix(".job.json"), file.with_suffix(".answer.json")
    task.write_text(json.dumps({"network": network, "file": str(file)}))
    return run([str(there.python), "-m", "measure.torch_network", str(task), str(answer)], there.variables)


def measure(network: str, there: Environment, seconds: float, folder: Path) -> Row:
    """Export, convert both ways, compare and time one network; the row says what failed."""
    row = Row(network)
    source, file = folder / f"{network}.onnx", folder / f"{network}.tflite"
    exported = _made(there, network, source)
    if not exported.ok:
        row.error = f"not exported: {exported.complaint}"
        return row
    row.export_seconds = exported.seconds
    conversion = ours.convert_with_report(Case(network, "torch", source, MINIMAL), folder / "ours")
    if isinstance(conversion, str):
        row.error = conversion
        return row
    facts = read_facts(conversion.file)
    row.seconds, row.peak_mb, row.ops, row.transposes = conversion.outcome.seconds, conversion.outcome.peak_mb, facts.ops, facts.transposes
    made = _made(there, network, file)
    if made.ok:
        row.theirs.seconds, row.theirs.peak_mb = [made.seconds], made.peak_mb
    else:
        row.theirs.error = made.complaint
    try:
        _compare(row, conversion, file, folder)
        _time(row, conversion, file, seconds)
    except WorkerError as error:
        row.error = str(error)
    return row


def _compare(row: Row, conversion: ours.Conversion, file: Path, folder: Path) -> None:
    """The errors of both files. Raises WorkerError when ONNX Runtime does not run the source."""
    arrays = folder / "expected.npz"
    names = reference(folder / f"{row.network}.onnx", {}, arrays, seed=0, text=False)
    found = ours.parity(conversion, names, [arrays])
    row.parity, row.error = found.worst, "; ".join(found.notes)
    if not row.theirs.error:
        shapes = [tuple(tensor["source_shape"]) for tensor in (*conversion.report["inputs"], *conversion.report["outputs"])]
        peer.examine(row.theirs, file, names, [arrays], shapes)


def _time(row: Row, conversion: ours.Conversion, file: Path, seconds: float) -> None:
    """The latency of our file and, if it runs, of the peer's, taking turns. Raises WorkerError."""
    if not seconds:
        return
    taken = latencies([Timed(str(each), {}) for each in (conversion.file, *([file] if row.theirs.loads else []))], seconds)
    row.latency_ms = median(taken[0])
    if row.theirs.loads:
        row.theirs.latency_ms = median(taken[1])
        row.theirs.latency_ratio = median(a / b for a, b in zip(*taken))


def _means(rows: Sequence[Row]) -> Iterator[str]:
    """Geometric means over the networks that both converted."""
    both = [row for row in rows if row.passes and row.theirs.loads]
    for what, ratios in (("times as fast, export included", [row.times_faster for row in both]),
                         ("of the peer's operators", [row.ops / row.theirs.ops if row.theirs.ops else None for row in both]),
                         ("of the peer's latency", [row.theirs.latency_ratio for row in both])):
        known = [ratio for ratio in ratios if ratio]
        if known:
            yield f"{geometric_mean(known):.2f} {what} (geometric mean of {len(known)} networks)"


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("beside_litert_torch.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", type=Path, required=True, metavar="PYTHON",
                        help="the Python of an environment with litert-torch and torchvision")
    parser.add_argument("--only", nargs="+", default=NETWORKS, metavar="NAME", help="these functions of torchvision.models")
    parser.add_argument("--latency-seconds", type=float, default=6.0, metavar="S",
                        help="seconds of runs for each network (default: 6; 0: none)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line (default: the process's own)."""
    given = _arguments(argv)
    there, machine = elsewhere(given.peer.absolute()), describe_machine()
    try:
        machine.append(f"peer: {versions(there.python, PACKAGES)}")
    except WorkerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("; ".join(machine) + "\n" + text_header(COLUMNS), flush=True)
    rows: list[Row] = []
    for network in given.only:
        with tempfile.TemporaryDirectory(prefix="beside-") as folder:
            rows.append(measure(network, there, given.latency_seconds, Path(folder)))
        print(text_row(COLUMNS, rows[-1]), flush=True)
        for reason in filter(None, (rows[-1].error, rows[-1].theirs.error or rows[-1].theirs.refused or rows[-1].theirs.note)):
            print(f"    {reason}", flush=True)
    means = list(_means(rows))
    print("\n".join(means))
    if given.json:
        write(given.json, json.dumps({"machine": machine, "networks": [asdict(row) for row in rows]}, indent=1) + "\n")
    if given.markdown:
        listed = "\n".join(f"- {mean}" for mean in means)
        write(given.markdown, f"{markdown_table(COLUMNS, rows)}\n\n{listed}\n\nMeasured with: {'; '.join(machine)}.\n")
    return 0 if rows and all(row.passes for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
