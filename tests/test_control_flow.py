"""Models with control flow, from ONNX to files that are run."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from nchw2nhwc import convert
from nchw2nhwc.errors import TargetError
from tests.parse.onnx.test_control import MODELS

NO_KERAS = ("Loop that ends early", "Scan of any length", *(name for name in MODELS if "collects" in name or "computed" in name or
                                                            "never" in name))
"""Loops whose number of iterations is not known."""


@pytest.mark.parametrize("name", MODELS)
def test_models(name: str) -> None:
    """Every target agrees with ONNX Runtime; Keras has no loops that cannot be written out."""
    converted = convert(MODELS[name])
    assert converted.check().passed
    if find_spec("tensorflow") is None:
        return
    if name in NO_KERAS:
        with pytest.raises(TargetError, match="a functional model has no loops"):
            converted.keras()
    else:
        assert converted.compare_keras(converted.reference(), converted.keras_network(), 1e-4).passed


@pytest.mark.parametrize(("name", "operator"), [("If around convolutions", "IF"), ("Loop of a known number", "WHILE"), ("Scan", "WHILE")])
def test_they_are_subgraphs(name: str, operator: str) -> None:
    assert convert(MODELS[name]).operator_counts()[operator] == 1


@pytest.mark.parametrize("name", ["short Loop", "short Scan"])
def test_short_loops_are_written_out(name: str) -> None:
    assert "WHILE" not in convert(MODELS[name]).operator_counts()


@pytest.mark.parametrize(("name", "rnn", "loops"), [
    ("short Scan", "while", 1), ("Loop of a known number", "unroll", 0), ("Scan", "unroll", 0)])
def test_the_form_that_is_asked_for(name: str, rnn: str, loops: int) -> None:
    converted = convert(MODELS[name], rnn=rnn)
    assert converted.operator_counts().get("WHILE", 0) == loops
    assert converted.check().passed


@pytest.mark.parametrize("name", NO_KERAS)
def test_what_cannot_be_unrolled_is_an_error(name: str) -> None:
    with pytest.raises(TargetError, match="--rnn unroll"):
        convert(MODELS[name], rnn="unroll").tflite()


def test_transposes_within_bodies_are_counted() -> None:
    """Branches get their images channels-first, and turn them round on their own."""
    layout = convert(MODELS["If around convolutions"]).layout
    assert layout.proven
    assert len(layout.transposes) == 4
