"""The options of quantization. As in `options`, every field is also a flag of the command line."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, Union

from nchw2nhwc.errors import OptionError
from nchw2nhwc.options.choices import EVERY
from nchw2nhwc.options.flags import flag
from nchw2nhwc.options.preprocess import parse_numbers
from nchw2nhwc.options.values import check_values, parse_count, require_kinds

if TYPE_CHECKING:
    from nchw2nhwc.ir import Array

MODES: Mapping[str, str] = {
    "float16": "float16", "dynamic": "dynamic_range_quant", "int8": "integer_quant", "int8-full": "full_integer_quant",
    "int16x8": "integer_quant_with_int16_act", "weight8": "weight_quant", "weight4": "weight_int4_quant"}
"""How a file can be quantized, and what its name ends with."""

SOURCE = "source"
"""The mode of a source that is quantized already: its own quantization, nearer to what its runtime computes."""

IO_DTYPES = ("float32", "int8", "uint8", "int16")
FOR_DEVICE: Mapping[str, str] = {"edgetpu": "int8-full"}
"""The mode that `target` implies: that of the only files that the device runs."""

PLAIN = "float32"
"""What `Converted.tflite` and `save` call a file that is not quantized, also for those devices."""

RANDOM = "random"
"""What `calibration` is for random samples."""
CALIBRATION_LAYOUTS = ("source", "result")
RESIZES = ("stretch", "crop", "pad")
WEIGHTS = ("minmax", "mse", "octav")
"""How the scales of weights are chosen; the names are ai-edge-quantizer's."""
AUTO = "auto"
RANGES = (AUTO, "mse", "minmax")
"""How the ranges of int8 activations are chosen."""
TOGETHER = "samples"
ROUNDINGS = (TOGETHER, "nearest")
"""How weights of int8 and int4 are rounded."""
MIXED = ("float", "int16")
DEFAULT_SQNR = 10.0
"""dB: below, a quantized output has little to do with the source's."""
SAMPLES = 256

Samples: TypeAlias = "Sequence[Mapping[str, Array]]"
"""Sets of inputs by name."""

Calibration: TypeAlias = Union[str, "os.PathLike[str]", Samples, None]


def parse_scale(text: str) -> tuple[float, ...]:
    """Numbers with commas between them, none of them 0."""
    numbers = parse_numbers(text)
    if 0.0 in numbers:
        raise ValueError(f"'{text}': it is divided by, so it cannot be 0")
    return numbers


def parse_decibels(text: str) -> float:
    """One finite number."""
    try:
        return check_values((float(text),), text)[0]
    except ValueError:
        raise ValueError(f"'{text}' is not a number of decibels; give one, such as 30") from None


def one_of(names: Sequence[str], text: str) -> str:
    """`text` if it is one of `names`; raises ValueError."""
    if text not in names:
        raise ValueError(f"'{text}' is none of {', '.join(names)}")
    return text


