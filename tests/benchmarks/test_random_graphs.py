"""The command that runs many random graphs."""

from __future__ import annotations

from pathlib import Path

import pytest
import random_graphs as command

from tests.random_graphs import Difference


def test_a_run_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(command, "CHUNK", 3)
    state = tmp_path / "state.json"
    assert command.main(["--graphs", "2", "--state", str(state)]) == 0
    first = command.load(state)
    assert command.main(["--graphs", "4", "--state", str(state)]) == 0
    second = command.load(state)
    assert second.chunks > first.chunks
    assert second.graphs >= 4
    assert "graphs" in capsys.readouterr().out


def test_a_difference_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    def differs(drawn: object) -> None:
        raise Difference("XNNPACK: output 0 differs")

    monkeypatch.setattr(command, "CHUNK", 3)
    monkeypatch.setattr(command, "check", differs)
    problem = command.run_chunk(0, command.State(), 5)
    assert "graph random" in problem
    assert "Difference: XNNPACK: output 0 differs" in problem
    assert problem.count(" = ") == 1, "not made smaller"


def test_no_time_to_make_it_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first graph that differs is the one that is printed, and the chunk ends."""
    state = command.State()

    def differs(drawn: object) -> None:
        raise Difference("XNNPACK: output 0 differs")

    monkeypatch.setattr(command, "check", differs)
    assert "output 0 differs" in command.run_chunk(0, state, 0)
    assert state.graphs == 0
