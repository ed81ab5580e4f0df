"""Inverses of matrices: a loop over columns."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.errors import SourceError
from nchw2nhwc.ir.dim import product
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ir.types import TensorType
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.control import Loop
from nchw2nhwc.ops.reduce import ArgMax
from nchw2nhwc.parse.body import INT64, Body, add_loop
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.formula import Formula, joined


def inverse(b: Builder, x: Value) -> Formula:
    """The inverse of each matrix (..., n, n) by Gauss and Jordan, the largest element of a column on the diagonal, as (batch, n, n).

    Raises SourceError where the matrices are not square."""
    size = static(x.shape[-1], "the size of a matrix") if x.rank > 1 else 0
    if size < 1 or x.shape[-2] != size:
        raise SourceError(f"{x.type} does not hold square matrices")
    batch = product(x.shape[:-2])
    unit = Formula(b, b.const(np.eye(size)[None], x.type.dtype)).expand(batch, size, size)
    both = joined([Formula(b, x).reshape(batch, size, size), unit], 2)
    body = Body(b.graph.unique_name("columns"), b.graph.source)
    inner = Builder(body.graph)
    inner.origin = b.origin
    number = Formula(inner, body.graph.add_input("number", TensorType(INT64)))
    rows = Formula(inner, body.graph.add_input("rows", both.value.type))
    places = Formula(inner, inner.const(np.arange(size)[None], np.int64))
    column = rows.take(number, 2)
    pivot = (places < number).choose(Formula(inner, inner.const(-1, x.type.dtype)), abs(column)).apply(ArgMax(1, True, dtype=INT64))
    here = places.equals(number)
    order = here.choose(pivot, places.equals(pivot).choose(number, places))
    swapped = rows.take_along(order.reshape(batch, size, 1).expand(batch, size, 2 * size), 1)
    leading = swapped.take(number, 2).reshape(batch, size, 1)
    first = swapped.take(number, 1).reshape(batch, 1, 2 * size)
    row = first / leading.take(number, 1).reshape(batch, 1, 1)
    body.returns([here.reshape(1, size, 1).choose(row, swapped - leading * row).value])
    (found,) = add_loop(b, body, Loop(body.graph, 1, size), [both.value])
    return Formula(b, found).part(2, size, 2 * size)
