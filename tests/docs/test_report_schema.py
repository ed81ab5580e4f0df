"""Real reports keep to the published JSON Schema."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from nchw2nhwc.cli import main
from tests.digits import ONNX
from tests.docs.pages import DOCS, blocks

VALIDATOR = Draft202012Validator(json.loads((DOCS / "report.schema.json").read_text(encoding="utf-8")))


@pytest.mark.parametrize("flags", [(), ("--no-check",), ("--float16", "--batch", "1", "--keep-layout")], ids=" ".join)
def test_reports_keep_to_the_schema(tmp_path: Path, flags: tuple[str, ...]) -> None:
    report = tmp_path / "report.json"
    assert main([str(ONNX), "-o", str(tmp_path), "--quiet", "--report", str(report), *flags]) == 0
    VALIDATOR.validate(json.loads(report.read_text(encoding="utf-8")))


def test_the_example_of_the_page_keeps_to_the_schema() -> None:
    (example,) = blocks(DOCS / "report.md", "json")
    VALIDATOR.validate(json.loads(example))


@pytest.mark.parametrize(("key", "value"), [("ops", {"source": 1}), ("seconds", []), ("inputs", [{"name": 1}]), ("check", {})])
def test_the_schema_refuses_what_is_no_report(key: str, value: object) -> None:
    (example,) = blocks(DOCS / "report.md", "json")
    assert not VALIDATOR.is_valid({**json.loads(example), key: value})
