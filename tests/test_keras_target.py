"""Keras targets from the command line, with and without TensorFlow."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from nchw2nhwc import convert, extras
from nchw2nhwc.cli_arguments import parse_arguments
from nchw2nhwc.errors import OptionError
from tests.digits import ONNX, XML, openvino2tf, python


def test_flags_of_openvino2tensorflow_add_targets() -> None:
    flags = ["--output_saved_model", "--output_h5", "--output_weight_and_json", "--output_pb"]
    assert parse_arguments(["m.xml", *flags]).run.to == ("tflite", "saved_model", "h5", "weights", "pb")
    assert parse_arguments(["m.xml", "--to", "keras", "--output_pb"]).run.to == ("keras", "pb")


def test_without_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    result = convert(ONNX)
    with pytest.raises(OptionError, match="TensorFlow is not installed") as caught:
        result.keras()
    assert "nchw2nhwc[keras]" in caught.value.advice


def test_the_tflite_path_imports_no_tensorflow(tmp_path: Path) -> None:
    script = (f"import sys; from nchw2nhwc.cli import main; assert main([{str(XML)!r}, '-o', 'out', '--quiet']) == 0; "
              "assert not [name for name in ('tensorflow', 'keras') if name in sys.modules]")
    done = python("-c", script, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(find_spec("tensorflow") is None, reason="TensorFlow is not installed")
def test_command_line(tmp_path: Path) -> None:
    done = openvino2tf(XML, "--to", "keras,pb", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(os.listdir(tmp_path)) == ["digits.keras", "digits.pb"]
    assert "keras passed" in done.stdout
    assert "WARNING" not in done.stderr
