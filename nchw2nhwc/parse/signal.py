"""Fourier transforms as products with constant matrices, which the mappings of both sources make."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.kinds import Doubles
from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.parse.builder import Builder


def transform(count: int, parts: int, length: int, *, inverse: bool, onesided: bool) -> Doubles:
    """The discrete Fourier transform of `length` as a real matrix (count, parts, results, parts of a result): what it makes of each unit
    vector. `parts` is 1 for real numbers, 2 for complex ones; `onesided` transforms are those of real numbers or to them."""
    units = np.eye(count)[:, None] * np.array([1, 1j])[:parts, None]
    if inverse and onesided:
        return np.asarray(np.fft.irfft(units, length)[..., None])
    found = np.fft.ifft(units, length) if inverse else np.fft.fft(units, length)
    kept = found[..., :length // 2 + 1] if onesided else found
    return np.stack([kept.real, kept.imag], -1)


def transformed(b: Builder, x: Value, axis: int, matrix: Doubles) -> Value:
    """x multiplied by a matrix along `axis` and the last axis, which holds the parts of numbers."""
    last = x.rank - 1
    count, parts = (static(x.shape[k], "the size of a Fourier transform") for k in (axis, last))
    order = (*(k for k in range(x.rank) if k not in (axis, last)), axis, last)
    rows = b.transpose(x, order)
    flat = b.reshape(rows, (*rows.shape[:-2], count * parts))
    flat = b.reshape(flat, (1, *flat.shape)) if flat.rank == 1 else flat
    product = b.add1(MatMul(), flat, b.const(matrix.reshape(count * parts, -1), x.type.dtype))
    result = b.reshape(product, (*rows.shape[:-2], *matrix.shape[2:]))
    return b.transpose(result, tuple(int(k) for k in np.argsort(order)))
