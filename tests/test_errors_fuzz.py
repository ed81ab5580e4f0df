"""Damaged files: whatever is changed in a model, reading it ends in a sound graph or in one of our errors."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import onnx
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from lxml import etree

from nchw2nhwc.errors import ConversionError
from nchw2nhwc.ir import Graph
from nchw2nhwc.ir.verify import verify
from nchw2nhwc.parse.onnx import read_onnx
from nchw2nhwc.parse.openvino import read_openvino
from tests.digits import BIN, ONNX, XML

BATCHES, FILES = 8, 70
"""Every kind of damage is done to BATCHES * FILES files: 2,240 in all."""

WORDS = ("", "0", "1", "-1", "3", "7", "99", "1000000000000000", "-9223372036854775808", "1e400", "nan", "?", "...", "1,1", "8,8,8,8",
         "f16", "i4", "boolean", "string", "same_upper", "valid", "numpy", "none", "opset8", "opset1", "Const", "Add", "Concat", "Reshape",
         "MatMul", "Convolution", "Result", "Parameter", "\u2028", "x" * 300)
NUMBERS = (0, 1, -1, 2, 3, 7, 8, 10**6, 2**31 - 1, -(2**31))


def damaged_bytes(rng: random.Random, content: bytes) -> bytes:
    """A few bytes changed, a stretch cut out, doubled or moved, or the end cut off."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8))):
        at, length = rng.randrange(len(data)), rng.choice((1, 4, 64, 1024))
        match rng.randrange(6):
            case 0:
                data[at] = rng.randrange(256)
            case 1:
                data[at] ^= 1 << rng.randrange(8)
            case 2:
                del data[at:at + length]
            case 3:
                data[at:at] = data[at:at + length]
            case 4:
                to = rng.randrange(len(data))
                data[to:to + length] = data[at:at + length]
            case _:
                del data[max(at, 1):]
        data = data or bytearray(b"\0")
    return bytes(data)


def damaged_xml(rng: random.Random, content: bytes) -> bytes:
    """Attributes, text and elements of a document changed, removed, doubled or exchanged; it stays well-formed."""
    root = etree.fromstring(content)
    for _ in range(rng.choice((1, 1, 2, 4))):
        elements = [e for e in root.iter() if isinstance(e.tag, str) and e is not root]
        element, other = rng.choice(elements), rng.choice(elements)
        parent = element.getparent()
        assert parent is not None
        match rng.randrange(6):
            case 0 | 1 if element.attrib:
                element.set(rng.choice(list(element.attrib)), rng.choice(WORDS[:-2]))
            case 2 if element.attrib and other.attrib:
                element.set(rng.choice(list(element.attrib)), rng.choice(list(other.attrib.values())))
            case 3 if element.attrib:
                del element.attrib[rng.choice(list(element.attrib))]
            case 4:
                parent.remove(element)
            case _:
                element.text = rng.choice(WORDS[:-2])
    return etree.tostring(root)


def damaged_proto(rng: random.Random, content: bytes) -> bytes:
    """Fields of messages changed, cleared or doubled; it stays a protobuf message."""
    model = onnx.load_model_from_string(content)
    for _ in range(rng.choice((1, 1, 2, 4))):
        message = model
        while True:
            inner = [v for f, v in message.ListFields() if f.type == FieldDescriptor.TYPE_MESSAGE]
            flat = [m for v in inner for m in ([v] if isinstance(v, Message) else v)]
            if not flat or rng.random() < 0.25:
                break
            message = rng.choice(flat)
        _damage_field(rng, message)
    return model.SerializeToString()


def _damage_field(rng: random.Random, message: Message) -> None:
    fields = message.ListFields()
    if not fields:
        return
    descriptor, value = rng.choice(fields)
    values = {FieldDescriptor.CPPTYPE_STRING: WORDS, FieldDescriptor.CPPTYPE_ENUM: NUMBERS, FieldDescriptor.CPPTYPE_INT32: NUMBERS,
              FieldDescriptor.CPPTYPE_INT64: (*NUMBERS, 10**15, -(2**63)), FieldDescriptor.CPPTYPE_FLOAT: (0.0, -1.0, 1e30, float("nan"))}
    if descriptor.cpp_type not in values or rng.random() < 0.2:
        message.ClearField(descriptor.name)
        return
    word = rng.choice(values[descriptor.cpp_type])
    fresh = word.encode(errors="replace") if descriptor.type == FieldDescriptor.TYPE_BYTES and isinstance(word, str) else word
    if isinstance(value, (str, bytes, int, float)):
        setattr(message, descriptor.name, fresh)
    else:
        value[rng.randrange(len(value))] = fresh


def read(source: Callable[[], Graph]) -> str:
    """Read a damaged model: a sound graph comes out (""), or the message of a ConversionError. Anything else is a defect."""
    try:
        graph = source()
    except ConversionError as error:
        return str(error)
    verify(graph)
    return ""


@pytest.mark.parametrize("batch", range(BATCHES))
def test_damaged_onnx(batch: int, tmp_path: Path) -> None:
    content, path = ONNX.read_bytes(), tmp_path / "m.onnx"
    for k in range(FILES):
        rng = random.Random(f"onnx {batch} {k}")
        for damage in (damaged_bytes, damaged_proto):
            try:
                path.write_bytes(damage(rng, content))
            except (DecodeError, ValueError):
                continue
            assert len(read(lambda: read_onnx(path, input_shapes=None, batch=None))) < 5000


@pytest.mark.parametrize("batch", range(BATCHES))
def test_damaged_ir(batch: int, tmp_path: Path) -> None:
    xml, weights = XML.read_bytes(), BIN.read_bytes()
    path, bin = tmp_path / "m.xml", tmp_path / "m.bin"
    bin.write_bytes(weights)
    for k in range(FILES):
        rng = random.Random(f"ir {batch} {k}")
        for damage in (damaged_bytes, damaged_xml):
            path.write_bytes(damage(rng, xml))
            if rng.random() < 0.1:
                bin.write_bytes(damaged_bytes(rng, weights))
            assert len(read(lambda: read_openvino(path, None, input_shapes=None, batch=None))) < 5000


def test_damage_is_done() -> None:
    """The mutations reach both sides: files that are refused and files that can still be read."""
    xml, weights = XML.read_bytes(), BIN.read_bytes()
    files = [damaged_xml(random.Random(k), xml) for k in range(30)]
    messages = [read(partial(read_openvino, file, weights)) for file in files]
    assert 3 < messages.count("") < 27
