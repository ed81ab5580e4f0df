"""`TensorInfo`s for tests."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.interface import TensorInfo, describe
from nchw2nhwc.ir import Dim, Shape, TensorType


def info(name: str, shape: Shape, dtype: object = np.float32, perm: tuple[int, ...] | None = None, tensor: str = "") -> TensorInfo:
    """A tensor of the source's shape (a str is a named dimension), stored as `perm` says (default: as in the source)."""
    sizes = tuple(Dim.symbol(s) if isinstance(s, str) else s for s in shape)
    source = TensorType(np.dtype(dtype), sizes)  # type: ignore[call-overload]
    perm = perm or tuple(range(len(sizes)))
    return describe(name, tensor or name, source, source.with_shape(tuple(sizes[a] for a in perm)), perm)
