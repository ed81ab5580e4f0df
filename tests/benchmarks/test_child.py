from __future__ import annotations

import sys

import numpy as np
import pytest
from measure.child import WorkerError, run, work


def test_a_command_is_measured() -> None:
    outcome = run([sys.executable, "-c", "import time; x = bytearray(120_000_000); time.sleep(0.2); print('done')"])
    assert outcome.ok
    assert outcome.stdout == "done\n"
    assert 0.2 < outcome.seconds < 10
    assert 120 < outcome.peak_mb < 180


def test_the_memory_of_this_process_is_not_counted() -> None:
    ballast = np.ones(40_000_000)  # 320 MB
    assert run([sys.executable, "-S", "-c", ""]).peak_mb < 50
    assert ballast[0] == 1


def test_memory_of_a_process_that_the_command_starts_is_counted() -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'x = bytearray(120_000_000)'])"
    assert run([sys.executable, "-c", code]).peak_mb > 120


def test_failure_has_the_last_line_of_its_error() -> None:
    outcome = run([sys.executable, "-c", "import sys; print('before', file=sys.stderr); sys.exit('error: no such layer\\n')"])
    assert not outcome.ok
    assert outcome.complaint == "exit status 1: error: no such layer"


def test_a_crash_is_reported_by_its_signal() -> None:
    assert run([sys.executable, "-c", "import os; os.abort()"]).complaint == "exit status -6: nothing printed"


def test_a_command_that_takes_too_long_is_stopped_with_what_it_started() -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    outcome = run([sys.executable, "-c", code], timeout=0.5)
    assert outcome.timed_out
    assert not outcome.ok
    assert outcome.seconds < 20
    assert outcome.complaint.startswith("stopped after")


def test_a_worker_that_fails_says_why() -> None:
    with pytest.raises(WorkerError, match="No module named"):
        work("nothing", {})
