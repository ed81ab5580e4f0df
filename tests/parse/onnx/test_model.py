"""Loading: what is no model, or one of another time; local functions that never end."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, helper

from nchw2nhwc.errors import SourceError, UnsupportedError
from nchw2nhwc.parse.onnx import read_onnx
from nchw2nhwc.parse.onnx.model import load
from nchw2nhwc.parse.onnx.registry import newest_opset
from tests.parse.onnx.models import model, node, ops

RELU = model([node("Relu", "x")])


def changed(change: Callable[[ModelProto], object], source: ModelProto = RELU) -> bytes:
    copy = ModelProto()
    copy.CopyFrom(source)
    change(copy)
    return copy.SerializeToString()


def test_the_three_forms_of_a_model(tmp_path: Path) -> None:
    path = tmp_path / "ä b.onnx"
    path.write_bytes(RELU.SerializeToString())
    found = [read_onnx(source) for source in (path, str(path), RELU.SerializeToString(), RELU)]
    assert [graph.source for graph in found] == ["ä b.onnx", "ä b.onnx", "ONNX model", "ONNX model"]
    assert {tuple(str(n.op) for n in graph.nodes) for graph in found} == {("Relu",)}


@pytest.mark.parametrize(("content", "message"), [
    (b"", "empty"), (b"garbage, no model at all", "no ONNX model|damaged"), (bytes(range(256)), "no ONNX model|damaged"),
    (RELU.SerializeToString()[:-9], "truncated"), (b"\x08\x0a", "it has no graph"),
    (changed(lambda m: m.ClearField("graph")), "it has no graph"), (changed(lambda m: m.ClearField("ir_version")), "it has no IR version"),
    (changed(lambda m: m.ClearField("opset_import")), "it has no operator set"),
    (changed(lambda m: m.opset_import.append(helper.make_opsetid("", 13))), "imported in version 13"),
    (changed(lambda m: m.graph.ClearField("output")), "no outputs"),
    (changed(lambda m: setattr(m.graph.output[0], "name", "nowhere")), "output 'nowhere' is not defined"),
])
def test_what_is_no_model(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "m.onnx").write_bytes(content)
    for source in (content, tmp_path / "m.onnx"):
        with pytest.raises(SourceError, match=message) as caught:
            read_onnx(source)
        assert caught.value.where.file in ("ONNX model", "m.onnx")


def test_an_output_that_is_listed_twice() -> None:
    """ONNX Runtime gives it twice; a signature of TFLite has every name once."""
    graph = read_onnx(changed(lambda m: m.graph.output.append(m.graph.output[0])))
    assert len(graph.outputs) == 1
    assert graph.notes == [f"output '{graph.output_names[0]}' is listed 2 times, the result has it once"]


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.onnx", tmp_path):
        with pytest.raises(SourceError, match="cannot be read"):
            read_onnx(path)


@pytest.mark.parametrize("opset", [newest_opset() + 1, 10**9])
def test_opsets_of_another_time(opset: int) -> None:
    with pytest.raises(UnsupportedError, match="the newest that is known"):
        read_onnx(changed(lambda m: setattr(m.opset_import[0], "version", opset)))


def test_an_older_opset_is_converted() -> None:
    assert ops(read_onnx(changed(lambda m: setattr(m.opset_import[0], "version", 6)))) == ops(read_onnx(changed(lambda m: None)))


@pytest.mark.parametrize("opset", [0, -1])
def test_impossible_opsets(opset: int) -> None:
    with pytest.raises(SourceError, match="cannot be"):
        read_onnx(changed(lambda m: setattr(m.opset_import[0], "version", opset)))


def test_an_ir_version_of_the_future() -> None:
    with pytest.raises(UnsupportedError, match="IR version 99"):
        read_onnx(changed(lambda m: setattr(m, "ir_version", 99)))


@pytest.mark.parametrize("old", [b"strange_name"])
@pytest.mark.parametrize("place", ["node", "tensor", "initializer", "attribute", "type", "dimension", "function"])
def test_names_that_are_no_text(old: bytes, place: str) -> None:
    name = old.decode()
    source = model([node("LeakyRelu", "x", "t"), node("Relu", "t")], constants={"c": np.ones(1)})
    function = helper.make_function("f", name, ["a"], ["b"], [node("Relu", "a", "b")], [helper.make_opsetid("", 17)])
    if place == "node":
        source.graph.node[0].name = name
    elif place == "tensor":
        source.graph.node[0].output[0] = source.graph.node[1].input[0] = name
    elif place == "initializer":
        source.graph.initializer[0].name = name
    elif place == "attribute":
        source.graph.node[0].attribute.append(helper.make_attribute(name, 1))
    elif place == "type":
        source.graph.node[0].op_type = name
    elif place == "dimension":
        source.graph.input[0].type.tensor_type.shape.dim[0].dim_param = name
    else:
        source.functions.append(function)
    content = source.SerializeToString()
    assert content.count(old) in (1, 2)
    with pytest.raises(SourceError, match="not valid text"):
        read_onnx(content.replace(old, b"strange\xffname"))


def test_odd_names_are_kept() -> None:
    names = ["a b", "ünïcode", "x:0", "/model/conv.1/Relu_output_0", "a,b", "%x", "1", "a\nb", "x" * 300]
    nodes = [node("Relu", "x", "t0"), *[helper.make_node("Relu", [a], [b]) for a, b in zip(["t0", *names], names)]]
    graph = read_onnx(model(nodes, outputs=[names[-1]]).SerializeToString())
    assert [n.output.name for n in graph.nodes] == ["t0", *names]
    assert graph.output_names == [names[-1]]


# ---- local functions ---------------------------------------------------------------------------------------------------
def function(name: str, calls: list[str]) -> onnx.FunctionProto:
    """A function that passes its operand through calls of others."""
    steps = [helper.make_node(callee, [f"v{k}"], [f"v{k + 1}"], domain="f") for k, callee in enumerate(calls)]
    return helper.make_function("f", name, ["v0"], [f"v{len(calls)}"], steps, [helper.make_opsetid("f", 1), helper.make_opsetid("", 17)])


def calling(name: str, *functions: onnx.FunctionProto) -> bytes:
    return model([helper.make_node(name, ["x"], ["y"], domain="f")], functions=functions, domains=["f"]).SerializeToString()


@pytest.mark.parametrize("functions", [[function("A", ["A"])], [function("A", ["B"]), function("B", ["C", "A"]), function("C", [])],
                                       [function(chr(65 + k), [chr(66 + k)]) for k in range(60)]])
def test_functions_that_call_themselves(functions: list[onnx.FunctionProto]) -> None:
    with pytest.raises(SourceError, match="calls itself, or calls are nested"):
        read_onnx(calling("A", *functions))


def test_functions_that_explode() -> None:
    """Each calls the next one ten times: 10^20 nodes in a few kilobytes."""
    functions = [function(f"F{k}", [f"F{k + 1}"] * 10) for k in range(20)]
    with pytest.raises(SourceError, match="nodes"):
        read_onnx(calling("F0", *functions, function("F20", [])))


def test_a_function_that_is_defined_twice() -> None:
    with pytest.raises(SourceError, match="function 'A' is defined twice"):
        read_onnx(calling("A", function("A", []), function("A", [])))


# ---- memory --------------------------------------------------------------------------------------------------------------
def test_weights_are_not_copied(tmp_path: Path) -> None:
    """Reading maps the file: 64 MB of weights cost a fraction of that."""
    onnx.save(model([node("Add", "x w")], constants={"w": np.zeros((2, 3, 1)) + np.zeros((1, 1, 1 << 20), np.float64)}),
              tmp_path / "m.onnx")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # What was freed before stays in the peak, so the peak may not rise at all.
    loaded = load(tmp_path / "m.onnx")
    assert loaded.graph.ByteSize() < 1000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8 * 1024
