"""The outline of a serialised model: large tensors out, everything else untouched."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import GraphProto, ModelProto, TensorProto, helper, numpy_helper

from nchw2nhwc.errors import SourceError
from nchw2nhwc.parse.onnx.wire import NOTHING_OUTLINED, THRESHOLD, Outline, outline
from tests.parse.onnx.models import model, node, output, tensor

BIG = np.arange(THRESHOLD, dtype=np.float32)


def outlined(source: ModelProto) -> tuple[Outline, ModelProto]:
    found = outline(memoryview(source.SerializeToString()))
    return found, ModelProto.FromString(found.skeleton)


def restored(found: Outline, proto: ModelProto) -> ModelProto:
    """The model with every placeholder replaced by what it stands for."""

    def visit(graph: GraphProto) -> None:
        for initializer in graph.initializer:
            initializer.raw_data = bytes(found.blob(initializer.raw_data))
        for n in graph.node:
            for attribute in n.attribute:
                if attribute.HasField("t"):
                    attribute.t.raw_data = bytes(found.blob(attribute.t.raw_data))
                visit(attribute.g)

    visit(proto.graph)
    return proto


def test_large_tensors_are_views_of_the_model() -> None:
    source = model([node("Add", "x w")], constants={"w": BIG, "small": np.ones(3, np.float32)})
    content = source.SerializeToString()
    found = outline(memoryview(content))
    assert len(found.skeleton) < 300
    assert len(found.blobs) == 1
    assert np.array_equal(np.frombuffer(found.blobs[0], np.float32), BIG)
    assert found.blobs[0].obj is content
    assert restored(found, ModelProto.FromString(found.skeleton)) == source


def test_nested_constants_are_found() -> None:
    branch = helper.make_graph([node("Constant", "", "c", value=numpy_helper.from_array(BIG))], "b", [], [output("c")],
                               [numpy_helper.from_array(BIG + 1, "inner")])
    source = model([node("If", "x", then_branch=branch, else_branch=branch)], constants={"w": BIG})
    found, proto = outlined(source)
    assert len(found.blobs) == 5
    assert restored(found, proto) == source


def test_functions_are_searched() -> None:
    function = helper.make_function("f", "F", [], ["c"], [node("Constant", "", "c", value=numpy_helper.from_array(BIG))],
                                    [helper.make_opsetid("", 17)])
    assert len(outlined(model([node("Relu", "x")], functions=[function]))[0].blobs) == 1


def test_packed_floats_are_the_same_bytes() -> None:
    """Older exporters write numbers instead of raw bytes."""
    typed = helper.make_tensor("w", TensorProto.FLOAT, [len(BIG)], BIG.tolist())
    source = model([node("Add", "x w")])
    source.graph.initializer.append(typed)
    found, proto = outlined(source)
    assert np.array_equal(np.frombuffer(found.blob(proto.graph.initializer[0].raw_data), np.float32), BIG)


def test_numbers_that_are_no_floats_stay() -> None:
    for typed in (helper.make_tensor("w", TensorProto.COMPLEX64, [2048], [complex(1, 2)] * 2048),
                  helper.make_tensor("w", TensorProto.INT64, [4096], list(range(4096)))):
        source = model([node("Add", "x w")])
        source.graph.initializer.append(typed)
        found, proto = outlined(source)
        assert found.blobs == ()
        assert proto == source


def test_a_file_cannot_forge_a_placeholder() -> None:
    """The token is different each time, so what stood in the file before is data."""
    source = model([node("Add", "x w")], constants={"w": BIG})
    first, proto = outlined(source)
    second, again = outlined(proto)
    assert first.token != second.token
    assert second.blobs == ()
    assert second.blob(again.graph.initializer[0].raw_data) == proto.graph.initializer[0].raw_data


def test_a_model_from_elsewhere_has_no_placeholders() -> None:
    for raw in (b"", b"\0" * 24, b"\0" * 25, b"\0" * 40):
        assert NOTHING_OUTLINED.blob(raw) is raw


def test_a_model_without_large_tensors_is_its_own_skeleton() -> None:
    source = model([node("Relu", "x")])
    found, proto = outlined(source)
    assert (found.blobs, proto) == ((), source)


@pytest.mark.parametrize("cut", [1, 2, 100, 5000])
def test_truncated(cut: int) -> None:
    content = model([node("Add", "x w")], constants={"w": BIG}).SerializeToString()
    with pytest.raises(SourceError, match="truncated or damaged"):
        outline(memoryview(content)[:-cut])


@pytest.mark.parametrize("content", [b"\x0b", b"\x80" * 12, b"\x07", b"\x3a\xff\xff\xff\xff\x7f", b"\x09\0\0"])
def test_garbage(content: bytes) -> None:
    with pytest.raises(SourceError, match="damaged"):
        outline(memoryview(content))


def test_nesting_is_bounded() -> None:
    """Graph in attribute in node in graph..., thousands deep and long: left to protobuf, which refuses it."""
    content = b"\0" * THRESHOLD
    for _ in range(1000):
        for field in (6, 5, 1):
            content = bytes([field << 3 | 2]) + _varint(len(content)) + content
    assert outline(memoryview(b"\x3a" + _varint(len(content)) + content)).blobs == ()


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


@given(st.lists(st.tuples(st.integers(0, 3 * THRESHOLD), st.sampled_from([np.uint8, np.int64, np.float32])), max_size=4))
def test_round_trip(tensors: list[tuple[int, type]]) -> None:
    source = onnx.ModelProto()
    source.CopyFrom(model([node("Relu", "x")], [tensor("x")],
                          constants={f"c{k}": np.ones(n, dtype) for k, (n, dtype) in enumerate(tensors)}))
    found, proto = outlined(source)
    assert restored(found, proto) == source
    assert len(found.skeleton) < 1000 + 2 * THRESHOLD * len(tensors)
