"""What is known for certain about an operator that has no mapping yet: its signature, as a mapping spells it."""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import Enum

from nchw2nhwc.source import Format

_LONGEST_SENTENCE = 100
"""Characters of an operator's own description that are taken over."""


class Presence(Enum):
    """How often an operand is there."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    MANY = "many"


@dataclass(frozen=True)
class Operand:
    """An operand by its name in Python."""

    name: str
    presence: Presence = Presence.REQUIRED


@dataclass(frozen=True)
class Attribute:
    """An attribute: its name in Python and in the source, its annotation in a mapping, and its default as Python text (None: required)."""

    name: str
    spelling: str
    annotation: str
    default: str | None = None

    @property
    def parameter(self) -> str:
        """The attribute as a parameter of a function."""
        if self.default is None:
            return f"{self.name}: {self.annotation}"
        return f"{self.name}: {self.annotation}{' | None' if self.default == 'None' else ''} = {self.default}"


@dataclass(frozen=True)
class Operator:
    """An operator of a source: its type there, the domain ("" for the standard one and for OpenVINO), and the opset of its definition.
    `results` is None where their number differs; `origin` says where all this is from."""

    format: Format
    domain: str
    type: str
    version: int
    operands: tuple[Operand, ...]
    attributes: tuple[Attribute, ...]
    results: int | None
    doc: str
    origin: str

    @property
    def name(self) -> str:
        """The type with its domain, as messages and folders of fixtures have it."""
        return f"{self.domain}.{self.type}" if self.domain else self.type

    @property
    def module(self) -> str:
        """What its function and its modules are called."""
        return python_name(self.type)


def python_name(name: str, taken: Collection[str] = ()) -> str:
    """A name in the style of Python's variables; an underscore at its end where it would be a keyword or is `taken`."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    found = re.sub(r"[^a-z0-9]+", "_", apart.lower()).strip("_") or "x"
    found = f"x{found}" if found[0].isdigit() else found
    while keyword.iskeyword(found) or found in taken:
        found += "_"
    return found


def operands_of(named: Iterable[tuple[str, Presence]], taken: Collection[str]) -> tuple[Operand, ...]:
    """Operands under different names. Behind an optional one none is required, as in Python."""
    found: list[Operand] = []
    optional = False
    for name, presence in named:
        optional |= presence is Presence.OPTIONAL
        kind = Presence.OPTIONAL if optional and presence is Presence.REQUIRED else presence
        found.append(Operand(python_name(name, {*taken, *(o.name for o in found)}), kind))
    return tuple(found)


def sentence(text: str) -> str:
    """The first sentence of a description, as it can stand in a docstring; "" where there is none that is short enough."""
    plain = " ".join(re.sub(r"</?\w+ ?/?>", "", text.replace("<br", " <br")).split()).encode("ascii", "ignore").decode()
    first = re.split(r"(?<=[.:])\s", plain, maxsplit=1)[0].rstrip(":")
    if not first or len(first) > _LONGEST_SENTENCE or re.search(r'["\\]', first):
        return ""
    return first if first.endswith(".") else f"{first}."
