"""The command line, end to end: most of it in a process of its own, the finer points in this one."""

from __future__ import annotations

import io
import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from ai_edge_litert.interpreter import Interpreter
from onnx import TensorProto, helper

from nchw2nhwc import __version__
from tests.digits import ONNX, ROOT, XML, copy_digits, main, openvino2tf, python


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
    ran = openvino2tf("convert", XML, "--quiet", cwd=tmp_path)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert os.listdir(tmp_path) == ["digits_float32.tflite"]
    ran = openvino2tf("--version", cwd=tmp_path)
    assert ran.stdout == f"openvino2tf {__version__}\n"
    ran = openvino2tf("--help", cwd=tmp_path)
    for text in ("--input-shape NAME=1,3,H,W", "--no-check", "exit status", "--layerids_of_the_terminating_output", "inspect MODEL"):
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


# ---- options ---------------------------------------------------------------------------------------------------------------
def shapes(path: Path) -> tuple[list[int], list[int]]:
    """Shapes of the only input and output of a TFLite file, as its signature declares them."""
    interpreter = Interpreter(model_path=str(path))
    return tuple([int(s) for s in d[0]["shape_signature"]] for d in (interpreter.get_input_details(), interpreter.get_output_details()))


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
