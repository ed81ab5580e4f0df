"""Whole files: names, outputs, weights, and what is wrong with them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nchw2nhwc.errors import OptionError, ShapeError, SourceError, UnsupportedError, UnsupportedOpsError
from nchw2nhwc.ir import Graph
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ir.verify import verify
from nchw2nhwc.parse.openvino import read_openvino
from tests.parse.openvino.ir_text import Written, layer, net

X = layer(0, "Parameter", "x", data={"element_type": "f32", "shape": "2,4"}, outputs=[(2, 4)], names=["tensor x"])
SPLIT = layer(2, "Split", "s", data={"num_splits": 2}, inputs=[(2, 4), ()], outputs=[(2, 2), (2, 2)], names=["left,l", ""])
AXIS = layer(1, "Const", "axis", data={"element_type": "i64", "shape": "", "offset": 0, "size": 8}, outputs=[()])
ONE = np.int64(1).tobytes()


def result(id: int, name: str, shape: tuple[int, ...] = (2, 2), output_names: str = "") -> str:
    return layer(id, "Result", name, inputs=[shape], extra=f' output_names="{output_names}"' if output_names else "")


def split_model(version: int) -> bytes:
    """Two halves of the input; the first one is an output twice."""
    layers = [X, AXIS, SPLIT, result(3, "r0"), result(4, "r1"), result(5, "r2")]
    return net(layers, [(0, 0, 2, 0), (1, 0, 2, 1), (2, 2, 3, 0), (2, 3, 4, 0), (2, 2, 5, 0)], version)


def names(graph: Graph) -> tuple[list[str], list[str], list[str]]:
    """Inputs, outputs, and the source tensors of all results."""
    return [v.name for v in graph.inputs], graph.output_names, [v.origin for node in graph.nodes for v in node.outputs]


def test_names_of_version_10() -> None:
    assert names(read_openvino(split_model(10), ONE)) == (["x"], ["s.0", "s.1", "r2"], ["s.0", "s.1"])


def test_names_of_version_11() -> None:
    assert names(read_openvino(split_model(11), ONE)) == (["tensor x"], ["left", "s.1", "r2"], ["left", "s.1"])


def test_results_that_have_names_of_their_own() -> None:
    content = net([X, result(3, "r0", (2, 4), r"first\,1,other"), result(4, "r1", (2, 4))], [(0, 0, 3, 0), (0, 0, 4, 0)], 11)
    graph = read_openvino(content)
    assert graph.output_names == ["first,1", "tensor x"]
    assert all(value is graph.inputs[0] for value in graph.outputs)


def test_outputs_never_share_a_name() -> None:
    content = net([X, *(result(k, "tensor x", (2, 4)) for k in (3, 4, 5))], [(0, 0, k, 0) for k in (3, 4, 5)], 11)
    assert read_openvino(content).output_names == ["tensor x", "tensor x_1", "tensor x_2"]


def test_a_layer_that_does_nothing_keeps_its_name() -> None:
    graph = read_openvino(*Written("Transpose", [(2, 4), np.array([0, 1])], (2, 4)).files())
    assert graph.output_names == ["op"]
    assert graph.outputs[0].origin == "op"


def test_layers_with_the_names_of_steps_in_between() -> None:
    """A mapping's own nodes must not take a name that the source uses later."""
    first = layer(1, "ShuffleChannels", "c", version="opset3", data={"axis": 1, "group": 2}, inputs=[(2, 4)], outputs=[(2, 4)])
    second = layer(2, "ReLU", "c_1", inputs=[(2, 4)], outputs=[(2, 4)])
    graph = read_openvino(net([X, first, second, result(3, "r", (2, 4))], [(0, 0, 1, 0), (1, 1, 2, 0), (2, 1, 3, 0)]))
    verify(graph)
    assert [v.name for node in graph.nodes for v in node.outputs][-2:] == ["c", "c_1"]


def test_two_layers_of_one_name() -> None:
    relus = [layer(k, "ReLU", "same", inputs=[(2, 4)], outputs=[(2, 4)]) for k in (1, 2)]
    graph = read_openvino(net([X, *relus, result(3, "r", (2, 4))], [(0, 0, 1, 0), (1, 1, 2, 0), (2, 1, 3, 0)]))
    verify(graph)
    assert [v.origin for node in graph.nodes for v in node.outputs] == ["same", "same"]


