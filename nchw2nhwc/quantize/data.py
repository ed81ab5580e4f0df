"""Samples to calibrate with: by input name and in the source's axis order, each as one run of the model takes it.

An array with the rank of its input is cut along its first axis into pieces as large as the model's own first axis (1 where that is of any
size); in one with an axis more, that axis counts samples. What the source draws at random may be left out.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nchw2nhwc.errors import Location, OptionError
from nchw2nhwc.interface import TensorInfo
from nchw2nhwc.ir import Array
from nchw2nhwc.options.quantize import Samples

ARRAYS = (".npz", ".npy")
_HOW = ("Give an .npz file made with numpy.savez(FILE, **{input name: array of samples}), an .npy file where there is one input, a folder "
        "of those, or a folder of images.")


@dataclass(frozen=True)
class Calibration:
    """Samples, and in words where they come from. `held_out` are not calibrated with; accuracy is measured on them, or on `samples` where
    there was only one."""

    samples: Samples
    held_out: Samples
    origin: str

    @property
    def tested(self) -> Samples:
        """What accuracy is measured on."""
        return self.held_out or self.samples


def split(samples: Samples, origin: str, *, hold_out: bool = True) -> Calibration:
    """Every fifth sample is held out, of fewer than five the last one; one alone is not."""
    if len(samples) < 2 or not hold_out:
        return Calibration(samples, (), origin)
    out = set(range(4, len(samples), 5)) or {len(samples) - 1}
    return Calibration([s for k, s in enumerate(samples) if k not in out], [s for k, s in enumerate(samples) if k in out], origin)


def spread(count: int, most: int) -> list[int]:
    """At most `most` of `count` indices, evenly spread."""
    return sorted({int(k) for k in np.linspace(0, count - 1, min(count, most)).round()})


def stride(count: int, most: int) -> int:
    """Every which of `count` is taken for about `most` of them. It has no divisor in common with `count`, so that of places in rows all
    columns are met."""
    step = max(1, count // max(1, most))
    while math.gcd(step, count) > 1:
        step += 1
    return step


def read_arrays(path: Path, inputs: Sequence[TensorInfo], layout: str, most: int) -> list[dict[str, Array]]:
    """The samples of a file, or of all files of a folder by name. Raises OptionError."""
    files = sorted(each for each in path.iterdir() if each.suffix.lower() in ARRAYS) if path.is_dir() else [path]
    found: list[dict[str, Array]] = []
    for file in files:
        found += samples_of(_load(file, inputs), inputs, layout, file.name)
    return [found[k] for k in spread(len(found), most)]


def _load(file: Path, inputs: Sequence[TensorInfo]) -> dict[str, Array]:
    """The arrays of a file by input name."""
    try:
        loaded = np.load(file, allow_pickle=False)
        if not isinstance(loaded, np.ndarray):
            with loaded:
                return {name: loaded[name] for name in loaded.files}
    except OSError as error:
        raise OptionError(f"cannot read calibration data '{file}': {error.strerror or error}", advice=_HOW) from None
    except (ValueError, EOFError, KeyError, SyntaxError, zipfile.BadZipFile, zlib.error) as error:
        raise OptionError(f"calibration data '{file}' is no sound .npz or .npy file of numbers", advice=_HOW) from error
    names = [info.name for info in inputs if info.draw is None]
    if len(names) != 1:
        raise OptionError(f"calibration data '{file}' is one array, the model has {len(names)} inputs", advice=_HOW)
    return {names[0]: loaded}


def samples_of(arrays: Mapping[str, Array], inputs: Sequence[TensorInfo], layout: str, file: str) -> list[dict[str, Array]]:
    """The samples in arrays by input name. Raises OptionError."""
    inputs = [info for info in inputs if info.draw is None or info.name in arrays]
    names = [info.name for info in inputs]
    unknown, missing = [n for n in arrays if n not in names], [n for n in names if n not in arrays]
    if unknown or missing:
        problem = f"'{unknown[0]}' is not an input of the model" if unknown else f"there is no array for the input '{missing[0]}'"
        raise OptionError(f"calibration data: {problem}", Location(file), f"The inputs are: {', '.join(names)}.")
    cut = {info.name: _pieces(np.asarray(arrays[info.name]), info, layout, file) for info in inputs}
    counts = {name: len(pieces) for name, pieces in cut.items()}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"'{name}' {count}" for name, count in counts.items())
        raise OptionError(f"calibration data: the inputs do not have the same number of samples: {listed}", Location(file))
    samples = [{name: pieces[k] for name, pieces in cut.items()} for k in range(next(iter(counts.values()), 0))]
    for sample in samples:
        _same_sizes(sample, inputs, file)
    return samples


def _pieces(array: Array, info: TensorInfo, layout: str, file: str) -> list[Array]:
    """One input's samples in the source's order of axes and its element type."""
    values = _as_type(array, info, file)
    rank = len(info.source_shape)
    if values.ndim == rank + 1:
        pieces = list(values)
    elif values.ndim == rank == 0:
        pieces = [values]
    elif values.ndim == rank:
        first = (info.source_shape if layout == "source" else info.shape)[0]
        size = first if first > 0 else 1
        if len(values) % size:
            raise OptionError(f"calibration data: '{info.name}' has {len(values)} rows, which is no multiple of the model's {size}",
                              Location(file))
        pieces = [values[k:k + size] for k in range(0, len(values), size)]
    else:
        raise _misfit(array.shape, info, layout, file)
    if not pieces:
        raise OptionError(f"calibration data: '{info.name}' holds no sample", Location(file), _HOW)
    wanted = info.source_shape if layout == "source" else info.shape
    if any(size not in (-1, given) for size, given in zip(wanted, pieces[0].shape)) or 0 in pieces[0].shape:
        raise _misfit(array.shape, info, layout, file)
    return [piece if layout == "source" else info.to_source(piece) for piece in pieces]


def _as_type(array: Array, info: TensorInfo, file: str) -> Array:
    """The values in the element type that is given, which has to be able to hold them."""
    wanted = info.given_type.dtype
    if array.dtype.kind not in "biuf" and array.dtype.name != "bfloat16":
        raise OptionError(f"calibration data: '{info.name}' has elements of type {array.dtype}, which are no numbers", Location(file))
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise OptionError(f"calibration data: '{info.name}' has NaN or infinite values", Location(file),
                          "They would spoil every range; take these samples out.")
    with np.errstate(over="ignore", invalid="ignore"):
        values = array.astype(wanted)
    if wanted.kind in "biu" and not np.array_equal(values, array):
        raise OptionError(f"calibration data: '{info.name}' is {array.dtype}, with values that the model's {wanted.name} cannot hold",
                          Location(file))
    if wanted.kind not in "biu" and not np.isfinite(values).all():
        raise OptionError(f"calibration data: '{info.name}' has values that are too large for {wanted.name}", Location(file))
    return values


def _misfit(shape: Sequence[int], info: TensorInfo, layout: str, file: str) -> OptionError:
    """The error for an array of another shape, with the layout that it does have if it is the other one."""
    def text(sizes: Sequence[int]) -> str:
        return f"[{', '.join('?' if size < 0 else str(size) for size in sizes)}]"

    def fits(sizes: Sequence[int]) -> bool:
        last = shape[len(shape) - len(sizes) + 1:]
        return len(shape) - len(sizes) in (0, 1) and all(a in (-1, b) for a, b in zip(sizes[1:], last))

    mine, other = (info.source_shape, info.shape) if layout == "source" else (info.shape, info.source_shape)
    says = "source" if layout == "result" else "result"
    advice = (f"They fit the {says}'s order of axes, {text(other)}: say --calibration-layout {says}." if fits(other) and mine != other
              else "An array has the input's rank, samples along the first axis, or one axis more, which counts them.")
    return OptionError(f"calibration data: '{info.name}' has the shape {text(shape)}, the {layout}'s input is {text(mine)}", Location(file),
                       advice)


def _same_sizes(sample: Mapping[str, Array], inputs: Sequence[TensorInfo], file: str) -> None:
    """Dimensions of the same name have the same size. Raises OptionError."""
    known: dict[str, tuple[int, str]] = {}
    for info in inputs:
        for dim, size in zip(info.source_type.shape, sample[info.name].shape):
            if isinstance(dim, int) or not dim.is_symbol:
                continue
            before, name = known.setdefault(str(dim), (size, info.name))
            if before != size:
                raise OptionError(f"calibration data: '{dim}' is {before} in '{name}' and {size} in '{info.name}'", Location(file))
