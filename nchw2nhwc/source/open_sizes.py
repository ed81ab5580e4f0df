"""Errors about sizes that are not known, with the flag that fixes them spelled out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from nchw2nhwc.errors import ConversionError
from nchw2nhwc.ir import Dim

if TYPE_CHECKING:
    from nchw2nhwc.options import ConvertOptions
    from nchw2nhwc.source import Source

PLACEHOLDER = "--input-shape NAME=..."
DECIDED_BY_DATA = "Data decides it when the model runs: end the model before this layer (--outputs), or begin it behind (--inputs)."


@contextmanager
def naming_inputs(source: Source, options: ConvertOptions) -> Iterator[None]:
    """An error whose advice is to fix sizes gets the inputs with open sizes into it: with the numbers that the source declares, and N where
    it declares none. Where no input is open, data decides the size, and the advice says so."""
    try:
        yield
    except ConversionError as error:
        if PLACEHOLDER in error.advice:
            flags = _flags(source, options)
            error.advice = error.advice.replace(PLACEHOLDER, flags) if flags else DECIDED_BY_DATA
        raise


def _flags(source: Source, options: ConvertOptions) -> str:
    """`--input-shape` for every input that is open."""
    from nchw2nhwc.source.reading import source_inputs

    plain = replace(options, mean={}, scale={}, reverse_channels=(), input_dtype={}, random="refuse")
    found = {info.name: info.source_type.shape for info in source_inputs(source, plain)}
    try:
        declared = {info.name: info.source_type.shape for info in source_inputs(source, replace(plain, input_shape={}, batch=None))}
    except ConversionError:  # without the option an input has no shape at all
        declared = found
    flags = []
    for name, shape in found.items():
        if any(isinstance(size, Dim) for size in shape):
            sizes = [own if isinstance(size, Dim) else size for size, own in zip(shape, declared[name])]
            flags.append(f"--input-shape {name}={','.join('N' if isinstance(size, Dim) else str(size) for size in sizes)}")
    return " ".join(flags)
