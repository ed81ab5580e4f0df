"""What a source is run on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nchw2nhwc.checking.inputs import index_limits, random_inputs, validate_inputs
from nchw2nhwc.errors import OptionError, UnsupportedError
from nchw2nhwc.interface import TensorInfo
from nchw2nhwc.ir import Array
from nchw2nhwc.options import ConvertOptions, check_range
from nchw2nhwc.source import Source
from nchw2nhwc.source.reading import read, source_inputs


def checked_ranges(inputs: Sequence[TensorInfo], ranges: Mapping[str, Sequence[float]]) -> dict[str, tuple[float, float]]:
    """`ranges` by input name. Raises OptionError for one of an input that does not exist, or that no number is in."""
    known = [info.name for info in inputs]
    for name in ranges:
        if name not in known:
            raise OptionError(f"there is no input '{name}' to give a range", advice=f"The inputs are: {', '.join(known)}.")
    try:
        return {name: check_range(given, name) for name, given in ranges.items()}
    except ValueError as error:
        raise OptionError(str(error)) from None


def source_data(source: Source, options: ConvertOptions, given: Mapping[str, Array] | None,
                ranges: Mapping[str, Sequence[float]]) -> tuple[list[TensorInfo], dict[str, Array]]:
    """The inputs of a source, whatever ops it has, and data for them: what is `given`, else random.

    Inputs that are indices are drawn below what they select from, as far as that can be followed. Raises OptionError and ShapeError for
    data that does not fit.
    """
    inputs = source_inputs(source, options)
    bounds = checked_ranges(inputs, ranges)
    if given is not None:
        return inputs, validate_inputs(inputs, given)
    try:
        limits = index_limits(read(source, options))
    except UnsupportedError:
        limits = {}
    return inputs, random_inputs(inputs, limits, ranges=bounds)
