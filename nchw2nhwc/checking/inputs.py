"""Inputs for the check: random ones, or the user's own from a file."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path

import numpy as np

from nchw2nhwc.errors import OptionError
from nchw2nhwc.interface import TensorInfo
from nchw2nhwc.ir import Array, Dim, Graph, Node, Value, bounds, evaluate
from nchw2nhwc.ir.interpreter import bind_dims
from nchw2nhwc.ir.open_sizes import large_enough
from nchw2nhwc.ops.binary import Equal
from nchw2nhwc.ops.dynamic import DynamicBroadcast, DynamicIota, DynamicReshape
from nchw2nhwc.ops.indexing import Gather

BATCHES = (2, 3)
"""What a dimension of any size is for the check when it is some input's first axis, in one run and in the next."""

EXTENTS = ((64,), (96, 128, 160))
"""What the other dimensions of any size are, in turn, in one run and in the next: multiples of 32, which most image networks need."""

WITHOUT_SOURCE = "Convert it without the check (--no-check), or give inputs that it accepts (--check-inputs FILE.npz)."
"""What to do where the source's runtime does not run it."""


def sample_sizes(inputs: Sequence[TensorInfo], graph: Graph | None = None) -> list[dict[str, int]]:
    """Numbers for the named dimensions, for each run of a check: one run without named dimensions, else two that differ in all of them.

    They are as large as the tensors of `graph`, which has the same names, need to have elements.
    """
    runs = [_sizes(inputs, batch, extents) for batch, extents in zip(BATCHES, EXTENTS)]
    grown = [sizes if graph is None else large_enough(graph, sizes) for sizes in runs]
    return grown if grown[0] else grown[:1]


def random_inputs(inputs: Sequence[TensorInfo], limits: Mapping[str, range], seed: int = 0,
                  ranges: Mapping[str, tuple[float, float]] | None = None, sizes: Mapping[str, int] | None = None) -> dict[str, Array]:
    """Arrays by name, in the source's axis order: floats normal (0, 1), truth values and wide integers 0 or 1, bytes of any value. Raw
    floats are such that they are normal (0, 1) once they are preprocessed, and what the source draws is distributed as there.

    `limits` has the integers that inputs are drawn from which are indices or sizes (`index_limits`). Inputs in `ranges` are uniform between
    two numbers, integers with both of them. `sizes` are numbers for the named dimensions, by default the first of `sample_sizes`.
    """
    rng = np.random.default_rng(seed)
    numbers = sample_sizes(inputs)[0] if sizes is None else sizes
    given = ranges or {}
    return {info.name: _random(rng, info, tuple(evaluate(s, numbers) for s in info.source_type.shape), limits.get(info.name),
                               given.get(info.name)) for info in inputs}


