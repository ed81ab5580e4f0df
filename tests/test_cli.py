"""The command line, end to end: most of it in a process of its own, the finer points in this one."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import numpy as np
import onnx
import pytest
from ai_edge_litert.interpreter import Interpreter
from onnx import TensorProto, helper

from nchw2nhwc import __version__, cli
from nchw2nhwc.check import Reference
from nchw2nhwc.cli_arguments import parse_arguments
from nchw2nhwc.cli_legacy import ACCEPTED, REPLACED
from tests.digits import ONNX, ROOT, XML, copy_digits, environment, openvino2tf, python


def main(*arguments: str | Path) -> int:
    return cli.main([str(a) for a in arguments])


# ---- in a process of its own -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("model", [XML, ONNX], ids=["ir", "onnx"])
def test_convert_check_and_report(model: Path, tmp_path: Path) -> None:
    ran = openvino2tf(model, "-o", "out/deep", "--float16", "--report", "r.json", "--explain-layout", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    files = {kind: Path("out/deep") / f"digits_{kind}.tflite" for kind in ("float32", "float16")}
    assert sorted(os.listdir(tmp_path / "out" / "deep")) == sorted(path.name for path in files.values())
    assert (tmp_path / files["float16"]).stat().st_size < 0.7 * (tmp_path / files["float32"]).stat().st_size
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["inputs"] == [{"name": "image", "source_shape": [-1, 1, 8, 8], "shape": [-1, 8, 8, 1], "perm": [0, 2, 3, 1],
                                 "dtype": "float32", "preprocessing": None}]
    assert report["outputs"] == [{"name": "logits", "source_shape": [-1, 10], "shape": [-1, 10], "perm": [0, 1], "dtype": "float32",
                                  "preprocessing": None}]
    assert report["transposes"] == {"count": 0, "operators": 0, "bytes": 0, "proven_minimal": True, "gap": 0.0}
    assert report["ops"]["result"] < report["ops"]["source"]
    check = report["check"]
    assert check["passed"]
    assert 0 < check["outputs"]["logits"] == check["max_rel_error"] < check["tolerance"] == 1e-4
    assert 0 < check["float16"]["max_rel_error"] < check["float16"]["tolerance"] == 1e-2
    assert report["files"] == {kind: {"path": str(path), "bytes": (tmp_path / path).stat().st_size} for kind, path in files.items()}
    assert report["seconds"]["total"] == pytest.approx(sum(s for stage, s in report["seconds"].items() if stage != "total"), abs=1e-4)
    for text in ("image", "[?, 1, 8, 8]", "[?, 8, 8, 1]", "NHWC", "logits", "as in the source", "float32 passed", "proven minimal",
                 "digits_float16.tflite", "no transposes are left"):
        assert text in ran.stdout
    assert [line.split(":")[0] for line in ran.stderr.splitlines()][:2] == ["read", "passes"]


def test_what_is_printed_where(tmp_path: Path) -> None:
    ran = openvino2tf(XML, "--quiet", cwd=tmp_path)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert os.listdir(tmp_path) == ["digits_float32.tflite"]
    ran = openvino2tf("--version", cwd=tmp_path)
    assert ran.stdout == f"openvino2tf {__version__}\n"
    ran = openvino2tf("--help", cwd=tmp_path)
    for text in ("--input-shape NAME=1,3,H,W", "--no-check", "exit status", "--layerids_of_the_terminating_output"):
        assert text in ran.stdout
    ran = openvino2tf(cwd=tmp_path)
    assert (ran.returncode, "MODEL" in ran.stderr) == (2, True)


def test_a_result_above_tolerance_is_kept_and_the_status_is_3(tmp_path: Path) -> None:
    ran = openvino2tf(XML, "--tolerance", "1e-12", "--report", "r.json", cwd=tmp_path)
    assert ran.returncode == 3
    assert "FAILED" in ran.stdout
    assert (tmp_path / "digits_float32.tflite").exists()
    assert json.loads((tmp_path / "r.json").read_text())["check"]["passed"] is False


def test_without_the_source_runtime_the_check_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "hidden").mkdir()
    for package in ("onnxruntime", "openvino"):
        (tmp_path / "hidden" / f"{package}.py").write_text("raise ImportError('not here')")
    hidden = f"{tmp_path / 'hidden'}{os.pathsep}{ROOT}"
    for model, package in ((XML, "openvino"), (ONNX, "onnxruntime")):
        ran = openvino2tf(model, "--report", "r.json", cwd=tmp_path, PYTHONPATH=hidden)
        assert ran.returncode == 0, ran.stderr
        assert re.search(rf"check +skipped: {package} is not installed.*pip install", ran.stdout)
        assert json.loads((tmp_path / "r.json").read_text())["check"] is None


def test_tensorflow_is_not_needed(tmp_path: Path) -> None:
    (tmp_path / "tensorflow.py").write_text("raise SystemExit('tensorflow was imported')")
    ran = openvino2tf(XML, cwd=tmp_path, PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    assert ran.returncode == 0, ran.stderr


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


def test_interrupted_while_a_native_module_is_loaded(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a module may make an ImportError of it; any other ImportError is a mistake of ours."""
    def load(_: str) -> NoReturn:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ImportError("a native module") from None
        raise ImportError("not interrupted")

    signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(cli, "import_module", load)
    assert cli.main(["m.onnx"]) == 130
    assert capsys.readouterr().err == "interrupted; nothing was written\n"


