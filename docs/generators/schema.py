"""The JSON Schema of the report, from the types in `nchw2nhwc.report`.

    python -m docs.generators.schema

writes docs/report.schema.json.
"""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from nchw2nhwc.report import Report

FILE = Path(__file__).resolve().parents[1] / "report.schema.json"


def schema() -> str:
    """The schema as JSON text."""
    content = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Report of openvino2tf", **msgspec.json.schema(Report)}
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(schema(), encoding="utf-8")
