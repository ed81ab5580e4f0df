"""Options: how their text is read, and which values are refused."""

from __future__ import annotations

from typing import Any

import pytest

from nchw2nhwc.errors import OptionError
from nchw2nhwc.options import (
    ConvertOptions,
    RunOptions,
    parse_batch,
    parse_layout,
    parse_shape,
    parse_tolerance,
    split_names,
    split_pair,
)


def test_shapes() -> None:
    assert parse_shape("1,3,224,224") == (1, 3, 224, 224)
    assert parse_shape(" -1, 3 ,?,8") == (-1, 3, -1, 8)
    assert parse_shape("") == ()


@pytest.mark.parametrize("text", ["1,3,H,W", "1,,3", "0,3", "1,-2", "1.5", "1;3"])
def test_shapes_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"shape|size"):
        parse_shape(text)


def test_layouts() -> None:
    assert [parse_layout(text) for text in ("NHWC", "auto", "Source", "nchw")] == ["nhwc", "auto", "source", "source"]
    with pytest.raises(ValueError, match="choose from auto, source, nhwc"):
        parse_layout("chwn")


def test_names_and_pairs() -> None:
    assert split_names(r"a, b\,c ,,d") == ("a", "b,c", "d")
    assert split_pair("a=b=1,2") == ("a=b", "1,2")
    for text in ("a", "=1"):
        with pytest.raises(ValueError, match="NAME=VALUE"):
            split_pair(text)


@pytest.mark.parametrize("text", ["0", "-1e-3", "nan", "inf", "x"])
def test_tolerances_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="tolerance"):
        parse_tolerance(text)


def test_batch() -> None:
    assert (parse_batch("4"), parse_batch("-1")) == (4, -1)
    for text in ("0", "-2", "x"):
        with pytest.raises(ValueError, match="batch"):
            parse_batch(text)


def test_options_are_normalised() -> None:
    options = ConvertOptions(input_shape={"x": [1, 3, 8, 8]}, input_layout={"x": "NCHW"}, outputs=["a", "b"])
    assert options.input_shape == {"x": (1, 3, 8, 8)}
    assert options.input_layout == {"x": "source"}
    assert options.outputs == ("a", "b")


def test_options_that_can_never_be_right() -> None:
    for wrong in ({"batch": 0}, {"input_shape": {"x": (0, 3)}}, {"input_shape": {"x": "ab"}}, {"input_layout": {"x": "wild"}},
                  {"input_layout": {"x": 3}}, {"input_layout": "nhwc"}, {"outputs": "name"}, {"inputs": ["a", "a"]}):
        with pytest.raises(OptionError):
            ConvertOptions(**wrong)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="output_layout is str, but has to say by name which output has what"):
        ConvertOptions(output_layout="nhwc")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="quiet"):
        RunOptions(quiet=True, verbose=True)


@pytest.mark.parametrize(("options", "message"), [
    ({"to": ("tfjs",)}, "no target 'tfjs'"), ({"to": ()}, "no target"), ({"to": ("keras",), "float16": True}, "--float16"),
    ({"trainable": True}, "--trainable")])
def test_targets_that_do_not_fit(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        RunOptions(**options)


def test_keras_targets_come_in_their_own_order() -> None:
    assert RunOptions(to=("pb", "tflite", "keras", "pb")).keras_targets == ("keras", "pb")
    assert RunOptions().keras_targets == ()
