"""The file itself: interface, names, buffers, metadata, addressing."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from nchw2nhwc.emit.tflite import emit, writer
from nchw2nhwc.emit.tflite.model import options
from nchw2nhwc.emit.tflite.writer import FlatBuffer
from nchw2nhwc.ir import Graph, TensorType
from nchw2nhwc.ops.activation_functions import Gelu, Relu
from nchw2nhwc.ops.binary import Add, Mul
from nchw2nhwc.ops.elementwise import Identity
from nchw2nhwc.ops.movement import Concat, Transpose
from tests.emit.tflite.graphs import FLOAT, conv, graph_with_input, random
from tests.emit.tflite.runs import RESOLVERS, run_file

both = pytest.mark.parametrize("resolver", RESOLVERS)


def parsed(content: bytes) -> schema.ModelT:
    return schema.ModelT.InitFromPackedBuf(content, 0)


def weighty() -> Graph:
    """x + a, * b, with equal constants: `a` twice (one a view in another memory order), and its content under another shape."""
    graph, x = graph_with_input(6, 20)
    a = random(6, 20)
    y = graph.add1(Add(), [x, graph.constant(a, "a")])
    z = graph.add1(Mul(), [y, graph.constant(np.asfortranarray(a), "b")])
    w = graph.add1(Concat(0), [z, graph.constant(a.reshape(6, 20).copy(), "c")])
    v = graph.add1(Mul(), [graph.add_input("t", TensorType(FLOAT, (120,))), graph.constant(a.reshape(120), "d")])
    graph.add_output(w, "first output")
    graph.add_output(v, "zweiter Ausgang: ü")
    return graph


# ---- interface -----------------------------------------------------------------------------------------------------------
@both
def test_interface_keeps_names_and_order(resolver: str) -> None:
    graph = Graph("names", "n.onnx")
    x, a = (graph.add_input(name, TensorType(FLOAT, (2, 3))) for name in ("z_first", "a/second"))
    graph.add_output(graph.add1(Add(), [x, a]), "z_sum")
    graph.add_output(graph.add1(Mul(), [x, a]), "a_product")
    interpreter = Interpreter(model_content=emit(graph).tobytes(), experimental_op_resolver_type=RESOLVERS[resolver])
    assert [d["name"] for d in interpreter.get_input_details()] == ["z_first", "a/second"]
    signature = interpreter.get_signature_list()
    assert list(signature) == [writer.SIGNATURE]
    assert sorted(signature[writer.SIGNATURE]["inputs"]) == ["a/second", "z_first"]
    results = interpreter.get_signature_runner()(**{"z_first": random(2, 3), "a/second": random(2, 3, seed=1)})
    np.testing.assert_allclose(results["a_product"], random(2, 3) * random(2, 3, seed=1), rtol=1e-6)
    np.testing.assert_allclose(results["z_sum"], random(2, 3) + random(2, 3, seed=1), rtol=1e-6)


def test_the_file_lists_the_signature_in_source_order() -> None:
    model = parsed(emit(weighty()).tobytes())
    (signature,) = model.signatureDefs
    assert [m.name.decode() for m in signature.inputs] == ["x", "t"]
    assert [m.name.decode() for m in signature.outputs] == ["first output", "zweiter Ausgang: ü"]


def test_tensors_are_called_as_in_the_source() -> None:
    graph, x = graph_with_input(2, 3)
    y = graph.add1(Relu(), [x], name="internal", source="blob/7")
    graph.add_output(graph.add1(Add(), [y, y], name="sum", source="blob/7"), "out")
    names = [t.name.decode() for t in parsed(emit(graph).tobytes()).subgraphs[0].tensors]
    assert names == ["x", "blob/7", "blob/7_1"]


@both
def test_inputs_and_constants_may_be_outputs(resolver: str) -> None:
    """An output that is an input, one that is a constant, one value twice, and an input that nothing reads."""
    graph, x = graph_with_input(2, 3)
    graph.add_input("unused", TensorType(FLOAT, (4,)))
    y = graph.add1(Relu(), [x])
    for name, value in (("same", graph.add1(Identity(), [x])), ("constant", graph.constant(random(5))), ("once", y), ("twice", y)):
        graph.add_output(value, name)
    same, constant, once, twice = run_file(emit(graph).tobytes(), [random(2, 3), random(4)], resolver)
    np.testing.assert_array_equal(same, random(2, 3))
    np.testing.assert_array_equal(constant, random(5))
    np.testing.assert_array_equal(once, np.maximum(random(2, 3), 0))
    np.testing.assert_array_equal(twice, once)


# ---- buffers -------------------------------------------------------------------------------------------------------------
def test_equal_constants_are_stored_once() -> None:
    made = emit(weighty())
    tensors = {t.name: t for t in made.model.subgraphs[0].tensors}
    assert len(made.model.blobs) == 1
    assert sorted(name for name, t in tensors.items() if t.buffer) == ["a", "d"], "one tensor a shape"


def test_constants_that_differ_between_samples_stay_apart() -> None:
    graph, x = graph_with_input(1000)
    a = np.zeros(1000, np.float32)
    b = a.copy()
    b[501] = 1
    graph.add_output(graph.add1(Add(), [graph.add1(Mul(), [x, graph.constant(a)]), graph.constant(b)]), "y")
    made = emit(graph)
    assert len(made.model.blobs) == 2
    np.testing.assert_array_equal(run_file(made.tobytes(), [a], "plain")[0], b)


def test_buffers_are_aligned_and_complete() -> None:
    graph, x = graph_with_input(1, 8, 8, 3)
    graph.add_output(conv(graph, conv(graph, x, 5), 7, layer="second"), "y")
    content = emit(graph).tobytes()
    model = schema.Model.GetRootAs(content, 0)
    found = [model.Buffers(k).DataAsNumpy() for k in range(1, model.BuffersLength())]
    assert [f.nbytes for f in found] == [4 * n for n in (5 * 27, 5, 7 * 45, 7)]
    whole = np.frombuffer(content, np.uint8)
    for f in found:
        assert (f.__array_interface__["data"][0] - whole.__array_interface__["data"][0]) % writer.ALIGNMENT == 0
    assert content[4:8] == b"TFL3"
    assert model.BuffersLength() - 1 == len(found)
    assert model.Buffers(0).DataLength() == 0


def test_the_same_graph_gives_the_same_bytes() -> None:
    assert emit(weighty()).tobytes() == emit(weighty()).tobytes()


def test_metadata() -> None:
    model = parsed(emit(weighty(), metadata=lambda names: {"b": b"\x00\x01", "a": b"{}"}).tobytes())
    assert {m.name.decode(): bytes(model.buffers[m.buffer].data) for m in model.metadata} == {"a": b"{}", "b": b"\x00\x01"}


@both
def test_past_the_reach_of_offsets(resolver: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the limit lowered: buffers are addressed from the start of the file."""
    near = emit(weighty()).tobytes()
    monkeypatch.setattr(writer, "LIMIT", 0)
    far = emit(weighty()).tobytes()
    assert all(not len(b.data or ()) and b.offset for b in parsed(far).buffers[1:])
    inputs = [random(6, 20, seed=3), random(120, seed=4)]
    for a, b in zip(run_file(near, inputs, resolver), run_file(far, inputs, resolver), strict=True):
        np.testing.assert_array_equal(a, b)


