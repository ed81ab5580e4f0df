"""What is on the page, and how it is written."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import onnx
import pytest
from measure.deep import deep_network
from onnx import helper

from nchw2nhwc import Converted, convert
from nchw2nhwc.checking.layers import LayerErrors
from nchw2nhwc.html.graphs import GraphData
from nchw2nhwc.html.model import PageData, collect
from nchw2nhwc.html.page import render
from nchw2nhwc.source.reading import read
from tests.digits import ONNX, XML, openvino2tf
from tests.html.conftest import HOSTILE, RECORDS

pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def data(checked: Converted) -> PageData:
    return collect(checked, layers=LayerErrors(RECORDS, 1e-4, 3))


def by_name(graph: GraphData, type: str) -> list[str]:
    return [op["name"] for op in graph["ops"] if op["type"] == type]


def test_the_source_is_as_it_was_read(data: PageData) -> None:
    source = data["graphs"]["source"]
    assert [(op["type"], op["name"]) for op in source["ops"]] == [
        ("input", "x"), ("Conv", "/stem/conv/Conv"), ("Relu", HOSTILE), ("Transpose", "/body/Transpose"), ("Conv", "/body/conv/Conv"),
        ("Tanh", "/body/Tanh"), ("output", "z")]
    conv = source["ops"][1]
    assert conv["constants"] == ["w: float32[3, 3, 3, 3]"]
    assert [source["tensors"][t]["type"] for t in (*conv["inputs"], *conv["outputs"])] == ["float32[1, 3, 12, 16]"] * 2
    assert {tensor["kind"] for tensor in source["tensors"]} == {"source"}
    assert "pads" in conv["text"][0]


def test_the_result_tells_layouts_and_the_transpose_that_is_left(checked: Converted, data: PageData) -> None:
    result = data["graphs"]["result"]
    (left,) = data["transposes"]
    (move,) = checked.layout.transposes
    assert (left["explanation"], left["bytes"]) == (move.explanation, move.bytes)
    op = result["ops"][left["op"]]
    assert (op["type"], op["transpose"]) == ("Transpose", 0)
    assert {result["tensors"][t]["kind"] for each in result["ops"] for t in each["outputs"]} <= {"last", "other"}
    first = result["tensors"][result["ops"][0]["outputs"][0]]
    assert (first["type"], first["order"], first["kind"]) == ("float32[1, 12, 16, 3]", "h w c", "last")


def test_ops_of_the_same_layer_or_tensor_are_twins_both_ways(data: PageData) -> None:
    source, result = data["graphs"]["source"], data["graphs"]["result"]
    for k, op in enumerate(source["ops"]):
        assert all(k in result["ops"][twin]["twins"] for twin in op["twins"])
    conv = source["ops"][1]
    assert [result["ops"][twin]["type"] for twin in conv["twins"]] == ["Conv"]
    assert source["ops"][0]["twins"] == [0]


def test_every_level_holds_each_of_its_ops_once(data: PageData) -> None:
    for graph in data["graphs"].values():
        inside = [id for level in graph["levels"] for kind, id in level["items"] if kind == "op"]
        modules = [id for level in graph["levels"] for kind, id in level["items"] if kind == "module"]
        assert sorted(inside) == list(range(len(graph["ops"])))
        assert sorted(modules) == list(range(1, len(graph["levels"])))


def test_an_edge_goes_on_inside_the_modules_at_its_ends(data: PageData) -> None:
    for graph in data["graphs"].values():
        for level in graph["levels"]:
            for e, edge in enumerate(level["edges"]):
                for end, port in ((edge["route"][0], "out"), (edge["route"][-1], "in")):
                    kind, id = level["items"][end]
                    if kind == "module":
                        assert graph["levels"][id]["items"].count((port, e)) == 1


def test_the_errors_inside_and_the_culprit(data: PageData) -> None:
    layers = data["layers"]
    assert layers is not None
    assert (layers["culprit"], [record["error"] for record in layers["records"]]) == (3, [1e-7, 0.0, 2e-7, 0.3, None])


def test_counts_are_those_of_the_report(checked: Converted, data: PageData) -> None:
    assert sum(count for _, count in data["counts"]["source"]) == checked.source_ops
    assert sum(count for _, count in data["counts"]["result"]) == checked.result_ops
    assert dict(data["counts"]["result"])["CONV_2D"] == 2


@pytest.mark.parametrize("model", [ONNX, XML], ids=["onnx", "ir"])
def test_every_tensor_of_a_result_is_of_a_known_layout(model: Path) -> None:
    converted = convert(model)
    data = collect(converted)
    assert (data["layers"], data["pictures"]) == (None, [])
    result = data["graphs"]["result"]
    assert sum(not op["end"] for op in result["ops"]) == len(converted.graph)
    assert all(tensor["order"] for tensor in result["tensors"] if tensor["kind"] != "plain")
    assert sum(not op["end"] for op in data["graphs"]["source"]["ops"]) == converted.source_ops


def test_tensors_that_passes_made_of_others_are_of_a_known_layout_too() -> None:
    shapes = {"q": (2, 1, 2, 3, 2, 4, 8), "k": (2, 1, 2, 3, 2, 8, 4), "y": (2, 1, 2, 3, 2, 4, 4)}
    q, k, y = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in shapes.items())
    nodes = [helper.make_node("MatMul", ["q", "k"], ["m"], name="m"), helper.make_node("Softmax", ["m"], ["y"], name="s")]
    model = helper.make_model(helper.make_graph(nodes, "g", [q, k], [y]), opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    converted = convert(model)
    assert "lower_rank" in {name for node in converted.graph.nodes for name in node.origin.passes}
    assert all(tensor["order"] for tensor in collect(converted)["graphs"]["result"]["tensors"])


def test_a_page_is_the_same_every_time() -> None:
    converted = convert(ONNX)
    assert collect(converted) == collect(converted)


# ---- the file ------------------------------------------------------------------------------------------------------------
def embedded(page: str) -> object:
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert match
    return json.loads(match[1])


def test_the_data_comes_back_whole_whatever_names_hold(data: PageData) -> None:
    page = render(data).decode()
    assert embedded(page) == json.loads(json.dumps(data))
    assert page.count("<script") == 2, "the data and the code"
    assert page.count("</script>") == 2
    assert "alert(1)</script>" not in page


def test_a_title_is_escaped(data: PageData) -> None:
    page = render({**data, "title": "<b>&\udcff"}).decode()
    assert "<title>&lt;b&gt;&amp;" in page


def test_nothing_outside_is_mentioned_or_allowed(data: PageData) -> None:
    page = render(data).decode()
    assert set(re.findall(r"https?://[^\s\"'`)]*", page)) == {"http://www.w3.org/2000/svg"}, "a name of SVG, which nobody asks for"
    assert not re.search(r"<(link|img|script|iframe)[^>]*(src|href)=(?!\"data:)", page)
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|WebSocket|sendBeacon", page)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    allowed = dict(part.split(" ", 1) for part in policy[1].split("; "))
    script, style = (re.search(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL) for tag in ("script", "style"))
    assert script
    assert style
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(part[1].encode()).digest()).decode()}'" for part in (script, style)]
    assert allowed == {"default-src": "'none'", "script-src": hashes[0], "style-src": hashes[1], "img-src": "data:", "base-uri": "'none'",
                       "form-action": "'none'"}


def test_a_page_of_a_large_network_stays_small_and_leaves_the_conversion_alone(tmp_path: Path) -> None:
    converted = convert(deep_network(1500).SerializeToString())
    before = converted.tflite()
    converted.save_html(tmp_path / "page.html")
    assert (tmp_path / "page.html").stat().st_size < 3_000_000
    assert converted.tflite() == before
    assert len(read(converted.source, converted.options)) == converted.source_ops


# ---- the command line ----------------------------------------------------------------------------------------------------
def test_the_command_line_writes_the_page_with_everything_else(tmp_path: Path) -> None:
    done = openvino2tf(XML, "--html", "sub/page.html", "--report", "report.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    data = embedded((tmp_path / "sub" / "page.html").read_text())
    assert isinstance(data, dict)
    assert data["report"]["files"]["float32"]["path"] == "digits_float32.tflite"
    assert [picture["name"] for picture in data["pictures"]] == ["image"]
    assert "html" in json.loads((tmp_path / "report.json").read_text())["seconds"]


def test_a_page_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "page.html").mkdir()
    done = openvino2tf(XML, "--html", "page.html", cwd=tmp_path)
    assert done.returncode == 2
    assert "page.html" in done.stderr
    assert not (tmp_path / "digits_float32.tflite").exists()


def test_without_the_check_the_page_says_why(tmp_path: Path) -> None:
    assert openvino2tf(XML, "--html", "page.html", "--no-check", cwd=tmp_path).returncode == 0
    data = embedded((tmp_path / "page.html").read_text())
    assert isinstance(data, dict)
    assert (data["checks"], data["unchecked"]) == ({}, "--no-check")
