"""Bad input, one case each: what is written into a folder, the command line, and what the message has to say."""

from __future__ import annotations

import gzip
import io
import os
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.digits import BIN, ONNX, XML, copy_digits


@dataclass(frozen=True)
class Case:
    """`make` fills an empty folder and returns the arguments; `message` is a pattern that the error matches."""

    name: str
    make: Callable[[Path], list[str]]
    message: str


def edited_xml(pattern: str, replacement: str, count: int = 1) -> Callable[[Path], list[str]]:
    """The digits IR with a pattern in its .xml replaced."""
    def make(folder: Path) -> list[str]:
        xml = copy_digits(folder)
        text, changes = re.subn(pattern, replacement, xml.read_text(), count=count)
        assert changes, f"{pattern} does not occur"
        xml.write_text(text)
        return ["digits.xml"]
    return make


def xml_file(content: bytes) -> Callable[[Path], list[str]]:
    """The digits IR with other content in its .xml."""
    def make(folder: Path) -> list[str]:
        copy_digits(folder).write_bytes(content)
        return ["digits.xml"]
    return make


def bin_file(content: bytes | None) -> Callable[[Path], list[str]]:
    """The digits IR with other content in its .bin, or without one."""
    def make(folder: Path) -> list[str]:
        path = copy_digits(folder).with_suffix(".bin")
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
        return ["digits.xml"]
    return make


def onnx_file(content: bytes) -> Callable[[Path], list[str]]:
    """A file m.onnx of this content."""
    def make(folder: Path) -> list[str]:
        (folder / "m.onnx").write_bytes(content)
        return ["m.onnx"]
    return make


def onnx_model(change: Callable[[onnx.ModelProto], None]) -> Callable[[Path], list[str]]:
    """y = relu(x) + w in ONNX, changed."""
    def make(folder: Path) -> list[str]:
        nodes = [helper.make_node("Relu", ["x"], ["r"], "relu"), helper.make_node("Add", ["r", "w"], ["y"], "add")]
        graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2, 4, 4])],
                                  [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2, 4, 4])],
                                  [numpy_helper.from_array(np.ones((1, 2, 4, 4), np.float32), "w")])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        change(model)
        (folder / "m.onnx").write_bytes(model.SerializeToString())
        return ["m.onnx"]
    return make


def options(*arguments: str) -> Callable[[Path], list[str]]:
    """The sound digits IR with these arguments."""
    def make(folder: Path) -> list[str]:
        copy_digits(folder)
        return ["digits.xml", *arguments]
    return make


def _external(location: str) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        (tensor,) = model.graph.initializer
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)
    return change


def _cycle(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[0] = "y"


def _undefined(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[0] = "nowhere"


def _unknown_op(model: onnx.ModelProto) -> None:
    model.graph.node[0].op_type = "Wonder"


def _unknown_opset(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 999


def _unknown_type(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = 77


def _dynamic_rank(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.ClearField("shape")


def _huge(model: onnx.ModelProto) -> None:
    (tensor,) = model.graph.initializer
    tensor.dims[:] = [10**15]


def _huge_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 10**15


def _sized(op: str, size: int) -> Callable[[onnx.ModelProto], None]:
    """y = `op`(x, [size]) of one number."""
    def change(model: onnx.ModelProto) -> None:
        del model.graph.node[:], model.graph.initializer[:], model.graph.output[0].type.tensor_type.shape.dim[:]
        model.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", TensorProto.FLOAT, [1]))
        model.graph.node.append(helper.make_node(op, ["x", "s"], ["y"], op.lower()))
        model.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, None))
        model.graph.initializer.append(numpy_helper.from_array(np.array([size]), "s"))
    return change


def _far(model: onnx.ModelProto) -> None:
    model.graph.node[1].CopyFrom(helper.make_node("Gather", ["r", "w"], ["y"], "far", axis=1))
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.array([1, 7]), "w"))


def pipe(name: str, *arguments: str) -> Callable[[Path], list[str]]:
    """A pipe of this name, at which nobody writes, besides the sound digits IR."""
    def make(folder: Path) -> list[str]:
        copy_digits(folder)
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)
        return list(arguments)
    return make


def _linked_to_itself(folder: Path) -> list[str]:
    (folder / "w.data").unlink(missing_ok=True)
    (folder / "w.data").symlink_to("w.data")
    return onnx_model(_external("w.data"))(folder)


def _not_writable(folder: Path) -> list[str]:
    (folder / "taken").write_text("a file")
    copy_digits(folder)
    return ["digits.xml", "-o", "taken/below"]


