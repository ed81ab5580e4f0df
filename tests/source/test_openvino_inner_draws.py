"""What OpenVINO's loops and branches draw becomes an input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset13 as ov

from nchw2nhwc import UnsupportedError, convert

TRUE = np.array(True)


def _uniform() -> openvino.Node:
    return ov.random_uniform(np.array([1, 3]), np.float32(2), np.float32(3), "f32")


def _branch(x: openvino.Output) -> openvino.Node:
    """x + numbers in [2, 3), or -x."""
    then, other = (ov.parameter([1, 3], np.float32) for _ in range(2))
    first, second = ov.result(ov.add(then, _uniform())), ov.result(ov.negative(other))
    node = ov.if_op(ov.greater(ov.reduce_sum(x, np.array([0, 1])), np.float32(0)).output(0))
    node.set_then_body(openvino.Model([first], [then], "then"))
    node.set_else_body(openvino.Model([second], [other], "else"))
    node.set_input(x, then, other)
    node.set_output(first, second)
    return node


def _scan(kind: str, steps: int, nested: bool = False) -> openvino.Model:
    """Sums of x's rows and of what is drawn up to each row."""
    row, total = (ov.parameter([1, 3], np.float32) for _ in range(2))
    drawn = _branch(row.output(0)) if nested else _uniform()
    added = ov.add(ov.add(row, drawn), total)
    x, start = ov.parameter([steps, 3], np.float32, name="x"), ov.parameter([1, 3], np.float32, name="start")
    if kind == "Loop":
        node = ov.loop(ov.constant(steps), ov.constant(TRUE))
        node.set_function(openvino.Model([ov.result(ov.constant(TRUE)), ov.result(added)], [row, total], "body"))
        node.set_special_body_ports([-1, 0])
    else:
        node = ov.tensor_iterator()
        node.set_body(openvino.Model([ov.result(added)], [row, total], "body"))
    node.set_sliced_input(row, x.output(0), 0, 1, 1, -1, 0)
    node.set_merged_input(total, start.output(0), added.output(0))
    made = node.get_concatenated_slices(added.output(0), 0, 1, 1, -1, 0)
    return openvino.Model([ov.result(made, name="y")], [x, start], "scan")


@pytest.mark.parametrize("kind", ["Loop", "TensorIterator"])
@pytest.mark.parametrize("nested", [False, True])
def test_loops_draw_for_all_steps(kind: str, nested: bool, tmp_path: Path) -> None:
    openvino.save_model(_scan(kind, 4, nested), tmp_path / "m.xml", compress_to_fp16=False)
    converted = convert(tmp_path / "m.xml", random="inputs")
    numbers = converted.inputs[2]
    assert numbers.source_shape == (4, 1, 3)
    draw = np.random.default_rng(5).uniform(2, 3, (4, 1, 3)).astype(np.float32)
    given = {"x": np.float32([[1] * 3, [-1] * 3, [2] * 3, [3] * 3]), "start": np.zeros((1, 3), np.float32), numbers.name: draw}
    rows = given["x"] + draw[:, 0]
    added = np.where(given["x"] > 0, rows + given["x"], 0) if nested else rows
    np.testing.assert_allclose(converted.reference(given).expected["y"], np.cumsum(added, 0), rtol=1e-6)
    assert converted.check(given).max_rel_error < 1e-6


def test_branches_draw_whether_they_are_taken_or_not(tmp_path: Path) -> None:
    x = ov.parameter([1, 3], np.float32, name="x")
    model = openvino.Model([ov.result(_branch(x.output(0)), name="y")], [x], "branch")
    openvino.save_model(model, tmp_path / "m.xml", compress_to_fp16=False)
    converted = convert(tmp_path / "m.xml", random="inputs")
    for sign in (1, -1):
        assert converted.check({"x": np.full((1, 3), sign, np.float32)}).max_rel_error < 1e-6


def test_without_the_option_and_of_open_lengths_it_is_an_error(tmp_path: Path) -> None:
    openvino.save_model(_scan("Loop", 4), tmp_path / "m.xml", compress_to_fp16=False)
    with pytest.raises(UnsupportedError, match="it draws random numbers, which no two runs agree on"):
        convert(tmp_path / "m.xml")
    openvino.save_model(_scan("TensorIterator", -1), tmp_path / "n.xml", compress_to_fp16=False)
    with pytest.raises(UnsupportedError, match="it draws random numbers inside of a branch or a loop, and how many is not known outside"):
        convert(tmp_path / "n.xml", random="inputs")
