"""Rows of the benchmark of quantized files: remembered from one run to the next, and as Markdown."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

from measure.quantize_peers import CONVERTER, DIRECT, PeersRow, judge
from measure.quantize_peers import MODES as PEER_MODES
from measure.quantize_zoo import DigitsRow, LatencyRow, ZooRow
from nchw2nhwc.options.quantize import MODES

Row = TypeVar("Row", ZooRow, LatencyRow, PeersRow)
WHOSE: Mapping[str, str] = {"ours": "nchw2nhwc", "tensorflow": "TensorFlow", DIRECT: "onnx2tf, direct", CONVERTER: "onnx2tf, tf_converter"}
"""What each file of a peers' row is called."""


class State:
    """Finished networks in a file (None: nowhere), one JSON object a line."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        lines = file.read_text().splitlines() if file is not None and file.exists() else []
        self._rows = [json.loads(line) for line in lines]

    def find(self, kind: type[Row], network: str, **more: object) -> Row | None:
        """The row of a network, if it was measured before with the same values of further fields."""
        wanted = {"kind": kind.__name__, "network": network, **more}
        found = next((row for row in self._rows if wanted.items() <= row.items()), None)
        return None if found is None else kind(**{key: value for key, value in found.items() if key != "kind"})

    def add(self, row: ZooRow | LatencyRow | PeersRow) -> None:
        """Remember it."""
        if self._file is not None:
            with self._file.open("a") as file:
                file.write(json.dumps({"kind": type(row).__name__, **asdict(row)}) + "\n")


def markdown(rows: Sequence[object]) -> str:
    """The tables of what was measured."""
    parts = [_table(["", *PEER_MODES], _peers(peers), "SQNR in dB of the worst output, " + _sample_text(peers))
             + "\n" + "".join(f"- {line}\n" for line in judge(peers)[0].splitlines())
             for peers in [[row for row in rows if isinstance(row, PeersRow)]] if peers]
    for kind, header, title in ((DigitsRow, ["file", "accuracy", "difference"], "Accuracy on the digits example, points"),
                                (LatencyRow, ["", "float32", "dynamic", "int8", "int8-full"], "Latency, ms, and ratio to float32"),
                                (ZooRow, ["", *MODES], "SQNR in dB on random numbers, with XNNPACK, and size relative to float32")):
        cells = [_cells(row) for row in rows if isinstance(row, kind)]
        parts += [_table(header, cells, title)] if cells else []
    return "\n".join(parts)


def _sample_text(peers: Sequence[PeersRow]) -> str:
    seeds = sorted({row.seed for row in peers})
    spread = ": mean, and standard deviation of one" if len(seeds) > 1 else ""
    return f"samples drawn from seed {', '.join(map(str, seeds))}{spread}"


def _table(header: Sequence[str], lines: Sequence[Sequence[str]] | Iterator[Sequence[str]], title: str) -> str:
    head = [f"**{title}**", "", f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
    return "\n".join([*head, *(f"| {' | '.join(cells)} |" for cells in lines)]) + "\n"


def _peers(rows: Sequence[PeersRow]) -> Iterator[list[str]]:
    for network in dict.fromkeys(row.network for row in rows):
        for name, whose in WHOSE.items():
            cells = [_decibels([getattr(row, name).get(mode) for row in rows if row.network == network]) for mode in PEER_MODES]
            if any(cell != "-" for cell in cells):
                yield [f"{network}: {whose}", *cells]


def _decibels(values: Sequence[float | None]) -> str:
    """A ratio, or those of several seeds."""
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    return f"{statistics.fmean(known):.1f}" + (f" ± {statistics.stdev(known):.1f}" if len(known) > 1 else "")


def _cells(row: DigitsRow | LatencyRow | ZooRow) -> list[str]:
    if isinstance(row, DigitsRow):
        return [row.mode, f"{row.accuracy:.2f}", f"{row.difference:+.2f}"]
    if isinstance(row, LatencyRow):
        return [row.network, *(f"{ms:.2f}" + (f" ({row.ratio[name]:.2f})" if name in row.ratio else "")
                               for name, ms in row.milliseconds.items())]
    return [row.network, *(f"{row.sqnr[m]:.1f}, {row.size[m]:.0%}" if m in row.size else "-" for m in MODES)]
