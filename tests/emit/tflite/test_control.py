"""Loops whose number of iterations is computed, in LiteRT."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.ops.binary import Add, Mul
from nchw2nhwc.ops.control import Loop
from tests.emit.tflite.runs import check_file, one_op, prepared
from tests.ops.samples_control import SCALAR, body_for, returning


@pytest.mark.parametrize("count", [-1, 0, 1, 3])
@pytest.mark.parametrize("axis", [0, 1])
def test_as_many_parts_as_an_operand_says(count: int, axis: int) -> None:
    """None at all too, where the parts have several elements along the axis that they are put together along."""
    x, step = np.arange(6, dtype=np.float32).reshape(2, 3), np.full((2, 3), 0.5, np.float32)
    body, (_, value, by) = body_for([x, step], SCALAR)
    after = body.add1(Add(), [value, by])
    op = Loop(returning(body, after, body.add1(Mul(), [after, by])), 1, None, (axis,), count="count")
    operands = [np.asarray(count, np.int64), x, step]
    graph, inputs = one_op(op, operands, [False, False, True])
    check_file(prepared(graph), inputs, [np.asarray(y) for y in op.run(*operands)])
