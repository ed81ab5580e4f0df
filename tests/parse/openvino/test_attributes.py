"""Attributes: text in the file, values in a mapping function."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest

from nchw2nhwc.errors import SourceError, UnsupportedError
from nchw2nhwc.ir import DType
from nchw2nhwc.parse.openvino import attributes
from nchw2nhwc.parse.openvino.attributes import Ints, read_attributes


def everything(*, whole: int, real: float, flag: bool, text: str, many: Ints, type: DType, word: Literal["one", "two"],
               rest: Ints | None = None, exclude_pad: bool = False) -> None:
    """Takes one attribute of every kind."""


GOOD = {"whole": " -7", "real": "1e-3", "flag": "True", "text": "a b", "many": "1, -2,3", "type": "f16", "word": "TWO"}


def test_every_kind_of_attribute() -> None:
    values = read_attributes(everything, {**GOOD, "exclude-pad": "1", "unknown": "x"})
    assert values == {"whole": -7, "real": 1e-3, "flag": True, "text": "a b", "many": (1, -2, 3), "type": np.dtype(np.float16),
                      "word": "two", "exclude_pad": True}


def test_attributes_that_are_absent_keep_their_defaults() -> None:
    assert {"rest", "exclude_pad"}.isdisjoint(read_attributes(everything, GOOD))
    assert read_attributes(everything, {**GOOD, "rest": ""})["rest"] == ()


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_required_attribute(name: str) -> None:
    with pytest.raises(SourceError, match=f"attribute '{name}' is missing"):
        read_attributes(everything, {k: v for k, v in GOOD.items() if k != name})


@pytest.mark.parametrize(("name", "text", "reason"), [
    ("whole", "1.5", "'1.5' is no integer"), ("whole", "", "is no integer"), ("whole", "1_0", "is no integer"),
    ("whole", "٣", "is no integer"),
    ("whole", "9223372036854775808", "is no integer"), ("whole", "1" * 100_000, "is no integer"), ("real", "one", "'one' is no number"),
    ("real", "nan", "is no number"), ("real", "1_0", "is no number"), ("flag", "yes", "neither true nor false"),
    ("many", "1,,2", "is no integer"),
    ("many", "1;2", "is no integer"), ("type", "f33", "'f33' is no element type"), ("word", "three", "'three' is none of one, two")])
def test_text_that_cannot_be_read(name: str, text: str, reason: str) -> None:
    with pytest.raises(SourceError, match=reason) as caught:
        read_attributes(everything, {**GOOD, name: text})
    assert f"attribute '{name}'" in str(caught.value)
    assert len(str(caught.value)) < 300


def test_an_element_type_without_a_numpy_type() -> None:
    with pytest.raises(UnsupportedError, match="element type 'nf4'"):
        read_attributes(everything, {**GOOD, "type": "nf4"})


def test_numbers_may_be_infinite() -> None:
    assert attributes.number("-inf") == -math.inf
    assert attributes.integer("-9223372036854775808") == -2**63
