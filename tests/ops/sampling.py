"""How cases of ops are drawn: the mechanism, and a sampler that knows an op only by its class, rule and attributes.

A case is `(op, operands)`: a valid op instance in source form (channels first) and arrays it takes. `sampler` registers a function that
draws cases for an op class or for a whole family; the most specific one counts. An op whose operands all have one role, and whose
attributes have roles or plain types, needs none of its own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import Field, fields
from typing import TypeAlias, get_type_hints

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from nchw2nhwc.ir.types import Array, DType
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.base import Op, Role
from nchw2nhwc.ops.kinds import FLOAT, Kinds, integer_range, kind_of
from nchw2nhwc.ops.rules import Elementwise

Case: TypeAlias = tuple[Op, tuple[Array, ...]]
Sampler: TypeAlias = Callable[[type[Op]], SearchStrategy[Case]]

_SAMPLERS: dict[type[Op], Sampler] = {}


def sampler(*families: type[Op]) -> Callable[[Sampler], Sampler]:
    """Registers a function that makes the strategy for each class of these families."""
    def register(function: Sampler) -> Sampler:
        for family in families:
            assert family not in _SAMPLERS, f"{family.__name__} has a sampler already"
            _SAMPLERS[family] = function
        return function
    return register


def strategy(cls: type[Op]) -> SearchStrategy[Case]:
    """The strategy of the nearest class that has one. Raises LookupError when that cannot tell what the op takes."""
    return next(_SAMPLERS[base] for base in cls.__mro__ if base in _SAMPLERS)(cls)


# ---- shapes ----------------------------------------------------------------------------------------------------------
_AROUND: ContextVar[tuple[Array, ...]] = ContextVar("around", default=())


@contextmanager
def cases_around(arrays: Sequence[Array]) -> Iterator[None]:
    """Within this context cases are drawn for operands that have the shapes and the element types of `arrays`, where an op can take them:
    the cases then fit into a graph that has computed these."""
    token = _AROUND.set(tuple(arrays))
    try:
        yield
    finally:
        _AROUND.reset(token)


def shapes_around(min_rank: int = 1, max_rank: int = 5) -> list[tuple[int, ...]]:
    """The different shapes of `cases_around` within a range of ranks."""
    return list(dict.fromkeys(x.shape for x in _AROUND.get() if min_rank <= x.ndim <= max_rank))


@st.composite
def shapes(draw: DrawFn, min_rank: int = 1, max_rank: int = 5) -> tuple[int, ...]:
    """Shapes in which axes of equal size are the rule, so that a mixed-up axis cannot show in the shape, and sizes of 1 are common."""
    around = shapes_around(min_rank, max_rank)
    if around:
        return draw(st.sampled_from(around))
    usual = draw(st.integers(2, 4))
    rank = draw(st.integers(min_rank, max_rank))
    return tuple(draw(st.lists(st.sampled_from([usual, usual, usual, 1, 2, 3, 5]), min_size=rank, max_size=rank)))


@st.composite
def restricted(draw: DrawFn, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape that broadcasts to `shape`: leading axes may be missing, others may be 1."""
    kept = shape[draw(st.one_of(st.just(0), st.integers(0, len(shape)))):]
    ones = draw(st.lists(st.sampled_from([False, False, True]), min_size=len(kept), max_size=len(kept)))
    return tuple(1 if one else size for one, size in zip(ones, kept))


@st.composite
def broadcasting(draw: DrawFn, count: int) -> tuple[tuple[int, ...], ...]:
    """`count` shapes that broadcast to one of rank 1 to 5; any of them may be the one that lacks axes."""
    shape = draw(shapes())
    found = [draw(restricted(shape)) for _ in range(count)]
    if draw(st.sampled_from([True, True, False])):
        found[draw(st.integers(0, count - 1))] = shape
    return tuple(found) if any(found) else (shape, *found[1:])


# ---- contents --------------------------------------------------------------------------------------------------------
_TYPES: dict[str, tuple[DType, ...]] = {
    "floating point": (np.dtype(np.float32), np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.float16)),
    "integer": (np.dtype(np.int32), np.dtype(np.int64), np.dtype(np.int8), np.dtype(np.uint8)),
    "boolean": (np.dtype(np.bool_),),
}


