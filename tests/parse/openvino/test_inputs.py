"""The types and names of a model's inputs, as declared and as wanted."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.errors import ConversionError, OptionError, SourceError, UnsupportedError
from nchw2nhwc.parse.openvino.document import read_document
from nchw2nhwc.parse.openvino.inputs import input_types
from tests.parse.openvino.ir_text import layer, net


def model(*shapes: str, element: str = "f32", version: int = 10, names: tuple[str, ...] = (),
          ports: tuple[tuple[int, ...], ...] = ()) -> bytes:
    """A model with inputs x0, x1, ... of these declared shapes and a result that is the first one."""
    layers = [layer(k, "Parameter", f"x{k}", data={"element_type": element, "shape": shape}, outputs=[ports[k] if ports else ()],
                    names=names[k:k + 1])
              for k, shape in enumerate(shapes)]
    return net([*layers, layer(99, "Result", "r", inputs=[()])], [(0, 0, 99, 0)], version)


def types(content: bytes, shapes: dict[str, list[int]] | None = None, batch: int | None = None) -> dict[str, str]:
    return {name: str(type) for name, type in input_types(read_document(content), shapes, batch)[0].items()}


def test_declared_shapes() -> None:
    assert types(model("1, 3,224,224", "", "5")) == {"x0": "float32[1, 3, 224, 224]", "x1": "float32[]", "x2": "float32[5]"}


@pytest.mark.parametrize("size", ["?", "-1", "1..10", "..10", "3..", " ? "])
def test_open_sizes(size: str) -> None:
    assert types(model(f"1,{size},4")) == {"x0": "float32[1, x0_1, 4]"}


def test_names_of_version_10_are_those_of_layers() -> None:
    assert list(types(model("1", names=("tensor,other",)))) == ["x0"]


def test_names_of_version_11_are_those_of_tensors() -> None:
    assert list(types(model("1", "2", version=11, names=(r"a\,b,c",)))) == ["a,b", "x1"]


@pytest.mark.parametrize("key", ["tensor", "other", "x0"])
def test_shapes_by_any_name(key: str) -> None:
    content = model("1,3,8,8", "1,2", version=11, names=("tensor,other",))
    assert types(content, {key: [4, 3, -1, 16]}) == {"tensor": "float32[4, 3, tensor_2, 16]", "x1": "float32[1, 2]"}


def test_a_batch_for_all_that_have_one() -> None:
    content = model("1,3", "1,4", "7", "1,5")
    assert types(content, {"x3": [2, 6]}, batch=8) == {"x0": "float32[8, 3]", "x1": "float32[8, 4]", "x2": "float32[7]",
                                                       "x3": "float32[2, 6]"}


def test_an_open_batch_is_the_same_for_all() -> None:
    assert types(model("1,3", "1,4"), batch=-1) == {"x0": "float32[N, 3]", "x1": "float32[N, 4]"}


def test_whether_anything_changed() -> None:
    document = read_document(model("1,3"))
    assert [input_types(document, shapes, None)[1] for shapes in (None, {}, {"x0": [1, 3]}, {"x0": [2, 3]})] == [False, False, False, True]


@pytest.mark.parametrize(("shapes", "batch", "reason"), [
    ({"y": [1]}, None, "no input 'y'"), ({"x0": [1]}, None, "has 2 axes, but 1 sizes"), ({"x0": [0, 3]}, None, r"sizes \[0, 3\]"),
    ({"x0": [-2, 3]}, None, r"sizes \[-2, 3\]"), (None, 0, "a batch of 0"), (None, -3, "a batch of -3")])
def test_wishes_that_do_not_fit(shapes: dict[str, list[int]] | None, batch: int | None, reason: str) -> None:
    with pytest.raises(OptionError, match=reason):
        types(model("1,3"), shapes, batch)


@pytest.mark.parametrize(("content", "error", "reason"), [
    (model("..."), UnsupportedError, "unknown number of axes"), (model("1,x"), SourceError, "'x' is no integer"), (model("1,-3"),
                                                                                                                   SourceError, "holds -3"),
    (model("1,2", element="string"), UnsupportedError, "'string' is not supported"), (model("1,2", element="f77"), SourceError,
                                                                                      "no element type"),
    (model("1,2", ports=((1, 3),)), SourceError, r"its port declares \[1, 3\]"), (model("1,2", ports=((1, 2, 1),)), SourceError,
                                                                                  "its port declares"),
    (model("1", "1", version=11, names=("a", "a")), SourceError, "two inputs are called 'a'"),
    (model("1").replace(b' shape="1"', b""), SourceError, "attribute 'shape' is missing"),
    (model("1").replace(b' element_type="f32"', b""), SourceError, "attribute 'element_type' is missing")])
def test_declarations_that_cannot_be_read(content: bytes, error: type[ConversionError], reason: str) -> None:
    with pytest.raises(error, match=reason) as caught:
        types(content)
    assert caught.value.where.type == "Parameter"


def test_element_types() -> None:
    found, _ = input_types(read_document(model("2", element="i64")), None, None)
    assert found["x0"].dtype == np.int64
