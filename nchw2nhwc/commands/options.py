"""The options of the subcommands. Every field is a flag, as with `nchw2nhwc.options`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nchw2nhwc.errors import OptionError
from nchw2nhwc.options import (
    TOLERANCE,
    TOLERANCE_FLOAT16,
    TOLERANCE_INSIDE_QUANTIZED,
    TOLERANCE_QUANTIZED,
    Flag,
    flag,
    parse_batch,
    parse_count,
    parse_range,
    parse_shape,
    parse_tolerance,
)

BIN = flag("weights of an IR model (default: the .bin beside the .xml)", metavar="FILE", parse=Path)
_JSON = flag("write what was found as JSON", metavar="FILE.json", parse=Path)
_RANGE = flag("draw an input between two numbers (integers: both included); repeatable", kind="mapping", metavar="NAME=LOW,HIGH",
              parse=parse_range)
_DATA = "inputs by name, in the source's axis order (default: random)"
_INPUTS = flag(_DATA, metavar="FILE.npz", parse=Path, short="--inputs")
"""Of commands that cut nothing, where `--inputs` can mean nothing else."""
_TARGETS = ("tflite", "keras")
_INPUT_SHAPE = flag("shape of an input of the model, in its axis order (default: as in the model); repeatable", kind="mapping",
                    metavar="NAME=1,3,H,W", parse=parse_shape)
_BATCH = flag("size of every input's first axis (default: as in the model)", metavar="N", parse=parse_batch)
_QUIET = flag("print nothing but errors", kind="switch")


def _tolerance(*others: str) -> Mapping[str, Flag]:
    return flag(f"largest error relative to an output's largest magnitude (default {', '.join((f'{TOLERANCE:g}', *others))})",
                metavar="T", parse=parse_tolerance)


def _require_one_source_of_data(given: Path | None, ranges: Mapping[str, tuple[float, float]]) -> None:
    """Raises OptionError for data that is given and drawn from ranges at once."""
    if given is not None and ranges:
        raise OptionError("--check-inputs gives the data; it does not go together with --input-range")



@dataclass(frozen=True)
class CheckOptions:
    """Of `openvino2tf check`."""

    bin: Path | None = field(default=None, metadata=BIN)
    check_inputs: Path | None = field(default=None, metadata=_INPUTS)
    samples: int = field(default=1, metadata=flag("how many sets of random inputs (default 1)", metavar="N", parse=parse_count))
    input_range: Mapping[str, tuple[float, float]] = field(default_factory=dict, metadata=_RANGE)
    tolerance: float | None = field(default=None, metadata=_tolerance(
        f"{TOLERANCE_FLOAT16:g} for float16", f"{TOLERANCE_QUANTIZED:g} for a quantized file"))
    layers: bool = field(default=False, metadata=flag(
        "compare the tensors inside too, and name the first op that is off while its operands agree", kind="switch"))
    json: Path | None = field(default=None, metadata=_JSON)
    quiet: bool = field(default=False, metadata=_QUIET)

    def __post_init__(self) -> None:
        if self.check_inputs is not None and (self.samples > 1 or self.input_range):
            raise OptionError("--check-inputs gives the data; it does not go together with --samples or --input-range")


@dataclass(frozen=True)
class FixtureOptions:
    """Of `openvino2tf fixture`."""

    layer: str = field(default="", metadata=flag("the layer to cut out, by its name or that of a tensor it makes", metavar="NAME"))
    from_: str = field(default="", metadata=flag("with --to: the first layer of a region", metavar="NAME"))
    to: str = field(default="", metadata=flag("with --from: the last layer of a region", metavar="NAME"))
    output_dir: Path | None = field(default=None, metadata=flag(
        "the fixture's folder (default: named after model and layer, in the current one)", metavar="DIR", parse=Path, short="-o"))
    bin: Path | None = field(default=None, metadata=BIN)
    input_shape: Mapping[str, Sequence[int]] = field(default_factory=dict, metadata=_INPUT_SHAPE)
    batch: int | None = field(default=None, metadata=_BATCH)
    check_inputs: Path | None = field(default=None, metadata=_INPUTS)
    input_range: Mapping[str, tuple[float, float]] = field(default_factory=dict, metadata=_RANGE)

    def __post_init__(self) -> None:
        if bool(self.layer) == bool(self.from_ or self.to) or bool(self.from_) != bool(self.to):
            raise OptionError("say what to cut out: --layer NAME, or --from NAME --to NAME")
        _require_one_source_of_data(self.check_inputs, self.input_range)

    @property
    def first(self) -> str:
        """The first layer of the region."""
        return self.layer or self.from_

    @property
    def last(self) -> str:
        """The last layer of the region."""
        return self.layer or self.to


@dataclass(frozen=True)
class FixtureRunOptions:
    """Of `openvino2tf fixture run`."""

    to: Sequence[str] = field(default=(), metadata=flag(
        f"targets, comma-separated: {', '.join(_TARGETS)} (default: those that can be made here)", kind="list", metavar="TARGETS"))
    tolerance: float | None = field(default=None, metadata=_tolerance(
        f"{TOLERANCE_FLOAT16:g} for sources that compute in float16"))

    def __post_init__(self) -> None:
        unknown = [target for target in self.to if target not in _TARGETS]
        if unknown:
            raise OptionError(f"there is no target '{unknown[0]}'", advice=f"Choose from {', '.join(_TARGETS)}.")


@dataclass(frozen=True)
class ScaffoldOptions:
    """Of `openvino2tf scaffold`."""

    layer: str = field(default="", metadata=flag("the layer whose operator is missing, by its name or that of a tensor it makes",
                                                 metavar="NAME"))
    checkout: Path = field(default=Path(), metadata=flag(
        "the clone of the repository to write into (default: the current folder)", metavar="DIR", parse=Path, short="-C"))
    op_class: bool = field(default=False, metadata=flag(
        "write an op class and its lowerings too, for an operator that the existing ops cannot express", kind="switch"))
    fixture: bool = field(default=True, metadata=flag(
        "the layer as a fixture, with the operands that it gets in the model", kind="switch"))
    bin: Path | None = field(default=None, metadata=BIN)
    input_shape: Mapping[str, Sequence[int]] = field(default_factory=dict, metadata=_INPUT_SHAPE)
    batch: int | None = field(default=None, metadata=_BATCH)
    check_inputs: Path | None = field(default=None, metadata=_INPUTS)
    input_range: Mapping[str, tuple[float, float]] = field(default_factory=dict, metadata=_RANGE)

    def __post_init__(self) -> None:
        if not self.layer:
            raise OptionError("say which layer's operator to scaffold: --layer NAME",
                              advice="The error for a model with unsupported ops, and openvino2tf inspect, name such layers.")
        _require_one_source_of_data(self.check_inputs, self.input_range)


@dataclass(frozen=True)
class BisectOptions:
    """Of `openvino2tf bisect`, besides those of the conversion."""

    output_dir: Path | None = field(default=None, metadata=flag(
        "folder for the culprit as a fixture (default: MODEL_culprit in the current one)", metavar="DIR", parse=Path, short="-o"))
    check_inputs: Path | None = field(default=None, metadata=flag(_DATA, metavar="FILE.npz", parse=Path))
    input_range: Mapping[str, tuple[float, float]] = field(default_factory=dict, metadata=_RANGE)
    tolerance: float | None = field(default=None, metadata=_tolerance(
        f"{TOLERANCE_FLOAT16:g} for sources that compute in float16", f"{TOLERANCE_INSIDE_QUANTIZED:g} for quantized ones"))
    layers: bool = field(default=False, metadata=flag("print the errors of all tensors inside", kind="switch"))
    json: Path | None = field(default=None, metadata=_JSON)
    quiet: bool = field(default=False, metadata=_QUIET)

    def __post_init__(self) -> None:
        _require_one_source_of_data(self.check_inputs, self.input_range)


@dataclass(frozen=True)
class InspectOptions:
    """Of `openvino2tf inspect`, besides those of the conversion."""

    json: Path | None = field(default=None, metadata=_JSON)
    quiet: bool = field(default=False, metadata=_QUIET)
