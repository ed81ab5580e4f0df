"""The .xml: what is read, and what is refused."""

from __future__ import annotations

import pytest

from nchw2nhwc.errors import ConversionError, SourceError, UnsupportedError
from nchw2nhwc.parse.openvino import document
from nchw2nhwc.parse.openvino.document import Layer, read_document, split_names
from tests.parse.openvino.ir_text import Written, layer, net

X = {"element_type": "f32", "shape": "2,3"}
LAYERS = (layer(0, "Parameter", "x", data=X, outputs=[(2, 3)]), layer(7, "ReLU", "a", inputs=[(2, 3)], outputs=[(2, 3)]),
          layer(3, "Result", "r", inputs=[(2, 3)]))
EDGES = ((0, 0, 7, 0), (7, 1, 3, 0))
GOOD = net(LAYERS, EDGES)


def in_order(content: bytes) -> list[Layer]:
    """The layers that the Results need."""
    document = read_document(content)
    return document.order(document.of_type("Result"))


def refused(content: bytes, reason: str, error: type[ConversionError] = SourceError) -> ConversionError:
    """The error for a file."""
    with pytest.raises(error, match=reason) as caught:
        in_order(content)
    return caught.value


def replaced(old: bytes, new: bytes) -> bytes:
    assert old in GOOD
    return GOOD.replace(old, new)


def test_layers_are_ordered_by_what_they_need() -> None:
    shuffled = net([LAYERS[2], LAYERS[1], LAYERS[0]], EDGES)
    assert [found.name for found in in_order(shuffled)] == ["x", "a", "r"]


def test_layers_otherwise_keep_the_order_of_the_file() -> None:
    relus = [layer(k, "ReLU", f"a{k}", inputs=[(2, 3)], outputs=[(2, 3)]) for k in (9, 4, 6)]
    ends = [layer(k, "Result", f"r{k}", inputs=[(2, 3)]) for k in (20, 21, 22)]
    content = net([LAYERS[0], *relus, *ends], [*((0, 0, k, 0) for k in (9, 4, 6)), (6, 1, 20, 0), (4, 1, 21, 0), (9, 1, 22, 0)])
    assert [found.id for found in in_order(content)] == [0, 9, 4, 6, 20, 21, 22]


def test_layers_that_no_result_needs_are_left_out() -> None:
    content = net([*LAYERS, layer(8, "NonMaxSuppression", "dead", inputs=[(2, 3)], outputs=[(1,)])], [*EDGES, (0, 0, 8, 0)])
    assert "dead" not in [found.name for found in in_order(content)]


def test_port_ids_are_names_not_positions() -> None:
    content = net([LAYERS[0], layer(7, "ReLU", "a", inputs=[(2, 3)], outputs=[(2, 3)]).replace('id="1"', 'id="42"').replace('port id="0"',
                                                                                                                            'port id="11"'),
                   LAYERS[2]], [(0, 0, 7, 11), (7, 42, 3, 0)])
    assert [found.sources for found in in_order(content)] == [[], [(0, 0)], [(7, 0)]]


def test_commas_in_names() -> None:
    assert split_names(r"a\,b,c,d\,") == ("a,b", "c", "d,")
    assert split_names("") == ()


@pytest.mark.parametrize("content", [
    b"", b"   ", b"not xml", GOOD[:200], GOOD[:-8], bytes(range(256)) * 50, GOOD.replace(b"<dim>", b"<dim", 1)])
def test_what_is_no_xml(content: bytes) -> None:
    refused(content, "no well-formed XML")


@pytest.mark.parametrize("content", [
    b"<html><body>Not found</body></html>", b"<?xml version='1.0'?><svg/>", b"<!-- c --><model version='10'/>"])
def test_what_is_xml_but_no_ir(content: bytes) -> None:
    error = refused(content, "root element is <(html|svg|model)>, not <net>")
    assert ".bin" in error.advice


@pytest.mark.parametrize("version", [1, 2, 6, 7, 9])
def test_old_versions(version: int) -> None:
    error = refused(replaced(b'version="10"', b'version="%d"' % version), f"an IR of version {version}", UnsupportedError)
    assert "Model Optimizer" in error.advice


def test_future_versions() -> None:
    refused(replaced(b'version="10"', b'version="12"'), "an IR of version 12", UnsupportedError)


def test_subtracted_means() -> None:
    refused(replaced(b"<layers>", b"<pre-process/><layers>"), "<pre-process>", UnsupportedError)


def laughs(use: str) -> bytes:
    """Ten entities of ten entities each, ten levels deep."""
    entities = "".join(f'<!ENTITY e{k} "{f"&e{k - 1};" * 10}">' for k in range(1, 11))
    return f'<!DOCTYPE net [<!ENTITY e0 "ha">{entities}]><net version="10" {use}</net>'.encode()


