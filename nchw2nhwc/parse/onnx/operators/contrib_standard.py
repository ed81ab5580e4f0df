"""Operators of ONNX Runtime's own domain, com.microsoft, that became standard ones later, or differ from them in a detail."""

from __future__ import annotations

from collections.abc import Sequence

from nchw2nhwc.ir.dim import product
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.parse.inverse import inverse as inverted
from nchw2nhwc.parse.onnx.operators import generate, indexing, padding, shape
from nchw2nhwc.parse.onnx.operators.contrib import MICROSOFT
from nchw2nhwc.parse.onnx.registry import LayerBuilder, onnx_op


@onnx_op("ExpandDims", 1, domain=MICROSOFT)
def expand_dims(b: LayerBuilder, x: Value, axis: Value) -> Value:
    """A new axis of size 1 in front of `axis`, or behind it where it is negative."""
    at = b.axis(b.integer(axis, "axis"), x.rank + 1)
    return b.reshape(x, (*x.shape[:at], 1, *x.shape[at:]))


@onnx_op("Range", 1, domain=MICROSOFT)
def range_(b: LayerBuilder, start: Value, limit: Value, delta: Value | None = None) -> Value:
    """As Range; `delta` is 1 where it is absent, and operands may have an axis."""
    step = b.scalar(1, start) if delta is None else b.reshape(delta, ())
    return shape.range_(b, b.reshape(start, ()), b.reshape(limit, ()), step)


@onnx_op("Trilu", 1, domain=MICROSOFT)
def trilu(b: LayerBuilder, x: Value, k: Value | None = None, *, upper: bool = True) -> Value:
    return generate.trilu(b, x, k, upper=upper)


@onnx_op("Pad", 1, domain=MICROSOFT)
def pad(b: LayerBuilder, x: Value, pads: Value, value: Value | None = None, *, mode: str = "constant") -> Value:
    """As Pad; the paddings may have an axis of size 1 in front."""
    return padding.pad(b, x, b.reshape(pads, (product(pads.shape),)), value, mode=mode)


@onnx_op("GatherND", 1, domain=MICROSOFT)
def gather_nd(b: LayerBuilder, data: Value, indices: Value) -> Value:
    return indexing.gather_nd(b, data, indices)


@onnx_op("Unique", 1, domain=MICROSOFT)
def unique(b: LayerBuilder, x: Value) -> Sequence[Value]:
    """The elements of a vector in the order in which they come first; for every element of x its number, and how often each is there."""
    if x.rank != 1:
        raise b.damaged(f"{x.type} must have one axis")
    found, _, inverse, counts = indexing.unique(b, x, sorted=False)
    return found, inverse, counts


@onnx_op("Inverse", 1, domain=MICROSOFT)
def inverse(b: LayerBuilder, x: Value) -> Value:
    """The inverse of each matrix (..., n, n)."""
    return inverted(b, x).reshape(*x.shape).value
