"""The options that only a run of the command line has: where files go, the check, and what is printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nchw2nhwc.errors import OptionError
from nchw2nhwc.options.choices import KERAS_FILES, TARGETS, Route
from nchw2nhwc.options.flags import flag
from nchw2nhwc.options.tolerances import TOLERANCE, TOLERANCE_FLOAT16
from nchw2nhwc.options.values import parse_tolerance


@dataclass(frozen=True)
class RunOptions:
    """What a run of the command line has besides the conversion itself."""

    output_dir: Path = field(default=Path(), metadata=flag(
        "folder for the result (default: the current one); made if it is not there", metavar="DIR", parse=Path, short="-o"))
    to: Sequence[str] = field(default=("tflite",), metadata=flag(
        f"what to write, comma-separated: {', '.join(TARGETS)} (default tflite); all but tflite need TensorFlow", kind="list",
        metavar="TARGETS"))
    trainable: bool = field(default=False, metadata=flag(
        "Keras targets: for training on; batch norms and dropout stay layers, constant factors and shifts become weights", kind="switch"))
    float16: bool = field(default=False, metadata=flag(
        "also write NAME_float16.tflite: float16 weights, float32 arithmetic", kind="switch"))
    check: bool = field(default=True, metadata=flag(
        "load the result with XNNPACK too, run it and the source on the same inputs, and compare (default: on)", kind="switch"))
    tolerance: float = field(default=TOLERANCE, metadata=flag(
        f"largest error relative to an output's largest magnitude (default {TOLERANCE:g}; a float16 file is allowed "
        f"{TOLERANCE_FLOAT16:g} if that is more)", metavar="T", parse=parse_tolerance))
    check_inputs: Path | None = field(default=None, metadata=flag(
        "inputs for the check, by name and in the source's axis order (default: random)", metavar="FILE.npz", parse=Path))
    layers: bool = field(default=False, metadata=flag(
        "compare the tensors inside the float32 file too, and name the first op that is off while its operands agree", kind="switch"))
    print_between_passes: str | None = field(default=None, metadata=flag(
        "print the graph as text after every pass, or after those called PASS (read and layout count as passes)", kind="optional",
        metavar="PASS"))
    time_passes: bool = field(default=False, metadata=flag("print how long every pass took and what it did", kind="switch"))
    dump_graph: Path | None = field(default=None, metadata=flag(
        "write the graph as text into this folder after every pass, one file each", metavar="DIR", parse=Path))
    explain_layout: bool = field(default=False, metadata=flag(
        "print for every transpose that is left which two ops disagree, and the bytes it moves", kind="switch"))
    report: Path | None = field(default=None, metadata=flag("write the report as JSON", metavar="FILE.json", parse=Path))
    html: Path | None = field(default=None, metadata=flag(
        "write the report as a web page that works offline: both graphs, transposes and why, errors, sizes", metavar="FILE.html",
        parse=Path))
    quiet: bool = field(default=False, metadata=flag(
        "print nothing but errors, and what --print-between-passes and --time-passes ask for", kind="switch"))
    verbose: bool = field(default=False, metadata=flag("print every pass, and notes about the model", kind="switch"))

    def __post_init__(self) -> None:
        if self.quiet and (self.verbose or self.explain_layout or self.layers):
            raise OptionError("--quiet prints nothing; it does not go together with --verbose, --explain-layout or --layers")
        if self.layers and not (self.check and "tflite" in self.to):
            raise OptionError("--layers compares inside a TFLite file; it needs one, and the check")
        if not self.check and self.check_inputs:
            raise OptionError("--check-inputs needs the check, which --no-check turns off")
        unknown = [target for target in self.to if target not in TARGETS]
        if unknown or not self.to:
            raise OptionError(f"there is no target '{unknown[0] if unknown else ''}'", advice=f"Choose from {', '.join(TARGETS)}.")
        if self.float16 and "tflite" not in self.to:
            raise OptionError("--float16 is about TFLite files, which --to leaves out")
        if self.trainable and not self.keras_targets:
            raise OptionError("--trainable is about Keras models", advice="Add --to keras.")

    @property
    def keras_targets(self) -> tuple[str, ...]:
        """The targets that are made by way of Keras, each once, in the order of `KERAS_FILES`."""
        return tuple(target for target in KERAS_FILES if target in self.to)

    @property
    def route(self) -> Route:
        """The route that decides the layouts: TFLite's if such a file is asked for."""
        return "tflite" if "tflite" in self.to else "trainable" if self.trainable else "keras"
