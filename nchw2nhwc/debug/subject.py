"""An earlier result together with the source that it was made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nchw2nhwc.checking.inputs import index_limits
from nchw2nhwc.errors import ConversionError, Location, OptionError, ShapeError, SourceError
from nchw2nhwc.interface import TensorInfo, describe
from nchw2nhwc.ir import Graph, TensorType
from nchw2nhwc.ir.preprocessing import Preprocessing
from nchw2nhwc.metadata import Declared, Metadata
from nchw2nhwc.metadata import read as read_metadata
from nchw2nhwc.options import (
    APPROXIMATED,
    MIN_SQNR,
    TOLERANCE,
    TOLERANCE_FLOAT16,
    TOLERANCE_QUANTIZED,
    ConvertOptions,
    check_tolerance,
)
from nchw2nhwc.source import Source
from nchw2nhwc.source.reading import prepared, read
from nchw2nhwc.source.traits import in_half, inputs_of, is_quantized, tensor_of


@dataclass(frozen=True)
class Subject:
    """A result and its source: the interface as both know it, the source's graph (cut as the result is), what inputs are drawn from that
    are indices or sizes, whether the source's runtime computes in float16, and whether it rounds to integers inside."""

    source: Source
    result: Path
    metadata: Metadata
    graph: Graph
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    limits: Mapping[str, range]
    half: bool
    quantized: bool

    @property
    def min_sqnr(self) -> float | None:
        """What the ratio of signal to noise is held against, in decibels; None unless the source is quantized."""
        return MIN_SQNR if self.quantized else None

    @property
    def options(self) -> ConvertOptions:
        """How the source has to be read for this result."""
        return replace(self.metadata.options, bin=self.source.bin)

    def tolerance(self, given: float | None) -> float:
        """The tolerance to hold against: the one that is given, else the one that suits the precision. Raises OptionError for one that is
        no number above 0."""
        if given is not None:
            return check_tolerance(given)
        if self.metadata.quantization:
            return TOLERANCE_QUANTIZED
        loose = self.half or self.metadata.float16 or self.metadata.options.target in APPROXIMATED
        return TOLERANCE_FLOAT16 if loose else TOLERANCE


def open_subject(source: Source, result: Path) -> Subject:
    """Read a result's metadata and its source. Raises SourceError where the result does not say how it is stored, or belongs to another
    model."""
    metadata = read_metadata(result)
    try:
        source = prepared(source, metadata.options)
        graph = read(source, replace(metadata.options, bin=source.bin))
    except (OptionError, ShapeError) as error:
        raise _stranger(source, result, error.reason) from None
    inputs = tuple(replace(info, draw=graph.draws.get(info.name)) for info in _bind(metadata.inputs, inputs_of(graph), source, result))
    named = [(n, tensor_of(n, v, metadata.options), v.type, None) for n, v in zip(graph.output_names, graph.outputs)]
    outputs = _bind(metadata.outputs, named, source, result)
    return Subject(source, result, metadata, graph, inputs, outputs, index_limits(graph), in_half(source, graph),
                   is_quantized(graph))


def _bind(declared: Sequence[Declared], known: Sequence[tuple[str, str, TensorType, Preprocessing | None]], source: Source,
          result: Path) -> tuple[TensorInfo, ...]:
    """The declared inputs or outputs with what the source says of them. Raises SourceError where both differ."""
    if [d.name for d in declared] != [name for name, *_ in known]:
        names = ", ".join(d.name for d in declared)
        raise _stranger(source, result, f"the result has {names}, the model {', '.join(name for name, *_ in known)}")
    found = []
    for each, (name, tensor, type, raw) in zip(declared, known):
        sizes = tuple(s if isinstance(s, int) else -1 for s in type.shape)
        if sizes != each.source_shape or sorted(each.perm) != list(range(type.rank)):
            raise _stranger(source, result, f"'{name}' is {list(each.source_shape)} for the result, {list(sizes)} in the model")
        declared_type = _dtype(each.dtype, result)
        # A quantized input or output is given and read as the numbers that its integers stand for.
        given = type.dtype if raw is None else raw.raw_dtype
        quantized = given.kind not in "iub" and declared_type.kind in "iu"
        stored = TensorType(np.dtype(np.float32) if quantized else declared_type, tuple(type.shape[a] for a in each.perm))
        found.append(describe(name, tensor, type, stored, each.perm, raw))
    return tuple(found)


def _dtype(name: str, result: Path) -> np.dtype[np.generic]:
    try:
        return np.dtype(name)
    except TypeError:
        raise SourceError(f"the result's metadata names an unknown element type '{name}'", Location(result.name)) from None


def _stranger(source: Source, result: Path, reason: str) -> ConversionError:
    return SourceError(f"it does not belong to {source.name or 'this model'}: {reason}", Location(result.name),
                       "Give the model that the result was made from.")