def test_nodes_say_where_they_come_from(tmp_path: Path) -> None:
    (tmp_path / "my model.xml").write_bytes(split_model(10))
    (tmp_path / "my model.bin").write_bytes(ONE)
    graph = read_openvino(str(tmp_path / "my model.xml"))
    assert str(graph.where(graph.nodes[0])) == "my model.xml: layer 's' (Split)"
    assert graph.name == "net"


def test_inputs_that_nothing_reads_stay() -> None:
    other = layer(9, "Parameter", "unused", data={"element_type": "i64", "shape": "?"}, outputs=[(-1,)])
    graph = read_openvino(net([other, X, result(3, "r", (2, 4))], [(0, 0, 3, 0)]))
    assert [str(v) for v in graph.inputs] == ["%unused: int64[unused_0]", "%x: float32[2, 4]"]


def test_layers_that_no_result_needs_may_be_anything() -> None:
    dead = layer(8, "DetectionOutput", "dead", inputs=[(2, 4)], outputs=[(1,)])
    assert len(read_openvino(net([X, dead, result(3, "r", (2, 4))], [(0, 0, 8, 0), (0, 0, 3, 0)]))) == 0


def test_a_constant_is_an_output() -> None:
    content, weights = Written("Sqrt", [np.array([4, 9], np.float32)], (2,)).files()
    assert run(read_openvino(content, weights), {})["op"].tolist() == [2, 3]


def test_weights_are_not_copied(tmp_path: Path) -> None:
    kernel = np.random.default_rng(0).normal(size=(2, 64, 64, 1)).astype(np.float32)
    data = {"strides": "1", "dilations": "1", "pads_begin": "0", "pads_end": "0"}
    content, weights = Written("GroupConvolution", [(1, 128, 5), kernel.reshape(2, 64, 64, 1)], (1, 128, 5), data).files()
    (tmp_path / "m.xml").write_bytes(content)
    (tmp_path / "m.bin").write_bytes(weights)
    (node,) = read_openvino(tmp_path / "m.xml").nodes
    stored = node.input(1).const
    assert stored is not None
    assert not stored.flags.owndata
    assert not stored.flags.writeable
    np.testing.assert_array_equal(stored, kernel.reshape(128, 64, 1))


def test_the_bin_may_be_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(split_model(10))
    (tmp_path / "b.weights").write_bytes(ONE)
    assert len(read_openvino(tmp_path / "a.xml", tmp_path / "b.weights").nodes) == 1
    with pytest.raises(SourceError, match="weights cannot be read") as caught:
        read_openvino(tmp_path / "a.xml")
    assert caught.value.where.file == "a.bin"
    assert caught.value.where.layer == "axis"


def test_other_shapes_of_inputs_change_the_results() -> None:
    """What the file declares for results holds only for the inputs that it declares."""
    content, weights = split_model(10), ONE
    assert [str(v.type) for v in read_openvino(content, weights, input_shapes={"x": [3, 6]}).outputs[:2]] == ["float32[3, 3]"] * 2
    assert [str(v.type) for v in read_openvino(content, weights, batch=-1).outputs[:2]] == ["float32[N, 2]"] * 2
    with pytest.raises(SourceError, match="cannot be split into 2 equal parts") as caught:
        read_openvino(content, weights, input_shapes={"x": [3, 5]})
    assert caught.value.where.layer == "s"


# ---- files that are wrong ----------------------------------------------------------------------------------------------------------
CONSTANT = Written("Add", [(2, 3), np.ones((2, 3), np.float32)], (2, 3), {})
XML, BIN = CONSTANT.files()


