"""Every fixture's result agrees with what its source computes: a folder below tests/fixtures is a test by being there."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from lxml import etree

from nchw2nhwc.debug.fixture import run_fixture
from nchw2nhwc.debug.fixture.run import targets_here
from nchw2nhwc.parse.onnx.registry import MAPPINGS
from nchw2nhwc.parse.openvino import mappings

FOLDER = Path(__file__).parent / "fixtures"
CASES = sorted({path.parent.relative_to(FOLDER).as_posix() for path in FOLDER.glob("*/*/model.*")})
HINT = "run python -m tests.fixtures.make for an op that is new, after adding a model of it to tests/fixtures/onnx_models.py"

LARGEST = 10_000_000
"""Bytes of all fixtures together."""


@pytest.mark.parametrize("target", targets_here())
@pytest.mark.parametrize("case", CASES)
def test_fixture(case: str, target: str) -> None:
    for outcome in run_fixture(FOLDER / case, [target]):
        assert outcome.passed, outcome


def test_every_onnx_operator_has_one() -> None:
    there = {f"{node.domain}.{node.op_type}".lstrip(".") for path in FOLDER.glob("*/*/model.onnx") for node in onnx.load(path).graph.node}
    missing = {f"{domain}.{op}".lstrip(".") for domain, op in MAPPINGS} - there
    assert not missing, HINT


def test_every_openvino_op_has_one() -> None:
    there = {layer.get("type", "").lower() for path in FOLDER.glob("*/*/model.xml") for layer in etree.parse(path).iter("layer")}
    missing = {entry.type.lower() for entry in mappings()} - there
    assert not missing, HINT


def test_they_are_small_and_whole() -> None:
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < LARGEST
    for case in CASES:
        assert {"inputs.npz", "expected.npz", "README.md"} < {path.name for path in (FOLDER / case).iterdir()}, case
