"""Cases of every op, for tests that run over the whole registry.

`ALL_OPS` is every op class, `op_cases(cls)` the strategy that draws `(op, operands)` for one of them. Ops that `sampling.plain` cannot do
justice have their samplers here, in `samples_control`, `samples_dynamic`, `samples_indexing`, `samples_recurrent`, `samples_selection` and
`samples_spatial`.
"""

from __future__ import annotations

import ml_dtypes
import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

import nchw2nhwc.ops
from nchw2nhwc.ir.types import Array, DType
from nchw2nhwc.ops.base import REGISTRY, Op
from nchw2nhwc.ops.binary import Div, FakeQuantize, FloorDiv, FMod, Mod, Pow, PRelu, Where
from nchw2nhwc.ops.elementwise import BitCast, Cast, Dropout, Narrow, Predicate
from nchw2nhwc.ops.kinds import ANY, FLOAT, NUMBER, integer_range, kind_of
from nchw2nhwc.ops.norm import LRN, BatchNorm, LayerNorm
from nchw2nhwc.ops.quantized import Dequantize, Grid, Quantize, QuantizeDequantize
from nchw2nhwc.ops.sizes import Sizes
from tests.ops import samples_control, samples_dynamic, samples_indexing, samples_recurrent, samples_selection, samples_spatial, sampling
from tests.ops.sampling import Case, arrays, attributes, broadcasting, dtypes, restricted, sampler, shapes

__all__ = ["ALL_OPS", "op_cases", "samples_control", "samples_dynamic", "samples_indexing", "samples_recurrent", "samples_selection",
           "samples_spatial"]

ALL_OPS: tuple[type[Op], ...] = tuple(cls for _, cls in sorted(REGISTRY.items()) if cls.__module__.startswith(nchw2nhwc.__name__))
"""Every op class of the package, by name."""


def op_cases(cls: type[Op]) -> SearchStrategy[Case]:
    """Valid `(op, operands)` of one op class, in source form. Raises LookupError for an op that no sampler covers."""
    return sampling.strategy(cls)


@sampler(Predicate)
def predicate(cls: type[Op]) -> SearchStrategy[Case]:
    @st.composite
    def cases(draw: DrawFn) -> Case:
        shape, dtype = draw(shapes()), draw(dtypes(FLOAT))
        return cls(**draw(attributes(cls, len(shape)))), (draw(arrays(shape, dtype, special=True)),)
    return cases()


@sampler(Cast)
def cast(_: type[Op]) -> SearchStrategy[Case]:
    """Between all kinds of types; negative floats go to signed types only, as the others leave it to the processor."""
    @st.composite
    def cases(draw: DrawFn) -> Case:
        source, target = draw(dtypes(ANY)), draw(dtypes(ANY))
        x = draw(arrays(draw(shapes()), source))
        if target.kind == "u":
            x = np.asarray(np.abs(x), source)
        return Cast(target), (x,)
    return cases()


@sampler(Narrow)
def narrow(_: type[Op]) -> SearchStrategy[Case]:
    """Floats of all sizes, those that narrow types cannot hold and halves between two of theirs included; integers beyond 4 bits."""
    floats = (ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e4m3fnuz, ml_dtypes.float8_e5m2, ml_dtypes.float8_e5m2fnuz, ml_dtypes.float4_e2m1fn,
              ml_dtypes.float8_e8m0fnu)

    @st.composite
    def cases(draw: DrawFn) -> Case:
        shape = draw(shapes())
        if draw(st.booleans()):
            dtype = np.dtype(draw(st.sampled_from([ml_dtypes.int4, ml_dtypes.uint4, ml_dtypes.int2, ml_dtypes.uint2])))
            return Narrow(dtype), (np.asarray(draw(arrays(shape, np.dtype(np.int32))) * 5),)
        random = np.random.default_rng(draw(st.integers(0, 2**16)))
        x = np.asarray(random.integers(-64, 65, shape) * 2.0 ** random.integers(-22, 14, shape), np.float32)
        return Narrow(np.dtype(draw(st.sampled_from(floats)))), (x,)
    return cases()


