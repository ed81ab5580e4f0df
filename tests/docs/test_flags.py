"""Every flag that README, the pages and the changelog name exists."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from docs.generators import command_line
from nchw2nhwc.cli_onnx2tf import ANSWERS, replaced
from nchw2nhwc.cli_openvino2tensorflow import ACCEPTED, REPLACED
from tests.digits import ROOT
from tests.docs.pages import PAGES

FLAGS = {spelling for groups in command_line.COMMANDS.values() for _, group in groups for f in fields(group)
         for spelling in command_line.spellings(f)} | {"--help", "--version"}
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z0-9_-]*")
ABOUT_SCRIPTS = {"benchmarks.md", "benchmarks-how.md"}
"""Scripts have flags of their own."""
TEXTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(page for page in PAGES if page.name not in ABOUT_SCRIPTS)]


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: page.name)
def test_flags_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    commands = "\n".join(line for line in text.splitlines() if "benchmarks/" not in line and "python -m" not in line)
    there = {*ACCEPTED, *REPLACED, *replaced()} if page.name.startswith("from-") else set()
    assert set(FLAG.findall(commands)) - FLAGS - there == set()


def test_flags_in_answers_to_those_of_onnx2tf_exist() -> None:
    assert {flag for subject in ANSWERS.values() for answer in subject for flag in FLAG.findall(answer)} <= FLAGS
