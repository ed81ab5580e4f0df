"""Converts random graphs over the whole registry of ops to TFLite and runs them in LiteRT against the ops' references.

python benchmarks/random_graphs.py [--graphs 10000] [--from CHUNK] [--state FILE] [--shrink SECONDS]

The graphs are those of tests/random_graphs.py, which the test suite draws a few of: up to 15 ops, ranks 1 to 5, equal sizes and ones on
purpose, some with a batch of any size. They are drawn in chunks of 100; the seed of a chunk is its number. A graph whose results differ
is made smaller for `--shrink` seconds and printed; one that takes longer than two minutes ends the run, which prints where it was. With
`--state` a run that was stopped goes on where it was. Exit status: 0 when no graph differs, 1 otherwise.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import UnsatisfiedAssumption

from nchw2nhwc.errors import TargetError, UnsupportedError
from nchw2nhwc.ir.printer import to_text
from tests.ops.samples import ALL_OPS
from tests.random_graphs import check, graphs

CHUNK = 100
PATIENCE = 120
"""Seconds after which a graph is taken to hang."""


class Enough(BaseException):
    """Ends the search for a smaller graph. No Exception, which Hypothesis would take for a failure of the graph."""


@dataclass
class State:
    """What has been run: chunks, graphs and their nodes, ops by name, and refusals by their reason."""

    chunks: int = 0
    graphs: int = 0
    dynamic: int = 0
    nodes: int = 0
    failures: int = 0
    seconds: float = 0.0
    ops: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)


def run_chunk(number: int, state: State, patience: float) -> str:
    """Draw and check the graphs of a chunk; what is wrong with the first that fails, made smaller for `patience` seconds, or ""."""
    problem, end = "", 0.0

    @seed(number)
    @settings(max_examples=CHUNK, database=None, derandomize=False, deadline=None, phases=[Phase.generate, Phase.shrink],
              suppress_health_check=list(HealthCheck), report_multiple_bugs=False)
    @given(st.data())
    def run(data: st.DataObject) -> None:
        nonlocal problem, end
        if problem and time.perf_counter() > end:
            raise Enough
        text = "while drawing"
        faulthandler.dump_traceback_later(PATIENCE, exit=True, file=sys.__stderr__ or sys.stderr)
        try:
            drawn = data.draw(graphs())
            text, count = to_text(drawn.graph), len(drawn.graph)
            seen = check(drawn)
        except UnsatisfiedAssumption:
            raise
        except (TargetError, UnsupportedError) as error:
            if not problem:
                state.refused[error.reason.partition(":")[0] if "\n" in error.reason else error.reason] += 1
            return
        except Exception as error:
            end = end or time.perf_counter() + patience
            problem = f"{text}\n{type(error).__name__}: {error}"
            raise
        finally:
            faulthandler.cancel_dump_traceback_later()
        if not problem:
            state.graphs += 1
            state.dynamic += len(drawn.feeds) > 1
            state.nodes += count
            state.ops.update(seen)

    try:
        run()
    except Enough:
        pass
    except Exception:
        if not problem:  # then it is not a graph's
            raise
    return problem


def load(path: Path | None) -> State:
    """What an earlier run has written, or nothing."""
    if path is None or not path.exists():
        return State()
    found = json.loads(path.read_text())
    return State(**found | {"ops": Counter(found["ops"]), "refused": Counter(found["refused"])})


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line (default: the process's own)."""
    parser = argparse.ArgumentParser("random_graphs.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graphs", type=int, default=10_000, metavar="N", help="how many graphs are to be compared (default 10000)")
    parser.add_argument("--from", type=int, default=0, dest="first", metavar="CHUNK", help="number of the first chunk (default 0)")
    parser.add_argument("--state", type=Path, metavar="FILE", help="go on where the run that wrote this file was stopped")
    parser.add_argument("--shrink", type=float, default=60, metavar="SECONDS",
                        help="time to make a graph that differs smaller (default 60)")
    given = parser.parse_args(argv)
    state = load(given.state)
    while state.graphs < given.graphs:
        started = time.perf_counter()
        problem = run_chunk(given.first + state.chunks, state, given.shrink)
        state.chunks += 1
        state.seconds += time.perf_counter() - started
        if problem:
            state.failures += 1
            print(f"chunk {given.first + state.chunks - 1}: {problem}\n", flush=True)
        if given.state:
            given.state.write_text(json.dumps(vars(state)))
    report(state)
    return 1 if state.failures else 0


def report(state: State) -> None:
    """Print what has been run."""
    print(f"{state.graphs} graphs ({state.dynamic} of any batch) with {state.nodes} ops agree, {state.failures} differ")
    print(f"seconds: {state.seconds:.0f}")
    print(f"ops: {len(state.ops)} of {len(ALL_OPS)} in the registry; not among them: {', '.join(sorted(missing(state)))}")
    print(f"refused: {state.refused.total()} graphs")
    for reason, count in state.refused.most_common():
        print(f"  {count:5} {reason}")


def missing(state: State) -> set[str]:
    """The ops that no graph had."""
    return {cls.__name__ for cls in ALL_OPS} - set(state.ops)


if __name__ == "__main__":
    sys.exit(main())
