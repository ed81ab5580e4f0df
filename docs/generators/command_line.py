"""The flags of the command line, from the metadata of the options' fields."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import Field, fields

from docs.generators.markdown import cell, code, table
from nchw2nhwc.commands.options import BisectOptions, CheckOptions, FixtureOptions, FixtureRunOptions, InspectOptions, ScaffoldOptions
from nchw2nhwc.options import ConvertOptions, RunOptions, flag_of
from nchw2nhwc.options.quantize import QuantizeOptions

COMMANDS = {"convert": (("Conversion", ConvertOptions), ("Files, check and output", RunOptions),
                        ("Quantization", QuantizeOptions)), "check": (("", CheckOptions),),
            "bisect": (("", BisectOptions),), "fixture": (("", FixtureOptions),), "fixture run": (("", FixtureRunOptions),),
            "scaffold": (("", ScaffoldOptions),), "inspect": (("", InspectOptions),)}
"""The groups of options that each command has (bisect and inspect besides those of the conversion), titled as its help has them."""


def spellings(field: Field[object]) -> Iterator[str]:
    """How a field's flag is written, without its value."""
    flag = flag_of(field)
    long = field.name.strip("_").replace("_", "-")
    if flag.short:
        yield flag.short
    yield f"--{long}"
    if flag.kind == "switch" and field.default:
        yield f"--no-{long}"
    if flag.kind == "switch or list":
        yield f"--{long}-of"


def options(command: str) -> str:
    """A table for each group of options of a command."""
    return "\n\n".join(f"### {title}\n\n{_table(group)}" if title else _table(group) for title, group in COMMANDS[command])


def _table(group: type) -> str:
    rows = [(_written(f), cell(flag_of(f).help), code(f.name)) for f in fields(group)]
    if group in (ConvertOptions, QuantizeOptions):
        return table(("flag", "meaning", "in Python"), rows)
    return table(("flag", "meaning"), (row[:2] for row in rows))


def _written(field: Field[object]) -> str:
    """The flag with the placeholder of its value; every spelling on its own, so that lines can break between them."""
    flag = flag_of(field)
    metavar = f"[{flag.metavar}]" if flag.kind == "optional" else flag.metavar
    *others, last = spellings(field)
    return ", ".join([*map(code, others), code(f"{last} {metavar}".strip())])
