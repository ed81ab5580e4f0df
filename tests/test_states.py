"""Networks that remember something from one run to the next."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from nchw2nhwc import convert
from nchw2nhwc.checking.litert import run_litert
from nchw2nhwc.errors import SourceError
from tests.parse.openvino.harness import core, saved


def remembering(folder: Path) -> Path:
    """A sum over all runs, and the last input's negative."""
    x = ops.parameter([1, 2, 4, 4], np.float32, name="x")
    total = ops.add(x, ops.read_value(ops.constant(np.zeros((1, 2, 4, 4), np.float32)), "total"))
    last = ops.read_value(ops.constant(np.zeros((1, 2, 4, 4), np.float32)), "last")
    sinks = [ops.assign(total, "total"), ops.assign(ops.negative(x), "last")]
    result = ops.concat([ops.relu(total), last], 1)
    result.output(0).set_names({"y"})
    return saved(openvino.Model([ops.result(result)], sinks, [x], "net"), folder)


def test_states_are_inputs_and_outputs(tmp_path: Path) -> None:
    converted = convert(remembering(tmp_path))
    assert [i.name for i in converted.inputs] == ["x", "state_in/total", "state_in/last"]
    assert sorted(o.name for o in converted.outputs) == ["state_out/last", "state_out/total", "y"]
    assert converted.check().passed


def test_several_runs(tmp_path: Path) -> None:
    """Handing outputs on as inputs does what OpenVINO does by itself."""
    path = remembering(tmp_path)
    converted = convert(path)
    request = core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}).create_infer_request()
    content, rng = converted.tflite(), np.random.default_rng(0)
    states = {i.name: np.zeros(i.source_shape, np.float32) for i in converted.inputs if i.name.startswith("state_in/")}
    for _ in range(3):
        x = rng.standard_normal((1, 2, 4, 4)).astype(np.float32)
        wanted = request.infer({0: x})[0]
        found = run_litert(content, converted.inputs, converted.outputs, {"x": x, **states})
        np.testing.assert_allclose(found["y"], wanted, rtol=1e-5, atol=1e-6)
        states = {name.replace("state_out/", "state_in/"): array for name, array in found.items() if name != "y"}


def test_outputs_that_are_chosen_leave_states_out(tmp_path: Path) -> None:
    converted = convert(remembering(tmp_path), outputs=["y"])
    assert [o.name for o in converted.outputs] == ["y"]
    assert len(converted.inputs) == 3
    assert converted.check().passed


def test_a_variable_without_a_name(tmp_path: Path) -> None:
    path = remembering(tmp_path)
    path.write_text(path.read_text().replace('variable_id="total"', 'variable_id=""'))
    with pytest.raises(SourceError, match="does not name its variable"):
        convert(path)
