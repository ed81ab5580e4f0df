"""The flags of openvino2tensorflow, from the table that the command line answers them with."""

from __future__ import annotations

from docs.generators.markdown import cell, code, table
from nchw2nhwc.cli_legacy import ACCEPTED, REPLACED


def understood() -> str:
    """The flags that do the same here."""
    return table(("flag", "here"), [(code(f"{flag} {value}".strip()), cell(help)) for flag, (value, help) in ACCEPTED.items()])


def replaced() -> str:
    """The flags that are answered with what takes their place."""
    return table(("flag", "here"), [(code(flag), cell(answer)) for flag, answer in REPLACED.items()])