def _sizes(inputs: Sequence[TensorInfo], batch: int, extents: Sequence[int]) -> dict[str, int]:
    """A number for every named dimension: the batch, or the next of `extents` for the axis that it is the size of."""
    dims = [(axis, d) for info in inputs for axis, d in enumerate(info.source_type.shape) if isinstance(d, Dim)]
    following = cycle(extents)
    sizes: dict[str, int] = {}
    for axis, d in dims:
        factor, name, rest = d.linear() or (1, "", 0)
        if name and name not in sizes:
            sizes[name] = batch if axis == 0 and d.is_symbol else max((next(following) - rest) // factor, 1)
            least, most = bounds(d.named(name))
            sizes[name] = max(sizes[name] if most is None else min(sizes[name], most), least or 0)
    for name in sorted({name for _, d in dims for name in d.symbols} - sizes.keys()):
        sizes[name] = next(following)
    return sizes


def _random(rng: np.random.Generator, info: TensorInfo, shape: tuple[int, ...], limit: range | None,
            bounds: tuple[float, float] | None) -> Array:
    dtype = info.given_type.dtype
    if bounds is not None:
        values = rng.integers(int(bounds[0]), int(bounds[1]), shape, endpoint=True) if dtype.kind in "iub" else rng.uniform(*bounds, shape)
        return np.asarray(values).astype(dtype)
    if info.draw is not None:
        return info.draw.sample(rng, shape, dtype)
    if limit is not None:
        return rng.integers(limit.start, limit.stop, shape).astype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(dtype)
    if dtype.kind in "iu":
        low, high = (int(np.iinfo(dtype.name).min), int(np.iinfo(dtype.name).max) + 1) if dtype.itemsize == 1 else (0, 2)
        return rng.integers(low, high, shape).astype(dtype)
    values = rng.standard_normal(shape)
    return (values if info.preprocessing is None else info.preprocessing.undo(values)).astype(dtype)


def load_inputs(path: Path) -> dict[str, Array]:
    """The arrays of an .npz file by name. Raises OptionError when it cannot be read."""
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            loaded = None
        else:
            with loaded:
                return {name: loaded[name] for name in loaded.files}
    except OSError as error:
        raise OptionError(f"cannot read check inputs '{path}': {error.strerror or error}") from None
    except (ValueError, EOFError, KeyError, SyntaxError, zipfile.BadZipFile, zlib.error) as error:
        raise OptionError(f"check inputs '{path}' are not a sound .npz file of numbers", advice=_NPZ) from error
    raise OptionError(f"check inputs '{path}' hold a single array without a name", advice=_NPZ)


_NPZ = "Write it with numpy.savez(FILE, **{input name: array in the source's axis order})."


def with_draws(inputs: Sequence[TensorInfo], given: Mapping[str, Array], seed: int = 0) -> dict[str, Array]:
    """The given arrays, and numbers for the inputs that the source draws at random where there are none. Raises ShapeError for shapes that
    contradict the model or each other."""
    missing = [info for info in inputs if info.draw is not None and info.name not in given]
    if not missing:
        return dict(given)
    interface, rng = Graph("given inputs"), np.random.default_rng(seed)
    for info in inputs:
        if info.name in given:
            interface.add_input(info.name, info.given_type)
    sizes = bind_dims(interface, given)
    return {**given, **{info.name: _random(rng, info, tuple(evaluate(s, sizes) for s in info.source_type.shape), None, None)
                        for info in missing}}


def validate_inputs(inputs: Sequence[TensorInfo], given: Mapping[str, Array]) -> dict[str, Array]:
    """The given arrays in the element types of the source, and what the source draws where it is not given. Raises OptionError for one that
    is missing, unknown or does not fit, ShapeError for shapes that contradict the model or each other."""
    names = ", ".join(info.name for info in inputs)
    if not isinstance(given, Mapping):
        raise OptionError(f"check inputs are arrays by input name, not {type(given).__name__}", advice=f"The inputs are: {names}.")
    unknown = [name for name in given if name not in {info.name for info in inputs}]
    if unknown:
        raise OptionError(f"check input '{unknown[0]}' is not an input of the model", advice=f"The inputs are: {names}.")
    interface = Graph("check inputs")
    for info in inputs:
        interface.add_input(info.name, info.given_type)
    arrays = with_draws(inputs, {name: np.asarray(array) for name, array in given.items()})
    bind_dims(interface, arrays)
    for info in inputs:
        wanted, array = info.given_type.dtype, arrays[info.name]
        if not np.can_cast(array.dtype, wanted, "same_kind"):
            raise OptionError(f"check input '{info.name}' is {array.dtype.name}, the model takes {wanted.name}")
        arrays[info.name] = array.astype(wanted, copy=False)
    return arrays


_SAME_VALUES = ("Cast", "Reshape", "Transpose", "Identity", "Expand", "Slice", "Split", "Concat", "Tile")

_SIZES = range(1, 65)
"""What inputs are drawn from that say how large something becomes."""


def index_limits(graph: Graph) -> dict[str, range]:
    """What inputs are drawn from whose elements are indices or sizes: for an integer one that selects rows of a table (Gather), or is
    compared with each of 0, 1, 2, ... (which spells a one-hot encoding), the numbers below that of the rows or of those, the smallest where
    there are several; for a number or vector that the model makes a size of, such as that of the image to resize to, a few numbers."""
    limits: dict[str, range] = {}
    for start in graph.inputs:
        if start.type.dtype.kind not in "iuf":
            continue
        found, is_size = _read_as(start)
        if found is not None and start.type.dtype.kind != "f":
            limits[start.name] = range(found)
        elif is_size and start.rank < 2:
            limits[start.name] = _SIZES
    return limits


def _read_as(start: Value) -> tuple[int | None, bool]:
    """Among how many values the elements of a tensor select (None: they select nothing), and whether they are sizes."""
    rows, is_size = None, False
    reached, frontier = {id(start)}, [start]
    while frontier:
        value = frontier.pop()
        for node, operand in value.uses:
            selected = _rows(node, operand)
            if selected is not None:
                rows = selected if rows is None else min(rows, selected)
            is_size |= isinstance(node.op, DynamicIota) or (isinstance(node.op, (DynamicBroadcast, DynamicReshape)) and operand == 1)
            if selected is None and (node.op.name in _SAME_VALUES or (isinstance(node.op, Gather) and operand == 0)):
                fresh = [v for v in node.outputs if id(v) not in reached]
                reached |= {id(v) for v in fresh}
                frontier += fresh
    return rows, is_size


def _rows(node: Node, operand: int) -> int | None:
    """How many values this operand selects among; None when it selects nothing, or among any number."""
    if isinstance(node.op, Gather) and operand == 1:
        size = node.input(0).shape[node.op.axis]
        return size if isinstance(size, int) else None
    if isinstance(node.op, Equal):
        choices = node.input(1 - operand).const
        if choices is not None and choices.size > 1 and np.array_equal(np.sort(choices, axis=None), np.arange(choices.size)):
            return choices.size
    return None
