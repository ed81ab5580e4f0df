"""LabelEncoder of ai.onnx.ml against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from nchw2nhwc.errors import SourceError, UnsupportedError
from tests.parse.onnx.models import assert_as_runtime, model, node, read, tensor

ML = "ai.onnx.ml"


def _model(version: int, dtype: type[np.generic], **given: object) -> onnx.ModelProto:
    encoder = helper.make_node("LabelEncoder", ["k"], ["y"], domain=ML, **given)
    rounded = node("Round" if issubclass(dtype, np.floating) else "Identity", "x", "k")
    source = model([rounded, encoder], [tensor("x", ("N", 3), dtype)], domains=[ML])
    source.opset_import[-1].version = version
    return source


@pytest.mark.parametrize("version", [2, 4])
@pytest.mark.parametrize("default", [{}, {"default_float": 0.25, "default_int64": 9}], ids=str)
def test_numbers(version: int, default: dict[str, object]) -> None:
    """Of equal keys the first one counts."""
    assert_as_runtime(_model(version, np.float32, keys_floats=[-1.0, 0.0, 0.0], values_floats=[3.0, 4.0, 5.0], **default), unknown=9)
    assert_as_runtime(_model(version, np.int64, keys_int64s=[2, 0, 2], values_int64s=[7, -8, 3], **default), unknown=9)
    assert_as_runtime(_model(version, np.int64, keys_int64s=[2, 0], values_floats=[7.5, -8], **default), unknown=9)
    assert_as_runtime(_model(version, np.float32, keys_floats=[1.0, 0.0], values_int64s=[7, -8], **default), unknown=9)


def test_tensors() -> None:
    tensors = {f"{name}_tensor": numpy_helper.from_array(np.array(numbers, np.int64))
               for name, numbers in {"keys": [0, 2], "values": [5, 6], "default": [9]}.items()}
    assert_as_runtime(_model(4, np.int64, **tensors), unknown=9)


@pytest.mark.parametrize("version", [2, 4])
def test_what_is_no_number(version: int) -> None:
    nodes = [node("Log", "x", "k"), helper.make_node("LabelEncoder", ["k"], ["y"], domain=ML, keys_floats=[1.0, np.nan],
                                                     values_floats=[3.0, 4.0])]
    source = model(nodes, [tensor("x", ("N", 3))], domains=[ML])
    source.opset_import[-1].version = version
    assert_as_runtime(source, unknown=9)


def test_what_is_not_right() -> None:
    with pytest.raises(UnsupportedError, match="keys that are strings"):
        read(_model(2, np.int64, keys_strings=["a"], values_int64s=[1]))
    with pytest.raises(UnsupportedError, match="values that are strings"):
        read(_model(2, np.int64, keys_int64s=[1], values_strings=["a"]))
    with pytest.raises(SourceError, match="there are no values"):
        read(_model(2, np.int64, keys_int64s=[1]))
    with pytest.raises(SourceError, match="2 keys of int64 and 1 values"):
        read(_model(2, np.int64, keys_int64s=[1, 2], values_int64s=[1]))
    with pytest.raises(SourceError, match="for elements of float32"):
        read(_model(2, np.float32, keys_int64s=[1], values_int64s=[1]))
