"""The options of a conversion. Every field is also a flag of the command line, made from the metadata beside it.

`ConvertOptions` holds what decides the result and is what `nchw2nhwc.convert` takes; `RunOptions` holds what only a run of the command
line has: where files go, the check, and what is printed.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import Field, dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from nchw2nhwc.errors import OptionError
from nchw2nhwc.options_metadata import labels_by_output, read_labels
from nchw2nhwc.options_preprocess import (
    INPUT_TYPES,
    numbers_by_input,
    parse_input_type,
    parse_numbers,
    reversed_inputs,
    types_by_input,
)

LAYOUTS = ("auto", "source", "nhwc")
"""What the layout of an input or output can be asked to be; "nchw" is accepted as another word for "source"."""

EVERY = "*"
"""Stands for every input (or output) that is not named itself in `input_layout` (`output_layout`)."""

KERAS_FILES: Mapping[str, tuple[str, ...]] = {"keras": (".keras",), "saved_model": ("_saved_model",), "h5": (".h5",), "pb": (".pb",),
                                              "weights": (".weights.h5", "_architecture.json")}
"""What can be written by way of Keras, with the endings of its files (a SavedModel is a folder)."""

TARGETS = ("tflite", *KERAS_FILES)
"""What can be written."""

CPU = "cpu"

DEVICES = (CPU, "gpu", "edgetpu", "nnapi", "micro")
"""What a TFLite file can be for."""

FIXED_SIZES = ("edgetpu", "micro")
"""Devices for which all sizes have to be known."""

APPROXIMATED = ("edgetpu",)
"""Devices for which functions may be approximated; results are allowed the error of float16 ones."""

Route: TypeAlias = Literal["tflite", "keras", "trainable"]
"""Whose graph is made of a source: TFLite's, Keras', or Keras' with everything kept apart that is trained."""

Form: TypeAlias = Literal["auto", "while", "unroll"]
"""How the steps of recurrent layers and loops run: as the target does it best, as a loop whose body is one step, or one after another."""

FORMS: tuple[Form, ...] = ("auto", "while", "unroll")
"""What `rnn` can be."""

Nms: TypeAlias = Literal["builtin", "detection-postprocess", "cut"]
"""What becomes of non-maximum suppression: operators of the target, the custom operator that TFLite has for it, with which the model ends,
or nothing, because the model ends before it."""

NMS_FORMS: tuple[Nms, ...] = ("builtin", "detection-postprocess", "cut")
"""What `nms` can be."""

TOLERANCE = 1e-4
"""Largest error of a float32 result, relative to the output's largest magnitude."""

MIN_SQNR = 30.0
"""Decibels of signal over noise that a result of a quantized source has at least. Runtimes round halves, and sums just below them, to
different steps, and every network spreads that; in ONNX Runtime a ResNet-18 is 39 dB apart from itself without optimisations."""

TOLERANCE_QUANTIZED = 5e-2
"""The same for tensors inside of a quantized network, in which a step is 1/256 of a range, or twice that of the largest magnitude."""

TOLERANCE_FLOAT16 = 1e-2
"""The same for a float16 result or source: weights keep 11 significant bits, each is off by up to 5e-4, and errors add up over layers."""


TOLERANCE_QUANTIZED = 0.1
"""The same for a quantized result, in `openvino2tf check`: a result in other hands than a conversion's, which measures SQNR instead."""


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


# ---- reading a flag's value: each raises ValueError with a message for the user -----------------------------------------
def parse_shape(text: str) -> tuple[int, ...]:
    """`1,3,224,224` as integers; `-1` or `?` is a dimension of any size."""
    try:
        sizes = tuple(-1 if part.strip() == "?" else int(part) for part in text.split(",")) if text.strip() else ()
    except ValueError:
        raise ValueError(f"'{text}' is not a shape; write numbers with commas between them, as in 1,3,224,224") from None
    return check_shape(sizes, text)


