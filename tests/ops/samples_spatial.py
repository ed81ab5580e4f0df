"""Samplers of the ops over spatial axes, of movement, indexing and matrix products.

Windowed ops have ranks 3 to 5, groups, strides, dilations and unequal pads; equal sizes and sizes of 1 are drawn on purpose.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from nchw2nhwc.ir.types import Array, DType
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.kinds import ANY, FLOAT, NUMBER
from nchw2nhwc.ops.matmul import FullyConnected, MatMul
from nchw2nhwc.ops.movement import Concat, Expand, Pad, Reshape, Slice, Split, Tile, Transpose
from nchw2nhwc.ops.pooling import AdaptiveAvgPool, AdaptiveMaxPool, AvgPool, LpPool, MaxPool
from nchw2nhwc.ops.resize import COORDINATE_MODES, MODES, NEAREST_MODES, Resize
from nchw2nhwc.ops.sampling import COORDINATES, PADDING_MODES, SAMPLING_MODES, GridSample
from nchw2nhwc.ops.windowed import Conv, ConvTranspose, DepthToSpace, SpaceToDepth
from tests.ops.sampling import Case, arrays, broadcasting, dtypes, restricted, sampler, shapes, shapes_around

Ints = tuple[int, ...]
DATA = st.sampled_from([(3, 3), (4, 4), (4, 3), (5, 2), (1, 4), (6,), (4,), (1,), (3, 3, 3), (2, 3, 2), (4, 4, 1)])
"""Spatial sizes of data."""


def _image(draw: DrawFn, batch: int = 3, channels: int = 4) -> tuple[int, int, Ints]:
    """Batch and channels up to these, and the spatial sizes of data; or the shape of a value that is there."""
    around = shapes_around(3, 5)
    if around:
        shape = draw(st.sampled_from(around))
        return shape[0], shape[1], shape[2:]
    spatial = draw(DATA)
    return draw(st.integers(1, batch)), draw(st.integers(1, channels)), spatial


def _grouped_image(draw: DrawFn, groups: Sequence[Ints]) -> tuple[int, Ints, Ints]:
    """Batch, `(groups, channels in, channels out)` of a convolution, and the spatial sizes of its data."""
    around = shapes_around(3, 5)
    if around:
        shape = draw(st.sampled_from(around))
        count = draw(st.sampled_from([1, 1, *(n for n in range(1, shape[1] + 1) if shape[1] % n == 0)]))
        return shape[0], (count, shape[1] // count, draw(st.integers(1, 3))), shape[2:]
    spatial = draw(DATA)
    chosen = draw(st.sampled_from(groups))
    return draw(st.integers(1, 3)), chosen, spatial


def _tuples(draw: DrawFn, low: int, high: int, count: int) -> Ints:
    return tuple(draw(st.lists(st.integers(low, high), min_size=count, max_size=count)))


def _windows(draw: DrawFn, spatial: Ints) -> dict[str, Ints]:
    """A kernel with strides, dilations and pads that fits into data of these sizes; pads are below the kernel's reach."""
    kernel, dilations = _tuples(draw, 1, 3, len(spatial)), _tuples(draw, 1, 2, len(spatial))
    reach = [d * (k - 1) for k, d in zip(kernel, dilations)]
    begins = tuple(draw(st.integers(0, r)) for r in reach)
    ends = tuple(draw(st.integers(min(r, max(0, r + 1 - s - b)), r)) for r, s, b in zip(reach, spatial, begins))
    return {"kernel": kernel, "strides": _tuples(draw, 1, 3, len(spatial)), "dilations": dilations, "pads_begin": begins, "pads_end": ends}


def _fits(windows: dict[str, Ints], spatial: Ints) -> bool:
    values = zip(spatial, windows["kernel"], windows["dilations"], windows["pads_begin"], windows["pads_end"])
    return all(s + b + e > d * (k - 1) for s, k, d, b, e in values)


@sampler(Conv)
def conv(_: type[Op]) -> SearchStrategy[Case]:
    """Plain, grouped and depthwise (with a multiplier), with and without bias."""
    @st.composite
    def cases(draw: DrawFn) -> Case:
        batch, (groups, inside, outside), spatial = _grouped_image(
            draw, [(1, 3, 3), (1, 1, 4), (1, 4, 1), (2, 2, 1), (2, 1, 3), (3, 1, 1), (4, 1, 2)])
        dtype = draw(dtypes(FLOAT))
        windows = _windows(draw, spatial)
        if not _fits(windows, spatial):
            windows |= {"kernel": (1,) * len(spatial), "pads_begin": (0,) * len(spatial), "pads_end": (0,) * len(spatial)}
        kernel = windows.pop("kernel")
        op = Conv(**windows, groups=groups, activation=draw(st.sampled_from(Activation)))
        x = draw(arrays((batch, groups * inside, *spatial), dtype))
        w = draw(arrays((groups * outside, inside, *kernel), dtype))
        return op, (x, w, draw(arrays((groups * outside,), dtype))) if draw(st.booleans()) else (x, w)
    return cases()


