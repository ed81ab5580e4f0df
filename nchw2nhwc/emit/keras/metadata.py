"""What a file says of itself: the inputs and outputs with their layouts, and which layer of the source is behind each layer's name.

It is JSON, `{"inputs": [...], "outputs": [...], "layers": {name: {"layer": ..., "type": ...}}}`, the first two as in the report. Every
format keeps it where its readers pass over what they do not know:

| `.keras` | the member `nchw2nhwc.interface.json` of the archive |
| `.h5` | the attribute `nchw2nhwc.interface` of the file |
| architecture JSON | the key `nchw2nhwc.interface` |
| SavedModel | the file `assets.extra/nchw2nhwc.interface.json` |
| `.pb` | the constant node `nchw2nhwc.interface`, a string that nothing reads |
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

import h5py
import tensorflow as tf

from nchw2nhwc.errors import Location, SourceError
from nchw2nhwc.interface import METADATA
from nchw2nhwc.ir import Origin

_FILE = f"{METADATA}.json"
_FOLDER = "assets.extra"


def metadata_json(interface: bytes, layers: Mapping[str, Origin]) -> str:
    """The metadata of a model, from its inputs and outputs as JSON and the origin of its layers."""
    named = {name: {"layer": origin.layer, "type": origin.type} for name, origin in layers.items()}
    return json.dumps({**json.loads(interface), "layers": named}, ensure_ascii=False, separators=(",", ":"))


def to_keras(path: Path, metadata: str) -> None:
    """Into a `.keras` file."""
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(_FILE, metadata)


def to_h5(path: Path, metadata: str) -> None:
    """Into a `.h5` file."""
    with h5py.File(path, "r+") as file:
        file.attrs[METADATA] = metadata.encode()


def to_architecture(architecture: str, metadata: str) -> str:
    """Into the JSON of an architecture."""
    return json.dumps({**json.loads(architecture), METADATA: json.loads(metadata)}, indent=1)


def to_saved_model(path: Path, metadata: str) -> None:
    """Into a SavedModel's folder."""
    (path / _FOLDER).mkdir()
    (path / _FOLDER / _FILE).write_text(metadata, encoding="utf-8")


def to_graph(graph: tf.compat.v1.GraphDef, metadata: str) -> None:
    """Into a GraphDef."""
    node = graph.node.add(name=METADATA, op="Const")
    node.attr["dtype"].type = tf.string.as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(metadata.encode()))


def read_metadata(path: Path) -> dict[str, object]:
    """The metadata of a file or SavedModel that this package wrote. Raises SourceError where there is none, OSError where it cannot be
    read."""
    try:
        found = _read(path)
        content: object = json.loads(found) if found is not None else None
    except (ValueError, zipfile.BadZipFile) as error:
        raise SourceError(f"the metadata cannot be read: {error}", Location(str(path))) from None
    if not isinstance(content, dict):
        raise SourceError("the file does not say how its inputs and outputs are stored", Location(str(path)),
                          "Only files that this package wrote do.")
    return content


def _read(path: Path) -> str | bytes | None:
    """The metadata's text, from where the ending of `path` says that it is."""
    if path.is_dir():
        extra = path / _FOLDER / _FILE
        return extra.read_text(encoding="utf-8") if extra.exists() else None
    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as archive:
            return archive.read(_FILE) if _FILE in archive.namelist() else None
    if path.suffix == ".h5":
        with h5py.File(path, "r") as file:
            found = file.attrs.get(METADATA)
        return found if isinstance(found, (str, bytes)) else None
    if path.suffix == ".pb":
        graph = tf.compat.v1.GraphDef.FromString(path.read_bytes())
        return next((node.attr["value"].tensor.string_val[0] for node in graph.node if node.name == METADATA), None)
    architecture = json.loads(path.read_text(encoding="utf-8"))
    return json.dumps(architecture[METADATA]) if isinstance(architecture, dict) and METADATA in architecture else None
