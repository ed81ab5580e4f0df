"""What was measured for one network, and how it is judged. Everything here ends up in the JSON file as it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import geometric_mean, median

from measure import models
from measure.models import Limits


@dataclass
class Parity:
    """The largest relative error over all outputs and runs, with XNNPACK and without; None where `notes` say why there is none."""

    xnnpack: float | None = None
    plain: float | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def worst(self) -> float | None:
        """The larger of both; None when one is missing."""
        return None if self.xnnpack is None or self.plain is None else max(self.xnnpack, self.plain)


@dataclass
class KeepLayout:
    """The conversion with `--keep-layout`: its transposes, how many more than without are allowed (one for every input and output that is
    otherwise stored in another order of its elements; inputs that are concatenated first can share one), and its parity. `error` says why
    there is none."""

    transposes: int | None = None
    allowed_more: int = 0
    parity: Parity = field(default_factory=Parity)
    error: str = ""


@dataclass
class PeerResult:
    """One way of running the peer: seconds and peak MB of its whole process, and its file. `error`: it made none; `refused`: LiteRT's
    reason for not running it; `parity` with XNNPACK, None where its layout cannot be told from shapes (`note` says so)."""

    variant: str
    seconds: list[float] = field(default_factory=list)
    peak_mb: float = 0.0
    ops: int | None = None
    transposes: int | None = None
    parity: float | None = None
    latency_ms: float | None = None
    latency_ratio: float | None = None
    error: str = ""
    refused: str = ""
    note: str = ""

    @property
    def loads(self) -> bool:
        return not self.error and not self.refused


@dataclass
class Row:
    """One network in one format. Seconds are those of whole processes without the check, MB are 10^6 bytes, `latency_ms` is with XNNPACK
    and one thread. `latency_ratio` in `peers` is ours divided by the peer's, the median over rounds in which both ran."""

    network: str
    set: str
    model_mb: float
    bound_mb: float
    limits: Limits
    error: str = ""
    parity: Parity = field(default_factory=Parity)
    operators: Mapping[str, int] = field(default_factory=dict)
    ops: int | None = None
    source_ops: int | None = None
    transposes: int | None = None
    proven_minimal: bool | None = None
    gap: float | None = None
    keep_layout: KeepLayout | None = None
    seconds: list[float] = field(default_factory=list)
    peak_mb: float | None = None
    stable: bool = True
    latency_ms: float | None = None
    latency_error: str = ""
    peers: list[PeerResult] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def median_seconds(self) -> float | None:
        return median(self.seconds) if self.seconds else None

    @property
    def fastest_peer(self) -> PeerResult | None:
        """The way of running the peer that took the least time and made a file that runs; failing that, one that made a file."""
        made = [p for p in self.peers if p.seconds and not p.error]
        return min(made, key=lambda p: (not p.loads, median(p.seconds)), default=None)

    @property
    def leanest_peer(self) -> PeerResult | None:
        """The way of running the peer whose result has the least latency."""
        return max((p for p in self.peers if p.latency_ratio is not None), key=lambda p: p.latency_ratio or 0.0, default=None)

    @property
    def times_faster(self) -> float | None:
        """The seconds of the peer's fastest way divided by ours."""
        return self._faster_than(self.fastest_peer)

    def times_faster_than(self, variant: str) -> float | None:
        """The seconds of one way of running the peer divided by ours; None when it made no file."""
        return self._faster_than(self.peer(variant))

    def peer(self, variant: str) -> PeerResult | None:
        """One way of running the peer, if it made a file."""
        return next((p for p in self.peers if p.variant == variant and p.seconds and not p.error), None)

    def _faster_than(self, peer: PeerResult | None) -> float | None:
        ours = self.median_seconds
        return median(peer.seconds) / ours if peer and ours else None


