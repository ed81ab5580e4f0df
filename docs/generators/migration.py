"""The flags of openvino2tensorflow and onnx2tf, from the tables that the command line answers them with."""

from __future__ import annotations

from docs.generators.markdown import cell, code, table
from nchw2nhwc.cli_onnx2tf import ANSWERS
from nchw2nhwc.cli_openvino2tensorflow import ACCEPTED, REPLACED


def understood() -> str:
    """The flags that do the same here."""
    return table(("flag", "here"), [(code(f"{flag} {value}".strip()), cell(help)) for flag, (value, help) in ACCEPTED.items()])


def replaced() -> str:
    """The flags that are answered with what takes their place."""
    return table(("flag", "here"), [(code(flag), cell(answer)) for flag, answer in REPLACED.items()])


def onnx2tf(subject: str) -> str:
    """onnx2tf's flags about something, with what is here instead."""
    return table(("flag", "here"), [("; ".join(", ".join(map(code, flag.split())) for flag in flags), answer)
                                    for answer, flags in ANSWERS[subject].items()])
