"""openvino2tf: finds the command that is meant, runs it, and turns every error into a message and an exit status."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import NoReturn

from nchw2nhwc.commands import ERROR, INTERRUPTED, SUBCOMMANDS, TERMINATED, Prepared
from nchw2nhwc.errors import ConversionError

_STDERR = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line (default: the process's own) and return the exit status: 0, 2 for an error (nothing is written), 3 for a result
    that is off by more than is allowed, 130 when interrupted."""
    interrupted = False
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names may have letters that a terminal's encoding has not

    def interrupt(*_: object) -> NoReturn:
        nonlocal interrupted
        interrupted = True
        raise KeyboardInterrupt

    try:
        with _handling(signal.SIGINT, interrupt):
            command = _prepare(sys.argv[1:] if argv is None else argv)
            with _handling(signal.SIGTERM, _terminate), _native_messages(shown=command.verbose):
                return command.run()
    except ConversionError as error:
        return _failed(str(error))
    except MemoryError:
        return _failed("out of memory")
    except RecursionError:
        return _failed("the model is nested too deeply")
    except BrokenPipeError:
        return _unheard()
    except OSError as error:
        return _failed(f"{error.filename or 'cannot print'}: {error.strerror or error}")
    except (ImportError, AttributeError):
        if not interrupted:  # native modules that are interrupted while they are loaded report it so, or are only half there afterwards
            raise
        return _interrupted()
    except KeyboardInterrupt:
        return _interrupted()


def _prepare(argv: Sequence[str]) -> Prepared:
    """The command that the first argument names, else the conversion of a model."""
    name, rest = (argv[0], argv[1:]) if argv and argv[0] in SUBCOMMANDS else ("convert", argv)
    prepared = import_module(f"nchw2nhwc.commands.{name}").prepare(rest)
    assert isinstance(prepared, Prepared)
    return prepared


def _failed(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return ERROR


def _interrupted() -> int:
    print("interrupted; nothing was written", file=sys.stderr)
    return INTERRUPTED


def _terminate(*_: object) -> NoReturn:
    """Leave in the ordinary way, so that temporary files are removed."""
    raise SystemExit(TERMINATED)


def _unheard() -> int:
    """Nobody reads what is printed any more; keep Python from failing once more when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 128 + signal.SIGPIPE


@contextmanager
def _native_messages(*, shown: bool) -> Iterator[None]:
    """Unless `shown`, drop what native libraries print to standard error by themselves; Python's own messages still appear."""
    try:
        separable = sys.stderr.fileno() == _STDERR
    except OSError:
        separable = False
    if shown or not separable:
        yield
        return
    python, kept = sys.stderr, os.dup(_STDERR)
    with open(kept, "w", encoding=python.encoding, errors=python.errors, buffering=1) as sys.stderr, open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), _STDERR)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, _STDERR)
            sys.stderr = python


@contextmanager
def _handling(number: signal.Signals, handler: Callable[..., NoReturn]) -> Iterator[None]:
    """Let a function handle a signal in the block, unless it is ignored, as it is for what shells run in the background."""
    before = signal.getsignal(number)
    if before is not signal.SIG_IGN:
        signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)
