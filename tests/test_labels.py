"""TFLite metadata: labels and who made the model, read back with the flatbuffers runtime and zipfile alone."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import number_types
from flatbuffers.table import Table

import nchw2nhwc
from nchw2nhwc import cli
from nchw2nhwc.emit.tflite.task_metadata import archive
from nchw2nhwc.errors import OptionError
from nchw2nhwc.metadata import read_tflite
from tests.digits import XML
from tests.parse.onnx.models import model, node, tensor

DIGITS = tuple(f"digit {k}" for k in range(10))
CARD = {"model_name": "Digits", "model_description": "from 0 to 9", "model_version": "1.2", "model_author": "Ada Ä", "model_license": "MIT"}


class View:
    """A table of a FlatBuffer by field numbers, as the schema of TFLite metadata counts them."""

    def __init__(self, table: Table) -> None:
        self.table = table

    @classmethod
    def root(cls, content: bytes) -> View:
        return cls(Table(content, struct.unpack_from("<I", content)[0]))

    def _at(self, slot: int) -> int:
        return int(self.table.Offset(4 + 2 * slot))

    def text(self, slot: int) -> str:
        return self.table.String(self.table.Pos + self._at(slot)).decode() if self._at(slot) else ""

    def byte(self, slot: int) -> int:
        return int(self.table.Get(number_types.Uint8Flags, self.table.Pos + self._at(slot))) if self._at(slot) else 0

    def table_at(self, slot: int) -> View:
        return View(Table(self.table.Bytes, self.table.Indirect(self.table.Pos + self._at(slot))))

    def tables(self, slot: int) -> list[View]:
        if not self._at(slot):
            return []
        start = self.table.Vector(self._at(slot))
        return [View(Table(self.table.Bytes, self.table.Indirect(start + 4 * k))) for k in range(self.table.VectorLen(self._at(slot)))]

    def floats(self, slot: int) -> list[float]:
        start, count = self.table.Vector(self._at(slot)), self.table.VectorLen(self._at(slot))
        return list(struct.unpack_from(f"<{count}f", self.table.Bytes, start))


def metadata(content: bytes) -> View | None:
    """The entry of the schema's name, which has its identifier."""
    file = schema.Model.GetRootAs(content, 0)
    for k in range(file.MetadataLength()):
        entry = file.Metadata(k)
        if entry.Name() == b"TFLITE_METADATA":
            data = file.Buffers(entry.Buffer()).DataAsNumpy().tobytes()
            assert data[4:8] == b"M001"
            return View.root(data)
    return None


def test_everything_is_there(tmp_path: Path) -> None:
    labels = tmp_path / "any name.txt"
    labels.write_text("\n".join(DIGITS) + "\n", encoding="utf-8")
    flags = [part for name, text in CARD.items() for part in (f"--{name.replace('_', '-')}", text)]
    assert cli.main([str(XML), "-o", str(tmp_path), "--labels", str(labels), *flags, "--scale", "16", "--float16", "--quiet"]) == 0
    for kind in ("float32", "float16"):
        path = tmp_path / f"digits_{kind}.tflite"
        found = metadata(path.read_bytes())
        assert found is not None
        assert [found.text(slot) for slot in (0, 1, 2, 4, 5, 7)] == [*CARD.values(), "1.0.0"]
        (graph,) = found.tables(3)
        (image,), (logits,) = graph.tables(2), graph.tables(3)
        assert (image.text(0), image.table_at(3).byte(0), image.table_at(3).table_at(1).byte(0)) == ("image", 2, 2)
        (unit,) = image.tables(4)
        assert (unit.byte(0), unit.table_at(1).floats(0), unit.table_at(1).floats(1)) == (1, [0.0], [1.0])
        (file,) = logits.tables(6)
        assert (logits.text(0), file.text(0), file.byte(2)) == ("logits", "labels.txt", 2)
        with zipfile.ZipFile(path) as archived:
            assert archived.testzip() is None
            assert archived.namelist() == ["labels.txt"]
            assert archived.infolist()[0].compress_type == zipfile.ZIP_STORED
            assert archived.read("labels.txt").decode().splitlines() == list(DIGITS)
        assert read_tflite(path).inputs[0].name == "image"
        assert nchw2nhwc.check(XML, path).passed


def test_nothing_is_said_unless_it_is_asked_for() -> None:
    plain = nchw2nhwc.convert(XML)
    assert metadata(plain.tflite()) is None
    named = nchw2nhwc.convert(XML, model_author="Ada")
    content = named.tflite()
    found = metadata(content)
    assert found is not None
    assert (found.text(0), found.text(4)) == ("digits", "Ada")
    assert found.tables(3)[0].tables(2)[0].tables(4) == []  # nobody has said how images are to be normalised
    assert not zipfile.is_zipfile(XML)
    assert content == nchw2nhwc.convert(XML, model_author="Ada").tflite()
    assert len(content) == named.flatbuffer().size


def two_outputs() -> onnx.ModelProto:
    w = np.ones((2, 3, 1, 1), np.float32)
    return model([node("Conv", "x w", "y"), node("Neg", "x", "z"), node("Relu", "x", "v")], [tensor("x", [1, 3, 4, 4])], ["y", "z", "v"],
                 constants={"w": w})


def test_labels_of_outputs_by_name(tmp_path: Path) -> None:
    converted = nchw2nhwc.convert(two_outputs(), output_layout={"*": "nhwc"}, labels={"v": ["r", "g", "b"], "y": ["a", "b"]})
    converted.save(tmp_path / "m.tflite")
    found = metadata((tmp_path / "m.tflite").read_bytes())
    assert found is not None
    files = [[f.text(0) for f in out.tables(6)] for out in found.tables(3)[0].tables(3)]
    with zipfile.ZipFile(tmp_path / "m.tflite") as archived:
        assert [[archived.read(name) for name in names] for names in files] == [[b"a\nb\n"], [], [b"r\ng\nb\n"]]
    assert found.tables(3)[0].tables(2)[0].table_at(3).table_at(1).byte(0) == 1  # RGB


@pytest.mark.parametrize(("labels", "message"), [
    (["a", "b", "c"], "2 outputs have as many places"), (["a"], "no outputs have as many places"), ({"q": ["a"]}, "no output 'q'"),
    ({"y": ["a", "b", "c"]}, "output 'y' has another number of places"), ("missing.txt", "cannot read labels"), ([], "labels are a file"),
    (["a\nb"], "line breaks"), (3, "labels are a file")])
def test_labels_that_do_not_fit(labels: object, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        nchw2nhwc.convert(two_outputs(), output_layout={"*": "nhwc"}, labels=labels)


def test_an_archive_is_read_where_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * 1000 + archive({"one": b"1", "two": b"22" * 500}, 1000))
    with zipfile.ZipFile(path) as archived:
        assert [archived.read(name) for name in ("one", "two")] == [b"1", b"22" * 500]
        assert next(iter(archived.infolist())).header_offset == 1000