def test_writing_to_a_path_or_a_file(tmp_path: Path) -> None:
    made = emit(weighty())
    made.write(tmp_path / "model.tflite")
    stream = io.BytesIO()
    made.write(stream)
    assert (tmp_path / "model.tflite").read_bytes() == stream.getvalue() == made.tobytes()
    assert made.size == len(stream.getvalue())


def test_weights_are_streamed() -> None:
    """Sixteen constants of 2 MB, half of them views in another memory order: never more than a few of them in memory at once."""
    graph, x = graph_with_input(512, 1024)
    for k in range(16):
        a = random(512, 1024, seed=k) if k % 2 else random(1024, 512, seed=k).T
        x = graph.add1(Add(), [x, graph.constant(a)])
    graph.add_output(x, "y")

    class Sink(io.RawIOBase):
        def write(self, data: object) -> int:
            return len(memoryview(data))  # type: ignore[arg-type]

    tracemalloc.start()
    made = emit(graph)
    made.write(Sink())  # type: ignore[arg-type]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert made.size > 16 * 2 << 20
    assert peak < 3 * 2 << 20


# ---- tables --------------------------------------------------------------------------------------------------------------
def test_versions_are_the_lowest_that_have_the_feature() -> None:
    graph, x = graph_with_input(1, 8, 8, 4)
    y = conv(graph, x, 6)
    graph.add_output(graph.add1(Transpose((0, 3, 1, 2)), [y]), "y")
    model = parsed(emit(graph).tobytes())
    operators = schema.BuiltinOperator
    assert {(c.builtinCode, c.version) for c in model.operatorCodes} == {(operators.CONV_2D, 1), (operators.TRANSPOSE, 1)}


def test_newer_operators_have_a_placeholder_for_old_readers() -> None:
    graph, x = graph_with_input(2, 3)
    graph.add_output(graph.add1(Gelu(), [x]), "y")
    (code,) = parsed(emit(graph).tobytes()).operatorCodes
    assert (code.builtinCode, code.deprecatedBuiltinCode) == (schema.BuiltinOperator.GELU, 127)


def test_unknown_option_fields_are_defects() -> None:
    made = emit(weighty())
    op = made.model.subgraphs[0].operators[0]
    made.model.subgraphs[0].operators[0] = type(op)(op.code, 1, op.inputs, op.outputs, options("AddOptions", misspelled=1))
    with pytest.raises(AssertionError, match="misspelled"):
        FlatBuffer(made.model)