@sampler(ConvTranspose)
def conv_transpose(_: type[Op]) -> SearchStrategy[Case]:
    """Output padding, and pads of either sign that leave something of the result."""
    @st.composite
    def cases(draw: DrawFn) -> Case:
        batch, (groups, inside, outside), spatial = _grouped_image(
            draw, [(1, 3, 3), (1, 1, 4), (1, 4, 1), (2, 2, 1), (2, 1, 3), (3, 1, 1)])
        dtype, rank = draw(dtypes(FLOAT)), len(spatial)
        kernel, strides, dilations = _tuples(draw, 1, 3, rank), _tuples(draw, 1, 3, rank), _tuples(draw, 1, 2, rank)
        extra = tuple(draw(st.integers(0, max(s, d) - 1)) for s, d in zip(strides, dilations))
        room = [(n - 1) * s + d * (k - 1) + o for n, s, d, k, o in zip(spatial, strides, dilations, kernel, extra)]
        begins = tuple(draw(st.integers(-1, min(r, 2))) for r in room)
        ends = tuple(draw(st.integers(-1, min(r - max(b, 0), 2))) for r, b in zip(room, begins))
        op = ConvTranspose(strides, dilations, begins, ends, extra, groups, draw(st.sampled_from(Activation)))
        x = draw(arrays((batch, groups * inside, *spatial), dtype))
        w = draw(arrays((groups * inside, outside, *kernel), dtype))
        return op, (x, w, draw(arrays((groups * outside,), dtype))) if draw(st.booleans()) else (x, w)
    return cases()


@sampler(MaxPool, AvgPool, LpPool)
def pool(cls: type[Op]) -> SearchStrategy[Case]:
    """Floor and ceil mode; padding that is counted and that is not; no window lies in the padding alone."""
    @st.composite
    def cases(draw: DrawFn) -> Case:
        batch, channels, spatial = _image(draw)
        dtype = draw(dtypes(NUMBER if cls is MaxPool else FLOAT))
        windows = _windows(draw, spatial)
        if not _fits(windows, spatial):
            windows |= {"kernel": (1,) * len(spatial), "pads_begin": (0,) * len(spatial), "pads_end": (0,) * len(spatial)}
        more: dict[str, object] = {"p": draw(st.integers(1, 3))} if cls is LpPool else {"activation": draw(st.sampled_from(Activation))}
        if cls is AvgPool:
            more["count_include_pad"] = draw(st.booleans())
        op = cls(**windows, ceil_mode=draw(st.booleans()), **more)
        return op, (draw(arrays((batch, channels, *spatial), dtype)),)
    return cases()


@sampler(AdaptiveAvgPool, AdaptiveMaxPool)
def adaptive_pool(cls: type[Op]) -> SearchStrategy[Case]:
    """To fewer, as many and more elements than there are."""
    @st.composite
    def cases(draw: DrawFn) -> Case:
        batch, channels, spatial = _image(draw)
        dtype = draw(dtypes(NUMBER if cls is AdaptiveMaxPool else FLOAT))
        return cls(_tuples(draw, 1, 5, len(spatial))), (draw(arrays((batch, channels, *spatial), dtype)),)
    return cases()


@sampler(DepthToSpace, SpaceToDepth)
def depth_space(cls: type[Op]) -> SearchStrategy[Case]:
    @st.composite
    def cases(draw: DrawFn) -> Case:
        batch, channels, spatial = _image(draw, 2, 3)
        block = draw(st.integers(1, 2))
        if shapes_around(3, 5):
            sizes = (channels,) * len(spatial) if cls is DepthToSpace else spatial
            block = block if all(n % block ** len(spatial) == 0 if cls is DepthToSpace else n % block == 0 for n in sizes) else 1
            shape = (channels, *spatial)
        else:
            shape = (channels * block ** len(spatial), *spatial) if cls is DepthToSpace else (channels, *(s * block for s in spatial))
        op = cls(block, draw(st.sampled_from(["DCR", "CRD"])))
        return op, (draw(arrays((batch, *shape), draw(dtypes(ANY)))),)
    return cases()


