"""Measure one network: convert, compare, count, time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from measure import ours, peer
from measure.cases import Case, work_folder
from measure.child import WorkerError
from measure.flatfile import read_facts
from measure.litert import Timed, latencies
from measure.ours import Conversion
from measure.peer import Peer
from measure.reference import Names, reference
from measure.rows import KeepLayout, PeerResult, Row, judge


@dataclass(frozen=True)
class Settings:
    """What is measured: `rounds` of timed conversions (0: none), seconds of latency runs for each network (0: none), whether results are
    compared with their sources and made with `--keep-layout` too, the peer (None: none). `scratch` is a folder for files on the way."""

    rounds: int
    latency_seconds: float
    parity: bool
    keep_layout: bool
    peer: Peer | None
    scratch: Path


@dataclass(frozen=True)
class Expected:
    """What the source computes: its names, and one file of arrays for every run of the case."""

    names: Names
    arrays: tuple[Path, ...]

    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the inputs, then the outputs, in the first run."""
        with np.load(self.arrays[0]) as arrays:
            return [arrays[f"{kind}{k}"].shape for kind, names in (("in", self.names["inputs"]), ("out", self.names["outputs"]))
                    for k in range(len(names))]


def measure(case: Case, settings: Settings) -> Row:
    """Measure one network and judge it. Never raises for what the network, the product or the peer do: the row says it."""
    row = Row(case.network, case.set, 0.0, 0.0, case.limits)
    with work_folder(settings.scratch, f"{case.set}-{case.network}") as folder:
        try:
            case.prepare()
            row.model_mb, row.bound_mb = case.megabytes, case.bound_mb
            _measure(case, settings, folder, row)
        except WorkerError as error:
            row.error = f"the source cannot be run or made: {error}"
    row.failures = judge(row)
    return row


def _measure(case: Case, settings: Settings, folder: Path, row: Row) -> None:
    """Fill the row; the first conversion also warms the caches for the timed ones."""
    first = ours.convert_with_report(case, folder / "first")
    if isinstance(first, str):
        row.error = first
        return
    _count(first, row)
    expected = expect(case, folder) if settings.parity or settings.peer else None
    if expected and settings.parity:
        row.parity = ours.checked(case, folder / "checked") if case.ranked else ours.parity(first, expected.names, expected.arrays)
    if settings.keep_layout:
        row.keep_layout = _keep(case, folder, first, expected)
    used = settings.peer if case.set in peer.SETS else None
    made = _time(case, settings, used, folder, first, row)
    if expected:
        for result, file in made:
            peer.examine(result, file, expected.names, expected.arrays, expected.shapes())
    if settings.latency_seconds:
        _latency(case, settings, first, [(r, f) for r, f in made if r.loads], row)


def _count(first: Conversion, row: Row) -> None:
    facts = read_facts(first.file)
    row.ops, row.transposes, row.operators = facts.ops, facts.transposes, dict(facts.operators.most_common())
    row.source_ops = first.report["ops"]["source"]
    row.proven_minimal, row.gap = bool(first.report["transposes"]["proven_minimal"]), float(first.report["transposes"]["gap"])


def expect(case: Case, folder: Path) -> Expected:
    """Run the source; raises WorkerError."""
    files = tuple(folder / f"expected{k}.npz" for k in range(len(case.runs)))
    names = [reference(case.path, shapes, file, seed=seed, text=case.text, integers=case.integers)
             for seed, (shapes, file) in enumerate(zip(case.runs, files))]
    return Expected(names[0], files)


def _keep(case: Case, folder: Path, first: Conversion, expected: Expected | None) -> KeepLayout:
    kept = ours.convert_with_report(case, folder / "keep", "--keep-layout")
    if isinstance(kept, str):
        return KeepLayout(error=kept)
    found = KeepLayout(read_facts(kept.file).transposes, ours.moved(first.report))
    changed = [t["name"] for t in (*kept.report["inputs"], *kept.report["outputs"]) if t["perm"] != sorted(t["perm"])]
    if changed:
        found.error = f"{', '.join(changed)} not in the source's layout"
    if expected and not case.ranked:
        found.parity = ours.parity(kept, expected.names, expected.arrays)
    return found


def _time(case: Case, settings: Settings, used: Peer | None, folder: Path, first: Conversion, row: Row) -> list[tuple[PeerResult, Path]]:
    """Timed conversions, ours and the peer's taking turns; returns the peer's files."""
    made: dict[str, Path] = {}
    results = {variant: PeerResult(variant) for variant in peer.VARIANTS} if used else {}
    digest = _digest(first.file)
    for number in range(settings.rounds):
        outcome, file = ours.convert(case, folder / "timed")
        if not outcome.ok:
            row.error = f"when repeated: {outcome.complaint}"
            break
        row.seconds.append(outcome.seconds)
        row.peak_mb = max(row.peak_mb or 0.0, outcome.peak_mb)
        row.stable = row.stable and _digest(file) == digest
        for variant, result in results.items():
            if used and not result.error:
                _run_peer(used, case, result, folder / variant, made, warm=number == 0)
    row.peers = list(results.values())
    return [(result, made[variant]) for variant, result in results.items() if variant in made]


def _run_peer(used: Peer, case: Case, result: PeerResult, folder: Path, made: dict[str, Path], *, warm: bool) -> None:
    """One timed run of the peer; `warm`: after one that is not counted, as we have had one too."""
    for counted in ((False, True) if warm else (True,)):
        outcome, file = used.convert(case, result.variant, folder)
        if not outcome.ok or not file.exists():
            result.error = outcome.complaint if not outcome.ok else "no file, and no error"
            return
        if counted:
            result.seconds.append(outcome.seconds)
            result.peak_mb = max(result.peak_mb, outcome.peak_mb)
    made[result.variant] = file


def _latency(case: Case, settings: Settings, first: Conversion, peers: Sequence[tuple[PeerResult, Path]], row: Row) -> None:
    """Latency of our file and of each of the peer's, taking turns; ours alone where one of the peer's loads but does not run."""
    shapes = {t["name"]: tuple(case.runs[0][t["name"]][a] for a in t["perm"]) for t in first.report["inputs"] if t["name"] in case.runs[0]}
    distinct = list(_distinct(peers))
    try:
        taken = latencies([Timed(str(first.file), shapes), *(Timed(str(file), {}) for file, _ in distinct)], settings.latency_seconds)
    except WorkerError as error:
        if not distinct:
            row.latency_error = str(error)
            return
        for result, _ in peers:
            result.refused = str(error)
        _latency(case, settings, first, (), row)
        return
    row.latency_ms = median(taken[0])
    for (_, results), theirs in zip(distinct, taken[1:]):
        for result in results:
            result.latency_ms = median(theirs)
            result.latency_ratio = median(a / b for a, b in zip(taken[0], theirs))


def _distinct(peers: Sequence[tuple[PeerResult, Path]]) -> Iterator[tuple[Path, list[PeerResult]]]:
    """Each different file once, with the results it belongs to."""
    files: dict[str, tuple[Path, list[PeerResult]]] = {}
    for result, file in peers:
        files.setdefault(_digest(file), (file, []))[1].append(result)
    yield from files.values()


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
