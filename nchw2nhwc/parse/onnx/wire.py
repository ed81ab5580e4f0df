"""Takes the large tensors out of a serialised ONNX model before it is parsed, so that their bytes stay views of the mapped file.

Protobuf copies every byte string that it parses, and the Python objects copy it again on access. A model is nearly all weights, so this
module walks the serialised message just deep enough to find them, and writes a skeleton in which each large tensor's bytes are replaced by
a placeholder. The wire format is described in https://protobuf.dev/programming-guides/encoding/, the field numbers in onnx.proto.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from nchw2nhwc.errors import SourceError

THRESHOLD = 4096
"""Messages shorter than this are left to protobuf."""

MAX_DEPTH = 100
"""Deeper messages are left to protobuf, which refuses them."""

_TOKEN_BYTES = 16
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_DATA_TYPE, _FLOAT_DATA, _RAW_DATA, _FLOAT = 2, 4, 9, 1
_FIELDS: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor"},
    "function": {7: "node"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph"},
}


@dataclass(frozen=True)
class Outline:
    """A serialised model without the bytes of its large tensors, which `blob` gives back."""

    skeleton: bytes
    blobs: tuple[memoryview, ...]
    token: bytes

    def blob(self, raw: bytes) -> memoryview | bytes:
        """What a tensor's `raw_data` field stands for: a view of the model's own bytes, or `raw` itself where it is no placeholder."""
        if len(raw) == _TOKEN_BYTES + 8 and raw.startswith(self.token):
            return self.blobs[int.from_bytes(raw[_TOKEN_BYTES:], "little")]
        return raw


NOTHING_OUTLINED = Outline(b"", (), b"\0" * (_TOKEN_BYTES + 9))
"""For a model that was parsed elsewhere: no raw data is a placeholder."""


def outline(data: memoryview) -> Outline:
    """Separate the large tensors of a serialised ModelProto from the rest. Raises SourceError where the bytes are no protobuf message."""
    # The token is random so that no file can hold a placeholder of its own.
    walker = _Walker(data, os.urandom(_TOKEN_BYTES))
    rewritten = walker.message(0, len(data), "model", 0)
    return Outline(bytes(data) if rewritten is None else rewritten, tuple(walker.blobs), walker.token)


class _Field(NamedTuple):
    """One field of a message: its number, wire type, where it starts, and where its content starts and stops."""

    number: int
    wire: int
    start: int
    content: int
    stop: int
    value: int = 0


class _Walker:
    def __init__(self, data: memoryview, token: bytes) -> None:
        self.data, self.token = data, token
        self.blobs: list[memoryview] = []

    def message(self, start: int, end: int, kind: str, depth: int) -> bytes | None:
        """The message at [start, end) rewritten, or None when nothing in it is large."""
        if kind == "tensor":
            return self._tensor(start, end)
        known, kept, position = _FIELDS[kind], start, start
        chunks: list[bytes | memoryview] = []
        while position < end:
            field = self._field(position, end)
            position = field.stop
            child = known.get(field.number)
            if child is None or field.wire != _BYTES or position - field.content < THRESHOLD or depth == MAX_DEPTH:
                continue
            rewritten = self.message(field.content, position, child, depth + 1)
            if rewritten is not None:
                chunks += [self.data[kept:field.start], _header(field.number, len(rewritten)), rewritten]
                kept = position
        return b"".join([*chunks, self.data[kept:end]]) if chunks else None

    def _tensor(self, start: int, end: int) -> bytes | None:
        """A TensorProto with a placeholder for its content, be it raw or packed floats (the same bytes), when that is large."""
        fields, position = [], start
        while position < end:
            fields.append(self._field(position, end))
            position = fields[-1].stop
        content = [f for f in fields if f.number == _RAW_DATA and f.wire == _BYTES]
        if not content and any(f.number == _DATA_TYPE and f.value == _FLOAT for f in fields):
            content = [f for f in fields if f.number == _FLOAT_DATA and f.wire == _BYTES]
        if len(content) != 1 or content[0].stop - content[0].content < THRESHOLD // 2:
            return None
        (large,) = content
        placeholder = self.token + len(self.blobs).to_bytes(8, "little")
        self.blobs.append(self.data[large.content:large.stop])
        header = _header(_RAW_DATA, len(placeholder))
        return b"".join([self.data[start:large.start], header, placeholder, self.data[large.stop:end]])

    def _field(self, start: int, end: int) -> _Field:
        tag, position = self._varint(start, end)
        number, wire = tag >> 3, tag & 7
        content, value = position, 0
        if wire == _BYTES:
            length, content = self._varint(position, end)
            position = content + length
        elif wire == _VARINT:
            value, position = self._varint(position, end)
        elif wire in (_FIXED64, _FIXED32):
            position += 8 if wire == _FIXED64 else 4
        else:
            raise SourceError("the file is no ONNX model, or is damaged", advice="It cannot be read as a protobuf message.")
        if position > end:
            raise SourceError("the file is truncated or damaged: a part of it claims to be longer than the rest of the file")
        return _Field(number, wire, start, content, position, value)

    def _varint(self, position: int, end: int) -> tuple[int, int]:
        """The number at `position` and where the next thing starts."""
        result = shift = 0
        while position < end and shift < 70:
            byte = self.data[position]
            position += 1
            result |= (byte & 0x7F) << shift
            if byte < 0x80:
                return result, position
            shift += 7
        raise SourceError("the file is truncated or damaged: a number in it does not end")


def _header(number: int, length: int) -> bytes:
    """The tag and length of a field that holds bytes."""
    return _encoded(number << 3 | _BYTES) + _encoded(length)


def _encoded(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
