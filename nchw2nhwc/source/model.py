"""Which format a model is in, and where its bytes are."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias, Union

from nchw2nhwc.errors import Location, OptionError, SourceError
from nchw2nhwc.files import is_special, is_utf8
from nchw2nhwc.source.native import serialized

if TYPE_CHECKING:
    from onnx import ModelProto


class OpenvinoModel(Protocol):
    """An `openvino.Model`: what it is told by, as that package has no types for checkers."""

    def get_ordered_ops(self) -> Sequence[object]: ...

    def get_friendly_name(self) -> str: ...


Model: TypeAlias = Union[str, "os.PathLike[str]", bytes, "ModelProto", OpenvinoModel]
"""What `convert` takes: the path of an .onnx or .xml file, the content of one, an `onnx.ModelProto` or an `openvino.Model`."""

_ADVICE = "Give an OpenVINO IR (.xml with its .bin) or an ONNX model (.onnx)."
_OTHERS = {
    ".bin": "This is the weights file of an IR model. Give the .xml; use --bin when the .bin has another name.",
    ".mapping": "Give the .xml of the same IR model.",
    ".tflite": "This is a TensorFlow Lite file already.",
    ".pt": "Export the network first: torch.onnx.export(...) or openvino.convert_model(...).",
    ".pth": "Export the network first: torch.onnx.export(...) or openvino.convert_model(...).",
    ".pb": "Convert it to OpenVINO IR first: openvino.convert_model(...).",
    ".pdmodel": "Convert it to ONNX (paddle2onnx) or OpenVINO IR (openvino.convert_model(...)) first.",
}


class Format(Enum):
    """A source format; the value is how it is called in messages."""

    ONNX = "ONNX"
    OPENVINO = "OpenVINO IR"


@dataclass(frozen=True)
class Source:
    """A model as it was given: `model` is a Path, the file's content or a ModelProto; `bin` an IR's weights (None: the file beside it).

    `origin` is the file of a model that was changed since it was read, `fixed` that it was: some inputs have become constants.
    """

    format: Format
    model: Path | bytes | ModelProto
    bin: Path | bytes | None = None
    origin: Path | None = None
    fixed: bool = False

    @property
    def name(self) -> str:
        """The file's name; "" for a model that is no file."""
        return self._file.name if self._file is not None else ""

    @property
    def stem(self) -> str:
        """The file's name without its suffix; "model" for a model that is no file."""
        return self._file.stem if self._file is not None else "model"

    @property
    def weights(self) -> Path | bytes | None:
        """An IR's weights; None for an ONNX model, and for the content of an .xml file that came alone."""
        if self.bin is None and self.format is Format.OPENVINO and isinstance(self.model, Path):
            return self.model.with_suffix(".bin")
        return self.bin

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that are read: the model and an IR's weights, as far as they are files."""
        return tuple(each for each in (self._file, self.weights) if isinstance(each, Path))

    @property
    def _file(self) -> Path | None:
        return self.model if isinstance(self.model, Path) else self.origin


_WRAPPED = {
    b"version https://git-lfs.github.com/spec/": ("the file is a pointer of Git LFS, not the model", "Fetch the model: git lfs pull."),
    b"PK\x03\x04": ("the file is a zip archive", "Unpack it, and give the model in it."),
    b"\x1f\x8b": ("the file is compressed with gzip", "Unpack it, and give the model in it.")}
"""What stands for a model or is wrapped around one, by its first bytes: what to say, and what to do."""


def identify(model: Model, bin: str | os.PathLike[str] | bytes | None = None) -> Source:
    """The format of `model`, from its suffix or, for bytes and other suffixes, its first bytes. An `openvino.Model` becomes the content of
    its files.

    Raises SourceError when it is neither, OptionError when `bin` is missing or has no use, and TypeError for what is no model at all.
    """
    weights = bin if bin is None or isinstance(bin, bytes) else Path(bin)
    if isinstance(model, (bytes, bytearray, memoryview)):
        content = bytes(model)
        source = Source(_sniff(content[:4096], ""), content, weights)
        if source.format is Format.OPENVINO and weights is None:
            raise OptionError("an IR model given as bytes needs its weights too", advice="Pass bin=, a path or bytes.")
    elif isinstance(model, (str, os.PathLike)):
        path = Path(model)
        source = Source(_format_of(path), path, weights)
    else:
        source = _in_memory(model, weights)
    if source.format is Format.ONNX and weights is not None:
        raise OptionError("--bin goes with an OpenVINO IR model; this one is ONNX", Location(source.name))
    return source


def _in_memory(model: ModelProto | OpenvinoModel, weights: Path | bytes | None) -> Source:
    openvino = sys.modules.get("openvino")
    if openvino is not None and isinstance(model, openvino.Model):
        if weights is not None:
            raise OptionError("an openvino.Model has its weights already; bin is for the content of an .xml file")
        return Source(Format.OPENVINO, *serialized(model))
    from onnx import ModelProto

    if not isinstance(model, ModelProto):
        raise TypeError(f"a model is a path, the content of a file as bytes, an onnx.ModelProto or an openvino.Model, "
                        f"not {type(model).__name__}")
    return Source(Format.ONNX, model, weights)


def _format_of(path: Path) -> Format:
    try:
        if is_special(path):
            raise OSError(None, "it is a device or a pipe, no file")
        with path.open("rb") as file:
            head = file.read(4096)
        if not is_utf8(path):
            raise OSError(None, "its name is not UTF-8 in this locale, and runtimes take no other")
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise SourceError("this is too long for a file name", Location(f"{str(path)[:40]}..."),
                              "Give a path, or the content of a file as bytes.") from None
        raise SourceError(f"cannot read it: {error.strerror or error}", Location(str(path)), _ADVICE) from None
    except ValueError as error:
        raise SourceError(f"not a file name: {error}", Location(repr(str(path))), _ADVICE) from None
    suffix = path.suffix.lower()
    if suffix in _OTHERS:
        raise SourceError(f"a {suffix} file is neither OpenVINO IR nor ONNX", Location(path.name), _OTHERS[suffix])
    if not head:
        raise SourceError("the file is empty", Location(path.name), _ADVICE)
    for start, (reason, advice) in _WRAPPED.items():
        if head.startswith(start):
            raise SourceError(reason, Location(path.name), advice)
    return {".xml": Format.OPENVINO, ".onnx": Format.ONNX}.get(suffix) or _sniff(head, path.name)


def _sniff(head: bytes, name: str) -> Format:
    """XML begins with `<`; an ONNX model with the protobuf tag of its `ir_version`, which every writer puts first."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"<"):
        return Format.OPENVINO
    if head.startswith(b"\x08"):
        return Format.ONNX
    raise SourceError("this is neither OpenVINO IR nor ONNX", Location(name), _ADVICE)
