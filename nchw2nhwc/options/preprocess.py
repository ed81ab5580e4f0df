"""Options that put an image's preprocessing into the result: how their text and their values are read.

Each is given by input name, or without one for the only image-like input; the name is then "".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING, TypeAlias, Union

from nchw2nhwc.errors import OptionError
from nchw2nhwc.options.values import check_values

if TYPE_CHECKING:
    from nchw2nhwc.ir.types import Array

Numbers: TypeAlias = Union[float, Sequence[float], "Array"]
"""One number for all channels, or one for each."""

ONLY = ""
"""Stands for the only image-like input."""

INPUT_TYPES = ("float32", "uint8")
"""What the element type of an input can be asked to be."""


def parse_numbers(text: str) -> tuple[float, ...]:
    """`123.675,116.28,103.53`, or one number for all channels. Raises ValueError."""
    try:
        return check_values([float(part) for part in text.split(",")], text)
    except ValueError:
        raise ValueError(f"'{text}' is not a list of numbers; write one, or one for each channel with commas between them") from None


def parse_input_type(text: str) -> str:
    """One of `INPUT_TYPES`. Raises ValueError."""
    if text not in INPUT_TYPES:
        raise ValueError(f"'{text}' is not an element type for an input; choose from {', '.join(INPUT_TYPES)}")
    return text


def numbers_by_input(what: str, given: object, *, zero: bool) -> dict[str, tuple[float, ...]]:
    """One number, numbers, or a mapping of them by input name. Raises OptionError; for 0 too unless `zero` is allowed."""
    found: dict[str, tuple[float, ...]] = {}
    for name, value in _by_name(given).items():
        listed: list[object] = list(value) if isinstance(value, Iterable) else [value]
        numbers = [float(n) for n in listed if isinstance(n, Real)]
        if len(numbers) < len(listed):
            raise OptionError(f"{what}={value!r}: give a number, or one for each channel")
        try:
            found[name] = check_values(numbers, what)
        except ValueError as error:
            raise OptionError(str(error)) from None
        if not zero and 0 in found[name]:
            raise OptionError(f"{what} divides, so it must not be 0")
    return found


def types_by_input(given: object) -> dict[str, str]:
    """The name of an element type, or a mapping of them by input name. Raises OptionError."""
    try:
        return {name: parse_input_type(str(value)) for name, value in _by_name(given).items()}
    except ValueError as error:
        raise OptionError(str(error)) from None


def reversed_inputs(given: object) -> tuple[str, ...]:
    """True for the only image-like input, or the names of inputs. Raises OptionError."""
    if isinstance(given, bool):
        return (ONLY,) if given else ()
    if isinstance(given, str) or not isinstance(given, Sequence) or not all(isinstance(name, str) for name in given):
        raise OptionError(f"reverse_channels={given!r}: give True, or a sequence of input names")
    return tuple(dict.fromkeys(given))


def _by_name(given: object) -> Mapping[str, object]:
    if given is None:
        return {}
    return given if isinstance(given, Mapping) else {ONLY: given}
