"""Run a command in a fresh process and measure the whole of it, from start to exit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

LAUNCHER = Path(__file__).with_name("launcher.py")
BENCHMARKS = Path(__file__).parents[1]
REPOSITORY = BENCHMARKS.parent
TIMEOUT = 900.0
"""Seconds after which a command is stopped."""


@dataclass(frozen=True)
class Outcome:
    """What a command did: exit status (negative: the signal that ended it), wall-clock seconds, peak memory in MB (10^6 bytes) of the
    largest process among it and those it started and waited for, and what it printed to stdout and stderr."""

    status: int
    seconds: float
    peak_mb: float
    stdout: str
    stderr: str
    timed_out: bool = False

    @property
    def ok(self) -> bool:
        return self.status == 0

    @property
    def complaint(self) -> str:
        """One line that says why it failed: the error it printed last."""
        if self.timed_out:
            return f"stopped after {self.seconds:.0f} s"
        lines = [line.strip() for line in (self.stderr or self.stdout).splitlines() if line.strip()]
        return f"exit status {self.status}: {lines[-1] if lines else 'nothing printed'}"

    @property
    def reason(self) -> str:
        """The same of a command that starts its message with "error: " and lists things below: all of it in one line, or its first 300
        letters."""
        _, found, message = self.stderr.partition("error: ")
        text = " ".join(message.split())
        return self.complaint if self.timed_out or not found else f"{text[:300]}..." if len(text) > 300 else text


def run(command: Sequence[str], env: Mapping[str, str] | None = None, cwd: Path | None = None, timeout: float = TIMEOUT) -> Outcome:
    """Run a command whose first word is the path of a program. `env` is added to this process's environment."""
    with tempfile.TemporaryDirectory() as scratch:
        result, out, err = (Path(scratch, name) for name in ("result.json", "stdout", "stderr"))
        with out.open("wb") as stdout, err.open("wb") as stderr:
            subprocess.run([sys.executable, "-S", "-E", "-s", str(LAUNCHER), str(result), str(timeout), *command], check=True,
                           stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, env={**os.environ, **(env or {})}, cwd=cwd)
        data: dict[str, int | float | bool] = json.loads(result.read_text())
        return Outcome(int(data["status"]), float(data["seconds"]), data["peak_kb"] * 1024 / 1e6, out.read_text(errors="replace"),
                       err.read_text(errors="replace"), bool(data["timed_out"]))


def python_path(*folders: Path) -> dict[str, str]:
    """The environment in which a Python finds modules in these folders first."""
    before = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join([*map(str, folders), *([before] if before else [])])}


class WorkerError(Exception):
    """A worker did not do its job; the text says why."""


@dataclass(frozen=True)
class Environment:
    """A Python with its installed packages, and variables of the processes that it runs."""

    python: Path
    variables: Mapping[str, str] = field(default_factory=dict)


HERE = Environment(Path(sys.executable), python_path(BENCHMARKS))
"""Where this runs."""


def elsewhere(python: Path, **variables: str) -> Environment:
    """Another environment, its programs first on `PATH` as activating it does, and nothing of this one's `PYTHONPATH`."""
    path = os.pathsep.join([str(python.parent), os.environ.get("PATH", "")])
    return Environment(python, {"PATH": path, "PYTHONPATH": str(BENCHMARKS), **variables})


def versions(python: Path, packages: Sequence[str]) -> str:
    """The packages that a Python has, with their versions. Raises WorkerError if there is no such Python, or it lacks one of them."""
    if not python.exists():
        raise WorkerError(f"{python}, which is to have {', '.join(packages)}, does not exist")
    code = f"import importlib.metadata as m; print(', '.join(f'{{p}} {{m.version(p)}}' for p in {tuple(packages)!r}))"
    outcome = run([str(python), "-c", code])
    if not outcome.ok:
        raise WorkerError(f"{python} lacks one of {', '.join(packages)}: {outcome.complaint}")
    return outcome.stdout.strip()


def work(module: str, job: Mapping[str, object], timeout: float = TIMEOUT, environment: Environment = HERE) -> object:
    """Have `measure.MODULE` do a job in a process of its own and return its answer, both JSON.

    A process of its own, because a runtime may abort on a bad file, and so that runtimes share no threads and no memory. Raises
    WorkerError.
    """
    with tempfile.TemporaryDirectory() as scratch:
        task, answer = Path(scratch, "job.json"), Path(scratch, "answer.json")
        task.write_text(json.dumps(job))
        command = [str(environment.python), "-m", f"measure.{module}", str(task), str(answer)]
        outcome = run(command, environment.variables, timeout=timeout)
        if not outcome.ok:
            raise WorkerError(outcome.complaint)
        return json.loads(answer.read_text())


def serve(argv: Sequence[str]) -> tuple[dict[str, object], Path]:
    """For a worker: its job, and the file for its answer."""
    return json.loads(Path(argv[1]).read_text()), Path(argv[2])


def reply(file: Path, answer: object) -> None:
    """For a worker: write its answer."""
    file.write_text(json.dumps(answer))
