"""The options that decide the result of a conversion."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from nchw2nhwc.errors import OptionError
from nchw2nhwc.options.choices import CPU, DEVICES, EVERY, FORMS, NMS_FORMS, RANDOM_FORMS, Form, Nms, Random
from nchw2nhwc.options.flags import flag
from nchw2nhwc.options.metadata import Labels, labels_by_output, read_labels
from nchw2nhwc.options.preprocess import (
    INPUT_TYPES,
    Numbers,
    numbers_by_input,
    parse_input_type,
    parse_numbers,
    reversed_inputs,
    types_by_input,
)
from nchw2nhwc.options.values import (
    check_shape,
    check_values,
    parse_batch,
    parse_device,
    parse_form,
    parse_layout,
    parse_nms,
    parse_random,
    parse_shape,
    parse_values,
    require_kinds,
)


@dataclass(frozen=True)
class ConvertOptions:
    """What decides the result of a conversion: the options of `convert`, which describes each.

    Raises OptionError for a value that can never be right.
    """

    bin: str | os.PathLike[str] | bytes | None = field(default=None, metadata=flag(
        "weights of an IR model (default: the .bin beside the .xml)", metavar="FILE"))
    input_shape: Mapping[str, Sequence[int]] = field(default_factory=dict, metadata=flag(
        "shape of an input, in the source's axis order; -1 is a dimension of any size (default: as in the model); repeatable",
        kind="mapping", metavar="NAME=1,3,H,W", parse=parse_shape))
    input_value: Mapping[str, Sequence[float]] = field(default_factory=dict, metadata=flag(
        "make an input a constant: one number, or all elements in row-major order; for inputs that decide what is computed, such as a "
        "sample rate; repeatable", kind="mapping", metavar="NAME=VALUE", parse=parse_values))
    batch: int | None = field(default=None, metadata=flag(
        "size of every input's first axis; -1 is any size (default: as in the model)", metavar="N", parse=parse_batch))
    input_layout: Mapping[str, str] = field(default_factory=dict, metadata=flag(
        "layout of an input: auto (default: channels-last where it is image-like), source (as in the source) or nhwc (channels-last); "
        f"NAME '{EVERY}' is every other input; repeatable", kind="mapping", metavar="NAME=LAYOUT", parse=parse_layout))
    output_layout: Mapping[str, str] = field(default_factory=dict, metadata=flag(
        "the same for an output; auto (default) is whichever of channels-last and source costs nothing", kind="mapping",
        metavar="NAME=LAYOUT", parse=parse_layout))
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
    random: Random = field(default="refuse", metadata=flag(
        f"what becomes of numbers that the model draws at random: {', '.join(RANDOM_FORMS)}; refuse (default) is an error; inputs gives "
        "the model an input in the place of each such tensor, by its name, so that results can be compared and repeated", metavar="FORM",
        parse=parse_random))
    dequantize: bool = field(default=False, metadata=flag(
        "TFLite: compute in float what the source quantizes, with its roundings as arithmetic and weights of float32 (default: as "
        "integers, with the source's scales); Keras models do that anyway", kind="switch"))
    inputs: Sequence[str] = field(default=(), metadata=flag(
        "cut the model: these tensors or layers become its inputs (comma-separated, '\\,' for a comma in a name)", kind="list",
        metavar="NAMES"))
    outputs: Sequence[str] = field(default=(), metadata=flag(
        "cut the model: these tensors or layers become its outputs", kind="list", metavar="NAMES"))
    target: str = field(default=CPU, metadata=flag(
        f"what the TFLite file is for: {', '.join(DEVICES)} (default {CPU}); what a device lacks is said in what it has where that is "
        "possible, and the report lists every operator that it does not run; edgetpu implies --quantize int8-full", metavar="DEVICE",
        parse=parse_device))
    mean: Mapping[str, Numbers] | Numbers = field(default_factory=dict, metadata=flag(
        "the result takes raw images and subtracts this from their channels, in the source's order of them; without NAME= of the only "
        "image-like input; repeatable", kind="named", metavar="[NAME=]R,G,B", parse=parse_numbers))
    scale: Mapping[str, Numbers] | Numbers = field(default_factory=dict, metadata=flag(
        "divide raw images by this, after --mean", kind="named", metavar="[NAME=]R,G,B", parse=parse_numbers))
    reverse_channels: bool | Sequence[str] = field(default=(), metadata=flag(
        "reverse the channels of raw images (BGR to RGB), before --mean; --reverse-channels-of NAMES where several inputs are image-like",
        kind="switch or list", metavar="NAMES"))
    input_dtype: Mapping[str, str] | str = field(default_factory=dict, metadata=flag(
        f"element type of raw images: {' or '.join(INPUT_TYPES)} (default: the input's own)", kind="named", metavar="[NAME=]TYPE",
        parse=parse_input_type))
    labels: Mapping[str, Labels] | Labels = field(default_factory=dict, metadata=flag(
        "labels of an output's last axis, one a line, for the TFLite file's metadata; without NAME= of the only output of that size",
        kind="named", metavar="[NAME=]FILE", parse=read_labels))
    model_name: str = field(default="", metadata=flag("the model's name in the TFLite file's metadata", metavar="TEXT"))
    model_description: str = field(default="", metadata=flag("its description", metavar="TEXT"))
    model_version: str = field(default="", metadata=flag("its version", metavar="TEXT"))
    model_author: str = field(default="", metadata=flag("its author", metavar="TEXT"))
    model_license: str = field(default="", metadata=flag("its licence", metavar="TEXT"))

    def __post_init__(self) -> None:
        for what in ("input_shape", "input_layout", "output_layout", "input_value"):
            _require_names(what, getattr(self, what))
        require_kinds(self)
        try:
            shapes = {name: check_shape(shape, name) for name, shape in self.input_shape.items()}
            layouts = [{name: parse_layout(layout) for name, layout in given.items()} for given in (self.input_layout, self.output_layout)]
            numbers = {name: check_values([float(v) for v in given], name) for name, given in self.input_value.items()}
            form, nms, random = parse_form(self.rnn), parse_nms(self.nms), parse_random(self.random)
            batch = None if self.batch is None else check_shape((self.batch,), "batch")[0]
            device = parse_device(self.target)
        except (ValueError, TypeError, AttributeError) as error:
            raise OptionError(str(error)) from None
        for name, value in (("input_shape", shapes), ("input_value", numbers), ("target", device), ("rnn", form), ("nms", nms),
                            ("random", random), ("batch", batch),
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


def _require_names(what: str, given: object) -> None:
    """Raises OptionError for anything but a mapping."""
    if not isinstance(given, Mapping):
        raise OptionError(f"{what} is {type(given).__name__}, but has to say by name which {what.partition('_')[0]} has what",
                          advice=f"Write {what}={{NAME: ...}}.")


def _names(what: str, names: Iterable[str]) -> tuple[str, ...]:
    """Names without repetition; raises OptionError for a bare string, which would be read letter by letter."""
    if isinstance(names, str):
        raise OptionError(f"{what} is a sequence of names, not one string", advice=f"Write {what}=[{names!r}].")
    result = tuple(names)
    if not all(isinstance(name, str) for name in result):
        raise OptionError(f"{what}={names!r}: give a sequence of names")
    if len(set(result)) < len(result):
        raise OptionError(f"{what} names '{next(n for n in result if result.count(n) > 1)}' twice")
    return result
