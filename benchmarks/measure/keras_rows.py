"""What was measured of the Keras target, and how it is judged. Everything here ends up in the JSON file as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from measure import keras_data, models
from measure.rows import mean_ratio


@dataclass
class FilesRow:
    """One network in one format, or one that is trained on: the largest relative error over all outputs and runs of every way of opening
    it (None where there is none), and what its architecture says. `skipped`: why there is no TFLite file either. Seconds and peak MB (10^6
    bytes) are those of the conversion to all targets, a whole process. `allowed`: how many transposes the model may have."""

    network: str
    set: str
    skipped: str = ""
    error: str = ""
    errors: dict[str, float | None] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    layers: int | None = None
    transposes: int | None = None
    allowed: int | None = None
    foreign: Sequence[str] = ()
    numbered: Sequence[str] = ()
    seconds: float | None = None
    peak_mb: float | None = None
    failures: list[str] = field(default_factory=list)


@dataclass
class SpeedRow:
    """Seconds of conversions to a Keras model in memory, ours and the peer's (none without one)."""

    network: str
    skipped: str = ""
    error: str = ""
    seconds: list[float] = field(default_factory=list)
    peer_seconds: list[float] = field(default_factory=list)
    peer_error: str = ""
    failures: list[str] = field(default_factory=list)

    @property
    def median_seconds(self) -> float | None:
        return median(self.seconds) if self.seconds else None

    @property
    def times_faster(self) -> float | None:
        """The peer's seconds divided by ours."""
        return median(self.peer_seconds) / median(self.seconds) if self.seconds and self.peer_seconds else None


@dataclass
class TrainingRow:
    """Training on: the .keras file's error before; the loss of every step; of how many trainable weights there are the gradient is None, 0
    throughout or not finite; how many of the batch norms (as many as the source has) kept a statistic as it was. With held-out data: the
    share of them that the source and the model classify correctly before training."""

    network: str
    error: str = ""
    parity: float | None = None
    losses: list[float] = field(default_factory=list)
    weights: int = 0
    unreached: Sequence[str] = ()
    norms: int = 0
    source_norms: int = 0
    unchanged: Sequence[str] = ()
    source_accuracy: float | None = None
    accuracy: float | None = None
    failures: list[str] = field(default_factory=list)

    @property
    def first_loss(self) -> float | None:
        """Mean over the first quarter of the steps."""
        return _mean(self.losses[:max(1, len(self.losses) // 4)])

    @property
    def last_loss(self) -> float | None:
        """Mean over the last quarter."""
        return _mean(self.losses[-max(1, len(self.losses) // 4):])


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


# ---- judging -----------------------------------------------------------------------------------------------------------
def judge_files(row: FilesRow) -> list[str]:
    """What is not as it has to be."""
    if row.skipped or row.error:
        return [row.error] if row.error else []
    found = [f"{form}: {problem}" for form, problem in row.problems.items()]
    for form, error in row.errors.items():
        if form not in row.problems:
            found += _judge_error(error, form)
    if row.transposes is not None and row.allowed is not None and row.transposes > row.allowed:
        found.append(f"{row.transposes} transposes, at most {row.allowed} allowed")
    found += [f"needs code of its own: {name}" for name in row.foreign]
    if row.numbered:
        found.append(f"layers with a number for a name: {', '.join(row.numbered)}")
    return found


def _judge_error(error: float | None, what: str) -> list[str]:
    if error is None:
        return [f"{what}: an output has another shape, a NaN or an infinity"]
    return [f"{what}: error {error:.1e}, at most {models.PARITY:.0e} allowed"] if error > models.PARITY else []


def judge_speed(row: SpeedRow) -> list[str]:
    """What is not as it has to be; the peer's failures are not ours."""
    seconds, limit = row.median_seconds, keras_data.SPEED_LIMITS.get(row.network)
    if row.error or seconds is None:
        return [row.error] if row.error else []
    return [f"{seconds:.1f} s, less than {limit:g} needed"] if limit is not None and seconds >= limit else []


def judge_training(row: TrainingRow) -> list[str]:
    """What is not as it has to be."""
    if row.error:
        return [row.error]
    found = _judge_error(row.parity, "before training")
    if not row.weights:
        found.append("there is nothing to train")
    if row.norms != row.source_norms:
        found.append(f"{row.norms} batch norms, the source has {row.source_norms}")
    if row.unreached:
        found.append(f"no gradient reaches {', '.join(row.unreached)}")
    if row.unchanged:
        found.append(f"statistics do not change in {', '.join(row.unchanged)}")
    if row.first_loss is None or row.last_loss is None or not row.last_loss < row.first_loss:
        found.append(f"the loss does not fall: {row.losses}")
    if row.accuracy != row.source_accuracy:
        found.append(f"test accuracy {row.accuracy}, the source's is {row.source_accuracy}")
    return found


@dataclass(frozen=True)
class Summary:
    """Over everything: how many rows were measured (not skipped) and passed, why others were skipped, the geometric mean of the peer's
    seconds divided by ours (None without a peer), and what is not as it must be."""

    measured: int
    passed: int
    skipped: tuple[str, ...]
    times_faster: float | None
    failures: tuple[str, ...]


Rows = Sequence[FilesRow | SpeedRow | TrainingRow]


def summarize(rows: Rows) -> Summary:
    """Sum up rows that have been judged."""
    reasons: Mapping[int, str] = {id(row): row.skipped for row in rows if not isinstance(row, TrainingRow) and row.skipped}
    measured = [row for row in rows if id(row) not in reasons]
    failures = [f"{_title(row)}: {text}" for row in measured for text in row.failures]
    faster = mean_ratio(row.times_faster for row in rows if isinstance(row, SpeedRow))
    if faster is not None and faster < keras_data.SPEED_GEOMEAN:
        failures.append(f"conversion {faster:.2f} times as fast as the peer, at least {keras_data.SPEED_GEOMEAN:g} needed")
    skipped = tuple(f"{_title(row)}: {reasons[id(row)]}" for row in rows if id(row) in reasons)
    return Summary(len(measured), sum(not row.failures for row in measured), skipped, faster, tuple(failures))


def _title(row: FilesRow | SpeedRow | TrainingRow) -> str:
    kind = row.set if isinstance(row, FilesRow) else "speed" if isinstance(row, SpeedRow) else "training"
    return f"{row.network} ({kind})"
