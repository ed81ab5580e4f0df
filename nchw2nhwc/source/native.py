"""A source as an object of its own framework, and back: to change it, or to run it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx
    import openvino

    from nchw2nhwc.source.model import OpenvinoModel, Source


def onnx_model(model: Path | bytes | onnx.ModelProto) -> onnx.ModelProto:
    """A model to change at will; its initializers are dense."""
    import onnx

    from nchw2nhwc.parse.onnx.model import with_dense

    if isinstance(model, Path):
        return with_dense(onnx.load(model))
    if isinstance(model, bytes):
        return with_dense(onnx.load_model_from_string(model))
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return with_dense(copy)


def inlined(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without functions of its own."""
    from onnx import inliner

    return inliner.inline_local_functions(model) if model.functions else model


def openvino_model(core: openvino.Core, source: Source) -> openvino.Model:
    """The model as OpenVINO reads it."""
    model = str(source.model) if isinstance(source.model, Path) else source.model
    if source.bin is None:
        return core.read_model(model)
    weights = source.bin.read_bytes() if isinstance(source.bin, Path) and isinstance(model, bytes) else source.bin
    return core.read_model(model, str(weights) if isinstance(weights, Path) else weights)


def serialized(model: OpenvinoModel) -> tuple[bytes, bytes]:
    """The content of the .xml and the .bin file of an `openvino.Model`."""
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.xml")
        openvino.serialize(model, path)
        return path.read_bytes(), path.with_suffix(".bin").read_bytes()
