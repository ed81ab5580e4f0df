"""The command line when it is interrupted, when nobody listens, and when memory or disk run out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from nchw2nhwc import cli
from nchw2nhwc.checking import Reference
from tests.digits import XML, environment, main, python


def test_nobody_listens(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "nchw2nhwc", str(XML), "--no-check"]
    read, write = os.pipe()
    os.close(read)
    ran = subprocess.run(command, cwd=tmp_path, env=environment(), stdout=write, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    os.close(write)
    assert ran.returncode == 128 + signal.SIGPIPE
    assert "Traceback" not in ran.stderr
    assert "Exception ignored" not in ran.stderr
    assert (tmp_path / "digits_float32.tflite").exists()


PAUSE = """
import signal, sys, time
from nchw2nhwc.cli import main
from nchw2nhwc.converted import Converted
signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background may have been started with it ignored
Converted._validate = lambda *_, **__: (print("now", flush=True), time.sleep(60))
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_leaves_nothing(number: signal.Signals, status: int, tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", PAUSE, str(XML), "-o", "out"], cwd=tmp_path, text=True, env=environment(),
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == "now\n"
    assert os.listdir(tmp_path / "out") != []
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == status
    assert "Traceback" not in err
    assert os.listdir(tmp_path) == []


def test_results_that_take_their_names_are_not_interrupted(here: Path, monkeypatch: pytest.MonkeyPatch,
                                                           capsys: pytest.CaptureFixture[str]) -> None:
    """Neither between two of them, nor in the summary of what was written."""
    replace = os.replace

    def interrupted(source: Path, target: Path) -> None:
        replace(source, target)
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        monkeypatch.setattr(os, "replace", interrupted)
        assert main(XML, "--no-check", "--float16") == 0
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert sorted(os.listdir(here)) == ["digits_float16.tflite", "digits_float32.tflite"]
    assert "digits_float16.tflite" in capsys.readouterr().out


@pytest.mark.parametrize("made", [ImportError, AttributeError])
def test_interrupted_while_a_native_module_is_loaded(made: type[Exception], capsys: pytest.CaptureFixture[str],
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a module may make another error of it, or be left half loaded; any other such error is a mistake of ours."""
    def load(_: str) -> NoReturn:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise made("a native module") from None
        raise ImportError("not interrupted")

    signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(cli, "import_module", load)
    assert cli.main(["m.onnx"]) == 130
    assert capsys.readouterr().err == "interrupted; nothing was written\n"


@pytest.mark.parametrize(("error", "message"), [(MemoryError(), "out of memory"), (RecursionError(), "nested too deeply"),
                                                (OSError(5, "Input/output error", "digits.bin"), "digits.bin: Input/output error")])
def test_trouble_of_the_machine_is_an_error(error: BaseException, message: str, here: Path, monkeypatch: pytest.MonkeyPatch,
                                            capsys: pytest.CaptureFixture[str]) -> None:
    def trouble(*_: object) -> None:
        raise error

    monkeypatch.setattr(Reference, "compare", trouble)
    assert main(XML, "-o", "out") == 2
    assert message in capsys.readouterr().err
    assert os.listdir(here) == []


def test_a_full_disk_leaves_the_old_file(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    (here / "digits_float32.tflite").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    assert main(XML) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert os.listdir(here) == ["digits_float32.tflite"]
    assert (here / "digits_float32.tflite").read_bytes() == b"old"


LIMITED = """
import resource, sys
from nchw2nhwc.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
sys.exit(main(sys.argv[1:]))
"""


def test_a_disk_that_fills_up_while_it_is_written_to(tmp_path: Path) -> None:
    """The limit on a file's size stands for the disk's: the write itself fails, in the middle."""
    (tmp_path / "digits_float32.tflite").write_bytes(b"old")
    ran = python("-c", LIMITED, XML, "--no-check", cwd=tmp_path)
    assert ran.returncode == 2
    assert "cannot write 'digits_float32.tflite': File too large" in ran.stderr
    assert os.listdir(tmp_path) == ["digits_float32.tflite"]
    assert (tmp_path / "digits_float32.tflite").read_bytes() == b"old"
