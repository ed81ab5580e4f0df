"""Results whose rankings differ from the source's where numbers are nearly equal, and those that are wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import openvino
import pytest
from onnx import TensorProto, helper, numpy_helper
from openvino import opset11

import nchw2nhwc
from nchw2nhwc import cli
from nchw2nhwc.checking.compare import TensorError
from nchw2nhwc.checking.rankings import End, Parts, compare_in_parts, in_parts
from nchw2nhwc.ir import Array, Graph
from nchw2nhwc.ir.interpreter import run as interpret
from nchw2nhwc.ir.stored import Stored
from nchw2nhwc.options import ConvertOptions
from nchw2nhwc.source import identify
from nchw2nhwc.source.reading import read

N, K = 40, 8
OFFSETS = np.float32(np.random.default_rng(7).permutation(N))


def ranked(extra: bool = True) -> onnx.ModelProto:
    """best = rows of 2 * x with the K largest sums, by the source's tensors doubled, keys, values, places and best; whole: the sums."""
    nodes = [helper.make_node("Mul", ["x", "two"], ["doubled"]), helper.make_node("ReduceSum", ["doubled", "one"], ["keys"], keepdims=0),
             helper.make_node("TopK", ["keys", "k"], ["values", "places"], axis=0),
             helper.make_node("Gather", ["doubled", "places"], ["best"]), helper.make_node("Neg", ["keys"], ["whole"])]
    constants = {"two": np.float32([2]), "one": np.int64([1]), "k": np.int64([K])}
    outputs = [("best", [K, 3]), ("values", [K])] + [("whole", [N])] * extra
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [N, 3])],
                              [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs],
                              [numpy_helper.from_array(a, name) for name, a in constants.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


class Case:
    """The graph of `ranked` and what a result of it has computed, to be changed at will."""

    def __init__(self, *, free: bool = False, x: Array | None = None) -> None:
        self.graph: Graph = read(identify(ranked(), None), ConvertOptions())
        rows = np.random.default_rng(0).standard_normal((N, 3))
        self.x: Array = np.float32(rows) if x is None else x
        self.values = {v.origin: v for v in self.graph.values() if v.origin}
        self.parts: Parts = in_parts(self.graph, set(self.values), free=free)
        self.result: dict[str, Array] = self.source({}, ["keys", "values", "places", "best", "whole"])

    def source(self, given: Mapping[str, Array], wanted: list[str]) -> dict[str, Array]:
        """The source from its input, or from tensors inside it."""
        keys = given.get("keys", self.x.sum(1) * 2)
        places = given.get("places", np.argsort(-keys, kind="stable")[:K])
        values = given.get("values", np.sort(keys)[::-1][:K])
        known = {"keys": keys, "places": places, "values": values, "best": 2 * self.x[places], "whole": -keys}
        return {name: known[name] for name in wanted}

    def errors(self) -> dict[str, TensorError]:
        """Of all that is compared part by part."""
        stored = {name: Stored(name, tuple((s,) for s in array.shape), tuple(range(array.ndim))) for name, array in self.result.items()}
        ends = {name: End(name, partial(stored[name].to_source, self.result[name])) for name in ("best", "values")}
        found = compare_in_parts(self.parts, lambda _, wanted, given: self.source(given, wanted), self.result, stored, ends)
        return {**found.ends, **found.tensors}

    @property
    def worst(self) -> float:
        return max(error.max_rel for error in self.errors().values())


def test_parts_end_where_rankings_read() -> None:
    parts = Case().parts
    assert [(list(part.tensors), part.ends) for part in parts.parts] == [(["keys"], []), ([], ["best", "values"])]
    assert parts.behind == {"best", "values"}
    free = Case(free=True).parts
    assert free.inside == ["keys", "values", "places"]
    assert [(len(part.choices), part.ends) for part in free.parts] == [(0, []), (1, []), (0, ["best", "values"])]


def test_the_interpreter_agrees_with_the_source_of_these_tests() -> None:
    case = Case()
    best, values, whole = interpret(case.graph, {"x": case.x}).values()
    for name, array in (("best", best), ("values", values), ("whole", whole)):
        np.testing.assert_allclose(array, case.result[name], rtol=1e-5)


@pytest.mark.parametrize("free", [False, True])
def test_another_order_of_nearly_equal_numbers_passes(free: bool) -> None:
    x = np.float32(np.random.default_rng(0).standard_normal((N, 3)))
    first, second = np.argsort(-x.sum(1))[:2]
    x[second] = x[first][::-1]  # the same sum but for rounding
    case = Case(free=free, x=x)
    keys = case.result["keys"].copy()
    keys[np.argmax(keys)] -= np.float32(8e-6)
    case.result |= {"keys": keys}
    case.result |= case.source({"keys": keys}, ["values", "places", "best"])
    assert not np.allclose(case.result["best"], case.source({}, ["best"])["best"])
    assert case.worst <= 1e-5


def change(name: str, index: int, by: float) -> Callable[[dict[str, Array]], None]:
    """Adds to one row of one tensor."""
    def changed(result: dict[str, Array]) -> None:
        array = result[name].copy()
        array[index] += np.asarray(by, array.dtype)
        result[name] = array
    return changed


def swap(*names: str) -> Callable[[dict[str, Array]], None]:
    """Exchanges the first two rows, whose numbers are not equal."""
    def changed(result: dict[str, Array]) -> None:
        for name in names:
            result[name] = result[name][[1, 0, *range(2, K)]]
    return changed


def leave_out(result: dict[str, Array]) -> None:
    """The best row twice, in the place of the second one."""
    for name in ("values", "places", "best"):
        result[name] = result[name][[0, 0, *range(2, K)]]


def next_best(result: dict[str, Array]) -> None:
    """The last row is the one that comes behind it."""
    order = np.argsort(-result["keys"], kind="stable")
    result["places"] = np.append(result["places"][:-1], order[K])
    result["values"] = result["keys"][result["places"]]


@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("wrong", [change("best", 3, 0.1), change("keys", 5, 0.1), change("values", 2, 0.1), swap("best"),
                                   swap("values", "places", "best"), swap("values"), leave_out],
                         ids=["row", "key", "value", "rows", "order", "values", "twice"])
def test_what_is_wrong_fails(wrong: Callable[[dict[str, Array]], None], free: bool) -> None:
    case = Case(free=free)
    wrong(case.result)
    assert case.worst > 1e-2


def test_a_row_that_is_worse_than_one_left_out_fails() -> None:
    case = Case(free=True)
    next_best(case.result)
    case.result["best"] = 2 * case.x[case.result["places"]]
    assert case.worst > 1e-2


def test_only_of_exactly_equal_numbers_any_may_be_taken() -> None:
    x = np.float32(np.random.default_rng(0).integers(-2, 3, (N, 3)))
    other = Case(x=x).source({}, ["keys"])["keys"]
    places = np.lexsort((-np.arange(N), -other))[:K]
    for free in (False, True):
        case = Case(free=free, x=x)
        case.result |= {"places": places, "best": 2 * x[places]}
        assert (case.worst <= 1e-5) == free


def of_ties(tmp_path: Path, column: int = 0, *, moved: bool = False) -> Path:
    """An IR that takes the best 300 of 3,000 rows by a column rounded down, of which most are equal to many others. `moved`: the column is
    rounded down as a table, so that the converted network need not have it as a list."""
    x = opset11.parameter([3000, 2], np.float32, name="x")
    keys = opset11.gather(x, opset11.constant(np.int64(column)), opset11.constant(np.int64(1)))
    if moved:
        table = opset11.floor(opset11.reshape(keys, opset11.constant(np.int64([30, 100])), False))
        keys = opset11.reshape(table, opset11.constant(np.int64([3000])), False)
    else:
        keys = opset11.floor(keys)
    best = opset11.topk(keys, opset11.constant(np.int64(300)), 0, "max", "value", index_element_type="i64")
    rows = opset11.gather(x, best.output(1), opset11.constant(np.int64(0)))
    for node, name in ((keys, "keys"), (best, "best"), (rows, "rows")):
        node.set_friendly_name(name)
    path = tmp_path / f"m{column}.xml"
    openvino.save_model(openvino.Model([opset11.result(rows, name="out")], [x], "m"), path, compress_to_fp16=False)
    return path


@pytest.mark.parametrize("moved", [False, True])
def test_an_unstable_ranking_of_equal_numbers(tmp_path: Path, moved: bool) -> None:
    converted = nchw2nhwc.convert(of_ties(tmp_path, moved=moved))
    outcome = converted.check()
    assert outcome.passed
    assert outcome.rankings is not None
    assert outcome.max_rel_error <= 1e-6
    assert max(outcome.rankings.end_to_end.values()) > 0.1
    report = converted.report["check"]
    assert report is not None
    assert report["rankings"] is not None
    assert len(report["rankings"]["end_to_end"]) == 1


def test_every_comparison_goes_past_rankings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An earlier file, the tensors inside it, and bisecting."""
    source, result = of_ties(tmp_path), tmp_path / "r.tflite"
    nchw2nhwc.convert(source).save(result)
    found = nchw2nhwc.check(source, result, samples=2, layers=True)
    assert found.passed
    assert found.rankings is not None
    assert max(found.rankings.end_to_end.values()) > 0.1
    assert found.layers is not None
    assert len(found.layers.layers) >= 3
    assert not found.layers.off
    assert cli.main(["check", str(source), str(result), "--json", str(tmp_path / "c.json")]) == 0
    assert "ranks nearly equal numbers in another order" in capsys.readouterr().out
    assert len(json.loads((tmp_path / "c.json").read_text())["rankings"]["end_to_end"]) == 1
    assert cli.main(["bisect", str(source), "-o", str(tmp_path / "f"), "--json", str(tmp_path / "b.json")]) == 0
    printed = capsys.readouterr().out
    assert "ranks nearly equal numbers in another order" in printed
    assert "source and result agree" in printed
    assert json.loads((tmp_path / "b.json").read_text())["rankings"] is not None


def test_another_ranking_fails_wherever_it_is_compared(tmp_path: Path) -> None:
    result = tmp_path / "r.tflite"
    nchw2nhwc.convert(of_ties(tmp_path)).save(result)
    found = nchw2nhwc.check(of_ties(tmp_path, column=1), result, layers=True)
    assert not found.passed
    assert found.rankings is None
    assert found.layers is not None
    assert found.layers.off


def test_keras_past_rankings(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    source = of_ties(tmp_path)
    converted = nchw2nhwc.convert(source)
    outcome = converted.compare_keras(converted.reference(), converted.keras_network(), 1e-4)
    assert outcome.passed
    assert outcome.rankings is not None
    converted.save_keras(tmp_path, ("keras", "saved_model"))
    found = nchw2nhwc.check(source, tmp_path / "m0.keras", layers=True)
    assert found.passed
    assert found.layers is not None
    assert not found.layers.off
    wrong = nchw2nhwc.check(of_ties(tmp_path, column=1), tmp_path / "m0.keras")
    assert not wrong.passed
    assert not nchw2nhwc.check(source, tmp_path / "m0_saved_model").passed, "nothing can be seen inside"


def test_another_ranking_fails_from_end_to_end(tmp_path: Path) -> None:
    converted = nchw2nhwc.convert(of_ties(tmp_path))
    converted.source = identify(of_ties(tmp_path, column=1), None)
    outcome = converted.check()
    assert not outcome.passed
    assert outcome.rankings is None


def test_a_model_that_agrees_needs_no_parts() -> None:
    outcome = nchw2nhwc.convert(ranked()).check()
    assert outcome.passed
    assert outcome.rankings is None