def judge(row: Row) -> list[str]:
    """Why the row fails; empty when it passes. What was not measured is not judged."""
    if row.error:
        return [row.error]
    return [*_judge_result(row), *_judge_parity(row.parity, ""), *_judge_keep(row), *_judge_cost(row)]


def _judge_result(row: Row) -> list[str]:
    found = []
    if row.limits.ops is not None and row.ops is not None and row.ops > row.limits.ops:
        found.append(f"{row.ops} ops, at most {row.limits.ops} allowed")
    if row.limits.transposes is not None and row.transposes is not None and row.transposes > row.limits.transposes:
        found.append(f"{row.transposes} transposes, at most {row.limits.transposes} allowed")
    if row.proven_minimal is False:
        found.append(f"transposes not proven minimal (gap {row.gap or 0:.1%})")
    if not row.stable:
        found.append("two conversions gave different files")
    return found


def _judge_parity(parity: Parity, which: str) -> list[str]:
    found = [f"{which}{note}" for note in parity.notes]
    for name, error in (("with XNNPACK", parity.xnnpack), ("without XNNPACK", parity.plain)):
        if error is not None and error > models.PARITY:
            found.append(f"{which}error {error:.1e} {name}, at most {models.PARITY:.0e} allowed")
    return found


def _judge_keep(row: Row) -> list[str]:
    keep = row.keep_layout
    if keep is None:
        return []
    if keep.error:
        return [f"--keep-layout: {keep.error}"]
    found = _judge_parity(keep.parity, "--keep-layout: ")
    if keep.transposes is not None and row.transposes is not None and keep.transposes > row.transposes + keep.allowed_more:
        found.append(f"--keep-layout: {keep.transposes} transposes, at most {row.transposes} + {keep.allowed_more} allowed")
    return found


def _judge_cost(row: Row) -> list[str]:
    found = [f"latency: {row.latency_error}"] if row.latency_error else []
    if row.peak_mb is not None and row.peak_mb > row.bound_mb:
        found.append(f"peak {row.peak_mb:.0f} MB, at most {row.bound_mb:.0f} allowed")
    peer = row.leanest_peer
    if peer is not None and peer.latency_ratio is not None and peer.latency_ratio > models.LATENCY_RATIO + models.LATENCY_NOISE:
        found.append(f"latency {peer.latency_ratio:.2f} times that of the peer ({peer.variant})")
    return found


@dataclass(frozen=True)
class Summary:
    """Over all rows: the geometric means of the speed ratios (to the peer's fastest way on each network; and to each way) and of the
    latency ratios, None without a peer; and what is not as it must be."""

    networks: int
    passed: int
    times_faster: float | None
    times_faster_than: Mapping[str, float]
    latency_ratio: float | None
    failures: tuple[str, ...]


def summarize(rows: Sequence[Row]) -> Summary:
    """Sum up rows that have been judged."""
    slower = [row.leanest_peer.latency_ratio for row in rows if row.leanest_peer and row.leanest_peer.latency_ratio is not None]
    variants = dict.fromkeys(peer.variant for row in rows for peer in row.peers)
    each = {variant: mean for variant in variants if (mean := mean_ratio(row.times_faster_than(variant) for row in rows)) is not None}
    failures = [f"{row.network} ({row.set}): {text}" for row in rows for text in row.failures]
    speed, judged = mean_ratio(row.times_faster for row in rows), each.get(models.JUDGED_PEER)
    if judged is not None and judged < models.SPEED_GEOMEAN:
        failures.append(f"conversion {judged:.2f} times as fast as the peer run as {models.JUDGED_PEER}, "
                        f"at least {models.SPEED_GEOMEAN:g} needed")
    return Summary(len(rows), sum(not row.failures for row in rows), speed, each, mean_ratio(slower), tuple(failures))


def mean_ratio(ratios: Iterable[float | None]) -> float | None:
    """The geometric mean of the ratios that are there; None when there are none."""
    known = [ratio for ratio in ratios if ratio is not None]
    return geometric_mean(known) if known else None
