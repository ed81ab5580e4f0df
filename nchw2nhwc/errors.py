"""Every error the product raises on purpose: what is wrong, where in the source, and what to do about it.

All derive from `ConversionError`; the command line prints them without a traceback and exits with status 2.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from nchw2nhwc.wording import are, counted

CUT = "Cut the model before this layer with --outputs."
"""What to do about a layer that is not supported, where nothing better is known."""


@dataclass(frozen=True)
class Location:
    """A place in the source: file, layer (node) name and the layer's type as the source spells it. Unknown parts are empty."""

    file: str = ""
    layer: str = ""
    type: str = ""

    def __str__(self) -> str:
        layer = f"layer '{self.layer}'" if self.layer else ""
        kind = f" ({self.type})" if self.type else ""
        return ": ".join(part for part in (self.file, f"{layer}{kind}".strip()) if part)


class ConversionError(Exception):
    """A model could not be converted.

    `reason` says what is wrong, `where` names the place in the source, `advice` says what to do.
    """

    def __init__(self, reason: str, where: Location | None = None, advice: str = "") -> None:
        self.reason, self.where, self.advice = reason, where or Location(), advice
        super().__init__(reason)

    def at(self, where: Location) -> ConversionError:
        """This error with the parts of its location that are still unknown filled in from `where`; returns itself."""
        mine = self.where
        self.where = Location(mine.file or where.file, mine.layer or where.layer, mine.type or where.type)
        return self

    def __str__(self) -> str:
        place = str(self.where)
        text = f"{place}: {self.reason}" if place else self.reason
        return f"{text}\n  {self.advice}" if self.advice else text


class SourceError(ConversionError):
    """The source file is missing, damaged or contradicts itself."""


class ShapeError(ConversionError):
    """An op's operands do not fit together, or a shape cannot be determined."""


class OptionError(ConversionError):
    """An option has a value that does not fit the model or another option."""


class UnsupportedError(ConversionError):
    """The model is sound but uses something that this version, or the target, cannot express."""


@dataclass(frozen=True)
class MissingOp:
    """One op type that no mapping exists for: how often it occurs, the names of the first layers, and why, if there is more to say."""

    type: str
    count: int
    layers: tuple[str, ...]
    reason: str = ""

    def __str__(self) -> str:
        names = ", ".join((*self.layers, *("...",) * (self.count > len(self.layers))))
        return f"{self.type}: {self.count} ({names})" + (f": {self.reason}" if self.reason else "")


class UnsupportedOpsError(UnsupportedError):
    """The source holds op types that are not mapped; lists all of them at once in `missing`."""

    def __init__(self, missing: Iterable[MissingOp], where: Location | None = None) -> None:
        self.missing = tuple(missing)
        lines = "".join(f"\n  {m}" for m in self.missing)
        super().__init__(f"{counted(len(self.missing), 'op type')} {are(len(self.missing))} not supported:{lines}", where,
                         f"Cut the model before these layers with --outputs, or add such an op: "
                         f"openvino2tf scaffold MODEL --layer {shlex.quote(self.missing[0].layers[0])}\n"
                         "  begins it in a clone of the repository (see docs/add-an-op.md there).")


class TargetError(ConversionError):
    """The target's runtime refuses or cannot express the result."""


class OutputError(ConversionError):
    """The result could not be written."""


class CheckError(ConversionError):
    """The check against the source's runtime could not be carried out."""
