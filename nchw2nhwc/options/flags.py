"""How a field of options becomes a flag of the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass


@dataclass(frozen=True)
class Flag:
    """How a field appears on the command line: its help, the placeholder of its value and how the value's text is read.

    `kind` is "switch" (no value), "value", "optional" (a value that may be left out, "" then), "list" (comma-separated, repeatable),
    "mapping" (NAME=VALUE, repeatable; `parse` reads VALUE), "named" (the same, NAME= may be left out and is "" then) or "switch or list"
    (a switch, and the flag with `-of` behind it is a list).
    """

    help: str
    kind: str = "value"
    metavar: str = ""
    parse: Callable[[str], object] = str
    short: str = ""


def flag(help: str, *, kind: str = "value", metavar: str = "", parse: Callable[[str], object] = str,
         short: str = "") -> Mapping[str, Flag]:
    """Metadata of a field that is a flag."""
    return {"flag": Flag(help, kind, metavar, parse, short)}


def flag_of(f: Field[object]) -> Flag:
    """The flag that belongs to a field of `ConvertOptions` or `RunOptions`."""
    flag = f.metadata["flag"]
    assert isinstance(flag, Flag)
    return flag
