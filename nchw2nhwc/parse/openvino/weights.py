"""The weights of an IR: the .bin file, mapped into memory, or its content."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

import numpy as np

from nchw2nhwc.errors import Location, SourceError
from nchw2nhwc.files import is_special
from nchw2nhwc.parse.openvino.elements import Bytes

_ADVICE = "Give the .bin file that belongs to this .xml with --bin."


class Weights:
    """The bytes of the .bin. A file is opened when a constant first needs it, and only mapped: nothing is read until it is used."""

    def __init__(self, source: str | os.PathLike[str] | bytes | None) -> None:
        self._source = source
        self._content: Bytes | None = None
        self.name = "the weights" if source is None or isinstance(source, bytes) else Path(source).name

    def take(self, offset: int, size: int) -> Bytes:
        """A view of `size` bytes from `offset` on. Raises SourceError when they are not there."""
        if size == 0:
            return np.zeros(0, np.uint8)
        if self._content is None:
            self._content = self._open()
        if offset + size > self._content.size:
            raise SourceError(f"its data is bytes {offset} to {offset + size} of {self.name}, which has only {self._content.size}",
                              advice=_ADVICE)
        return self._content[offset:offset + size]

    def _open(self) -> Bytes:
        if self._source is None:
            raise SourceError("the model has weights, but no .bin was given", advice=_ADVICE)
        if isinstance(self._source, bytes):
            return np.frombuffer(self._source, np.uint8)
        try:
            if is_special(Path(self._source)):
                raise OSError(None, "it is a device or a pipe, no file")
            with open(self._source, "rb") as file:
                if os.fstat(file.fileno()).st_size == 0:
                    return np.zeros(0, np.uint8)
                return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise SourceError(f"the weights cannot be read: {reason}", Location(self.name), _ADVICE) from None
