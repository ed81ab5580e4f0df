"""The tables of the Keras target: plain text while it runs, Markdown for the documentation."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from statistics import median

from measure import keras_data
from measure.keras_data import FORMS, TFLITE_AGAIN
from measure.keras_rows import FilesRow, Rows, SpeedRow, Summary, TrainingRow
from measure.table import Column, markdown_table, number


def _verdict(row: FilesRow | SpeedRow | TrainingRow) -> str:
    skipped = not isinstance(row, TrainingRow) and row.skipped
    return "skipped" if skipped else "FAIL" if row.failures else "PASS"


def _error(form: str, row: FilesRow) -> str:
    return "error" if form in row.problems else number(row.errors.get(form), ".0e")


def _standard(row: FilesRow) -> str:
    return "-" if row.layers is None else "no" if row.foreign or row.numbered else "yes"


def _transposes(row: FilesRow) -> str:
    return "-" if row.transposes is None else f"{row.transposes} (<={row.allowed})"


def files_columns(backends: Sequence[str]) -> tuple[Column[FilesRow], ...]:
    """Errors of every form and backend against the source's runtime; layers and transposes of the model; cost of the conversion."""
    return (
        Column("network", 49, lambda row: row.network),
        Column("set", 16, lambda row: row.set),
        *(Column(name, max(7, len(name)), partial(_error, name)) for name in (*FORMS, TFLITE_AGAIN, *backends)),
        Column("layers", 6, lambda row: number(row.layers, "d")),
        Column("transposes", 10, _transposes),
        Column("standard", 8, _standard),
        Column("s", 6, lambda row: number(row.seconds, ".1f")),
        Column("peak MB", 8, lambda row: number(row.peak_mb, ".0f")),
        Column("", 7, _verdict),
    )


SPEED_COLUMNS: tuple[Column[SpeedRow], ...] = (
    Column("network", 20, lambda row: row.network),
    Column("s", 6, lambda row: number(row.median_seconds)),
    Column("limit", 6, lambda row: number(keras_data.SPEED_LIMITS.get(row.network), "g")),
    Column("onnx2tf s", 9, lambda row: number(median(row.peer_seconds) if row.peer_seconds else None)),
    Column("times as fast", 13, lambda row: number(row.times_faster, ".1f")),
    Column("", 7, _verdict),
)
TRAINING_COLUMNS: tuple[Column[TrainingRow], ...] = (
    Column("network", 20, lambda row: row.network),
    Column("error before", 12, lambda row: number(row.parity, ".0e")),
    Column("first loss", 10, lambda row: number(row.first_loss, ".3f")),
    Column("last loss", 10, lambda row: number(row.last_loss, ".3f")),
    Column("weights reached", 15, lambda row: f"{row.weights - len(row.unreached)} of {row.weights}"),
    Column("statistics changed", 18, lambda row: f"{row.norms - len(row.unchanged)} of {row.norms}"),
    Column("test accuracy", 13, lambda row: number(row.accuracy, ".2%")),
    Column("source's", 8, lambda row: number(row.source_accuracy, ".2%")),
    Column("", 7, _verdict),
)


def summary_lines(summary: Summary) -> list[str]:
    """The last lines."""
    lines = [f"{summary.passed} of {summary.measured} pass"]
    if summary.times_faster is not None:
        lines.append(f"conversion {summary.times_faster:.1f} times as fast as the peer (geometric mean)")
    return lines + [f"skipped {text}" for text in summary.skipped] + [f"FAIL {text}" for text in summary.failures]


def markdown(rows: Rows, backends: Sequence[str], summary: Summary, machine: Sequence[str]) -> str:
    """The tables of what was measured, the summary and the machine, as Markdown."""
    files = [row for row in rows if isinstance(row, FilesRow) and not row.skipped]
    speed = [row for row in rows if isinstance(row, SpeedRow) and not row.skipped]
    training = [row for row in rows if isinstance(row, TrainingRow)]
    parts = [markdown_table(files_columns(backends), files)] if files else []
    parts += [markdown_table(SPEED_COLUMNS, speed)] if speed else []
    parts += [markdown_table(TRAINING_COLUMNS, training)] if training else []
    parts += ["\n".join(f"- {line}" for line in summary_lines(summary)), "Measured with: " + "; ".join(machine) + "."]
    return "\n\n".join(parts) + "\n"
