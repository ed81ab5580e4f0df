"""Runs one command and writes its exit status, seconds and peak memory to a file; see `child.py`, which calls this as a script.

It is a process of its own, and imports next to nothing, because Linux counts the memory of the process that starts a program towards that
program's peak: started from a process that holds a network, every command would seem to need as much.

    launcher.py RESULT.json TIMEOUT COMMAND...
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time


def main(result: str, timeout: str, *command: str) -> int:
    """Run `command` for at most `timeout` seconds, or until interrupted, in a session of its own; 0 unless it could not be started."""
    timed_out = False

    def stop(*_: object) -> None:
        nonlocal timed_out
        timed_out = True
        os.killpg(pid, signal.SIGKILL)

    start = time.perf_counter()
    pid = os.posix_spawn(command[0], command, os.environ, setsid=True)
    signal.signal(signal.SIGALRM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.setitimer(signal.ITIMER_REAL, float(timeout))
    _, status, usage = os.wait4(pid, 0)
    seconds = time.perf_counter() - start
    signal.setitimer(signal.ITIMER_REAL, 0)
    with open(result, "w") as file:
        json.dump({"status": os.waitstatus_to_exitcode(status), "seconds": seconds, "peak_kb": usage.ru_maxrss,
                   "timed_out": timed_out}, file)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
