from __future__ import annotations

import sys
from pathlib import Path

import pytest
from beside_litert_torch import COLUMNS, Row, _means, main
from measure.rows import PeerResult
from measure.table import text_row


def row(**more: float | str | None) -> Row:
    found = Row("n", export_seconds=3.0, seconds=1.0, peak_mb=100.0, ops=50, transposes=0, parity=1e-6, latency_ms=9.0,
                theirs=PeerResult("litert-torch", [8.0], 1000.0, ops=100, transposes=4, parity=1e-6, latency_ms=10.0, latency_ratio=0.9))
    for name, value in more.items():
        setattr(found, name, value)
    return found


def test_the_time_of_the_export_counts() -> None:
    assert row().times_faster == 2.0
    assert text_row(COLUMNS, row()).split() == ["n", "3.00", "1.00", "8.00", "2.0", "100", "1000", "50", "100", "0", "4", "1e-06", "1e-06",
                                                "9.00", "10.00", "0.90"]


def test_only_networks_that_both_convert_are_in_the_means() -> None:
    rows = [row(), row(theirs=PeerResult("litert-torch", error="no conversion of this")), row(error="no file"), row(parity=1.0)]
    assert [line.split()[0] for line in _means(rows)] == ["2.00", "0.50", "0.90"]
    assert all("1 networks" in line for line in _means(rows))
    assert [each.passes for each in rows] == [True, True, False, False]
    assert not list(_means(rows[1:]))


@pytest.mark.parametrize("python", ["/there/is/none", sys.executable])
def test_an_environment_without_the_peer_is_an_error(python: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["--peer", python, "--only", "mobilenet_v2", "--json", str(tmp_path / "f.json")]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert not (tmp_path / "f.json").exists()
