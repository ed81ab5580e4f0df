"""Sizes in formulas, be they numbers or known only when the model runs."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.ir.dim import Size
from nchw2nhwc.ir.types import DType
from nchw2nhwc.ops.dynamic import DynamicBroadcast
from nchw2nhwc.ops.movement import Reshape
from nchw2nhwc.ops.reduce import CumSum
from nchw2nhwc.ops.sizes import Sizes
from nchw2nhwc.passes.decompose.term import Term
from nchw2nhwc.passes.rewrite import Rewriter

INT32 = np.dtype(np.int32)


def size_of(rw: Rewriter, size: Size, dtype: DType = INT32) -> Term:
    """A size as a number without axes."""
    if isinstance(size, int):
        return Term(rw, rw.constant(np.asarray(size, dtype)))
    return Term(rw, rw.add(Reshape(()), rw.add(Sizes((size,), INT32)))).cast(dtype)


def positions(rw: Rewriter, size: Size) -> Term:
    """0, 1, 2, ... along an axis of this size, as int32."""
    if isinstance(size, int):
        return Term(rw, rw.constant(np.arange(size, dtype=np.int32)))
    ones = rw.add(DynamicBroadcast((size,)), rw.constant(np.asarray(1, np.int32)), rw.add(Sizes((size,), INT32)))
    return Term(rw, ones).apply(CumSum(0, exclusive=True))
