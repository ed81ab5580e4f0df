"""A small network with a transpose left, its page, and a browser to look at it."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from nchw2nhwc import Converted, convert
from nchw2nhwc.checking.layers import LayerError, LayerErrors

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

if TYPE_CHECKING:
    from measure.browser import Browser


HOSTILE = "/stem/</script><script>alert(1)</script>&amp;/\u2028Relu"
"""A layer's name that a page must not take for markup."""

def error(tensor: str, layer: str, type: str, relative: float) -> LayerError:
    """The error of one tensor."""
    return LayerError(tensor, layer, type, relative, relative, relative, 1.0)


RECORDS = (error("c1", "/stem/conv/Conv", "Conv", 1e-7), error("r1", HOSTILE, "Relu", 0.0),
           error("t1", "/body/Transpose", "Transpose", 2e-7), error("y", "/body/conv/Conv", "Conv", 0.3),
           error("z", "/body/Tanh", "Tanh", math.inf))


def network() -> onnx.ModelProto:
    """Two convolutions with the rows and columns swapped between them, and a name that is markup."""
    weight = np.random.default_rng(0).standard_normal((3, 3, 3, 3)).astype(np.float32)
    nodes = [helper.make_node("Conv", ["x", "w"], ["c1"], name="/stem/conv/Conv", pads=[1, 1, 1, 1]),
             helper.make_node("Relu", ["c1"], ["r1"], name=HOSTILE),
             helper.make_node("Transpose", ["r1"], ["t1"], name="/body/Transpose", perm=[0, 1, 3, 2]),
             helper.make_node("Conv", ["t1", "w"], ["y"], name="/body/conv/Conv", pads=[1, 1, 1, 1]),
             helper.make_node("Tanh", ["y"], ["z"], name="/body/Tanh")]
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, (1, 3, 12, 16))
    z = helper.make_tensor_value_info("z", onnx.TensorProto.FLOAT, (1, 3, 16, 12))
    graph = helper.make_graph(nodes, "net", [x], [z], [numpy_helper.from_array(weight, "w")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture(scope="session")
def checked() -> Converted:
    """The network, converted and checked."""
    pytest.importorskip("onnxruntime")
    converted = convert(network())
    converted.check()
    return converted


@pytest.fixture(scope="session")
def page(checked: Converted, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its page, with errors inside the network."""
    path = tmp_path_factory.mktemp("html") / "net.html"
    checked.save_html(path, LayerErrors(RECORDS, 1e-4, 3))
    return path


@pytest.fixture(scope="session")
def window() -> Iterator[Browser]:
    """Headless Chromium; tests that need it are skipped where it, its driver or selenium is missing."""
    pytest.importorskip("selenium")
    from measure.browser import browser, programs

    missing = {"browser", "driver"} - programs().keys()
    if missing:
        pytest.skip(f"chromium: no {' and no '.join(sorted(missing))}")
    with browser() as opened:
        yield opened
