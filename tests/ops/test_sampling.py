"""A new op of a known family is sampled with no test code of its own; one that nothing is known about is reported."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import find, given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from nchw2nhwc.ir.types import Array, TensorType
from nchw2nhwc.ops.base import REGISTRY, Op, axes_role
from nchw2nhwc.ops.binary import Add, Binary
from nchw2nhwc.ops.elementwise import Unary
from nchw2nhwc.ops.kinds import one_of
from nchw2nhwc.ops.reduce import Reduce, ReduceSum
from nchw2nhwc.ops.rules import SourceOrder
from tests.ops.samples import op_cases
from tests.ops.sampling import shapes


@dataclass(frozen=True)
class NewUnary(Unary):
    factor: float
    mode: str = field(default="a", metadata=one_of("a", "b"))

    def compute(self, x: Array) -> Array:
        return np.multiply(x, self.factor)


class NewBinary(Binary):
    pass


@dataclass(frozen=True)
class NewReduce(Reduce):
    halved: bool = False


@dataclass(frozen=True)
class NewAxes(Op):
    axes: tuple[int, ...] = field(metadata=axes_role())
    rule = SourceOrder()

    def reference(self, x: Array) -> Array:
        return np.flip(x, self.axes)


@dataclass(frozen=True)
class Unclear(Op):
    count: int
    rule = SourceOrder()

    def reference(self, x: Array) -> Array:
        return x


class Pair(Op):
    rule = SourceOrder()

    def reference(self, x: Array, y: Array) -> Array:
        return np.concatenate([x, y])


NEW = (NewUnary, NewBinary, NewReduce, NewAxes, Unclear, Pair)
for _cls in NEW:
    del REGISTRY[_cls.__name__]


@pytest.fixture(autouse=True)
def _registry_is_untouched() -> Iterator[None]:
    yield
    assert not {cls.__name__ for cls in NEW} & REGISTRY.keys()


@given(data=st.data())
def test_families_are_known(data: DataObject) -> None:
    op, (x,) = data.draw(op_cases(NewUnary))
    assert op.run(x)[0].shape == x.shape
    op, operands = data.draw(op_cases(NewBinary))
    assert len(operands) == 2
    assert op.infer_types(*(TensorType(v.dtype, v.shape) for v in operands))
    for cls in (NewReduce, NewAxes):
        op, (x,) = data.draw(op_cases(cls))
        axes = getattr(op, "axes")  # noqa: B009 - of two unrelated classes
        assert all(0 <= a < x.ndim for a in axes)
        assert list(axes) == sorted(set(axes))


@pytest.mark.parametrize("cls", [Unclear, Pair])
def test_ops_that_nothing_is_known_about(cls: type[Op]) -> None:
    with pytest.raises(LookupError, match=f"{cls.__name__}.* sampler of its own"):
        op_cases(cls)


def test_what_is_asked_for_occurs() -> None:
    """Equal sizes, sizes of 1, ranks 1 to 5, operands that lack axes, reductions over none and over all axes."""
    for rank in range(1, 6):
        find(shapes(min_rank=1, max_rank=5).map(len), rank.__eq__)
    find(shapes(), lambda s: len(s) > 2 and len(set(s)) == 1 and s[0] > 1)
    find(op_cases(Add), lambda case: case[1][0].ndim < case[1][1].ndim)
    find(op_cases(Add), lambda case: case[1][0].ndim > case[1][1].ndim > 0)
    find(op_cases(Add), lambda case: any(a == 1 < b for a, b in zip(case[1][0].shape[::-1], case[1][1].shape[::-1])))
    find(op_cases(ReduceSum), lambda case: case[1][0].ndim > 2 and not getattr(case[0], "axes"))  # noqa: B009
    find(op_cases(ReduceSum), lambda case: case[1][0].ndim == len(getattr(case[0], "axes")) == 4)  # noqa: B009