@sampler(Resize)
def resize(_: type[Op]) -> SearchStrategy[Case]:
    """All modes; sizes that follow from scales and sizes that do not."""
    @st.composite
    def cases(draw: DrawFn) -> Case:
        batch, channels, spatial = _image(draw, 2)
        mode, coordinates = draw(st.sampled_from(MODES)), draw(st.sampled_from(COORDINATE_MODES))
        scales = tuple(draw(st.sampled_from([0.5, 0.7, 1.0, 1.5, 2.0, 2.3])) for _ in spatial) if draw(st.booleans()) else None
        sizes = _tuples(draw, 1, 6, len(spatial)) if scales is None else tuple(max(1, int(s * f)) for s, f in zip(spatial, scales))
        starts, ends = ([draw(st.sampled_from(some)) for _ in spatial] for some in ([-0.1, 0.0, 0.2], [0.6, 1.0, 1.2]))
        op = Resize(sizes, scales, mode, coordinates, draw(st.sampled_from(NEAREST_MODES)), draw(st.sampled_from([-0.75, -0.5])),
                    draw(st.booleans()), draw(st.sampled_from([0.0, 2.0])), draw(st.booleans()),
                    (*starts, *ends) if coordinates == "tf_crop_and_resize" else None)
        return op, (draw(arrays((batch, channels, *spatial), draw(dtypes(FLOAT)))),)
    return cases()

@sampler(GridSample)
def grid_sample(_: type[Op]) -> SearchStrategy[Case]:
    """Positions inside and outside, some of them those of elements or of edges."""
    @st.composite
    def cases(draw: DrawFn) -> Case:
        batch, channels, spatial = _image(draw, 2, 3)
        dtype, places = draw(dtypes(FLOAT)), _tuples(draw, 1, 3, len(spatial))
        op = GridSample(draw(st.sampled_from(SAMPLING_MODES)), draw(st.sampled_from(PADDING_MODES)), draw(st.sampled_from(COORDINATES)))
        random = np.random.default_rng(draw(st.integers(0, 2**16)))
        scale = 4 if op.coordinates == "pixels" else 1
        exact = random.integers(-6, 7, (batch, *places, len(spatial))) / 4
        grid = np.where(random.random(exact.shape) < 0.3, exact, random.uniform(-1.5, 1.5, exact.shape)) * scale
        return op, (draw(arrays((batch, channels, *spatial), dtype)), np.asarray(grid, dtype))
    return cases()


# ---- movement --------------------------------------------------------------------------------------------------------
@sampler(Transpose)
def transpose(_: type[Op]) -> SearchStrategy[Case]:
    @st.composite
    def cases(draw: DrawFn) -> Case:
        shape = draw(shapes())
        return Transpose(tuple(draw(st.permutations(range(len(shape)))))), (draw(arrays(shape, draw(dtypes(ANY)))),)
    return cases()


@sampler(Reshape)
def reshape(_: type[Op]) -> SearchStrategy[Case]:
    """To any factorization of the number of elements, with sizes of 1 in between."""
    @st.composite
    def cases(draw: DrawFn) -> Case:
        shape = draw(shapes())
        rest, result = prod(shape), list[int]()
        while rest > 1 and len(result) < 4:
            result.append(draw(st.sampled_from([n for n in range(1, rest + 1) if rest % n == 0])))
            rest //= result[-1]
        return Reshape((*result, rest)), (draw(arrays(shape, draw(dtypes(ANY)))),)
    return cases()


@sampler(Expand)
def expand(_: type[Op]) -> SearchStrategy[Case]:
    @st.composite
    def cases(draw: DrawFn) -> Case:
        shape = draw(shapes())
        return Expand(shape), (draw(arrays(draw(restricted(shape)), draw(dtypes(ANY)))),)
    return cases()


@sampler(Tile)
def tile(_: type[Op]) -> SearchStrategy[Case]:
    @st.composite
    def cases(draw: DrawFn) -> Case:
        shape = draw(shapes())
        return Tile(tuple(draw(st.sampled_from([1, 1, 2, 3])) for _ in shape)), (draw(arrays(shape, draw(dtypes(ANY)))),)
    return cases()


@sampler(Pad)
def pad(_: type[Op]) -> SearchStrategy[Case]:
    """Some axes only; reflections within what the axis holds."""
    @st.composite
    def cases(draw: DrawFn) -> Case:
        shape = draw(shapes())
        mode = draw(st.sampled_from(["constant", "edge", "reflect", "symmetric", "wrap"]))
        limits = [{"reflect": s - 1, "symmetric": s, "wrap": s}.get(mode, 2) for s in shape]
        pads = [tuple(draw(st.sampled_from([0, 0, min(1, n), n])) for n in limits) for _ in range(2)]
        return Pad(pads[0], pads[1], mode, draw(st.sampled_from([0.0, 1.0, 3.0]))), (draw(arrays(shape, draw(dtypes(ANY)))),)
    return cases()


