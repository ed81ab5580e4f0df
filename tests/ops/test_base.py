"""What all ops share: registration, roles of attributes, binding of named sizes, text, broadcasting of symbolic shapes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.dim import Dim, Size
from nchw2nhwc.ir.types import TensorType
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.activation_functions import LeakyRelu, Relu
from nchw2nhwc.ops.base import REGISTRY, Op, Role, broadcast_shapes, remap_axes, roles, same_dtype, static
from nchw2nhwc.ops.binary import Add, FakeQuantize
from nchw2nhwc.ops.elementwise import Cast, Unary
from nchw2nhwc.ops.movement import Pad, Reshape
from nchw2nhwc.ops.norm import MVN, BatchNorm
from nchw2nhwc.ops.reduce import ArgMax, CumSum, ReduceSum
from tests.ops.sampling import broadcasting

N, M = Dim.symbol("N"), Dim.symbol("M")
F32 = np.dtype(np.float32)


def test_concrete_classes_register_and_families_do_not() -> None:
    assert REGISTRY["Relu"] is Relu
    assert not Relu.abstract
    assert Unary.abstract
    assert "Unary" not in REGISTRY


# ---- roles -----------------------------------------------------------------------------------------------------------
def test_roles() -> None:
    assert roles(ReduceSum) == (("axes", Role.AXES, None),)
    assert roles(ArgMax) == (("axis", Role.AXIS, None),)
    assert roles(Pad) == (("pads_begin", Role.PER_AXIS, 0), ("pads_end", Role.PER_AXIS, 0))
    assert roles(Relu) == ()


def test_special_axes_are_those_that_attributes_touch() -> None:
    assert CumSum(2).special_axes() == {2}
    assert MVN((1, 3), 0.1).special_axes() == {1, 3}
    assert Pad((0, 1, 0, 0), (0, 0, 2, 0)).special_axes() == {1, 2}
    assert Relu().special_axes() == frozenset()


@pytest.mark.parametrize(("op", "stored", "wanted"), [
    (ArgMax(1), (0, 2, 3, 1), ArgMax(3)),
    (ReduceSum((1, 2), False), (0, 2, 3, 1), ReduceSum((1, 3), False)),
    (BatchNorm(0.1), (0, 2, 1), BatchNorm(0.1, 2)),
    (Pad((0, 1, 2, 3), (0, 4, 5, 6)), (0, 2, 3, 1), Pad((0, 2, 3, 1), (0, 5, 6, 4))),
    (Pad((0, 1), (0, 0)), (0, None, 1), Pad((0, 0, 1), (0, 0, 0))),
    (ReduceSum((1, 2)), (0, None, 2), ReduceSum((2,))),
    (Relu(), (1, 0), Relu()),
], ids=str)
def test_attributes_follow_the_stored_order(op: Op, stored: tuple[int | None, ...], wanted: Op) -> None:
    assert remap_axes(op, stored) == wanted


# ---- sizes -----------------------------------------------------------------------------------------------------------
def test_binding_of_named_sizes() -> None:
    assert Reshape((N, 2 * M)).bind({"N": 3, "M": 4}) == Reshape((3, 8))
    relu = Relu()
    assert relu.bind({"N": 3}) is relu


@given(data=st.data(), count=st.integers(1, 4))
def test_broadcasting_of_numbers_is_numpy(data: DataObject, count: int) -> None:
    wanted = data.draw(broadcasting(count))
    assert broadcast_shapes(*wanted) == np.broadcast_shapes(*wanted)


@pytest.mark.parametrize(("one", "other", "wanted"), [
    ((N, 1), (3,), (N, 3)), ((N,), (N,), (N,)), ((N,), (1,), (N,)), ((N,), (4,), (4,)), ((), (N, 2), (N, 2)),
    ((2 * N,), (N + N,), (2 * N,)), ((N,), (M,), None), ((2,), (3,), None), ((2, N), (3, 1), None),
], ids=str)
def test_broadcasting_of_named_sizes(one: tuple[Size, ...], other: tuple[Size, ...], wanted: tuple[Size, ...] | None) -> None:
    for pair in ((one, other), (other, one)):
        if wanted is None:
            with pytest.raises(ShapeError, match="do not broadcast"):
                broadcast_shapes(*pair)
        else:
            assert broadcast_shapes(*pair) == wanted


def test_sizes_that_must_be_numbers() -> None:
    assert static(3, "the size") == 3
    with pytest.raises(ShapeError, match="the size must be known, but is 'N'"):
        static(N, "the size")


def test_element_types_that_must_agree() -> None:
    same_dtype(TensorType(F32, (1,)), TensorType(F32))
    with pytest.raises(ShapeError, match="different element types: float32, int32"):
        same_dtype(TensorType(F32), TensorType(np.dtype(np.int32)))


# ---- operands and text -----------------------------------------------------------------------------------------------
def test_absent_operands_are_left_out_and_one_result_is_wrapped() -> None:
    x = np.ones(2, np.float32)
    assert Relu().infer_types(TensorType(F32, (2,)), None) == (TensorType(F32, (2,)),)
    (result,) = Relu().run(x, None)
    np.testing.assert_array_equal(result, x)


@pytest.mark.parametrize(("op", "text"), [
    (Relu(), "Relu"), (LeakyRelu(), "LeakyRelu"), (LeakyRelu(0.2), "LeakyRelu(alpha=0.2)"), (Add(Activation.RELU), "Add(activation=RELU)"),
    (ReduceSum((1, 2), True), "ReduceSum(axes=[1, 2])"), (FakeQuantize(256), "FakeQuantize(levels=256)"),
    (Cast(np.dtype(np.int32)), "Cast(dtype=int32)"), (Reshape((N, 6)), "Reshape(shape=[N, 6])"),
])
def test_text(op: Op, text: str) -> None:
    assert str(op) == text


def test_ops_are_values() -> None:
    assert Relu() == Relu()
    assert hash(LeakyRelu(0.2)) == hash(LeakyRelu(0.2))
    assert LeakyRelu(0.2) != LeakyRelu(0.1)
    assert len({Relu(), Relu(), Add(), Add(Activation.RELU)}) == 3
