"""A checkout of the repository: what makes it one, and how a new module is registered in it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from nchw2nhwc.debug.scaffold.code import KERAS, MAPPINGS, OPS, TFLITE, WIDTH
from nchw2nhwc.errors import OptionError, SourceError

FIXTURES = "tests/fixtures"
REGISTRIES = (f"{OPS}/__init__.py", f"{TFLITE}/emit.py", f"{KERAS}/emit.py")
"""The files that name the modules of their packages; mappings are found in their folders."""

_ADVICE = "Run it in the folder of a clone of the repository, or name that folder: -C DIR."


def require_checkout(folder: Path) -> None:
    """Raises OptionError unless a folder is a checkout."""
    missing = [name for name in ("pyproject.toml", FIXTURES, *MAPPINGS.values(), *REGISTRIES) if not (folder / name).exists()]
    if missing:
        raise OptionError(f"'{folder}' is no checkout of nchw2nhwc: it has no {missing[0]}", advice=_ADVICE)


def registered(text: str, package: str, name: str, file: str) -> str:
    """The text of a module that imports all modules of `package`, with one more. Raises SourceError where that is not to be found in it."""
    block = re.search(rf"^from {re.escape(package)} import \([^\n]*\n((?:    \w+,\n)+)\)$", text, re.MULTILINE)
    if block is None:
        raise SourceError(f"{file} does not import the modules of {package} one a line, so nothing can be added to it")
    names = sorted([*re.findall(r"\w+", block[1]), name])
    text = text[:block.start(1)] + "".join(f"    {each},\n" for each in names) + text[block.end(1):]
    return _exported(text, name)


def _exported(text: str, name: str) -> str:
    """The text with one more name in `__all__`, where there is one."""
    found = re.search(r"^__all__ = (\[[^]]*\])$", text, re.MULTILINE)
    if found is None:
        return text
    names = [*ast.literal_eval(found[1]), name]
    names.sort(key=lambda n: (not n.isupper(), not n[0].isupper(), n))
    lines, line = [], "__all__ = ["
    for k, each in enumerate(names):
        piece = f'"{each}"' + ("]" if k == len(names) - 1 else ",")
        if len(f"{line} {piece}") > WIDTH:
            lines.append(line)
            line = " " * len("__all__ =")
        line += piece if line.endswith("[") else f" {piece}"
    return text[:found.start()] + "\n".join([*lines, line]) + text[found.end():]
