from __future__ import annotations

from pathlib import Path

import pytest
from measure import models
from measure.cases import Folders, find_cases
from measure.models import MINIMAL, NO_TRANSPOSES, SETS, limits_of


def test_sets_without_a_folder_are_skipped_with_a_line_each(tmp_path: Path) -> None:
    said: list[str] = []
    assert not find_cases(Folders(None, None, None, tmp_path), SETS, [], said.append)
    assert [line.partition(" skipped")[0] for line in said] == [f"set {name}" for name in SETS]


def test_missing_networks_are_named(tmp_path: Path) -> None:
    (tmp_path / "u2netp.onnx").touch()
    said: list[str] = []
    found = find_cases(Folders(tmp_path, None, None, tmp_path), ["onnx"], ["u2netp", "resnet18"], said.append)
    assert [case.network for case in found] == ["u2netp"]
    assert said == [f"set onnx: resnet18 skipped: not in {tmp_path}"]


def test_an_ir_counts_both_its_files(tmp_path: Path) -> None:
    (tmp_path / "ir10").mkdir()
    (tmp_path / "ir10/resnet18.xml").write_bytes(bytes(1_000_000))
    folders = Folders(tmp_path, None, None, tmp_path)
    assert not find_cases(folders, ["ir10"], ["resnet18"], lambda _: None)
    (tmp_path / "ir10/resnet18.bin").write_bytes(bytes(4_000_000))
    (case,) = find_cases(folders, ["ir10"], ["resnet18"], lambda _: None)
    assert case.megabytes == 5.0
    assert case.bound_mb == 165.0


def test_ir11_is_there_when_its_onnx_file_is(tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / "u2netp.onnx").touch()
    found = find_cases(Folders(tmp_path, None, None, tmp_path / "scratch"), ["ir11", "ir11-fp16"], [], said.append)
    assert [(case.path.relative_to(tmp_path), case.float16) for case in found] == [
        (Path("scratch/ir11/u2netp.xml"), False), (Path("scratch/ir11-fp16/u2netp.xml"), True)]
    assert len(said) == 2


@pytest.mark.parametrize(("name", "option", "batches"), [
    ("rapidocr", "--input-shape=x=1,3,48,320", [1]), ("rapidocr-dynamic", "--input-shape=x=-1,3,48,320", [1, 2])])
def test_dynamic_models_get_shapes(tmp_path: Path, name: str, option: str, batches: list[int]) -> None:
    file = tmp_path / models.WHEELS["rapidocr_rec"].path
    file.parent.mkdir(parents=True)
    file.touch()
    (case,) = find_cases(Folders(None, None, tmp_path, tmp_path), [name], ["rapidocr_rec"], lambda _: None)
    assert case.options == (option,)
    assert [run["x"] for run in case.runs] == [(n, 3, 48, 320) for n in batches]


def test_limits() -> None:
    assert limits_of("resnet50", "onnx").ops == 77
    assert limits_of("shufflenet_v2", "ir10").transposes == 16
    assert limits_of("resnet18", "ir11") == NO_TRANSPOSES
    assert limits_of("rapidocr_det", "rapidocr") == MINIMAL
    assert limits_of("anything", "folder") == MINIMAL
    assert set(models.LIMITS) <= {*models.ONNX, *models.MORE}
    assert {*models.IR11_FP16, *models.IR10} <= set(models.ONNX)


def test_a_folder_of_any_files(tmp_path: Path) -> None:
    for name in ("b.onnx", "a.onnx", "c.txt"):
        (tmp_path / name).touch()
    found = find_cases(Folders(None, None, None, tmp_path, tmp_path), ["folder"], [], lambda _: None)
    assert [case.network for case in found] == ["a", "b"]