def check_shape(sizes: Sequence[int], what: str) -> tuple[int, ...]:
    """`sizes` as a tuple when each is positive or -1; raises ValueError naming `what`."""
    if any(s < 1 and s != -1 for s in sizes):
        raise ValueError(f"'{what}' has a size that is not positive; -1 stands for any size")
    return tuple(sizes)


def parse_values(text: str) -> tuple[float, ...]:
    """`1,2.5` as numbers."""
    try:
        return check_values([float(part) for part in text.split(",")], text)
    except ValueError:
        raise ValueError(f"'{text}' is no value; write numbers with commas between them, as in 16000") from None


def check_values(numbers: Sequence[float], what: str) -> tuple[float, ...]:
    """`numbers` as a tuple when each is finite and there is one; raises ValueError naming `what`."""
    if not numbers or not all(map(math.isfinite, numbers)):
        raise ValueError(f"'{what}' needs at least one finite number as its value")
    return tuple(numbers)


def parse_layout(text: str) -> str:
    """One of `LAYOUTS`, in any case."""
    layout = text.strip().lower()
    layout = "source" if layout == "nchw" else layout
    if layout not in LAYOUTS:
        raise ValueError(f"'{text}' is not a layout; choose from {', '.join(LAYOUTS)}")
    return layout


def parse_device(text: str) -> str:
    """One of `DEVICES`, in any case."""
    device = text.strip().lower()
    if device not in DEVICES:
        raise ValueError(f"'{text}' is no target; choose from {', '.join(DEVICES)}")
    return device


def parse_batch(text: str) -> int:
    """A batch size of at least 1, or -1 for any."""
    try:
        return check_shape((int(text),), text)[0]
    except ValueError:
        raise ValueError(f"'{text}' is not a batch size; give a positive number, or -1 for any size") from None


def parse_form(text: str) -> Form:
    """One of `FORMS`, in any case."""
    for form in FORMS:
        if form == text.strip().lower():
            return form
    raise ValueError(f"'{text}' is no way to run recurrent layers; choose from {', '.join(FORMS)}")


def parse_nms(text: str) -> Nms:
    """One of `NMS_FORMS`, in any case."""
    for form in NMS_FORMS:
        if form == text.strip().lower():
            return form
    raise ValueError(f"'{text}' is nothing that non-maximum suppression can become; choose from {', '.join(NMS_FORMS)}")


