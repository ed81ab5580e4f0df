"""Which mapping a layer gets, and what a signature says of it."""

from __future__ import annotations

import importlib
import inspect

import pytest

from nchw2nhwc.errors import SourceError, UnsupportedOpsError
from nchw2nhwc.parse.openvino import mappings, read_openvino, registry
from nchw2nhwc.parse.openvino.attributes import attributes_of
from nchw2nhwc.parse.openvino.registry import find
from tests.parse.openvino.ir_text import Written, layer, net


def test_the_newest_op_that_is_not_newer_than_the_version() -> None:
    found = {version: find("MaxPool", f"opset{version}") for version in (1, 7, 8, 13, 14, 16)}
    assert {version: entry.since for version, entry in found.items() if entry} == {1: 1, 7: 1, 8: 8, 13: 8, 14: 14, 16: 14}


def test_letters_of_either_case() -> None:
    assert find("Softmax", "opset1") is find("SoftMax", "opset1") is not None


@pytest.mark.parametrize("version", ["opset0", "opset18", "opset99", "experimental", "extension", "", "opset", "opset1 ", "custom"])
def test_versions_that_are_not_known(version: str) -> None:
    assert find("ReLU", version) is None


def test_an_op_before_its_time() -> None:
    assert find("Mish", "opset3") is None


def test_every_signature_can_be_read() -> None:
    """The default of a parameter that says what an attribute is has to be of that kind, too; tuples stand for lists."""
    for entry in mappings():
        for attribute in attributes_of(entry.function):
            default = inspect.signature(entry.function).parameters[attribute.name].default
            assert attribute.required == (default is inspect.Parameter.empty)
            assert isinstance(default, (int, float, bool, str, tuple, type(None), type)) or hasattr(default, "itemsize")


SAME = {("fakequantize", 13), ("interpolate", 10), ("shufflechannels", 3), ("cumsum", 3), ("range", 4), ("logicalxor", 2), ("mvn", 2)}
"""Types that a later opset offers without another op behind them (MVN is missing in opset 1, where OpenVINO takes that of opset 2)."""


def introduced(factory: object) -> int:
    """The opset that a factory of an op belongs to; 0 for anything else."""
    package = getattr(factory, "__module__", "").split(".")
    return int(package[1].removeprefix("opset")) if package[0] == "openvino" and package[1:2] and package[1].startswith("opset") else 0


def test_every_entry_means_the_op_that_openvino_has_in_that_opset() -> None:
    """Where a later opset changes an op, it has an entry of its own: none may be served by the entry of an older one."""
    known: dict[str, set[int]] = {}
    for entry in mappings():
        known.setdefault(entry.type.lower(), set()).add(entry.since)
    for opset in range(1, registry.NEWEST_OPSET + 1):
        for name, factory in vars(importlib.import_module(f"openvino.opset{opset}")).items():
            type, since = name.replace("_", "").lower(), introduced(factory)
            if type in known and since > min(known[type]) and (type, since) not in SAME:
                assert since in known[type], f"{name} of opset {since}"


def test_layers_without_a_mapping_are_told_all_at_once() -> None:
    shape = (2, 3)
    layers = [layer(0, "Parameter", "x", data={"element_type": "f32", "shape": "2,3"}, outputs=[shape]),
              *(layer(k, "Multinomial", f"p{k}", version="opset13", inputs=[shape], outputs=[shape]) for k in range(1, 6)),
              layer(6, "ReLU", "q", version="opset99", inputs=[shape], outputs=[shape]),
              layer(7, "Mine", "m", version="extension", inputs=[shape], outputs=[shape]), layer(8, "Result", "r", inputs=[shape])]
    content = net(layers, [(0, 0, 1, 0), *((k, 1, k + 1, 0) for k in range(1, 8))])
    with pytest.raises(UnsupportedOpsError) as caught:
        read_openvino(content)
    assert [(m.type, m.count, m.layers) for m in caught.value.missing] == [
        ("Multinomial (opset13)", 5, ("p1", "p2", "p3")), ("ReLU (opset99)", 1, ("q",)), ("Mine (extension)", 1, ("m",))]
    assert [bool(m.reason) for m in caught.value.missing] == [True, False, False]
    assert "Multinomial (opset13): 5 (p1, p2, p3, ...): its results are random" in str(caught.value)


@pytest.mark.parametrize(("written", "reason"), [
    (Written("ReLU", [], (2,)), "0 operand.* but takes 1"), (Written("Add", [(2,)], (2,), {}), "1 operand.* but takes 2"),
    (Written("ReLU", [(2,), (2,)], (2,)), "2 operand.* but takes 1"), (Written("Concat", [], (2,), {"axis": 0}), "takes at least 1"),
    (Written("Swish", [(2,), (2,), (2,)], (2,), version="opset4"), "takes 1 to 2")])
def test_the_number_of_operands(written: Written, reason: str) -> None:
    with pytest.raises(SourceError, match=reason) as caught:
        read_openvino(*written.files())
    assert caught.value.where.layer == "op"