def _samples(*arguments: str) -> Callable[[Path], list[str]]:
    def make(folder: Path) -> list[str]:
        np.savez(folder / "s.npz", image=np.zeros((4, 1, 8, 8), np.float32))
        return options("--quantize", "int8", "--calibration", "s.npz", *arguments)(folder)
    return make


def _zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("m.onnx", content)
    return file.getvalue()


_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"4d7a2146" * 8 + b"\nsize 12\n"
_BOMB = b"""<?xml version="1.0"?><!DOCTYPE net [<!ENTITY a "aaaaaaaaaaaaaaaaaaaa">%s]><net name="&z;" version="11"/>""" % b"".join(
    b'<!ENTITY %c "%s">' % (letter, b"&%c;" % (letter - 1) * 10) for letter in range(ord("b"), ord("z") + 1))
_EDGE = r'<edge from-layer="0" from-port="0" to-layer="3" to-port="0" />'


def cases() -> Iterator[Case]:
    """Every case, under the heads of the list that the project promises to answer."""
    xml, weights, model = XML.read_bytes(), BIN.read_bytes(), ONNX.read_bytes()
    # Damaged files.
    yield Case("xml truncated", xml_file(xml[:len(xml) // 2]), r"digits\.xml")
    yield Case("xml garbage", xml_file(b"<\x00\xff garbage"), r"digits\.xml")
    yield Case("xml empty", xml_file(b""), "empty")
    yield Case("xml of something else", xml_file(b"<html><body/></html>"), r"digits\.xml")
    yield Case("bin missing", bin_file(None), r"digits\.bin")
    yield Case("bin empty", bin_file(b""), r"digits\.bin|bytes")
    yield Case("bin truncated", bin_file(weights[:1000]), "bytes")
    yield Case("onnx truncated", onnx_file(model[:len(model) // 2]), r"m\.onnx")
    yield Case("onnx garbage", onnx_file(bytes(range(256)) * 40), r"m\.onnx")
    yield Case("onnx empty", onnx_file(b""), "empty")
    yield Case("no file", lambda _: ["none.xml"], "none.xml.*No such file")
    yield Case("a folder", lambda _: ["."], "directory")
    yield Case("a pipe", pipe("m.onnx", "m.onnx"), "m.onnx.*pipe")
    yield Case("bin is a pipe", pipe("digits.bin", "digits.xml"), "digits.bin.*pipe")
    yield Case("a pointer of Git LFS", onnx_file(_POINTER), "git lfs pull")
    yield Case("a zip archive", onnx_file(_zipped(model)), "zip archive")
    yield Case("compressed with gzip", onnx_file(gzip.compress(model)), "gzip")
    # Constants.
    yield Case("offset negative", edited_xml(r'offset="0"', 'offset="-4"'), "negative")
    yield Case("size negative", edited_xml(r'offset="0" size="\d+"', 'offset="0" size="-288"'), "negative")
    yield Case("offset past the end", edited_xml(r'offset="0"', 'offset="1000000000"'), "bytes")
    yield Case("size past the end", edited_xml(r'shape="16, 1, 3, 3" offset="0" size="288"',
                                               'shape="16, 1, 3, 3000" offset="0" size="288000"'), "bytes|declares")
    yield Case("size unlike the shape", edited_xml(r'offset="0" size="288"', 'offset="0" size="286"'), "288 bytes")
    yield Case("constant of 10^15 elements", edited_xml(r'shape="16, 1, 3, 3"', 'shape="1000000000000000"'), "bytes|elements")
    yield Case("input of 10^15 elements", edited_xml(r'shape="\?,1,8,8"', 'shape="1000000000000,1,8,125"'), "elements|declares")
    yield Case("onnx constant of 10^15 elements", onnx_model(_huge), "elements|bytes")
    yield Case("onnx input of 10^15 elements", onnx_model(_huge_input), "elements")
    yield Case("onnx Expand to 2^33 elements", onnx_model(_sized("Expand", 2**33)), "'expand' .Expand.: .*int32")
    yield Case("onnx Tile to 2^40 elements", onnx_model(_sized("Tile", 2**40)), "'tile' .Tile.: .*int32")
    # XML that reaches for more.
    yield Case("entity bomb", xml_file(_BOMB), r"digits\.xml")
    yield Case("external entity", xml_file(xml.replace(b"<net", b'<!DOCTYPE net [<!ENTITY e SYSTEM "file:///etc/passwd">]>\n<net', 1)
                                           .replace(b'name="onnx_Frontend_IR"', b'name="&e;"')), r"digits\.xml")
    yield Case("dtd", xml_file(xml.replace(b"<net", b'<!DOCTYPE net SYSTEM "net.dtd">\n<net', 1)), r"digits\.xml")
    # Graphs that contradict themselves.
    yield Case("edge from a layer that is not there", edited_xml(_EDGE, _EDGE.replace('from-layer="0"', 'from-layer="9999"')), "9999")
    yield Case("edge to a layer that is not there", edited_xml(_EDGE, _EDGE.replace('to-layer="3"', 'to-layer="9999"')), "9999")
    yield Case("edge from a port that is not there", edited_xml(_EDGE, _EDGE.replace('from-port="0"', 'from-port="77"')), "77")
    yield Case("edge to a port that is not there", edited_xml(_EDGE, _EDGE.replace('to-port="0"', 'to-port="77"')), "77")
    yield Case("edge missing", edited_xml(_EDGE, ""), "Multiply_|operand|port")
    yield Case("cycle", edited_xml(_EDGE, _EDGE.replace('from-layer="0" from-port="0"', 'from-layer="7" from-port="1"')), "depend")
    yield Case("duplicate ids", edited_xml(r'<layer id="7"', '<layer id="6"'), "6")
    yield Case("onnx cycle", onnx_model(_cycle), "relu|add|cycle|depend")
    yield Case("onnx tensor that nobody makes", onnx_model(_undefined), "nowhere")
    yield Case("onnx index past the end", onnx_model(_far), "'far' .Gather.: indices 1..7 do not fit")
    # What is not known.
    yield Case("unknown IR version", edited_xml(r'version="11"', 'version="99"'), "99")
    yield Case("unknown opset", edited_xml(r'type="ReLU" version="opset1"', 'type="ReLU" version="opset999"'), "ReLU.*opset999")
    yield Case("unknown op", edited_xml(r'type="ReLU"', 'type="Wonder"', 0), r"Wonder \(opset1\): \d")
    yield Case("unknown element type", edited_xml(r'element_type="f32"', 'element_type="f77"'), "f77")
    yield Case("dynamic rank", edited_xml(r'shape="\?,1,8,8"', 'shape="..."'), "axes|rank")
    yield Case("onnx unknown opset", onnx_model(_unknown_opset), "999")
    yield Case("onnx unknown op", onnx_model(_unknown_op), "Wonder: 1 .relu")
    yield Case("onnx unknown element type", onnx_model(_unknown_type), "77")
    yield Case("onnx dynamic rank", onnx_model(_dynamic_rank), "rank")
    # External data.
    yield Case("external data missing", onnx_model(_external("w.data")), "w.data")
    yield Case("external data above the folder", onnx_model(_external("../w.data")), "w.data")
    yield Case("external data is a link to itself", _linked_to_itself, "w.data.*is missing")
    yield Case("external data at the root", onnx_model(_external("/etc/passwd")), "/etc/passwd")
    # Options that do not fit the model.
    yield Case("no such input", options("--input-shape", "nowhere=1,1,8,8"), "nowhere")
    yield Case("another rank", options("--input-shape", "image=1,8,8"), "4 axes")
    yield Case("no such input to lay out", options("--input-layout", "nowhere=nhwc"), "nowhere")
    yield Case("no channels in a vector", options("--output-layout", "logits=nhwc"), "logits")
    yield Case("no such output to cut at", options("--outputs", "nowhere"), "nowhere")
    yield Case("no such input to cut at", options("--inputs", "nowhere"), "nowhere")
    yield Case("no such layer id", options("--layerids_of_the_terminating_output", "12345"), "12345")
    yield Case("no such weights", options("--bin", "none.bin"), "none.bin")
    yield Case("no such check inputs", options("--check-inputs", "none.npz"), "none.npz")
    # Where nothing can be written.
    yield Case("output below a file", _not_writable, "cannot write")
    yield Case("report is a folder", options("--report", "."), "cannot write")
    yield Case("report is the model", options("--report", "digits.xml"), "digits.xml. is an input")
    yield Case("page is the weights", options("--html", "digits.bin"), "digits.bin. is an input")
    yield Case("report is the samples", _samples("--report", "s.npz"), "s.npz. is an input")
    yield Case("report is a pipe", pipe("r.json", "digits.xml", "--report", "r.json"), "cannot write 'r.json'.*pipe")
    yield Case("report and page are one file", options("--report", "r", "--html", "./r"), "another result has that name")
