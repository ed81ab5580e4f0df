"""Movement ops: references against ONNX Runtime or numpy, shapes with symbolic sizes, and errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.dim import Dim, Size, evaluate, size_max, size_min
from nchw2nhwc.ir.types import Array, TensorType
from nchw2nhwc.ops.base import Op, remap_axes
from nchw2nhwc.ops.movement import Concat, Expand, Pad, Reshape, Slice, Split, Tile, Transpose
from tests.ops.onnx_oracle import run_onnxruntime

F32 = np.dtype(np.float32)
N, H, W = Dim.symbol("N"), Dim.symbol("H"), Dim.symbol("W")


def counted(*shape: int) -> Array:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def tensor(*shape: Size) -> TensorType:
    return TensorType(F32, shape)


def along0(start: Size | None, stop: Size | None, step: int = 1) -> Slice:
    return Slice((start,), (stop,), (step,))


# ---- against ONNX Runtime ------------------------------------------------------------------------------------------------
def test_transpose_is_onnx() -> None:
    x = counted(2, 3, 3, 4)
    np.testing.assert_array_equal(Transpose((2, 0, 3, 1)).reference(x), run_onnxruntime("Transpose", [x], perm=[2, 0, 3, 1])[0])


def test_expand_is_onnx() -> None:
    x = counted(3, 1)
    np.testing.assert_array_equal(Expand((2, 3, 3)).reference(x), run_onnxruntime("Expand", [x, np.array([2, 3, 3])])[0])


def test_tile_is_onnx() -> None:
    x = counted(2, 3)
    np.testing.assert_array_equal(Tile((2, 3)).reference(x), run_onnxruntime("Tile", [x, np.array([2, 3])])[0])


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "wrap"])
def test_pad_is_onnx(mode: str) -> None:
    x = counted(3, 4)
    expected = run_onnxruntime("Pad", [x, np.array([2, 1, 0, 3]), np.array(5, np.float32)], mode=mode)[0]
    np.testing.assert_array_equal(Pad((2, 1), (0, 3), mode, 5.0).reference(x), expected)


def test_symmetric_pad_repeats_the_edge() -> None:
    np.testing.assert_array_equal(Pad((2,), (1,), "symmetric").reference(counted(3)), [1, 0, 0, 1, 2, 2])


def test_pad_value_has_the_operands_type() -> None:
    padded = Pad((1,), (0,), "constant", 3.0).reference(np.zeros(1, np.int8))
    assert padded.dtype == np.int8
    assert padded.tolist() == [3, 0]
    assert Pad((1,), (0,), "constant", 1.0).reference(np.zeros(1, np.bool_)).tolist() == [True, False]


def test_concat_and_split_are_onnx() -> None:
    x, y = counted(2, 3, 2), counted(2, 1, 2)
    joined = Concat(1).reference(x, y)
    np.testing.assert_array_equal(joined, run_onnxruntime("Concat", [x, y], axis=1)[0])
    parts = Split(1, (1, 3)).reference(joined)
    for actual, expected in zip(parts, run_onnxruntime("Split", [joined, np.array([1, 3])], results=2, axis=1), strict=True):
        np.testing.assert_array_equal(actual, expected)


@settings(max_examples=50)
@given(st.integers(-7, 7), st.integers(-7, 7), st.sampled_from([1, 2, 3, -1, -2, -3]))
def test_slice_is_onnx(start: int, stop: int, step: int) -> None:
    assume(step > 0 or start >= -5)  # there ONNX begins with the first element, where numpy's slice is empty
    x = counted(5, 2)
    operands = [x, *(np.array([v]) for v in (start, stop, 0, step))]
    np.testing.assert_array_equal(Slice((start, None), (stop, None), (step, 1)).reference(x), run_onnxruntime("Slice", operands)[0])


# ---- slices of symbolic axes -----------------------------------------------------------------------------------------------
ENDS = st.one_of(st.none(), st.integers(-6, 6))


@settings(max_examples=400)
@given(ENDS, ENDS, st.sampled_from([1, 2, 3, -1, -2]), st.integers(1, 8))
def test_slice_of_a_symbolic_axis(start: int | None, stop: int | None, step: int, size: int) -> None:
    """Whatever the ends, the symbolic size is that of the slice for every size of the axis."""
    (symbolic,) = along0(start, stop, step).infer(tensor(H)).shape
    assert evaluate(symbolic, {"H": size}) == len(range(size)[start:stop:step])


@settings(max_examples=200)
@given(st.sampled_from([None, 0, 1, H, 2 * H, W]), st.sampled_from([None, -1, 3, H, 2 * H, W, H * W]), st.sampled_from([2 * H, H, 8]),
       st.sampled_from([1, 2]), st.integers(1, 6), st.integers(1, 6))
def test_symbolic_ends(start: Size | None, stop: Size | None, axis: Size, step: int, height: int, width: int) -> None:
    sizes = {"H": height, "W": width}
    (symbolic,) = along0(start, stop, step).infer(tensor(axis)).shape
    numbers = [None if end is None else evaluate(end, sizes) for end in (start, stop)]
    assert evaluate(symbolic, sizes) == len(range(evaluate(axis, sizes))[numbers[0]:numbers[1]:step])


@pytest.mark.parametrize(("op", "size", "expected"), [
    (along0(None, None), H, H),
    (along0(1, None), H, H - 1),
    (along0(None, -1), H, H - 1),
    (along0(None, None, -1), H, H),
    (along0(0, H), H, H),
    (along0(0, H), 2 * H, H),
    (along0(0, H // 2), H, size_min(H // 2, H)),
    (along0(H, None), 2 * H, H),
    (along0(H - 1, None), H, 1),
    (along0(None, H - 1), H, H - 1),
    (along0(None, None, 2), 2 * H, H),
    (along0(1, None, 2), H, H // 2),
    (along0(-1, None), H, 1),
    (along0(-3, None), H, H - size_max(H - 3, 0)),
    (along0(None, 3), H, size_min(3, H)),
    (along0(None, 3), 4 * H, 3),
])
def test_symbolic_slices_stay_simple(op: Slice, size: Size, expected: Size) -> None:
    assert op.infer(tensor(size)).shape == (expected,)


@pytest.mark.parametrize(("op", "size"), [(along0(None, H - 2), H), (along0(H - 2, None), W), (along0(None, H - W), 8)])
def test_ends_of_unknown_sign(op: Slice, size: Size) -> None:
    with pytest.raises(ShapeError, match="may be negative") as caught:
        op.infer(tensor(size))
    assert "--input-shape" in caught.value.advice


# ---- other symbolic shapes -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("op", "operands", "expected"), [
    (Transpose((1, 2, 0)), [(N, 3, H)], [(3, H, N)]),
    (Reshape((N, 3 * H)), [(N, 3, H)], [(N, 3 * H)]),
    (Reshape((N * H, 3)), [(N, H, 3)], [(N * H, 3)]),
    (Expand((N, 4, H)), [(4, 1)], [(N, 4, H)]),
    (Tile((1, 2)), [(N, H)], [(N, 2 * H)]),
    (Pad((0, 1), (0, 2)), [(N, H)], [(N, H + 3)]),
    (Concat(1), [(N, 3), (N, H), (N, 1)], [(N, H + 4)]),
    (Split(1, (1, 2)), [(N, 3)], [(N, 1), (N, 2)]),
])
def test_symbolic_shapes(op: Op, operands: list[tuple[Size, ...]], expected: list[tuple[Size, ...]]) -> None:
    assert [t.shape for t in op.infer_types(*(tensor(*shape) for shape in operands))] == expected


def test_symbolic_shapes_are_bound_before_they_run() -> None:
    op = Reshape((N, 6)).bind({"N": 2})
    assert op.reference(counted(4, 3)).shape == (2, 6)
    with pytest.raises(ShapeError, match="must be known"):
        Reshape((N, 6)).reference(counted(4, 3))
    with pytest.raises(ShapeError, match="must be known"):
        along0(None, N).reference(counted(4))


# ---- axis roles ----------------------------------------------------------------------------------------------------------
@settings(max_examples=30)
@given(st.permutations(range(3)), st.sampled_from([
    Tile((1, 2, 3)), Pad((0, 1, 2), (1, 0, 0), "reflect"), Slice((1, None, None), (None, -1, None), (1, 1, -1)), Split(1, (1, 3))]))
def test_attributes_follow_their_axes(perm: list[int], op: Op) -> None:
    x = counted(3, 4, 5)
    stored = remap_axes(op, perm)
    for expected, actual in zip(op.run(x), stored.run(x.transpose(perm)), strict=True):
        np.testing.assert_array_equal(actual, expected.transpose(perm))


@pytest.mark.parametrize(("op", "axes"), [
    (Tile((1, 2, 1)), {1}), (Pad((0, 0, 1), (1, 0, 0)), {0, 2}), (Slice((None, 1, None), (None, None, None), (1, 1, -1)), {1, 2}),
    (Concat(2), {2}), (Split(0, (1, 1)), {0})])
def test_special_axes(op: Op, axes: set[int]) -> None:
    assert op.special_axes() == axes


# ---- errors --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("op", "operands", "reason"), [
    (Transpose((0, 0)), [(2, 2)], "no permutation"),
    (Transpose((0, 1)), [(2, 2, 2)], "no permutation"),
    (Reshape((2, 4)), [(2, 3)], "has 6 elements, .* needs 8"),
    (Reshape((2, 3)), [(N, 3)], r"has 3\*N elements, .* needs 6"),
    (Expand((2, 3)), [(2, 2)], "does not broadcast"),
    (Expand((3,)), [(1, 3)], "does not broadcast"),
    (Expand((4,)), [(N,)], "does not broadcast"),
    (Tile((2,)), [(2, 3)], "one entry for each axis"),
    (Tile((-1,)), [(2,)], "must not be negative"),
    (Pad((1,), (1, 1)), [(2, 3)], "one entry for each axis"),
    (Pad((-1,), (0,)), [(2,)], "must not be negative"),
    (Pad((1,), (0,), "mirror"), [(2,)], "no mode 'mirror'"),
    (Pad((1,), (0,), "edge"), [(0,)], "empty axis"),
    (along0(0, 1, 0), [(2,)], "must not be 0"),
    (along0(0, 1), [(2, 2)], "one entry for each axis"),
    (Concat(0), [], "needs an operand"),
    (Concat(2), [(2, 2)], "axis 2 does not exist"),
    (Concat(0), [(2, 2), (2, 3)], "do not fit together"),
    (Concat(0), [(2, N), (2, 3)], "do not fit together"),
    (Split(0, (1, 2)), [(4,)], r"cannot be split into \[1, 2\]"),
    (Split(0, (1, 2)), [(N,)], "cannot be split"),
    (Split(0, (5, -1)), [(4,)], "cannot be split"),
])
def test_operands_that_do_not_fit(op: Op, operands: list[tuple[Size, ...]], reason: str) -> None:
    with pytest.raises(ShapeError, match=reason):
        op.infer_types(*(tensor(*shape) for shape in operands))


def test_concat_of_different_types() -> None:
    with pytest.raises(ShapeError, match="different element types"):
        Concat(0).infer(tensor(2), TensorType(np.dtype(np.int32), (2,)))


def test_reshape_of_an_unknown_size_says_what_to_do() -> None:
    with pytest.raises(ShapeError) as caught:
        Reshape((1, 3)).infer(tensor(N, 3))
    assert "--batch" in caught.value.advice
