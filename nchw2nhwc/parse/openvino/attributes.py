"""Attributes of a layer: text in the IR, turned into what a mapping function's signature asks for."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

from nchw2nhwc.errors import SourceError
from nchw2nhwc.ir import DType
from nchw2nhwc.parse.openvino.elements import element_of

Ints: TypeAlias = tuple[int, ...]
"""An attribute that is a comma-separated list of integers."""

Floats: TypeAlias = tuple[float, ...]
"""An attribute that is a comma-separated list of numbers."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
_TRUE, _FALSE = ("true", "1"), ("false", "0")
_LARGEST = 2**63 - 1


_SPELLINGS = {"exclude_pad": "exclude-pad", "auto_broadcast_axis": "auto_broadcast.auto_broadcast_axis"}
"""Attributes whose name in the IR is no Python name, by the parameter's."""


@dataclass(frozen=True)
class Attribute:
    """One attribute as a signature declares it: its name, how to read it, and whether a layer has to have it."""

    name: str
    parse: Callable[[str], object]
    required: bool


def integer(text: str) -> int:
    """A decimal integer of at most 64 bits. Raises SourceError."""
    text = text.strip()
    if not _INTEGER.fullmatch(text) or not -_LARGEST - 1 <= int(text) <= _LARGEST:
        raise SourceError(f"'{_short(text)}' is no integer")
    return int(text)


def integers(text: str) -> Ints:
    """A comma-separated list of integers; empty text is the empty list. Raises SourceError."""
    return tuple(integer(part) for part in text.split(",")) if text.strip() else ()


def number(text: str) -> float:
    """A floating point number, infinities included, but not NaN. Raises SourceError."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isnan(value) or "_" in text:
        raise SourceError(f"'{_short(text)}' is no number")
    return value


def floats(text: str) -> Floats:
    """A comma-separated list of numbers; empty text is the empty list. Raises SourceError."""
    return tuple(number(part) for part in text.split(",")) if text.strip() else ()


def boolean(text: str) -> bool:
    """"true" or "1", "false" or "0", in any case of letters. Raises SourceError."""
    word = text.strip().lower()
    if word not in _TRUE + _FALSE:
        raise SourceError(f"'{_short(text)}' is neither true nor false")
    return word in _TRUE


def element_type(text: str) -> DType:
    """The numpy type of an element type's name. Raises SourceError or UnsupportedError."""
    return element_of(text.strip()).dtype


def _choice(choices: tuple[str, ...]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        word = text.strip().lower()
        if word not in choices:
            raise SourceError(f"'{_short(text)}' is none of {', '.join(choices)}")
        return word
    return parse


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}..."


def _parser(hint: object) -> Callable[[str], object]:
    """The reader of values of one annotated type."""
    if get_origin(hint) is Literal:
        return _choice(get_args(hint))
    if get_origin(hint) is Union or type(hint).__name__ == "UnionType":
        (hint,) = (h for h in get_args(hint) if h is not type(None))
    readers: dict[object, Callable[[str], object]] = {int: integer, float: number, bool: boolean, str: str, Ints: integers,
                                                      Floats: floats, DType: element_type}
    return readers[hint]


@cache
def attributes_of(function: Callable[..., object]) -> tuple[Attribute, ...]:
    """The attributes that a mapping function takes: its keyword-only parameters."""
    hints = get_type_hints(function)
    return tuple(Attribute(p.name, _parser(hints[p.name]), p.default is p.empty)
                 for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY)


def read_attributes(function: Callable[..., object], data: Mapping[str, str]) -> dict[str, object]:
    """Keyword arguments for a mapping function from a layer's attributes.

    Raises SourceError for an attribute that is missing or cannot be read, UnsupportedError for an element type that numpy lacks.
    """
    values: dict[str, object] = {}
    for attribute in attributes_of(function):
        text = data.get(_SPELLINGS.get(attribute.name, attribute.name))
        if text is None:
            if attribute.required:
                raise SourceError(f"attribute '{_SPELLINGS.get(attribute.name, attribute.name)}' is missing")
            continue
        try:
            values[attribute.name] = attribute.parse(text)
        except SourceError as error:
            raise SourceError(f"attribute '{attribute.name}': {error.reason}") from None
    return values
