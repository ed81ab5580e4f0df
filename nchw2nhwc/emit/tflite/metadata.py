"""Reading back what a TFLite file says of itself."""

from __future__ import annotations

import mmap
from pathlib import Path

from nchw2nhwc.errors import Location, SourceError

_IDENTIFIER = b"TFL3"
_ADVICE = "Give a file that openvino2tf has written."


def read_entry(path: Path, name: str) -> bytes | None:
    """The metadata entry called `name` of a TFLite file; None when it has none of that name.

    Raises SourceError when the file cannot be read or is no sound TFLite file.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if content[4:8] != _IDENTIFIER:
                raise SourceError("this is no TFLite file", Location(path.name), _ADVICE)
            return _entry(content, name)
    except OSError as error:
        raise SourceError(f"cannot read it: {error.strerror or error}", Location(str(path)), _ADVICE) from None
    except ValueError:
        raise SourceError("the file is empty", Location(path.name), _ADVICE) from None


def _entry(content: mmap.mmap, name: str) -> bytes | None:
    """The entry, found by way of the FlatBuffer's tables. A damaged file leads outside of itself sooner or later."""
    import struct

    from ai_edge_litert import schema_py_generated as schema

    try:
        model = schema.Model.GetRootAs(content[:], 0)
        for k in range(model.MetadataLength()):
            entry = model.Metadata(k)
            if entry is not None and entry.Name() == name.encode():
                data = model.Buffers(entry.Buffer()).DataAsNumpy()
                return bytes(data) if not isinstance(data, int) else b""
    except (struct.error, IndexError, TypeError, AttributeError, ValueError) as error:
        raise SourceError(f"the TFLite file is damaged: {error}", advice=_ADVICE) from None
    return None
