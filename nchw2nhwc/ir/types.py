"""What a value is: an element type and a shape."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from nchw2nhwc.ir.dim import Shape, is_static, product

Array: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.generic]]
DType: TypeAlias = np.dtype[np.generic]


@dataclass(frozen=True)
class TensorType:
    """Element type (numpy's, or ml_dtypes' for bfloat16 and the like) and shape."""

    dtype: DType
    shape: Shape = field(default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", np.dtype(self.dtype))
        object.__setattr__(self, "shape", tuple(self.shape))

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def is_static(self) -> bool:
        return is_static(self.shape)

    def with_shape(self, shape: Shape) -> TensorType:
        """The same element type with another shape."""
        return TensorType(self.dtype, shape)

    def with_dtype(self, dtype: DType) -> TensorType:
        """The same shape with another element type."""
        return TensorType(dtype, self.shape)

    @property
    def size_bytes(self) -> int | None:
        """Bytes of one tensor; None while a dimension is symbolic, even if another is 0."""
        total = product(self.shape)
        return total * self.dtype.itemsize if isinstance(total, int) and self.is_static else None

    def __str__(self) -> str:
        return f"{self.dtype.name}[{', '.join(map(str, self.shape))}]"
