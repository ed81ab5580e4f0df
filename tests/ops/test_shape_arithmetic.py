"""Shape arithmetic: what is known of a small tensor, and what follows from it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nchw2nhwc.ir.dim import Dim, Size, evaluate, size_max, size_min
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ir.types import TensorType
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add, Div, Equal, FloorDiv, Maximum, Minimum, Mod, Mul, NotEqual, Sub, Where
from nchw2nhwc.ops.elementwise import Cast, Exp, Identity, Neg
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.movement import Concat, Expand, Reshape, Slice, Split, Tile, Transpose
from nchw2nhwc.ops.reduce import ReduceProd
from nchw2nhwc.ops.shape_arithmetic import LIMIT, as_numbers, known, propagate

I64 = np.dtype(np.int64)
N, H = Dim.symbol("N"), Dim.symbol("H")


def symbolic(*content: Size) -> Value:
    """A 1-D tensor with this content."""
    value = Value("sizes", TensorType(I64, (len(content),)))
    value.sizes = np.empty(len(content), object)
    value.sizes[:] = content
    return value


def scalar(content: Size) -> Value:
    """A tensor of rank 0 with this content."""
    value = Value("size", TensorType(I64, ()))
    value.sizes = np.asarray(content, object)
    return value


def constant(content: object, dtype: object = np.int64) -> Value:
    array = np.asarray(content, dtype)  # type: ignore[call-overload]
    return Value("constant", TensorType(array.dtype, array.shape), const=array)


def unknown() -> Value:
    return Value("data", TensorType(I64, (2,)))


def content_of(op: Op, *inputs: Value | None) -> list[object]:
    """The content of the op's only result, as nested lists."""
    results = propagate(op, inputs)
    assert results is not None
    (content,) = results
    assert content.dtype == object
    return content.tolist()  # type: ignore[no-any-return]


# ---- what is known -------------------------------------------------------------------------------------------------------
def test_known_contents() -> None:
    assert known(None) is None
    assert known(unknown()) is None
    assert known(constant([1.5], np.float32)) is None
    assert known(constant(np.zeros(LIMIT + 1))) is None
    content = known(constant([2, 3]))
    assert content is not None
    assert content.tolist() == [2, 3]
    assert content.dtype == object
    sizes = symbolic(N, 2)
    assert known(sizes) is sizes.sizes


def test_numbers() -> None:
    assert as_numbers(symbolic(N, 2).sizes, I64) is None  # type: ignore[arg-type]
    numbers = as_numbers(symbolic(3, 2).sizes, np.dtype(np.int32))  # type: ignore[arg-type]
    assert numbers is not None
    assert numbers.tolist() == [3, 2]
    assert numbers.dtype == np.int32


# ---- what follows --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("op", "inputs", "expected"), [
    (Identity(), [symbolic(N, 3)], [N, 3]),
    (Add(), [symbolic(N, H), constant([1, 2])], [N + 1, H + 2]),
    (Sub(), [symbolic(N, H), symbolic(N, 1)], [0, H - 1]),
    (Mul(), [symbolic(N, H), symbolic(H, 2)], [N * H, 2 * H]),
    (Neg(), [symbolic(N, 2)], [-N, -2]),
    (Div(), [symbolic(4 * H, H), constant([2, 2])], [2 * H, H // 2]),
    (FloorDiv(), [symbolic(6 * H), symbolic(H)], [6]),
    (Mod(), [symbolic(4 * H, H), constant([2, 3])], [0, H % 3]),
    (Maximum(), [symbolic(N, 2), constant([1, 3])], [size_max(N, 1), 3]),
    (Minimum(), [symbolic(N, 2), constant([4, 3])], [size_min(N, 4), 2]),
    (Div(), [scalar(4 * H), constant(2)], 2 * H),
    (Add(), [scalar(H), constant(1)], H + 1),
    (Equal(), [symbolic(N, 2, H), symbolic(N, 2, -1)], [True, True, False]),
    (NotEqual(), [symbolic(N + 1, 2), symbolic(N, 2)], [True, False]),
    (Where(), [constant([True, False], np.bool_), symbolic(N, H), constant([1, 2])], [N, 2]),
    (Cast(np.dtype(np.int32)), [symbolic(N, 3)], [N, 3]),
    (ReduceProd((0,), False), [symbolic(N, H, 2)], 2 * N * H),
    (ReduceProd((0,), True), [symbolic(N, H, 2)], [2 * N * H]),
    (Gather(0), [symbolic(N, 3, H), constant([2, 0])], [H, N]),
    (Gather(0), [symbolic(N, 3, H), constant(-1)], H),
    (Concat(0), [symbolic(N), constant([-1, 3]), symbolic(H)], [N, -1, 3, H]),
    (Slice((1,), (None,), (1,)), [symbolic(N, 3, H)], [3, H]),
    (Slice((None,), (None,), (-1,)), [symbolic(N, 3, H)], [H, 3, N]),
    (Reshape((1, 2)), [symbolic(N, H)], [[N, H]]),
    (Transpose((0,)), [symbolic(N, H)], [N, H]),
    (Expand((2, 2)), [symbolic(N, H)], [[N, H], [N, H]]),
    (Tile((2,)), [symbolic(N, H)], [N, H, N, H]),
], ids=lambda v: str(v) if isinstance(v, Op) else "")
def test_results(op: Op, inputs: list[Value], expected: object) -> None:
    assert content_of(op, *inputs) == expected


def test_several_results() -> None:
    results = propagate(Split(0, (1, 2)), [symbolic(N, 3, H)])
    assert results is not None
    assert [r.tolist() for r in results] == [[N], [3, H]]


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=4), st.sampled_from([Add(), Sub(), Mul(), Maximum(), Minimum()]))
def test_symbols_stand_for_any_number(numbers: list[int], op: Op) -> None:
    """What is found symbolically is what the op's reference computes once the symbol is a number."""
    second = np.arange(1, len(numbers) + 1)
    (content,) = propagate(op, [symbolic(*(N + n for n in numbers)), constant(second)]) or (None,)
    assert content is not None
    for size in (1, 4):
        expected = op.run(np.asarray([size + n for n in numbers]), second)[0]
        assert [evaluate(s, {"N": size}) for s in content] == expected.tolist()


# ---- what does not -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("op", "inputs"), [
    (Add(), [symbolic(N, H), unknown()]),
    (Add(), [constant([1]), constant([2])]),
    (Exp(), [symbolic(N)]),
    (Cast(np.dtype(np.float32)), [symbolic(N)]),
    (Div(), [symbolic(N), constant([0])]),
    (Mod(), [symbolic(N), constant([-2])]),
    (Where(), [symbolic(N), symbolic(H), constant([1])]),
    (Expand((N,)), [symbolic(H)]),
], ids=lambda v: str(v) if isinstance(v, Op) else "")
def test_content_stays_unknown(op: Op, inputs: list[Value]) -> None:
    assert propagate(op, inputs) is None


def test_no_operands() -> None:
    assert propagate(Identity(), []) is None


@pytest.mark.parametrize("other", [1, H], ids=str)
def test_equality_that_depends_on_the_sizes_is_not_decided(other: Size) -> None:
    """A named dimension may turn out to be 1, or equal to another one."""
    assert propagate(Equal(), (symbolic(N), symbolic(other))) is None
