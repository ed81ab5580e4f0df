"""Flags: how they are read, and what those are answered with that do not exist here."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ai_edge_litert.interpreter import Interpreter

from nchw2nhwc import cli_onnx2tf
from nchw2nhwc.cli_arguments import parse_arguments
from nchw2nhwc.cli_openvino2tensorflow import ACCEPTED, REPLACED
from tests.digits import ONNX, XML, main, python


def test_every_option_is_a_flag() -> None:
    arguments = parse_arguments([
        "m.xml", "--bin", "w", "--input-shape", "a=1,-1", "--input-shape", "b=2=3", "--batch", "2", "--input-layout", "a=nhwc",
        "--output-layout", "c=auto", "--keep-layout", "--inputs", r"p,q\,r", "--inputs", "s", "--outputs", "t", "-o", "d", "--float16",
        "--no-check", "--tolerance", "0.5", "--explain-layout", "--report", "r", "--verbose"])
    convert, run = arguments.convert, arguments.run
    assert (arguments.model, convert.bin, convert.input_shape, convert.batch) == (Path("m.xml"), "w", {"a": (1, -1), "b=2": (3,)}, 2)
    assert (convert.input_layout, convert.output_layout, convert.keep_layout) == ({"a": "nhwc"}, {"c": "auto"}, True)
    assert (convert.inputs, convert.outputs) == (("p", "q,r", "s"), ("t",))
    assert (run.output_dir, run.float16, run.check, run.tolerance) == (Path("d"), True, False, 0.5)
    assert (run.explain_layout, run.report, run.verbose, run.quiet) == (True, Path("r"), True, False)


def test_flags_that_are_not_well_formed(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, message in (
            (["--batch", "0"], "batch size"), (["--input-shape", "a=1,x"], "not a shape"), (["--input-shape", "1,3"], "NAME=VALUE"),
            (["--input-layout", "a=chwn"], "choose from"), (["--tolerance", "-1"], "tolerance"), (["--bogus"], "--bogus"),
            (["--input-shape", "a=1", "--input-shape", "a=2"], "twice"), (["--float"], "--float"), (["extra"], "extra")):
        with pytest.raises(SystemExit) as stopped:
            parse_arguments(["m.xml", *arguments])
        assert stopped.value.code == 2
        assert message in capsys.readouterr().err
    assert main("m.xml", "--quiet", "--verbose") == 2
    assert main("m.xml", "--no-check", "--check-inputs", "x.npz") == 2


def test_a_flag_that_is_misspelled_is_answered_with_the_one_that_is_meant(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, message in ((["m.onnx", "--input_shape", "x=1"], "error: there is no option --input_shape; did you mean --input-shape?"),
                               (["check", "m.onnx", "m.tflite", "--sample=3"], "no option --sample; did you mean --samples?"),
                               (["m.onnx", "--zzz"], "error: there is no option --zzz\n"),
                               (["cnovert", "m.onnx"], "error: there is no place for 'm.onnx'\n  'openvino2tf --help' describes all")):
        with pytest.raises(SystemExit) as stopped:
            main(*arguments)
        assert stopped.value.code == 2
        assert message in capsys.readouterr().err


def test_flags_of_onnx2tf_are_answered(capsys: pytest.CaptureFixture[str]) -> None:
    answers = cli_onnx2tf.replaced()
    assert answers["-oiqt"].startswith("--quantize int8")
    for flag in answers.keys() - ACCEPTED.keys() - REPLACED.keys():
        for arguments in ([flag], [flag, "3"]):
            with pytest.raises(SystemExit) as stopped:
                parse_arguments([str(ONNX), *arguments])
            assert stopped.value.code == 2
            assert f"error: {flag} is a flag of onnx2tf; here: {answers[flag]}\n" in capsys.readouterr().err
    assert not any(sign in answer for answer in answers.values() for sign in "`[")


def test_flags_of_openvino2tensorflow(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("--model_path", XML, "--model_output_path", "saved", "--output_no_quant_float32_tflite", "--output_float16_quant_tflite",
                "--quiet", "--layerids_of_the_terminating_output", "39,40") == 0
    assert sorted(os.listdir(here / "saved")) == ["digits_float16.tflite", "digits_float32.tflite"]
    outputs = Interpreter(model_path="saved/digits_float32.tflite").get_output_details()
    assert [d["shape_signature"].tolist() for d in outputs] == [[-1, 4, 4, 16], [-1, 4, 4, 24]]
    assert len(ACCEPTED) == 17
    for flag in REPLACED:
        for arguments in ([flag], [flag, "3"], [f"{flag}=3"]):
            with pytest.raises(SystemExit) as stopped:
                parse_arguments([str(XML), *arguments])
            assert stopped.value.code == 2
            assert f"{flag} is a flag of openvino2tensorflow" in capsys.readouterr().err
    for both in (["--model_path", "a"], ["-o", "a", "--model_output_path", "b"],
                 ["--outputs", "a", "--layerids_of_the_terminating_output", "1"],
                 ["--input-layout", "a=source", "--keep_input_tensor_in_nchw"]):
        with pytest.raises(SystemExit) as stopped:
            parse_arguments(["m.xml", *both])
        assert stopped.value.code == 2
    assert main(ONNX, "--layerids_of_the_terminating_output", "1") == 2


HEAVY = """
import sys
from nchw2nhwc.cli import main
assert main(["none.onnx"]) == 2
print(*sorted({"numpy", "onnx", "lxml", "highspy", "networkx", "rich", "openvino", "onnxruntime", "ai_edge_litert"} & set(sys.modules)))
"""


def test_errors_in_the_arguments_are_answered_without_loading_libraries(tmp_path: Path) -> None:
    assert python("-c", HEAVY, cwd=tmp_path).stdout.strip() == ""
