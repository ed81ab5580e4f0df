"""Which format a model is in."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from nchw2nhwc.errors import OptionError, SourceError
from nchw2nhwc.source import Format, identify


def test_by_suffix_and_by_content(tmp_path: Path) -> None:
    for name, content, format in (("a.onnx", b"\x08\x08", Format.ONNX), ("a.XML", b"<net", Format.OPENVINO),
                                  ("a", b"\x08\x08", Format.ONNX), ("b", b"\xef\xbb\xbf  <?xml", Format.OPENVINO)):
        (tmp_path / name).write_bytes(content)
        source = identify(tmp_path / name)
        assert (source.format, source.stem) == (format, Path(name).stem)
        assert identify(str(tmp_path / name)) == source


def test_content_and_protos() -> None:
    assert identify(b"\x08\x08").format is Format.ONNX
    assert identify(b"<net/>", b"").format is Format.OPENVINO
    assert identify(onnx.ModelProto()).format is Format.ONNX
    with pytest.raises(OptionError, match="weights"):
        identify(b"<net/>")
    with pytest.raises(OptionError, match="--bin"):
        identify(b"\x08\x08", b"")
    with pytest.raises(SourceError, match="neither OpenVINO IR nor ONNX"):
        identify(b"hello")


def test_other_files_are_answered_with_advice(tmp_path: Path) -> None:
    for name, advice in (("a.bin", "Give the .xml"), ("a.pt", "Export"), ("a.tflite", "already"), ("a.txt", "Give an OpenVINO IR")):
        (tmp_path / name).write_bytes(b"content")
        with pytest.raises(SourceError) as caught:
            identify(tmp_path / name)
        assert advice in caught.value.advice
        assert caught.value.where.file == name


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "empty.onnx").write_bytes(b"")
    for path, reason in ((tmp_path / "none.onnx", "No such file"), (tmp_path, "directory"), (tmp_path / "empty.onnx", "empty"),
                         (tmp_path / "a\0b.onnx", "not a file name")):
        with pytest.raises(SourceError, match=reason):
            identify(path)