@pytest.mark.parametrize(("old", "new", "reason"), [
    ('offset="0"', 'offset="-4"', "must not be negative"),
    ('size="24"', 'size="-24"', "must not be negative"),
    ('offset="0"', 'offset="4"', "bytes 4 to 28 of the weights, which has only 24"),
    ('offset="0"', 'offset="9000000000000000000"', "which has only 24"),
    ('size="24"', 'size="20"', "takes 24 bytes, but its size is 20"),
    ('size="24"', 'size="28"', "takes 24 bytes, but its size is 28"),
    ('shape="2,3" offset', 'shape="1000000000000000" offset', "takes 4000000000000000 bytes"),
    ('shape="2,3" offset', 'shape="-2,-3" offset', "must not be negative"),
    ('shape="2,3" offset', 'shape="3,2" offset', "float32.3, 2., but the file declares .2, 3."),
    ('shape="2,3" offset', 'shape="2,x" offset', "'x' is no integer"),
    ('shape="2,3" offset', 'shape="' + "1," * 40 + '6" offset', "41 axes"),
    ('size="24"', "", "attribute 'size' is missing"),
    ('element_type="f32" shape="2,3" offset', 'element_type="f31" shape="2,3" offset', "no element type"),
    ('element_type="f32" shape="2,3" offset', 'element_type="string" shape="2,3" offset', "'string' is not supported"),
])
def test_constants_that_do_not_fit(old: str, new: str, reason: str) -> None:
    text = XML.decode()
    assert old in text
    with pytest.raises((SourceError, UnsupportedError), match=reason) as caught:
        read_openvino(text.replace(old, new, 1).encode(), BIN)
    assert caught.value.where.layer == "c1"


def test_results_that_are_not_what_the_file_says() -> None:
    text = XML.decode().replace('<output><port id="2" precision="FP32"><dim>2</dim><dim>3</dim>',
                                '<output><port id="2" precision="FP32"><dim>3</dim><dim>3</dim>')
    with pytest.raises(SourceError, match=r"its result is float32\[2, 3\], but the file declares \[3, 3\]"):
        read_openvino(text.encode(), BIN)


def test_a_claimed_tensor_of_a_quadrillion_elements() -> None:
    content = Written("ReLU", [(1000, 10**6, 10**6)], (1000, 10**6, 10**6)).files()[0]
    with pytest.raises(SourceError, match="a tensor of 1000000000000000 elements"):
        read_openvino(content)


def test_a_result_of_a_quadrillion_elements() -> None:
    content, weights = Written("Broadcast", [(1,), np.array([1000, 10**6, 10**6])], (), {"mode": "numpy"}, "opset3").files()
    with pytest.raises(SourceError, match="a tensor of 1000000000000000 elements"):
        read_openvino(content, weights)


def test_results_that_a_layer_does_not_have() -> None:
    relu = layer(1, "ReLU", "a", inputs=[(2, 4)], outputs=[(2, 4), (2, 4)])
    with pytest.raises(SourceError, match="declares 2 results, but has 1"):
        read_openvino(net([X, relu, result(3, "r", (2, 4))], [(0, 0, 1, 0), (1, 1, 3, 0)]))


def test_operands_that_do_not_fit() -> None:
    with pytest.raises(ShapeError, match="do not broadcast") as caught:
        read_openvino(Written("Add", [(2, 3), (4,)], (2, 3), {}).files()[0])
    assert caught.value.where.layer == "op"


def test_no_bad_file_takes_long_or_much() -> None:
    """Each in under 5 seconds, all in one process that never holds 1 GB."""
    done = subprocess.run([sys.executable, "-m", "tests.parse.openvino.bad_files"], capture_output=True, text=True, timeout=120,
                          check=False,
                          cwd=Path(__file__).parents[3])
    assert done.returncode == 0, done.stderr
    *lines, peak = done.stdout.splitlines()
    assert len(lines) >= 15
    assert all(float(line.split()[0]) < 5 for line in lines), lines
    assert int(peak) < 2**30 // (1024 if sys.platform != "darwin" else 1)


def test_reading_stops_at_named_tensors_or_layers() -> None:
    """What lies behind them may be unknown."""
    strange = layer(3, "Strange", "strange", inputs=[(2, 2)], outputs=[(2, 2)])
    content = net([X, AXIS, SPLIT, strange, result(4, "r")], [(0, 0, 2, 0), (1, 0, 2, 1), (2, 2, 3, 0), (3, 1, 4, 0)], 11)
    with pytest.raises(UnsupportedOpsError, match="Strange"):
        read_openvino(content, ONE)
    assert read_openvino(content, ONE, outputs=["left"]).output_names == ["left"]
    assert read_openvino(content, ONE, outputs=["s"]).output_names == ["left", "s.1"]
    with pytest.raises(OptionError, match="no tensor or layer 'lef'") as caught:
        read_openvino(content, ONE, outputs=["lef"])
    assert caught.value.advice == "Did you mean 'left'?"