@sampler(BitCast)
def bit_cast(_: type[Op]) -> SearchStrategy[Case]:
    """Between types of one size; no bits of floats that are no numbers."""
    @st.composite
    def cases(draw: DrawFn) -> Case:
        source = draw(st.sampled_from([np.dtype(t) for t in (np.float32, np.int32, np.int64, np.uint8)]))
        target = draw(st.sampled_from([np.dtype(f"{kind}{source.itemsize}") for kind in "iu"]))
        return BitCast(target), (draw(arrays(draw(shapes()), source)),)
    return cases()


def _nonzero(x: Array) -> Array:
    return np.where(x == 0, np.asarray(3, x.dtype), x)


@sampler(Div, FloorDiv, Mod, FMod)
def division(cls: type[Op]) -> SearchStrategy[Case]:
    """By anything but zero."""
    return sampling.plain(cls).map(lambda case: (case[0], (case[1][0], _nonzero(case[1][1]))))


@sampler(Pow)
def power(_: type[Op]) -> SearchStrategy[Case]:
    """Bases other than 0 (which has no negative powers), with small exponents of the same or of another type."""
    @st.composite
    def cases(draw: DrawFn) -> Case:
        wanted = draw(broadcasting(2))
        base = _nonzero(draw(arrays(wanted[0], draw(dtypes(NUMBER)))))
        exponent = draw(arrays(wanted[1], draw(dtypes(NUMBER))))
        if kind_of(base.dtype) == "integer":
            base = np.clip(base, -3 if base.dtype.kind == "i" else 1, 3)
            exponent = np.asarray(np.rint(np.abs(exponent)), exponent.dtype) % 4
        return Pow(), (base, exponent)
    return cases()


@sampler(PRelu)
def prelu(_: type[Op]) -> SearchStrategy[Case]:
    """The slope broadcasts to x, never the other way round."""
    @st.composite
    def cases(draw: DrawFn) -> Case:
        shape, dtype = draw(shapes()), draw(dtypes(NUMBER))
        return PRelu(), (draw(arrays(shape, dtype)), draw(arrays(draw(restricted(shape)), dtype)))
    return cases()


@sampler(Where)
def where(_: type[Op]) -> SearchStrategy[Case]:
    @st.composite
    def cases(draw: DrawFn) -> Case:
        wanted, dtype = draw(broadcasting(3)), draw(dtypes(ANY))
        return Where(), (draw(arrays(wanted[0], np.dtype(np.bool_))), draw(arrays(wanted[1], dtype)), draw(arrays(wanted[2], dtype)))
    return cases()


@sampler(FakeQuantize)
def fake_quantize(_: type[Op]) -> SearchStrategy[Case]:
    """The bounds have any shape that broadcasts to x, each its own; the range is not empty."""
    @st.composite
    def cases(draw: DrawFn) -> Case:
        shape, dtype = draw(shapes()), draw(dtypes(FLOAT))
        low, width, out_low, out_high = (draw(arrays(draw(restricted(shape)), dtype)) for _ in range(4))
        high = np.asarray(low.max() + 0.5 + np.abs(width), dtype)
        return FakeQuantize(draw(st.sampled_from([2, 16, 255, 256]))), (draw(arrays(shape, dtype)), low, high, out_low, out_high)
    return cases()


@st.composite
def grids(draw: DrawFn, dtype: DType) -> Grid:
    """Grids of integers of 8 bits, with and without a zero point of 0."""
    low, high = draw(st.sampled_from([integer_range(dtype), (0, 15), (max(integer_range(dtype)[0], -127), 127)]))
    return Grid(float(np.float32(draw(st.sampled_from([0.0371, 0.113, 0.007])))), draw(st.sampled_from([low, max(low, 0), 5])), low, high)


