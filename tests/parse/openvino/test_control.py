"""If, Loop and TensorIterator."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import openvino.opset13 as ov
import pytest

from nchw2nhwc.errors import ConversionError, SourceError, UnsupportedError
from nchw2nhwc.ops.control import Loop
from nchw2nhwc.parse.openvino import read_openvino
from tests.parse.openvino.harness import Case, Input, agree, boolean, case, model_of, saved

Body = tuple[openvino.Model, list[Any], list[Any]]


def body(build: Callable[..., Any], *shapes: list[int], first: Any = None) -> Body:
    """A body with its Parameters and Results; `first` is the element type of the first one where that is no float."""
    parameters = [ov.parameter(shape, np.float32 if k or first is None else first, name=f"p{k}") for k, shape in enumerate(shapes)]
    results = [ov.result(end) for end in build(*parameters)]
    return openvino.Model(results, parameters, "body"), parameters, results


def branches(condition: Any, x: Any, y: Any, *, then: Callable[..., Any], other: Callable[..., Any]) -> list[Any]:
    (first, p, r), (second, q, s) = body(then, [2, 3], [2, 3]), body(other, [2, 3])
    node = ov.if_op(condition.output(0))
    node.set_then_body(first)
    node.set_else_body(second)
    node.set_input(x.output(0), p[0], q[0])
    node.set_input(y.output(0), p[1], None)
    return [node.set_output(a, b) for a, b in zip(r, s)]


def cell(x: Any, h: Any) -> list[Any]:
    """A recurrent cell: its state, and the same as a part of a sequence."""
    weights = ov.constant(np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4))
    after = ov.tanh(ov.add(ov.matmul(ov.squeeze(x, ov.constant([1])), weights, False, False), h))
    return [after, ov.unsqueeze(after, ov.constant([1]))]


def iterator(x: Any, h: Any, *, backwards: bool = False, part: int = 1) -> list[Any]:
    """Over axis 1 of x; gives the last state and the states of all iterations."""
    def build(x: Any, h: Any) -> list[Any]:
        return cell(ov.reduce_sum(x, ov.constant([1]), True), h)

    model, (xi, hi), (after, each) = body(build, [2, part, 3], [2, 4])
    node = ov.tensor_iterator()
    node.set_body(model)
    start, stride, end = (-1, -1, 0) if backwards else (0, part, -1)
    node.set_sliced_input(xi, x.output(0), start, stride, part, end, 1)
    node.set_merged_input(hi, h.output(0), after.output(0))
    start, stride, end = (-1, -1, 0) if backwards else (0, 1, -1)
    return [node.get_iter_value(after.output(0), -1), node.get_concatenated_slices(each.output(0), start, stride, 1, end, 1)]


def lstm(x: Any) -> list[Any]:
    """A sequence of LSTM cells, as converters wrote it."""
    w, r = (ov.constant(np.random.default_rng(k).uniform(-1, 1, (16, n)).astype(np.float32)) for k, n in enumerate((3, 4)))

    def build(x: Any, h: Any, c: Any) -> list[Any]:
        made = ov.lstm_cell(ov.squeeze(x, ov.constant([1])), h, c, w, r, ov.constant(np.zeros(16, np.float32)), 4)
        return [made.output(0), made.output(1), ov.unsqueeze(made.output(0), ov.constant([1]))]

    model, (xi, hi, ci), (h, c, each) = body(build, [2, 1, 3], [2, 4], [2, 4])
    node = ov.tensor_iterator()
    node.set_body(model)
    node.set_sliced_input(xi, x.output(0), 0, 1, 1, -1, 1)
    zero = ov.constant(np.zeros((2, 4), np.float32))
    node.set_merged_input(hi, zero.output(0), h.output(0))
    node.set_merged_input(ci, zero.output(0), c.output(0))
    return [node.get_concatenated_slices(each.output(0), 0, 1, 1, -1, 1)]


def loop(x: Any, *, limit: int = 6, ends: float | None = None, scan: bool = False) -> list[Any]:
    """y = y x + i, as long as the sum is below `ends`; the last difference is no carried value."""
    def build(i: Any, y: Any, x: Any) -> list[Any]:
        after = ov.add(ov.multiply(y, x), ov.convert(i, "f32"))
        more = ov.constant(True) if ends is None else ov.less(
            ov.reduce_sum(after, ov.constant([0, 1]), False), ov.constant(np.float32(ends)))
        return [more, after, ov.subtract(after, y), ov.unsqueeze(after, ov.constant([0]))]

    model, (_, y, fixed), (_, after, change, each) = body(build, [], [2, 3], [2, 3], first=np.int64)
    node = ov.loop(ov.constant(np.int64(limit)), ov.constant(True))
    node.set_function(model)
    node.set_special_body_ports([0, 0])
    node.set_merged_input(y, x.output(0), after.output(0))
    node.set_invariant_input(fixed, x.output(0))
    found = [node.get_iter_value(after.output(0), -1), node.get_iter_value(change.output(0), -1)]
    return [*found, node.get_concatenated_slices(each.output(0), 0, 1, 1, -1, 0)] if scan else found


CASES = (
    case("If", lambda c, x, y: branches(c, x, y, then=lambda x, y: [ov.add(x, y), x], other=lambda x: [ov.relu(x), ov.tanh(x)]),
         boolean(), (2, 3), (2, 3), ops="If"),
    case("If of a constant", lambda x, y: branches(ov.constant(False), x, y, then=lambda x, y: [ov.add(x, y)],
                                                   other=lambda x: [ov.relu(x)]), (2, 3), (2, 3), ops="Relu"),
    case("TensorIterator", iterator, (2, 6, 3), (2, 4), ops="Loop"),
    case("TensorIterator backwards", lambda x, h: iterator(x, h, backwards=True), (2, 6, 3), (2, 4), ops="Loop Slice"),
    case("TensorIterator over pairs", lambda x, h: iterator(x, h, part=2), (2, 12, 3), (2, 4), ops="Loop"),
    case("TensorIterator of three steps", iterator, (2, 3, 3), (2, 4), ops="Loop"),
    case("TensorIterator of LSTM cells", lstm, (2, 6, 3), ops="Loop"),
    case("Loop of a known number", lambda x: loop(x, scan=True), (2, 3), ops="Loop"),
    case("Loop that ends early", lambda x: loop(x, limit=9, ends=4.0), Input((2, 3), low=0.5, high=1), ops="Loop"),
    case("Loop without a limit", lambda x: loop(x, limit=-1, ends=4.0), Input((2, 3), low=0.5, high=1), ops="Loop"),
)


@pytest.mark.parametrize("each", CASES, ids=str)
def test_agrees_with_openvino(each: Case, tmp_path: Path) -> None:
    agree(each, tmp_path)


def read(build: Callable[..., Any], folder: Path, change: Callable[[str], str] = str) -> Any:
    path = saved(model_of(case("broken", build, (2, 6, 3), (2, 4))), folder)
    path.write_text(change(path.read_text()))
    return read_openvino(path)


def test_iterations_are_counted(tmp_path: Path) -> None:
    (node,) = read(iterator, tmp_path).nodes
    assert isinstance(node.op, Loop)
    assert (node.op.steps, node.op.carried, node.op.scans) == (6, 1, (1,))


@pytest.mark.parametrize(("old", "new", "error", "reason"), [
    ('external_port_id="1"', 'external_port_id="7"', SourceError, "input port 7, which it does not have"),
    ('internal_layer_id="1"', 'internal_layer_id="99"', SourceError, "layer 99 is connected as a Parameter"),
    ('part_size="1"', 'part_size="2"', UnsupportedError, "not one behind the other"),
    ('start="0"', 'start="1"', UnsupportedError, "not one behind the other"),
])
def test_connections_that_do_not_fit(old: str, new: str, error: type[ConversionError], reason: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=reason) as caught:
        read(iterator, tmp_path, lambda text: text.replace(old, new, 1))
    assert caught.value.where.type == "TensorIterator"


def test_a_result_whose_length_depends_on_data(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="its length is known only at run time"):
        read(lambda x, h: loop(ov.reduce_sum(x, ov.constant([1]), False), ends=1.0, scan=True), tmp_path)
