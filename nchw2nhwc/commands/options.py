"""The options of the subcommands. Every field is a flag, as with `nchw2nhwc.options`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nchw2nhwc.errors import OptionError
from nchw2nhwc.options import TOLERANCE, TOLERANCE_FLOAT16, flag, parse_count, parse_range, parse_tolerance

BIN = flag("weights of an IR model (default: the .bin beside the .xml)", metavar="FILE", parse=Path)
_JSON = flag("write what was found as JSON", metavar="FILE.json", parse=Path)
_RANGE = flag("draw an input between two numbers (integers: both included); repeatable", kind="mapping", metavar="NAME=LOW,HIGH",
              parse=parse_range)
_INPUTS = flag("inputs by name, in the source's axis order (default: random)", metavar="FILE.npz", parse=Path)
_TOLERANCE = flag(f"largest error relative to an output's largest magnitude (default {TOLERANCE:g}; {TOLERANCE_FLOAT16:g} for float16)",
                  metavar="T", parse=parse_tolerance)
_QUIET = flag("print nothing but errors", kind="switch")


@dataclass(frozen=True)
class CheckOptions:
    """Of `openvino2tf check`."""

    bin: Path | None = field(default=None, metadata=BIN)
    inputs: Path | None = field(default=None, metadata=_INPUTS)
    samples: int = field(default=1, metadata=flag("how many sets of random inputs (default 1)", metavar="N", parse=parse_count))
    input_range: Mapping[str, tuple[float, float]] = field(default_factory=dict, metadata=_RANGE)
    tolerance: float | None = field(default=None, metadata=_TOLERANCE)
    layers: bool = field(default=False, metadata=flag(
        "compare the tensors inside too, and name the first op that is off while its operands agree", kind="switch"))
    json: Path | None = field(default=None, metadata=_JSON)
    quiet: bool = field(default=False, metadata=_QUIET)

    def __post_init__(self) -> None:
        if self.inputs is not None and (self.samples > 1 or self.input_range):
            raise OptionError("--inputs gives the data; it does not go together with --samples or --input-range")
