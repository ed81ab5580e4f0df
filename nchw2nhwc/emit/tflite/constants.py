"""The constants of a file, each content stored once."""

from __future__ import annotations

import hashlib

import numpy as np

from nchw2nhwc.emit.tflite.model import Blob
from nchw2nhwc.ir import Array, DType

_SAMPLES = 64


class Pool:
    """Buffers by content. Equal contents get the same buffer, whatever their shape.

    Large contents are told apart by a sample of their elements first; only those whose samples agree are hashed in full, so that
    most weights are read once: when they are written.
    """

    def __init__(self) -> None:
        self.blobs: list[Blob] = []
        self._by_sample: dict[tuple[str, int, bytes], list[int]] = {}
        self._digests: dict[int, bytes] = {}
        self._by_identity: dict[tuple[int, DType], int] = {}

    def add(self, array: Array, dtype: DType | None = None) -> int:
        """The index of the buffer that holds `array`, stored as `dtype` (default: its own type)."""
        blob = Blob(array, array.dtype if dtype is None else dtype)
        known = self._by_identity.get((id(array), blob.dtype))
        if known is not None:
            return known
        candidates = self._by_sample.setdefault((blob.dtype.name, array.size, _sample(array)), [])
        index = next((k for k in candidates if array.size <= _SAMPLES or self._digest(k) == _digest(blob)), None)
        if index is None:
            self.blobs.append(blob)
            index = len(self.blobs)
            candidates.append(index)
        if self.blobs[index - 1].array is array:
            self._by_identity[id(array), blob.dtype] = index
        return index

    def _digest(self, index: int) -> bytes:
        if index not in self._digests:
            self._digests[index] = _digest(self.blobs[index - 1])
        return self._digests[index]


def _digest(blob: Blob) -> bytes:
    return hashlib.sha256(blob.content().data).digest()


def _sample(array: Array) -> bytes:
    """The whole content of a small array, evenly spaced elements of a large one."""
    if array.size <= _SAMPLES:
        return np.ascontiguousarray(array).tobytes()
    places = np.linspace(0, array.size - 1, _SAMPLES).astype(np.int64)
    return array[np.unravel_index(places, array.shape)].tobytes()