# ---- options ---------------------------------------------------------------------------------------------------------------
def shapes(path: Path) -> tuple[list[int], list[int]]:
    """Shapes of the only input and output of a TFLite file, as its signature declares them."""
    interpreter = Interpreter(model_path=str(path))
    return tuple([int(s) for s in d[0]["shape_signature"]] for d in (interpreter.get_input_details(), interpreter.get_output_details()))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_shapes_and_layouts(here: Path) -> None:
    for arguments, expected in (
            (["--batch", "3"], ([3, 8, 8, 1], [3, 10])),
            (["--input-shape", "image=2,1,8,8"], ([2, 8, 8, 1], [2, 10])),
            (["--input-shape", "image=-1,1,8,8"], ([-1, 8, 8, 1], [-1, 10])),
            (["--keep-layout"], ([-1, 1, 8, 8], [-1, 10])),
            (["--input-layout", "image=source"], ([-1, 1, 8, 8], [-1, 10])),
            (["--input-layout", "*=source"], ([-1, 1, 8, 8], [-1, 10])),
            (["--keep-layout", "--input-layout", "image=NHWC"], ([-1, 8, 8, 1], [-1, 10])),
            (["--keep_input_tensor_in_nchw"], ([-1, 1, 8, 8], [-1, 10]))):
        for model in (XML, ONNX):
            assert main(model, "--quiet", *arguments) == 0
            assert shapes(here / "digits_float32.tflite") == expected, (model, arguments)


@pytest.mark.parametrize(("model", "inner", "end"), [
    (XML, "/Add", "/norm/norm.1/Relu"), (ONNX, "/Add_output_0", "/norm/norm.1/Relu_output_0")], ids=["ir", "onnx"])
def test_cutting(here: Path, model: Path, inner: str, end: str) -> None:
    """A cut model is compared with the same part of its source."""
    assert main(model, "--outputs", f"{inner},{end}", "--report", "r.json", "--quiet") == 0
    report = json.loads((here / "r.json").read_text())
    assert [t["source_shape"] for t in report["outputs"]] == [[-1, 16, 8, 8], [-1, 24, 4, 4]]
    assert report["check"]["passed"]
    assert main(model, "--inputs", inner, "--outputs", end, "--report", "r.json", "--quiet", "--batch", "2") == 0
    report = json.loads((here / "r.json").read_text())
    assert [t["source_shape"] for t in report["inputs"]] == [[2, 16, 8, 8]]
    assert report["check"]["passed"]


def test_the_users_own_inputs(here: Path) -> None:
    x = np.random.default_rng(1).random((5, 1, 8, 8))
    np.savez(here / "x.npz", image=x)
    assert main(XML, "--check-inputs", "x.npz", "--quiet") == 0
    np.savez(here / "x.npz", image=x[:, :, :7])
    assert main(XML, "--check-inputs", "x.npz", "--quiet", "-o", "other") == 2
    assert not (here / "other").exists()


def test_weights_under_another_name(here: Path) -> None:
    copy_digits(here).with_suffix(".bin").rename(here / "w.bin")
    assert main("digits.xml", "--quiet") == 2
    assert main("digits.xml", "--quiet", "--bin", "w.bin") == 0


def test_several_inputs_and_transposes_in_the_summary(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A convolution that meets an output in source order: one transpose, which is explained."""
    weights = helper.make_tensor("w", TensorProto.FLOAT, [2, 3, 1, 1], np.arange(6, dtype=np.float32))
    graph = helper.make_graph([helper.make_node("Conv", ["x", "w"], ["c"], "conv"), helper.make_node("Add", ["c", "b"], ["y"], "add")], "g",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 4, 4]),
                               helper.make_tensor_value_info("b", TensorProto.FLOAT, [1, 2, 4, 4])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2, 4, 4])], [weights])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), here / "m.onnx")
    assert main("m.onnx", "--output-layout", "y=source", "--explain-layout", "--report", "r.json") == 0
    report = json.loads((here / "r.json").read_text())
    assert report["transposes"]["count"] == 1
    assert report["transposes"]["bytes"] == 1 * 2 * 4 * 4 * 4
    out = capsys.readouterr().out
    assert re.search(r"transposes +1 moving 128 B \(proven minimal\)", out)
    assert re.search(r"transpose 1 \(128 B\): .*'conv'|transpose 1 \(128 B\): .*'add'", out)


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


# ---- trouble ---------------------------------------------------------------------------------------------------------------
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


def test_a_terminal_gets_a_table_and_a_bar(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out, err = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setenv("TERM", "xterm")
    assert main(XML, "--verbose") == 0
    assert "image" in out.getvalue()
    assert "proven minimal" in out.getvalue()
    assert "8/8" in err.getvalue()
    assert "fuse_activations: " in err.getvalue()


HEAVY = """
import sys
from nchw2nhwc.cli import main
assert main(["none.onnx"]) == 2
print(*sorted({"numpy", "onnx", "lxml", "highspy", "networkx", "rich", "openvino", "onnxruntime", "ai_edge_litert"} & set(sys.modules)))
"""


def test_errors_in_the_arguments_are_answered_without_loading_libraries(tmp_path: Path) -> None:
    assert python("-c", HEAVY, cwd=tmp_path).stdout.strip() == ""


LOADED = """
import sys
from nchw2nhwc.cli import main
assert main([*sys.argv[1:], "--quiet"]) == 0
print(*sorted({"networkx", "rich", "openvino", "onnxruntime", "ai_edge_quantizer", "tensorflow", "PIL"} & set(sys.modules)))
"""


def test_a_conversion_loads_what_it_needs(here: Path) -> None:
    """Libraries that take longer to load than most networks take to convert are for those that need them."""
    for source in (XML, ONNX):
        assert python("-c", LOADED, source, "--no-check", cwd=here).stdout.strip() == "", source
