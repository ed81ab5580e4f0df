"""What TFLite Task Library, MediaPipe and other readers of TFLite metadata find in a file: who made the model, what its inputs are, and the
labels of its outputs.

It is a FlatBuffer of its own inside of the file's metadata, by the schema `metadata_schema.fbs` (identifier M001; published in
tensorflow/tflite-support and google-ai-edge/mediapipe), and text files in a ZIP archive behind the model, as those readers expect them.
No package has the schema for all versions of Python that are supported here, so tables are built by their field numbers.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import flatbuffers

ENTRY = "TFLITE_METADATA"
"""The name of the metadata entry that readers look for."""

_IDENTIFIER = b"M001"
_PARSER = "1.0.0"
"""The lowest version of a parser that knows every field which is used here."""
_FEATURES, _IMAGE = 1, 2
"""`ContentProperties` of the schema."""
_RGB, _GRAYSCALE = 1, 2
"""`ColorSpaceType`."""
_NORMALIZATION = 1
"""`ProcessUnitOptions`."""
_AXIS_LABELS = 2
"""`AssociatedFileType`: one label for each place along the last axis."""
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class ModelInfo:
    """Who made a model, and what it is; empty for what is not said."""

    name: str = ""
    description: str = ""
    version: str = ""
    author: str = ""
    license: str = ""


@dataclass(frozen=True)
class TensorNote:
    """What is said of one input or output. `channels`: of an image, 1 (grey) or 3 (RGB), else 0. `normalization` is the mean and the
    standard deviation that are still to be applied to images before they are given to the model. `labels` name the places along the last
    axis, in a file called `file`."""

    name: str
    channels: int = 0
    normalization: tuple[float, float] | None = None
    labels: tuple[str, ...] = ()
    file: str = ""


def build(info: ModelInfo, inputs: Sequence[TensorNote], outputs: Sequence[TensorNote]) -> bytes:
    """The FlatBuffer."""
    b = _Builder()
    graph = b.table({2: b.vector([_tensor(b, note) for note in inputs]), 3: b.vector([_tensor(b, note) for note in outputs])})
    texts = {0: info.name, 1: info.description, 2: info.version, 4: info.author, 5: info.license, 7: _PARSER}
    root = b.table({**{slot: b.text(text) for slot, text in texts.items() if text}, 3: b.vector([graph])})
    b.builder.Finish(root, _IDENTIFIER)
    return bytes(b.builder.Output())


def label_files(outputs: Sequence[TensorNote]) -> dict[str, bytes]:
    """The files of labels, one a line."""
    return {note.file: "".join(f"{label}\n" for label in note.labels).encode() for note in outputs if note.labels}


def archive(files: Mapping[str, bytes], start: int) -> bytes:
    """A ZIP archive that begins `start` bytes into a file, its places counted from that file's beginning; nothing is compressed, because
    readers map the files. Equal for equal content."""
    room = _Behind(start)
    with zipfile.ZipFile(room, "w", zipfile.ZIP_STORED) as written:
        for name, content in files.items():
            written.writestr(zipfile.ZipInfo(name, _EPOCH), content)
    return room.getvalue()


class _Behind(io.BytesIO):
    """Memory that says it is a file of which it holds what comes after `start`."""

    def __init__(self, start: int) -> None:
        super().__init__()
        self._start = start

    def tell(self) -> int:
        return super().tell() + self._start

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return super().seek(offset - self._start if whence == io.SEEK_SET else offset, whence) + self._start


# ---- tables ------------------------------------------------------------------------------------------------------------------
class _Builder:
    """Builds tables of offsets and bytes by field number."""

    def __init__(self) -> None:
        self.builder = flatbuffers.Builder(1024)

    def text(self, content: str) -> int:
        return int(self.builder.CreateString(content))

    def vector(self, offsets: Sequence[int]) -> int:
        self.builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self.builder.PrependUOffsetTRelative(offset)
        return int(self.builder.EndVector())

    def floats(self, numbers: Sequence[float]) -> int:
        self.builder.StartVector(4, len(numbers), 4)
        for number in reversed(numbers):
            self.builder.PrependFloat32(number)
        return int(self.builder.EndVector())

    def table(self, offsets: Mapping[int, int], small: Mapping[int, int] | None = None) -> int:
        """A table with fields that are tables, vectors or texts (`offsets`) or bytes (`small`)."""
        self.builder.StartObject(1 + max((*offsets, *(small or ())), default=0))
        for slot, offset in offsets.items():
            self.builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
        for slot, number in (small or {}).items():
            self.builder.PrependUint8Slot(slot, number, 0)
        return int(self.builder.EndObject())


def _tensor(b: _Builder, note: TensorNote) -> int:
    """`TensorMetadata`: name, content, process units, associated files."""
    if note.channels:
        properties, kind = b.table({}, {0: _RGB if note.channels == 3 else _GRAYSCALE}), _IMAGE
    else:
        properties, kind = b.table({}), _FEATURES
    fields = {0: b.text(note.name), 3: b.table({1: properties}, {0: kind})}
    if note.normalization is not None:
        mean, deviation = note.normalization
        options = b.table({0: b.floats([mean]), 1: b.floats([deviation])})
        fields[4] = b.vector([b.table({1: options}, {0: _NORMALIZATION})])
    if note.labels:
        fields[6] = b.vector([b.table({0: b.text(note.file)}, {2: _AXIS_LABELS})])
    return b.table(fields)
