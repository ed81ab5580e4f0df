"""The tables: plain text while it runs, Markdown for the documentation."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Generic, TypeVar

from measure.peer import VARIANTS
from measure.rows import Row, Summary

R = TypeVar("R")


@dataclass(frozen=True)
class Column(Generic[R]):
    """A column: its title, its width in text, and a row's cell."""

    title: str
    width: int
    cell: Callable[[R], str]


def number(value: float | None, form: str = ".2f") -> str:
    """A number that may not have been measured."""
    return "-" if value is None else format(value, form)


def _count(value: int | None, limit: int | None) -> str:
    return "-" if value is None else f"{value}" if limit is None else f"{value} (<={limit})"


def _proven(row: Row) -> str:
    return {None: "-", True: "yes", False: f"gap {row.gap or 0:.1%}"}[row.proven_minimal]


def _keep(row: Row) -> str:
    keep = row.keep_layout
    if keep is None or keep.transposes is None or row.transposes is None:
        return "-" if keep is None else "error"
    return f"{keep.transposes - row.transposes:+d} (<=+{keep.allowed_more})"


def _verdict(row: Row) -> str:
    return "FAIL" if row.failures else "PASS"


COLUMNS = (
    Column("network", 49, lambda row: row.network),
    Column("set", 16, lambda row: row.set),
    Column("XNNPACK", 8, lambda row: number(row.parity.xnnpack, ".0e")),
    Column("plain", 8, lambda row: number(row.parity.plain, ".0e")),
    Column("ops", 12, lambda row: _count(row.ops, row.limits.ops)),
    Column("transposes", 11, lambda row: _count(row.transposes, row.limits.transposes)),
    Column("minimal", 9, _proven),
    Column("kept", 9, _keep),
    Column("s", 6, lambda row: number(row.median_seconds)),
    Column("peak MB", 8, lambda row: number(row.peak_mb, ".0f")),
    Column("bound", 6, lambda row: number(row.bound_mb, ".0f")),
    Column("model MB", 9, lambda row: number(row.model_mb, ".1f")),
    Column("ms", 8, lambda row: number(row.latency_ms)),
    Column("", 4, _verdict),
)
"""Parity (relative error against the source's runtime), size, transposes (and how many more with --keep-layout), cost, latency."""


def _peer_loads(row: Row) -> str:
    peer = row.fastest_peer
    if peer is None:
        return "no file"
    return "yes" if peer.loads else "no"


def _peer_seconds(variant: str, row: Row) -> str:
    peer = row.peer(variant)
    return number(median(peer.seconds) if peer else None)


def _peer_latency(row: Row) -> str:
    peer = row.leanest_peer
    return number(peer.latency_ratio if peer else None)


PEER_COLUMNS = (
    Column("network", 20, lambda row: row.network),
    Column("s", 6, lambda row: number(row.median_seconds)),
    *(Column(f"peer {variant}", 12, partial(_peer_seconds, variant)) for variant in VARIANTS),
    Column("faster", 7, lambda row: number(row.times_faster, ".1f")),
    Column("MB", 6, lambda row: number(row.peak_mb, ".0f")),
    Column("peer MB", 8, lambda row: number(row.fastest_peer.peak_mb if row.fastest_peer else None, ".0f")),
    Column("ops", 5, lambda row: _count(row.ops, None)),
    Column("peer", 5, lambda row: _count(row.fastest_peer.ops if row.fastest_peer else None, None)),
    Column("transposes", 11, lambda row: _count(row.transposes, None)),
    Column("peer", 5, lambda row: _count(row.fastest_peer.transposes if row.fastest_peer else None, None)),
    Column("peer runs", 10, _peer_loads),
    Column("parity", 8, lambda row: number(row.parity.xnnpack, ".0e")),
    Column("peer", 8, lambda row: number(row.fastest_peer.parity if row.fastest_peer else None, ".0e")),
    Column("ms", 8, lambda row: number(row.latency_ms)),
    Column("peer ms", 8, lambda row: number(row.leanest_peer.latency_ms if row.leanest_peer else None)),
    Column("ours/peer", 10, _peer_latency),
)
"""Side by side: seconds of both ways of running the peer, MB, size and parity of its fastest, latency of its best file."""


def text_header(columns: Sequence[Column[R]]) -> str:
    """The first line of a table of text."""
    return "  ".join(c.title.ljust(c.width) for c in columns).rstrip()


def text_row(columns: Sequence[Column[R]], row: R) -> str:
    """One line of it."""
    return "  ".join(c.cell(row).ljust(c.width) for c in columns).rstrip()


def markdown(rows: Sequence[Row], summary: Summary, machine: Sequence[str]) -> str:
    """Both tables (the second only when there was a peer), the summary and the machine, as Markdown."""
    parts = [markdown_table(COLUMNS, rows)]
    compared = [row for row in rows if row.peers]
    if compared:
        parts.append(markdown_table(PEER_COLUMNS, compared))
    parts += ["\n".join(f"- {line}" for line in summary_lines(summary)), "Measured with: " + "; ".join(machine) + "."]
    return "\n\n".join(parts) + "\n"


def markdown_table(columns: Sequence[Column[R]], rows: Sequence[R]) -> str:
    """A table as Markdown."""
    lines = ["| " + " | ".join(c.title or " " for c in columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(c.cell(row) for c in columns) + " |" for row in rows]
    return "\n".join(lines)


def summary_lines(summary: Summary) -> list[str]:
    """The last lines."""
    lines = [f"{summary.passed} of {summary.networks} pass"]
    if summary.times_faster is not None:
        lines.append(f"conversion {summary.times_faster:.1f} times as fast as the peer's fastest way (geometric mean); "
                     + ", ".join(f"{mean:.1f} times as {variant}" for variant, mean in summary.times_faster_than.items()))
    if summary.latency_ratio is not None:
        lines.append(f"latency {summary.latency_ratio:.2f} times that of the peer's results (geometric mean)")
    return lines + [f"FAIL {text}" for text in summary.failures]


def write(path: Path, text: str) -> None:
    """Write a result; a name beside it first, so that an interrupted run leaves the old one."""
    temporary = path.with_name(f"{path.name}.new")
    temporary.write_text(text)
    os.replace(temporary, path)