@sampler(Slice)
def slices(_: type[Op]) -> SearchStrategy[Case]:
    """Open, positive, negative and out-of-range ends, both directions; results may be empty."""
    @st.composite
    def cases(draw: DrawFn) -> Case:
        shape = draw(shapes())
        ends = st.one_of(st.none(), st.none(), st.integers(-6, 6))
        starts, stops = (tuple(draw(ends) for _ in shape) for _ in range(2))
        steps = tuple(draw(st.sampled_from([1, 1, 2, -1, -2])) for _ in shape)
        return Slice(starts, stops, steps), (draw(arrays(shape, draw(dtypes(ANY)))),)
    return cases()


@sampler(Concat)
def concat(_: type[Op]) -> SearchStrategy[Case]:
    @st.composite
    def cases(draw: DrawFn) -> Case:
        shape, dtype = draw(shapes()), draw(dtypes(ANY))
        axis = draw(st.integers(0, len(shape) - 1))
        sizes = draw(st.lists(st.sampled_from([shape[axis], shape[axis], 1, 2]), min_size=1, max_size=4))
        return Concat(axis), tuple(draw(arrays((*shape[:axis], n, *shape[axis + 1:]), dtype)) for n in sizes)
    return cases()


@sampler(Split)
def split(_: type[Op]) -> SearchStrategy[Case]:
    @st.composite
    def cases(draw: DrawFn) -> Case:
        shape = draw(shapes())
        axis, sizes = draw(st.integers(0, len(shape) - 1)), draw(st.lists(st.integers(1, 3), min_size=1, max_size=4).map(tuple))
        if shapes_around():
            first = draw(st.integers(1, shape[axis]))
            sizes = (first, shape[axis] - first) if first < shape[axis] else (first,)
        return Split(axis, sizes), (draw(arrays((*shape[:axis], sum(sizes), *shape[axis + 1:]), draw(dtypes(ANY)))),)
    return cases()


# ---- matrix products ---------------------------------------------------------------------------------------------------
@sampler(MatMul)
def matmul(_: type[Op]) -> SearchStrategy[Case]:
    """Batch axes that broadcast; M, K and N often equal."""
    @st.composite
    def cases(draw: DrawFn) -> Case:
        op = MatMul(draw(st.booleans()), draw(st.booleans()))
        dtype = draw(dtypes(FLOAT) | st.sampled_from([np.dtype(np.int32), np.dtype(np.int64)]))
        if shapes_around(2, 5):
            return op, _product_around(draw, op, dtype)
        batches = tuple(shape[-3:] for shape in draw(broadcasting(2))) if draw(st.booleans()) else ((), ())
        usual = draw(st.integers(1, 4))
        m, k, n = (draw(st.sampled_from([usual, usual, 1, 3])) for _ in range(3))
        a = draw(arrays((*batches[0], *((k, m) if op.adjoint_a else (m, k))), dtype))
        b = draw(arrays((*batches[1], *((n, k) if op.adjoint_b else (k, n))), dtype))
        return op, (a, b)
    return cases()


def _product_around(draw: DrawFn, op: MatMul, dtype: DType) -> tuple[Array, ...]:
    """Operands of a product, one of which has the shape of a value that is there, and the other too where it fits."""
    around = shapes_around(2, 5)
    a = draw(st.sampled_from(around))
    inner = a[-2] if op.adjoint_a else a[-1]
    fits = [b for b in around if b[:-2] == a[:-2] and b[-1 if op.adjoint_b else -2] == inner]
    columns = draw(st.integers(1, 4))
    plain = (*draw(restricted(a[:-2])), *((columns, inner) if op.adjoint_b else (inner, columns)))
    return draw(arrays(a, dtype)), draw(arrays(draw(st.sampled_from([plain, *fits])), dtype))


@sampler(FullyConnected)
def fully_connected(_: type[Op]) -> SearchStrategy[Case]:
    """Of one or more axes; without kept dimensions the contracted run may span axes."""
    @st.composite
    def cases(draw: DrawFn) -> Case:
        shape, dtype, keep = draw(shapes(max_rank=4)), draw(dtypes(FLOAT)), draw(st.booleans())
        inner = shape[-1] if keep else prod(shape[draw(st.integers(0, len(shape) - 1)):])
        columns = draw(st.integers(1, 4))
        op = FullyConnected(keep, draw(st.sampled_from(Activation)))
        x, w = draw(arrays(shape, dtype)), draw(arrays((columns, inner), dtype))
        return op, (x, w, draw(arrays((columns,), dtype))) if draw(st.booleans()) else (x, w)
    return cases()