@sampler(Quantize, QuantizeDequantize)
def quantize(cls: type[Op]) -> SearchStrategy[Case]:
    """To signed and unsigned bytes, with numbers beyond the range."""
    @st.composite
    def cases(draw: DrawFn) -> Case:
        target = draw(st.sampled_from([np.dtype(np.int8), np.dtype(np.uint8)]))
        x = draw(arrays(draw(shapes()), draw(dtypes(FLOAT))))
        grid = draw(grids(target))
        return Quantize(grid, target) if cls is Quantize else QuantizeDequantize(grid), (x,)
    return cases()


@sampler(Dequantize)
def dequantize(_: type[Op]) -> SearchStrategy[Case]:
    """Of signed and unsigned bytes, as far as the grid has them."""
    @st.composite
    def cases(draw: DrawFn) -> Case:
        source = draw(st.sampled_from([np.dtype(np.int8), np.dtype(np.uint8)]))
        grid = draw(grids(source))
        return Dequantize(grid), (np.clip(draw(arrays(draw(shapes()), source)), grid.low, grid.high),)
    return cases()


def _parameters(draw: DrawFn, channels: int, dtype: DType) -> tuple[Array, ...]:
    scale, bias, mean, variance = (draw(arrays((channels,), dtype)) for _ in range(4))
    return scale, bias, mean, np.asarray(np.abs(variance) + 0.5, dtype)


@sampler(BatchNorm)
def batch_norm(_: type[Op]) -> SearchStrategy[Case]:
    @st.composite
    def cases(draw: DrawFn) -> Case:
        shape, dtype = draw(shapes()), draw(dtypes(FLOAT))
        op = BatchNorm(draw(st.sampled_from([1e-5, 0.1])), draw(st.integers(0, len(shape) - 1)))
        return op, (draw(arrays(shape, dtype)), *_parameters(draw, shape[op.axis], dtype))
    return cases()


@sampler(Dropout)
def dropout(_: type[Op]) -> SearchStrategy[Case]:
    """Of any share below 1."""
    @st.composite
    def cases(draw: DrawFn) -> Case:
        return Dropout(draw(st.sampled_from([0.1, 0.5]))), (draw(arrays(draw(shapes()), draw(dtypes(FLOAT)))),)
    return cases()


@sampler(LayerNorm)
def layer_norm(_: type[Op]) -> SearchStrategy[Case]:
    """Over any axes."""
    @st.composite
    def cases(draw: DrawFn) -> Case:
        shape, dtype = draw(shapes()), draw(dtypes(FLOAT))
        op = LayerNorm(**draw(attributes(LayerNorm, len(shape))))
        sizes = tuple(shape[a] for a in op.axes)
        return op, (draw(arrays(shape, dtype)), draw(arrays(sizes, dtype)), draw(arrays(sizes, dtype)))
    return cases()


@sampler(LRN)
def lrn(_: type[Op]) -> SearchStrategy[Case]:
    """Odd and even sizes, also larger than the number of channels."""
    @st.composite
    def cases(draw: DrawFn) -> Case:
        shape = draw(shapes(min_rank=3))
        numbers = st.sampled_from([1e-4, 0.5, 0.75, 1.0])
        op = LRN(draw(st.integers(1, 7)), draw(numbers), draw(numbers), draw(st.sampled_from([1.0, 2.0])))
        return op, (draw(arrays(shape, draw(dtypes(FLOAT)))),)
    return cases()


@sampler(Sizes)
def sizes(_: type[Op]) -> SearchStrategy[Case]:
    """Without operands, and with numbers for its sizes."""
    dtype = st.sampled_from([np.dtype(np.int32), np.dtype(np.int64)])
    return st.tuples(st.builds(Sizes, st.lists(st.integers(0, 9)).map(tuple), dtype), st.just(()))
