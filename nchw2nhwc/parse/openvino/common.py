"""What mapping functions of several families share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod

from nchw2nhwc.errors import SourceError, UnsupportedError
from nchw2nhwc.ir import Dim, Shape, Size, Value, exact_div, product
from nchw2nhwc.ops.base import UnequalSizesError
from nchw2nhwc.ops.elementwise import Identity
from nchw2nhwc.parse.builder import Builder

MAX_RANK = 32
"""More axes than numpy arrays have in every supported version."""


def axis_of(axis: int, rank: int, what: str = "axis") -> int:
    """`axis` counted from the front. Raises SourceError when a tensor of `rank` axes has none such."""
    if not -rank <= axis < rank:
        raise SourceError(f"{what} {axis} does not exist in a tensor of {rank} axes")
    return axis % rank


def axes_of(axes: Iterable[int], rank: int, what: str = "axis") -> tuple[int, ...]:
    """Axes counted from the front, ascending, each once. Raises SourceError."""
    return tuple(sorted({axis_of(axis, rank, what) for axis in axes}))


def one_int(b: Builder, value: Value, what: str) -> int:
    """The only element of a constant integer operand. Raises SourceError when it has another number of elements."""
    numbers = b.ints(value, what)
    if len(numbers) != 1:
        raise SourceError(f"{what} has {len(numbers)} elements, not one")
    return numbers[0]


def one_size(b: Builder, value: Value, what: str) -> Size:
    """The only element of an operand that holds a size, symbolic or not. Raises SourceError when it has another number of elements."""
    sizes = b.shape_of(value, what)
    if len(sizes) != 1:
        raise SourceError(f"{what} has {len(sizes)} elements, not one")
    return sizes[0]


def one_float(b: Builder, value: Value, what: str) -> float:
    """The only element of a constant operand as a float. Raises SourceError when it has another number of elements."""
    array = b.array(value, what)
    if array.size != 1:
        raise SourceError(f"{what} has {array.size} elements, not one")
    return float(array.reshape(()))


def require_ranks(*wanted: tuple[Value | None, int]) -> None:
    """Raises SourceError for an operand, if it is there, that has another number of axes than it must."""
    for value, rank in wanted:
        if value is not None and value.rank != rank:
            raise SourceError(f"an operand {value.type} must have {rank} axes")


def require_rank(shape: Sequence[object]) -> None:
    """Raises UnsupportedError for more axes than arrays can have."""
    if len(shape) > MAX_RANK:
        raise UnsupportedError(f"a tensor of {len(shape)} axes; {MAX_RANK} is the most that is supported")


def same(b: Builder, x: Value) -> Value:
    """A result equal to `x` under a name of its own."""
    return b.graph.constant(x.const, x.name) if x.const is not None else b.add1(Identity(), x)


def reshaped(b: Builder, x: Value, shape: Shape) -> Value:
    """`x` under another shape; of a constant simply a view, whatever its size."""
    numbers = [s for s in shape if isinstance(s, int)]
    if x.const is None or len(numbers) < len(shape) or prod(numbers) != x.const.size:
        return b.reshape(x, shape)
    return b.const(x.const.reshape(numbers))


def resolved(shape: Shape, pattern: Shape, copy_zero: bool) -> Shape:
    """The shape that a Reshape of `shape` to `pattern` gives: -1 stands for what is left, 0 (where `copy_zero`) for the size at its place.

    Raises SourceError for a pattern without a meaning and for sizes that cannot be determined.
    """
    require_rank(pattern)
    if copy_zero and any(s == 0 and k >= len(shape) for k, s in enumerate(pattern)):
        raise SourceError(f"the new shape {_text(pattern)} copies a size that {_text(shape)} does not have")
    sizes = [shape[k] if copy_zero and s == 0 else s for k, s in enumerate(pattern)]
    if any(isinstance(s, int) and s < -1 for s in sizes) or sizes.count(-1) > 1:
        raise SourceError(f"{_text(pattern)} is no shape")
    if -1 not in sizes:
        return tuple(sizes)
    total, known = product(shape), product(s for s in sizes if s != -1)
    rest = exact_div(total, known)
    if rest is None and (isinstance(total, Dim) or isinstance(known, Dim)):
        raise UnequalSizesError(f"{_text(shape)} cannot be reshaped to {_text(pattern)} for all sizes", [(total % known, 0)])
    if rest is None:
        raise SourceError(f"{_text(shape)} cannot be reshaped to {_text(pattern)}")
    return tuple(rest if s == -1 else s for s in sizes)


def _text(shape: Shape) -> str:
    return f"[{', '.join(map(str, shape))}]"
