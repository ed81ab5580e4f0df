"""Weights of more than 32 MiB with more than two axes, as a convolution of 1024 to 1024 channels has.

ai-edge-quantizer 0.10 rounds them piece by piece, for which it makes a matrix of them but not of their scales, and then fails. Its function
is given the matrix and scales that fit instead.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from nchw2nhwc.ir import Array

if TYPE_CHECKING:
    from ai_edge_quantizer.qtyping import UniformQuantParams

_LARGE = 2**25


@contextmanager
def rounded_as_matrices() -> Iterator[None]:
    """While this lasts, the quantizer rounds weights of any size."""
    from ai_edge_quantizer.algorithms.uniform_quantize import uniform_quantize_tensor as module

    whole = module.uniform_quantize

    def rounded(data: Array, params: UniformQuantParams, is_blockwise_quant: bool = False) -> Array:
        if data.ndim < 3 or data.nbytes <= _LARGE or is_blockwise_quant:
            return np.asarray(whole(data, params, is_blockwise_quant))
        axis = 0 if params.scale.size == 1 else params.quantized_dimension
        rows = np.moveaxis(data, axis, 0)
        matrix = dataclasses.replace(params, scale=params.scale.reshape(-1, 1), zero_point=params.zero_point.reshape(-1, 1))
        return np.ascontiguousarray(np.moveaxis(np.reshape(whole(rows.reshape(len(rows), -1), matrix), rows.shape), 0, axis))

    module.uniform_quantize = rounded
    try:
        yield
    finally:
        module.uniform_quantize = whole
