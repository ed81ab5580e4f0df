"""Keras models and SavedModels against their sources."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

import nchw2nhwc
from nchw2nhwc import cli
from nchw2nhwc.errors import CheckError, SourceError
from tests.debug.test_check import W, network
from tests.digits import XML

pytest.importorskip("tensorflow")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keras")
    nchw2nhwc.convert(XML).save_keras(folder, ("keras", "h5", "saved_model", "pb"))
    return folder


@pytest.mark.parametrize(("name", "inside"), [("digits.keras", True), ("digits.h5", True), ("digits_saved_model", False)])
def test_good_results(name: str, inside: bool, digits: Path) -> None:
    found = nchw2nhwc.check(XML, digits / name, samples=2, layers=inside)
    assert found.passed
    if inside:
        assert found.layers is not None
        assert len(found.layers.layers) >= 8
        assert found.layers.off == ()


def test_the_first_op_that_is_off(tmp_path: Path) -> None:
    onnx.save(network(), tmp_path / "m.onnx")
    nchw2nhwc.convert(tmp_path / "m.onnx").save_keras(tmp_path)
    assert nchw2nhwc.check(tmp_path / "m.onnx", tmp_path / "m.keras", layers=True).passed
    onnx.save(network(np.ascontiguousarray(W[::-1])), tmp_path / "m.onnx")
    found = nchw2nhwc.check(tmp_path / "m.onnx", tmp_path / "m.keras", layers=True)
    assert not found.passed
    assert found.layers is not None
    assert found.layers.culprit is not None
    assert found.layers.culprit.layer in ("conv", "relu")


def test_what_cannot_be_checked(digits: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be checked"):
        nchw2nhwc.check(XML, digits / "digits.pb")
    with pytest.raises(CheckError, match="inside a SavedModel"):
        nchw2nhwc.check(XML, digits / "digits_saved_model", layers=True)
    with pytest.raises(SourceError, match="does not say"):
        nchw2nhwc.check(XML, tmp_path)
    (tmp_path / "bad.keras").write_bytes(b"nonsense")
    with pytest.raises(SourceError, match="cannot be read"):
        nchw2nhwc.check(XML, tmp_path / "bad.keras")
    with pytest.raises(SourceError, match="cannot read"):
        nchw2nhwc.check(XML, tmp_path / "none.h5")
    assert cli.main(["check", str(XML), str(digits / "digits.keras"), "--quiet"]) == 0
