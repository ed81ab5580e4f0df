"""Options that describe a model in its own file: how their values are read."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias, Union

from nchw2nhwc.errors import OptionError

Labels: TypeAlias = Union[Sequence[str], str, "os.PathLike[str]"]
"""The labels of one output, or the path of a file with one a line."""

ONLY = ""
"""Stands for the only output with as many places along its last axis as there are labels."""


def read_labels(text: str) -> tuple[str, ...]:
    """The lines of a text file. Raises ValueError when it cannot be read or has none."""
    try:
        labels = tuple(Path(text).read_text(encoding="utf-8-sig").splitlines())
    except OSError as error:
        raise ValueError(f"cannot read labels from '{text}': {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ValueError(f"'{text}' is no text in UTF-8; write a label on each line") from None
    if not labels:
        raise ValueError(f"'{text}' has no labels; write one a line")
    return labels


def labels_by_output(given: object) -> dict[str, tuple[str, ...]]:
    """A file of labels, labels, or a mapping of either by output name. Raises OptionError."""
    return {name: _labels(value) for name, value in (given if isinstance(given, Mapping) else {ONLY: given}).items()}


def _labels(given: object) -> tuple[str, ...]:
    if isinstance(given, (str, os.PathLike)):
        try:
            return read_labels(os.fspath(given))
        except ValueError as error:
            raise OptionError(str(error)) from None
    if not isinstance(given, Sequence) or not given or not all(isinstance(label, str) and "\n" not in label for label in given):
        raise OptionError("labels are a file with one a line, or a sequence of texts without line breaks")
    return tuple(given)
