"""Options: how their text is read, and which values are refused."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

import nchw2nhwc
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
from nchw2nhwc.options.arguments import ConvertArguments
from nchw2nhwc.options.quantize import QuantizeOptions


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
    numpy = ConvertOptions(batch=np.int64(2), mean=np.array([1.0, 2.0, 3.0], np.float32), scale=np.float32(2.0))  # type: ignore[arg-type]
    assert (numpy.batch, numpy.mean, numpy.scale) == (2, {"": (1.0, 2.0, 3.0)}, {"": (2.0,)})


def test_options_of_quantization_of_the_wrong_kind() -> None:
    for wrong, message in (({"per_tensor": "no"}, "per_tensor='no': give True or False"), ({"weights": 8}, "weights=8: give a text"),
                           ({"calibration_samples": "5"}, "calibration_samples='5': give an integer"),
                           ({"min_sqnr": "x"}, "min_sqnr='x': give a number")):
        with pytest.raises(OptionError, match=message):
            QuantizeOptions(["int8"], **wrong)  # type: ignore[arg-type]


def test_type_checkers_know_the_options() -> None:
    declared = {name: hint.__forward_arg__ for name, hint in ConvertArguments.__annotations__.items()}
    assert declared == {f.name: f.type for f in fields(ConvertOptions)}


def test_every_option_is_described() -> None:
    described = nchw2nhwc.convert.__doc__ or ""
    assert [name for name in ConvertArguments.__annotations__ if f"`{name}`" not in described] == []


def test_options_that_can_never_be_right() -> None:
    for wrong in ({"batch": 0}, {"input_shape": {"x": (0, 3)}}, {"input_shape": {"x": "ab"}}, {"input_layout": {"x": "wild"}},
                  {"input_layout": {"x": 3}}, {"input_layout": "nhwc"}, {"outputs": "name"}, {"inputs": ["a", "a"]}, {"outputs": [1]},
                  {"batch": "1"}, {"batch": 1.0}, {"input_shape": {"x": (1, 3.5)}}, {"input_shape": {"x": (None, 3)}},
                  {"keep_layout": "no"}, {"rnn": 3}, {"model_name": 5}, {"mean": "7"}, {"scale": []}):
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