def dtypes(kinds: Kinds) -> SearchStrategy[DType]:
    """Element types of these kinds, float32 most often; those of `cases_around` only, where there are such."""
    around = [x.dtype for x in _AROUND.get() if kind_of(x.dtype) in kinds]
    return st.sampled_from(around or [t for kind in ("floating point", "integer", "boolean") if kind in kinds for t in _TYPES[kind]])


@st.composite
def arrays(draw: DrawFn, shape: Sequence[int], dtype: DType, *, special: bool = False) -> Array:
    """Random contents with some repeated values, halves and zeros; integers within [-9, 9]. `special`: NaN and infinities as well."""
    random = np.random.default_rng(draw(st.integers(0, 2**16)))
    size = tuple(shape)
    match kind_of(dtype):
        case "boolean":
            return np.asarray(random.random(size) < 0.5)
        case "integer":
            return random.integers(max(-9, integer_range(dtype)[0]), 10, size).astype(dtype)
    round_ones = random.integers(-6, 7, size) / 2
    x = np.where(random.random(size) < 0.3, round_ones, random.normal(0, 2, size))
    if special:
        x = np.where(random.random(size) < 0.5, random.choice([np.nan, np.inf, -np.inf], size), x)
    return np.asarray(x, dtype)


# ---- attributes ------------------------------------------------------------------------------------------------------
_FLOATS = st.sampled_from([1e-3, 0.1, 0.5, 1.0, 1.5])
_BY_TYPE: dict[object, SearchStrategy[object]] = {
    bool: st.booleans(),
    float: _FLOATS,
    float | None: st.one_of(st.none(), st.sampled_from([-2.5, -1.0, 0.0, 1.0, 2.5])),
    tuple[float, ...]: st.lists(_FLOATS, min_size=1, max_size=3).map(tuple),
    Activation: st.sampled_from(Activation),
    DType: st.sampled_from([np.dtype(np.int32), np.dtype(np.int64)]),
}


def attributes(cls: type[Op], rank: int) -> SearchStrategy[dict[str, object]]:
    """Attributes for operand 0 of `rank`, each by its role, else its choices, else its type. Raises LookupError where that fails."""
    types = get_type_hints(cls)
    return st.fixed_dictionaries({f.name: _attribute(cls, f, types[f.name], rank) for f in fields(cls)})


def _attribute(cls: type[Op], f: Field[object], type: object, rank: int) -> SearchStrategy[object]:
    if f.name == "channels_last":
        return st.just(False)
    if f.metadata.get("role") is Role.AXIS:
        return st.integers(0, rank - 1)
    if f.metadata.get("role") is Role.AXES:
        return st.sets(st.integers(0, rank - 1)).map(lambda axes: tuple(sorted(axes)))
    if "choices" in f.metadata:
        return st.sampled_from(f.metadata["choices"])
    if type not in _BY_TYPE:
        raise LookupError(f"nothing says what values {cls.__name__}.{f.name} takes: give the op a sampler of its own")
    return _BY_TYPE[type]


# ---- ops known by their class only -------------------------------------------------------------------------------------
def operand_names(cls: type[Op]) -> tuple[str, ...]:
    """The operands of an op, optional ones included, as its reference names them."""
    return tuple(inspect.signature(cls.reference).parameters)[1:]


@sampler(Op)
def plain(cls: type[Op]) -> SearchStrategy[Case]:
    """One operand of any shape or, for elementwise ops, several that broadcast; all of one element type out of `cls.kinds`."""
    count = len(operand_names(cls))
    if not count or (count > 1 and not isinstance(cls.rule, Elementwise)):
        raise LookupError(f"{cls.__name__} has several operands of unknown roles: give it a sampler of its own")
    kinds = getattr(cls, "kinds", FLOAT)
    attributes(cls, 1)

    @st.composite
    def cases(draw: DrawFn) -> Case:
        wanted = draw(broadcasting(count)) if count > 1 else (draw(shapes()),)
        dtype = draw(dtypes(kinds))
        op = cls(**draw(attributes(cls, len(wanted[0]))))
        return op, tuple(draw(arrays(shape, dtype)) for shape in wanted)
    return cases()