def parse_tolerance(text: str) -> float:
    """A finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"'{text}' is not a tolerance; give a number above 0, such as 1e-4")
    return value


def parse_range(text: str) -> tuple[float, float]:
    """`LOW,HIGH` as two numbers."""
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != 2:
        raise ValueError(f"'{text}' is not a range; write two numbers with a comma between them, as in 0,255")
    return check_range(numbers, text)


def check_range(bounds: Sequence[float], what: str) -> tuple[float, float]:
    """Two finite numbers, the first not above the second; raises ValueError naming `what`."""
    low, high = bounds
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ValueError(f"'{what}' is not a range from a lower to a higher number")
    return low, high


def parse_count(text: str) -> int:
    """A whole number above 0."""
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"'{text}' is not a number of samples; give a whole number above 0")
    return int(text)


def split_names(text: str) -> tuple[str, ...]:
    r"""Names with commas between them; `\,` is a comma that belongs to a name."""
    parts = text.replace("\\,", "\0").split(",")
    return tuple(name for part in parts if (name := part.replace("\0", ",").strip()))


def split_pair(text: str) -> tuple[str, str]:
    """`NAME=VALUE` as `(NAME, VALUE)`; the name may itself hold `=`."""
    name, equals, value = text.rpartition("=")
    if not equals or not name:
        raise ValueError(f"'{text}' is not of the form NAME=VALUE")
    return name, value


@dataclass(frozen=True)
class ConvertOptions:
    """What decides the result of a conversion. Raises OptionError for a value that can never be right.

    `bin` is a path or, for a model given as bytes, bytes. Shapes are in the source's axis order, with -1 for a dimension of any size.
    `inputs` and `outputs` cut the model; an empty sequence keeps the model's own. With `mean`, `scale`, `reverse_channels` or `input_dtype`
    an input of the result takes raw data, `(reversed(x) - mean) / scale` of which is what the source gets; each is for the only image-like
    input, or maps input names (`reverse_channels`: True or names). `labels` (a file, texts, or either by output name) and `model_...`
    become TFLite metadata, which the TFLite Task Library and MediaPipe read.
    """

    bin: str | os.PathLike[str] | bytes | None = field(default=None, metadata=flag(
        "weights of an IR model (default: the .bin beside the .xml)", metavar="FILE"))
    input_shape: Mapping[str, Sequence[int]] = field(default_factory=dict, metadata=flag(
        "shape of an input, in the source's axis order; -1 is a dimension of any size; repeatable", kind="mapping", metavar="NAME=1,3,H,W",
        parse=parse_shape))
    input_value: Mapping[str, Sequence[float]] = field(default_factory=dict, metadata=flag(
        "make an input a constant: one number, or all elements in row-major order; for inputs that decide what is computed, such as a "
        "sample rate; repeatable", kind="mapping", metavar="NAME=VALUE", parse=parse_values))
    batch: int | None = field(default=None, metadata=flag(
        "size of every input's first axis; -1 is any size", metavar="N", parse=parse_batch))
    input_layout: Mapping[str, str] = field(default_factory=dict, metadata=flag(
        "layout of an input: auto (channels-last where it is image-like), source (as in the source) or nhwc (channels-last); "
        f"NAME '{EVERY}' is every other input; repeatable", kind="mapping", metavar="NAME=LAYOUT", parse=parse_layout))
    output_layout: Mapping[str, str] = field(default_factory=dict, metadata=flag(
        "the same for an output; auto is whichever of channels-last and source costs nothing", kind="mapping", metavar="NAME=LAYOUT",
        parse=parse_layout))
    keep_layout: bool = field(default=False, metadata=flag(
        "keep the source's axis order of all inputs and outputs that are not given a layout by name", kind="switch"))
    rnn: Form = field(default="auto", metadata=flag(
        f"how recurrent layers and loops run: {', '.join(FORMS)}; auto (default) is a kernel or layer of the target that computes "
        "the same, else the steps one after another where they are a few, else a loop; while is a loop for all; unroll is no loop at all",
        metavar="FORM", parse=parse_form))
    nms: Nms = field(default="builtin", metadata=flag(
        f"what becomes of non-maximum suppression: {', '.join(NMS_FORMS)}; builtin (default) is operators of the target, with the source's "
        "exact indices; detection-postprocess ends the model with the custom operator TFLite_Detection_PostProcess in its place: boxes, "
        "classes, scores and their number; cut ends the model before it: what it and the layers behind it read are outputs", metavar="FORM",
        parse=parse_nms))
    dequantize: bool = field(default=False, metadata=flag(
        "TFLite: compute in float what the source quantizes, with its roundings as arithmetic (default: as integers, with the source's "
        "scales); Keras models do that anyway", kind="switch"))
    inputs: Sequence[str] = field(default=(), metadata=flag(
        "cut the model: these tensors or layers become its inputs (comma-separated, '\\,' for a comma in a name)", kind="list",
        metavar="NAMES"))
    outputs: Sequence[str] = field(default=(), metadata=flag(
        "cut the model: these tensors or layers become its outputs", kind="list", metavar="NAMES"))
    target: str = field(default=CPU, metadata=flag(
        f"what the TFLite file is for: {', '.join(DEVICES)} (default {CPU}); what a device lacks is said in what it has where that is "
        "possible, and the report lists every operator that it does not run; edgetpu implies --quantize int8-full", metavar="DEVICE",
        parse=parse_device))
    mean: Mapping[str, Sequence[float]] | Sequence[float] | float = field(default_factory=dict, metadata=flag(
        "the result takes raw images and subtracts this from their channels, in the source's order of them; without NAME= of the only "
        "image-like input; repeatable", kind="named", metavar="[NAME=]R,G,B", parse=parse_numbers))
    scale: Mapping[str, Sequence[float]] | Sequence[float] | float = field(default_factory=dict, metadata=flag(
        "divide raw images by this, after --mean", kind="named", metavar="[NAME=]R,G,B", parse=parse_numbers))
    reverse_channels: bool | Sequence[str] = field(default=(), metadata=flag(
        "reverse the channels of raw images (BGR to RGB), before --mean; --reverse-channels-of NAMES where several inputs are image-like",
        kind="switch or list", metavar="NAMES"))
    input_dtype: Mapping[str, str] | str = field(default_factory=dict, metadata=flag(
        f"element type of raw images: {' or '.join(INPUT_TYPES)}", kind="named", metavar="[NAME=]TYPE", parse=parse_input_type))
    labels: Mapping[str, Sequence[str] | str | os.PathLike[str]] | Sequence[str] | str | os.PathLike[str] = field(
        default_factory=dict, metadata=flag(
            "labels of an output's last axis, one a line, for the TFLite file's metadata; without NAME= of the only output of that size",
            kind="named", metavar="[NAME=]FILE", parse=read_labels))
    model_name: str = field(default="", metadata=flag("the model's name in the TFLite file's metadata", metavar="TEXT"))
    model_description: str = field(default="", metadata=flag("its description", metavar="TEXT"))
    model_version: str = field(default="", metadata=flag("its version", metavar="TEXT"))
    model_author: str = field(default="", metadata=flag("its author", metavar="TEXT"))
    model_license: str = field(default="", metadata=flag("its licence", metavar="TEXT"))

    def __post_init__(self) -> None:
        try:
            shapes = {name: check_shape(tuple(int(s) for s in shape), name) for name, shape in self.input_shape.items()}
            layouts = [{name: parse_layout(layout) for name, layout in given.items()} for given in (self.input_layout, self.output_layout)]
            numbers = {name: check_values([float(v) for v in given], name) for name, given in self.input_value.items()}
            form, nms = parse_form(self.rnn), parse_nms(self.nms)
            if self.batch is not None:
                check_shape((self.batch,), f"batch={self.batch}")
            device = parse_device(self.target)
        except (ValueError, TypeError, AttributeError) as error:
            raise OptionError(str(error)) from None
        for name, value in (("input_shape", shapes), ("input_value", numbers), ("target", device), ("rnn", form), ("nms", nms),
                            ("input_layout", layouts[0]), ("output_layout", layouts[1]),
                            ("inputs", _names("inputs", self.inputs)), ("outputs", _names("outputs", self.outputs)),
                            ("mean", numbers_by_input("mean", self.mean, zero=True)),
                            ("scale", numbers_by_input("scale", self.scale, zero=False)),
                            ("reverse_channels", reversed_inputs(self.reverse_channels)),
                            ("input_dtype", types_by_input(self.input_dtype)),
                            ("labels", labels_by_output(self.labels))):
            object.__setattr__(self, name, value)

    @property
    def describes(self) -> bool:
        """Whether the TFLite file is to say who made the model, or what its outputs mean."""
        return any((self.labels, self.model_name, self.model_description, self.model_version, self.model_author, self.model_license))

    @property
    def preprocesses(self) -> bool:
        """Whether any input takes raw data."""
        return any((self.mean, self.scale, self.reverse_channels, self.input_dtype))


def _names(what: str, names: Iterable[str]) -> tuple[str, ...]:
    """Names without repetition; raises OptionError for a bare string, which would be read letter by letter."""
    if isinstance(names, str):
        raise OptionError(f"{what} is a sequence of names, not one string", advice=f"Write {what}=[{names!r}].")
    result = tuple(names)
    if len(set(result)) < len(result):
        raise OptionError(f"{what} names '{next(n for n in result if result.count(n) > 1)}' twice")
    return result


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
    quiet: bool = field(default=False, metadata=flag("print nothing but errors", kind="switch"))
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