@dataclass(frozen=True)
class QuantizeOptions:
    """How results are quantized. Raises OptionError for a value that can never be right.

    `quantize` names modes (the keys of `MODES`, or `SOURCE`) or recipes of ai-edge-quantizer (paths that end with .json). `calibration` is
    the path of an .npz or .npy file, of a folder of those, of a folder of images, "random", or, from Python, a sequence of sets of inputs
    by name.
    """

    quantize: Sequence[str] = field(default=(), metadata=flag(
        f"also write quantized files, comma-separated: {', '.join(MODES)}, or the path of a recipe for ai-edge-quantizer (.json); of a "
        f"source that is quantized already: {SOURCE}, its own quantization with --auto-mixed or --keep-float",
        kind="list", metavar="MODES"))
    calibration: Calibration = field(default=None, metadata=flag(
        "samples for the modes that need them (int8, int8-full, int16x8): an .npz file (arrays by input name), an .npy file, a folder of "
        f"those, a folder of images, or '{RANDOM}', which says nothing about accuracy", metavar="DATA"))
    calibration_layout: str = field(default="source", metadata=flag(
        "axis order of the arrays: source (default), or result, as the TFLite file takes them", metavar="source|result",
        parse=lambda text: one_of(CALIBRATION_LAYOUTS, text)))
    calibration_samples: int = field(default=SAMPLES, metadata=flag(
        f"take at most N samples, spread evenly (default {SAMPLES})", metavar="N", parse=parse_count))
    calibration_resize: str = field(default="stretch", metadata=flag(
        "how images get the input's size: stretch (default), crop (from the middle, sides kept in proportion) or pad (with black)",
        metavar="|".join(RESIZES), parse=lambda text: one_of(RESIZES, text)))
    calibration_mean: Sequence[float] = field(default=(), metadata=flag(
        "images: subtract this from the values 0 to 255 of the channels (one number, or one for each)", metavar="M,M,M",
        parse=parse_numbers))
    calibration_scale: Sequence[float] = field(default=(), metadata=flag(
        "images: then divide by this", metavar="S,S,S", parse=parse_scale))
    calibration_channels: str = field(default="rgb", metadata=flag(
        "images: order of colours, rgb (default) or bgr", metavar="rgb|bgr", parse=lambda text: one_of(("rgb", "bgr"), text)))
    per_tensor: bool = field(default=False, metadata=flag("one scale for all channels of a weight, not one for each", kind="switch"))
    weights: str = field(default="minmax", metadata=flag(
        f"how scales of weights are chosen: {', '.join(WEIGHTS)} (default minmax: nothing is clipped)", metavar="METHOD",
        parse=lambda text: one_of(WEIGHTS, text)))
    ranges: str = field(default=AUTO, metadata=flag(
        "ranges of int8 activations: mse (where the squared error is least), minmax (all that the samples have) or auto (default: of both "
        "the one with which the outputs are nearer to float32's on samples that calibrate)",
        metavar="|".join(RANGES), parse=lambda text: one_of(RANGES, text)))
    rounding: str = field(default=TOGETHER, metadata=flag(
        "how weights are rounded: samples (default, where there are samples that are not random: so that the results of layers differ "
        "least on them) or nearest", metavar="|".join(ROUNDINGS), parse=lambda text: one_of(ROUNDINGS, text)))
    io_dtype: Sequence[str] = field(default=(), metadata=flag(
        f"element type of inputs and outputs that are quantized, TYPE or NAME=TYPE: {', '.join(IO_DTYPES)} (default float32; int8 with "
        "int8-full)", kind="list", metavar="TYPES"))
    keep_float: Sequence[str] = field(default=(), metadata=flag(
        "layers (or tensors) that stay float32", kind="list", metavar="LAYERS"))
    auto_mixed: float | None = field(default=None, metadata=flag(
        "keep the fewest layers in float that bring every output to this many dB SQNR against the source (with --quantize source: as its "
        "runtime computes it by itself)", metavar="DB", parse=parse_decibels))
    mixed_with: str = field(default="float", metadata=flag(
        "what --auto-mixed keeps layers in: float (default) or int16 (activations)", metavar="float|int16",
        parse=lambda text: one_of(MIXED, text)))
    min_sqnr: float = field(default=DEFAULT_SQNR, metadata=flag(
        f"smallest signal to quantization noise ratio of an output against the source (default {DEFAULT_SQNR:g} dB)", metavar="DB",
        parse=parse_decibels))

    def __post_init__(self) -> None:
        require_kinds(self)
        modes = (self.quantize,) if isinstance(self.quantize, str) else tuple(self.quantize)
        object.__setattr__(self, "quantize", tuple(dict.fromkeys(modes)))
        unknown = [mode for mode in self.quantize if mode not in (*MODES, SOURCE) and not is_recipe(mode)]
        if unknown:
            raise OptionError(f"there is no quantization '{unknown[0]}'", advice=f"Choose from {', '.join(MODES)}, or give a .json recipe.")
        try:
            for value, allowed in ((self.calibration_layout, CALIBRATION_LAYOUTS), (self.calibration_resize, RESIZES),
                                   (self.weights, WEIGHTS), (self.ranges, RANGES), (self.rounding, ROUNDINGS), (self.mixed_with, MIXED),
                                   (self.calibration_channels, ("rgb", "bgr"))):
                one_of(allowed, value)
            for entry in self.io_dtype:
                one_of(IO_DTYPES, entry.rpartition("=")[2])
            if self.calibration_samples < 1:
                raise ValueError(f"calibration_samples={self.calibration_samples}: at least one is needed")
        except ValueError as error:
            raise OptionError(str(error)) from None
        self._together()

    def _together(self) -> None:
        """Options that need or exclude each other."""
        given = [f"--{f.name.replace('_', '-')}" for f in fields(self) if not _is_default(getattr(self, f.name), f.default)]
        if given and not self.quantize:
            raise OptionError(f"{given[0]} is about quantized files, but none is asked for",
                              advice=f"Add --quantize with {', '.join(MODES)}.")
        if self.mixed_with != "float" and self.auto_mixed is None:
            raise OptionError("--mixed-with is about what --auto-mixed keeps, which is not asked for", advice="Add --auto-mixed DB.")
        if SOURCE in self.quantize:
            self._alone()
            return
        whole = [mode for mode in self.quantize if mode in ("int8", "int8-full", "int16x8") or is_recipe(mode)]
        if (self.io_dtype or self.auto_mixed is not None) and not whole:
            raise OptionError("--io-dtype and --auto-mixed are about files with quantized activations: int8, int8-full, int16x8")
        if self.mixed_with == "int16" and "int16x8" in self.quantize:
            raise OptionError("int16x8 has int16 activations already; --mixed-with float can make it better")
        names = [entry.rpartition("=")[0] or EVERY for entry in self.io_dtype]
        if len(set(names)) < len(names):
            raise OptionError(f"--io-dtype is given twice for '{next(n for n in names if names.count(n) > 1)}'")

    def _alone(self) -> None:
        """What the mode of a source that is quantized already goes with."""
        if len(self.quantize) > 1:
            raise OptionError("--quantize source keeps the quantization that the source has, and the other modes are another one",
                              advice="Leave out either.")
        if self.auto_mixed is None and not self.keep_float:
            raise OptionError("--quantize source alone is the file that is written anyway",
                              advice="Add --auto-mixed DB, to come so near to what the source's runtime computes, or --keep-float LAYERS.")
        if self.io_dtype or self.per_tensor or self.mixed_with != "float":
            raise OptionError("--quantize source has the scales and element types of the source: --io-dtype, --per-tensor and --mixed-with "
                              "are about others")

    @property
    def modes(self) -> tuple[str, ...]:
        """The modes that make a file of their own kind: all but float16."""
        return tuple(mode for mode in self.quantize if mode != "float16")

    def interface(self, mode: str) -> dict[str, str]:
        """Element types by name of an input or output; `EVERY` for all others."""
        given = {name or EVERY: dtype for name, _, dtype in (entry.rpartition("=") for entry in self.io_dtype)}
        return {EVERY: "int8" if mode == "int8-full" else "float32", **given}


def _is_default(value: object, default: object) -> bool:
    """Whether an option is as if it was not given; samples are compared with no other ones."""
    return value is default if default is None else value == default


def is_recipe(mode: str) -> bool:
    """Whether a mode is the path of a recipe."""
    return mode.lower().endswith(".json")


def ending(mode: str) -> str:
    """What the name of a mode's file ends with."""
    return MODES.get(mode) or ("source_quant" if mode == SOURCE else f"{Path(mode).stem}_quant")