DTDS = {
    "bomb in text": laughs('name="x">&e10;'),
    "bomb in an attribute": laughs('name="&e10;">'),
    "external entity": b'<!DOCTYPE net [<!ENTITY a SYSTEM "file:///etc/passwd">]><net version="10">&a;</net>',
    "external parameter entity": b'<!DOCTYPE net [<!ENTITY % a SYSTEM "http://127.0.0.1:9/a.dtd"> %a;]><net version="10"/>',
    "external DTD": b'<!DOCTYPE net SYSTEM "file:///dev/zero">' + GOOD[21:],
    "DTD": b"<!DOCTYPE net>" + GOOD[21:],
    "default attributes": b'<?xml version="1.0"?><!DOCTYPE net [<!ATTLIST net version CDATA "10">]><net/>',
    "UTF-16": ("<!DOCTYPE net>" + GOOD[21:].decode()).encode("utf-16"),
}
EXCESS = {
    "nested": b"<a>" * 100_000,
    "nested layers": b'<net version="10">' + b"<layers>" * 5_000,
    "a long attribute": b'<net version="10" name="' + b"x" * 11_000_000 + b'"/>',
}


@pytest.mark.parametrize("name", DTDS)
def test_entities_and_document_types(name: str) -> None:
    refused(DTDS[name], "document type|no well-formed XML")


@pytest.mark.parametrize("name", EXCESS)
def test_excess(name: str) -> None:
    refused(EXCESS[name], "no well-formed XML")


def test_a_file_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "MAX_BYTES", len(GOOD) - 1)
    refused(GOOD, "which no network needs")


@pytest.mark.parametrize(("old", "new", "reason"), [
    (b'id="7" name', b'id="0" name', "two layers have the id 0: 'x' and 'a'"),
    (b'id="7" name', b"name", "a <layer> has no 'id'"),
    (b'id="7" name', b'id="seven" name', "'seven' is no integer"),
    (b' name="a"', b"", "layer 7 has no 'name'"),
    (b' type="ReLU"', b"", "layer 7 has no 'type'"),
    (b' version="opset1"', b"", "has no 'version'"),
    (b'version="10"', b'version="ten"', "'ten' is no integer"),
    (b'version="10"', b"", "a <net> has no 'version'"),
    (b"<dim>3", b"<dim>three", "a <dim>: 'three' is no integer"),
    (b"<dim>3", b"<dim>-2", "a <dim> of -2"),
    (b'from-port="1"', b'from-port="5"', "comes from port 5 of layer 7"),
    (b'from-layer="7"', b'from-layer="70"', "comes from port 1 of layer 70"),
    (b'to-port="0"', b'to-port="4"', "goes to port 4 of layer 7"),
    (b'to-layer="3"', b'to-layer="30"', "goes to port 0 of layer 30"),
    (b' to-port="0"', b"", "a <edge> has no 'to-port'"),
    (b'type="Result"', b'type="ReLU"', "no Result layer"),
    (b'<edge from-layer="0" from-port="0" to-layer="7" to-port="0"/>', b"", "no edge goes to input port 0"),
    (b"</edges>", b'<edge from-layer="0" from-port="0" to-layer="7" to-port="0"/></edges>', "two edges go to input port 0"),
    (b"layers>", b"other>", "the model has no layers"),
    (b"edges>", b"other>", "no edge goes to input port 0"),
    (b'<edge from-layer="0" from-port="0"', b'<edge from-layer="7" from-port="1"', "layers depend on themselves: 'a' <- 'a'"),
])
def test_contradictions(old: bytes, new: bytes, reason: str) -> None:
    refused(replaced(old, new), reason)


def test_two_ports_of_one_id() -> None:
    content, _ = Written("Add", [(2, 3), (2, 3)], (2, 3)).files()
    error = refused(content.replace(b'<port id="1"', b'<port id="0"'), "two ports have the id 0")
    assert error.where.layer == "op"


def test_a_long_cycle_is_told_in_short() -> None:
    count = 2_000
    ring = [layer(k, "ReLU", f"a{k}", inputs=[(1,)], outputs=[(1,)]) for k in range(count)]
    content = net([*ring, layer(count, "Result", "r", inputs=[(1,)])],
                  [*((k, 1, (k + 1) % count, 0) for k in range(count)), (0, 1, count, 0)])
    assert len(str(refused(content, "layers depend on themselves"))) < 300


def test_a_deep_model_needs_no_deep_stack() -> None:
    count = 20_000
    chain = [layer(k, "ReLU", f"a{k}", inputs=[(1,)], outputs=[(1,)]) for k in range(1, count)]
    start = layer(0, "Parameter", "x", data={"element_type": "f32", "shape": "1"}, outputs=[(1,)])
    content = net([start, *chain, layer(count, "Result", "r", inputs=[(1,)])], [(0, 0, 1, 0), *((k, 1, k + 1, 0) for k in range(1, count))])
    assert len(in_order(content)) == count + 1
