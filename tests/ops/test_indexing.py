"""Gather against ONNX Runtime, and its errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.dim import Dim
from nchw2nhwc.ir.types import TensorType
from nchw2nhwc.ops.indexing import Gather
from tests.ops import samples_indexing  # noqa: F401  (registers the samplers)
from tests.ops.onnx_oracle import run_onnxruntime
from tests.ops.sampling import Case, strategy

DATA = TensorType(np.dtype(np.float32), (2, 3, 4))
I64 = np.dtype(np.int64)


@settings(max_examples=50)
@given(strategy(Gather))
def test_gather_is_onnx(case: Case) -> None:
    op, operands = case
    assert isinstance(op, Gather)
    np.testing.assert_array_equal(op.run(*operands)[0], run_onnxruntime("Gather", operands, axis=op.axis)[0])


def test_symbolic_shapes() -> None:
    n = Dim.symbol("N")
    assert Gather(1).infer(TensorType(DATA.dtype, (n, 3, 4)), TensorType(I64, (5, n))).shape == (n, 5, n, 4)
    assert Gather(0).infer(DATA, TensorType(I64, ())).shape == (3, 4)


@pytest.mark.parametrize("index", [3, -4])
def test_index_out_of_range(index: int) -> None:
    with pytest.raises(ShapeError, match="do not fit axis 1 of size 3"):
        Gather(1).reference(np.zeros((2, 3)), np.array([0, index]))


def test_no_index_at_all() -> None:
    assert Gather(0).reference(np.zeros((0, 3)), np.zeros((2, 0), np.int64)).shape == (2, 0, 3)


def test_operands_that_do_not_fit() -> None:
    with pytest.raises(ShapeError, match="axis 3 does not exist"):
        Gather(3).infer(DATA, TensorType(I64, (1,)))
    with pytest.raises(ShapeError, match="must be integers, not float32"):
        Gather(0).infer(DATA, DATA)
