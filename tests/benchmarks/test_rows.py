from __future__ import annotations

from collections.abc import Callable

import pytest
from measure.models import Limits
from measure.ours import Report, moved
from measure.rows import KeepLayout, Parity, PeerResult, Row, judge, summarize
from measure.table import COLUMNS, PEER_COLUMNS, markdown, text_row


def good() -> Row:
    """A row that passes, at its limits."""
    return Row("net", "onnx", 10.0, 180.0, Limits(ops=50, transposes=2), parity=Parity(1e-4, 1e-6), ops=50, transposes=2,
               proven_minimal=True, gap=0.0, keep_layout=KeepLayout(4, 2, Parity(1e-6, 1e-6)),
               seconds=[0.5, 0.4, 0.6], peak_mb=180.0, latency_ms=10.0)


def peer(variant: str, seconds: float, ratio: float | None = None, **more: str) -> PeerResult:
    return PeerResult(variant, [seconds], 200.0, 60, 5, 1e-6, 9.0, ratio, **more)


def set_to(**values: object) -> Callable[[Row], None]:
    def change(row: Row) -> None:
        for name, value in values.items():
            assert hasattr(row, name)
            setattr(row, name, value)

    return change


def test_a_row_at_its_limits_passes() -> None:
    assert judge(good()) == []


@pytest.mark.parametrize(("change", "failure"), [
    (set_to(error="exit status 2: error: boom"), "boom"),
    (set_to(ops=51), "51 ops, at most 50"),
    (set_to(transposes=3, keep_layout=None), "3 transposes, at most 2"),
    (set_to(proven_minimal=False, gap=0.04), "gap 4.0%"),
    (set_to(stable=False), "different files"),
    (set_to(parity=Parity(2e-4, 1e-6)), "2.0e-04 with XNNPACK"),
    (set_to(parity=Parity(1e-6, 2e-4)), "2.0e-04 without XNNPACK"),
    (set_to(parity=Parity(None, 1e-6, ["LiteRT with XNNPACK: refused"])), "refused"),
    (set_to(keep_layout=KeepLayout(5, 2)), "--keep-layout: 5 transposes, at most 2 + 2"),
    (set_to(keep_layout=KeepLayout(4, 2, Parity(1.0, 0.0))), "--keep-layout: error"),
    (set_to(keep_layout=KeepLayout(error="exit status 2")), "--keep-layout: exit status 2"),
    (set_to(peak_mb=181.0), "peak 181 MB"),
    (set_to(latency_error="it crashed"), "it crashed"),
    (set_to(peers=[peer("default", 3.0, 1.2)]), "latency 1.20 times"),
])
def test_each_limit_is_kept(change: Callable[[Row], None], failure: str) -> None:
    row = good()
    change(row)
    (found,) = judge(row)
    assert failure in found


def test_what_was_not_measured_is_not_judged() -> None:
    assert judge(Row("net", "onnx", 1.0, 153.0, Limits(ops=1, transposes=0))) == []


def test_the_peer_is_taken_at_its_best() -> None:
    row = good()
    row.peers = [peer("default", 3.0, 0.8), peer("fast", 2.0, 1.01)]
    assert row.times_faster == pytest.approx(4.0)
    assert row.times_faster_than("default") == pytest.approx(6.0)
    assert row.leanest_peer is row.peers[1]
    row.peers[1].refused = "LiteRT says no"
    assert row.times_faster == pytest.approx(6.0)
    row.peers[0].error = "exit status 1"
    assert row.times_faster == pytest.approx(4.0)


def test_summary() -> None:
    rows = [good(), good(), good()]
    rows[0].peers, rows[1].peers = [peer("default", 1.0, 0.5)], [peer("default", 4.0, 0.98)]
    rows[2].failures = ["51 ops"]
    summary = summarize(rows)
    assert (summary.networks, summary.passed) == (3, 2)
    assert summary.times_faster == pytest.approx(4.0)
    assert summary.times_faster_than == {"default": pytest.approx(4.0)}
    assert summary.latency_ratio == pytest.approx(0.7)
    assert summary.failures[0] == "net (onnx): 51 ops"
    assert "at least 5" in summary.failures[1]
    assert summarize([good()]).failures == ()


def test_moves_of_axes_of_size_one_are_no_transposes() -> None:
    def tensor(shape: list[int], perm: list[int]) -> dict[str, object]:
        return {"name": "x", "source_shape": shape, "shape": [shape[a] for a in perm], "perm": perm}

    last = [0, 2, 3, 1]
    report = {"inputs": [tensor([1, 3, 8, 8], last), tensor([1, 1, 8, 8], last), tensor([-1, 4, 1, 1], last)],
              "outputs": [tensor([1, 3, 8, 8], [0, 1, 2, 3]), tensor([1, 3, -1, -1], last)]}
    assert moved(Report(**report, ops={}, transposes={})) == 2  # type: ignore[typeddict-item]


def test_tables_take_rows_without_measurements() -> None:
    empty = Row("net", "onnx", 1.0, 153.0, Limits(), error="boom", failures=["boom"])
    compared = good()
    compared.peers = [peer("default", 3.0, 0.9), PeerResult("fast", error="exit status 1")]
    for row in (empty, compared):
        for columns in (COLUMNS, PEER_COLUMNS):
            assert text_row(columns, row).startswith("net")
    text = markdown([empty, compared], summarize([empty, compared]), ["a machine"])
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") - 1 for line in tables} == {len(COLUMNS), len(PEER_COLUMNS)}
    assert "FAIL net (onnx): boom" in text
