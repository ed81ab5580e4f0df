"""Random numbers: an error, or inputs in their place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import openvino
import pytest
from onnx import NodeProto
from openvino import opset8 as ops
from openvino import opset13

from nchw2nhwc import convert
from nchw2nhwc.checking.inputs import with_draws
from nchw2nhwc.cli import main
from nchw2nhwc.debug.bisect import bisect
from nchw2nhwc.debug.check import check
from nchw2nhwc.errors import OptionError, UnsupportedError
from nchw2nhwc.ir.draws import Draw, Normal, Uniform
from nchw2nhwc.options import ConvertOptions
from nchw2nhwc.parse.onnx import read_onnx
from nchw2nhwc.source import identify
from tests.parse.onnx.models import Dims, model, node, tensor
from tests.parse.onnx.test_control import body
from tests.parse.onnx.test_reader import call, function
from tests.parse.openvino.harness import saved

KERNEL = np.linspace(-1, 1, 4 * 3 * 9).reshape(4, 3, 3, 3).astype(np.float32)


def noisy() -> onnx.ModelProto:
    """An image of any batch, with noise on its features and a factor drawn for each of them."""
    nodes = [node("Conv", "x w", "f"), node("RandomNormalLike", "f", "noise", scale=0.5, name="draw"), node("Add", "f noise", "s"),
             node("RandomUniform", "", "factor", shape=[1, 4, 1, 1], low=1.0, high=2.0), node("Mul", "s factor")]
    return model(nodes, [tensor("x", ("N", 3, 8, 8))], constants={"w": KERNEL})


def test_inputs_in_their_place() -> None:
    converted = convert(noisy(), random="inputs")
    assert [(i.name, i.draw) for i in converted.inputs] == [("x", None), ("noise", Normal(0.0, 0.5)), ("factor", Uniform(1.0, 2.0))]
    assert converted.report["transposes"]["count"] == 0, "noise may have any layout"
    assert converted.check().passed
    assert any("'noise'" in note and "normal, mean 0, standard deviation 0.5" in note for note in converted.report["notes"])
    data = {"x": np.zeros((1, 3, 8, 8), np.float32), "noise": np.ones((1, 4, 6, 6), np.float32),
            "factor": np.full((1, 4, 1, 1), 1.5, np.float32)}
    np.testing.assert_array_equal(next(iter(converted.reference(data).expected.values())), np.full((1, 4, 6, 6), 1.5))


def test_refused_unless_asked_for() -> None:
    with pytest.raises(UnsupportedError, match="draws random numbers") as caught:
        convert(noisy())
    assert caught.value.where.layer == "draw"
    assert "--random inputs" in caught.value.advice
    with pytest.raises(OptionError, match="nothing that random numbers can become"):
        convert(noisy(), random="seed")


def test_openvino(tmp_path: Path) -> None:
    x = ops.parameter([2, -1], np.float32, name="x")
    shape = ops.shape_of(x)
    drawn = ops.random_uniform(shape, np.float32(-1), np.float32(1), "f32")
    whole = ops.convert(ops.random_uniform(shape, np.int64(3), np.int64(9), "i64"), "f32")
    drawn.set_friendly_name("noise")
    path = saved(openvino.Model([ops.result(ops.add(ops.multiply(x, drawn), whole))], [x], "net"), tmp_path)
    converted = convert(path, random="inputs")
    assert [str(i.draw) for i in converted.inputs] == ["None", "uniform, from -1 up to 1", "uniform, from 3 up to 9"]
    assert converted.inputs[1].name == "noise"
    assert converted.check().passed


@pytest.mark.parametrize(("draw", "dtype"), [(Uniform(-1, 1), np.float16), (Uniform(3, 5), np.int64), (Normal(7, 0.1), np.float32)])
def test_samples(draw: Draw, dtype: type) -> None:
    found = draw.sample(np.random.default_rng(0), (4000,), np.dtype(dtype))
    assert found.dtype == dtype
    if isinstance(draw, Uniform):
        assert draw.low <= found.min() < found.max() < draw.high
        assert abs(found.astype(float).mean() - (draw.low + draw.high - (dtype is np.int64)) / 2) < 0.1
    else:
        assert abs(found.mean() - 7) < 0.02
        assert abs(found.std() - 0.1) < 0.02


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The result knows what it was made with."""
    source = tmp_path / "m.onnx"
    onnx.save(noisy(), source)
    assert main([str(source), "-o", str(tmp_path), "--random", "inputs", "--quiet"]) == 0
    assert check(source, tmp_path / "m_float32.tflite").passed
    assert main([str(source), "-o", str(tmp_path), "--random", "inputs"]) == 0
    assert "'noise' stands for numbers that the model draws: normal, mean 0, standard deviation 0.5" in capsys.readouterr().out


def test_bisect() -> None:
    assert bisect(identify(noisy()), ConvertOptions(random="inputs")).finding is None


def test_what_nothing_reads_is_no_input() -> None:
    source = model([node("RandomNormalLike", "x", "noise"), node("Shape", "noise", "s"), node("Reshape", "x s")])
    assert [v.name for v in read_onnx(source, random="inputs").inputs] == ["x"]


def test_cuts() -> None:
    converted = convert(noisy(), random="inputs", inputs=["s", "factor"])
    assert [(i.name, i.draw) for i in converted.inputs] == [("s", None), ("factor", Uniform(1.0, 2.0))]
    assert converted.check().passed


def _inside(kind: str) -> tuple[list[NodeProto], list[onnx.FunctionProto]]:
    if kind == "function":
        return [call("F", "x")], [function("F", "v", "r", [node("RandomNormalLike", "v", "t"), node("Add", "v t", "r")])]
    drawing, other = body([node("RandomNormalLike", "x", "r")], [], ["r"]), body([node("Neg", "x", "r")], [], ["r"])
    choice = node("If", "go", "y", then_branch=drawing, else_branch=other)
    return [node("ReduceMax", "x", "m", keepdims=0), node("Cast", "m", "go", to=onnx.TensorProto.BOOL), choice], []


@pytest.mark.parametrize("kind", ["function", "branch"])
def test_inside(kind: str) -> None:
    nodes, functions = _inside(kind)
    converted = convert(model(nodes, [tensor("x", ("N", 3))], functions=functions, domains=["own"]), random="inputs")
    assert [i.draw for i in converted.inputs] == [None, Normal(0.0, 1.0)]
    assert converted.inputs[1].shape == converted.inputs[0].shape
    assert converted.check().passed


def _loop(nodes: list[NodeProto], *carried: str, limit: str = "count") -> NodeProto:
    """A loop over the nodes, whose last one makes the value that it carries, r."""
    inside = body([*nodes, node("Identity", "go", "goes")], ["number", "go", *carried], ["goes", "r"])
    for info, dtype in zip(inside.input, (np.int64, np.bool_)):
        info.CopyFrom(tensor(info.name, (), dtype))
    return node("Loop", f"{limit} yes x", "y", body=inside)


CONSTANTS = {"count": np.int64(7), "yes": np.bool_(True), "w": np.arange(3, dtype=np.float32)}


@pytest.mark.parametrize("drawing", [[node("RandomNormalLike", "s", "noise", scale=0.5)],
                                     [node("RandomUniform", "", "noise", shape=[2, 3], high=2.0)],
                                     [node("Neg", "w", "minus"), node("RandomUniformLike", "minus", "noise")],
                                     [node("Sigmoid", "s", "chance"), node("RandomUniform", "", "some", shape=[2, 3]),
                                      node("Less", "some chance", "below"), node("Cast", "below", "noise", to=1)]],
                         ids=["like what it carries", "of a shape", "like what is inside", "compared"])
@pytest.mark.parametrize("count", [2, 40], ids=["written out", "a loop"])
def test_loops(count: int, drawing: list[NodeProto]) -> None:
    """The numbers of all steps are one input."""
    nodes = [_loop([*drawing, node("Add", "s noise", "r")], "s")]
    converted = convert(model(nodes, [tensor("x", (2, 3))], constants={**CONSTANTS, "count": np.int64(count)}), random="inputs")
    assert [i.shape[0] for i in converted.inputs[1:]] == [count]
    outcome = converted.check()
    assert outcome.passed
    noise = converted.inputs[1]
    data = {"x": np.zeros((2, 3), np.float32), noise.name: np.zeros(noise.shape, np.float32)}  # type: ignore[arg-type]
    assert not converted.reference(data).expected["y"].any() or len(drawing) > 2


def _scan(nodes: list[NodeProto], **attributes: object) -> NodeProto:
    """A Scan through x over the nodes, whose last one makes r of the sum s so far and a part p; every sum is a part of its result, too."""
    inside = body([*nodes, node("Identity", "r", "part")], ["s", "p"], ["r", "part"])
    for info in inside.input:
        info.CopyFrom(tensor(info.name, (4,)))
    return node("Scan", "w x", "last y", body=inside, num_scan_inputs=1, **attributes)


@pytest.mark.parametrize("drawing", [[node("RandomNormalLike", "s", "noise", scale=0.5)],
                                     [node("RandomUniform", "", "noise", shape=[4], high=2.0)],
                                     [node("Neg", "p", "minus"), node("RandomUniformLike", "minus", "noise")]],
                         ids=["like what it carries", "of a shape", "like what is inside"])
@pytest.mark.parametrize(("shape", "attributes"), [
    ((5, 4), {}), (("L", 4), {}), ((4, 5), {"scan_input_axes": [1], "scan_input_directions": [1]}), ((4, "L"), {"scan_input_axes": [-1]})])
def test_scans(shape: Dims, attributes: dict[str, object], drawing: list[NodeProto]) -> None:
    """The numbers of all steps are one input that the Scan goes through, of as many steps as there are."""
    nodes = [_scan([*drawing, node("Add", "s noise", "n"), node("Add", "n p", "r")], **attributes)]
    source = model(nodes, [tensor("x", shape)], constants={"w": np.zeros(4, np.float32)}, opset=17)
    converted = convert(source, random="inputs")
    steps = next(size for size in shape if size != 4)
    assert converted.inputs[1].shape == (steps if isinstance(steps, int) else -1, 4)
    assert converted.check().passed


def test_a_loop_over_an_open_batch() -> None:
    nodes = [_loop([node("RandomNormalLike", "s", "noise"), node("Add", "s noise", "r")], "s")]
    converted = convert(model(nodes, [tensor("x", ("N", 3))], constants=CONSTANTS), random="inputs")
    assert [str(size) for size in converted.inputs[1].shape] == ["7", "-1", "3"]
    assert converted.check().passed


def test_a_dropout_in_a_branch_of_a_loop() -> None:
    """Spelled out, then moved through both."""
    drop = body([node("Dropout", "s half yes", "d"), node("Neg", "d", "t")], [], ["t"])
    keep = body([node("Identity", "s", "t")], [], ["t"])
    choice = [node("ReduceMax", "s", "m", keepdims=0), node("Cast", "m", "choice", to=onnx.TensorProto.BOOL),
              node("If", "choice", "r", then_branch=drop, else_branch=keep)]
    source = model([_loop(choice, "s")], [tensor("x", (2, 3))], constants={**CONSTANTS, "half": np.float32(0.5)})
    source.graph.node[0].attribute[0].g.input[2].CopyFrom(tensor("s", (2, 3)))
    converted = convert(source, random="inputs")
    assert [i.draw for i in converted.inputs] == [None, Uniform(0.0, 1.0)]
    assert converted.inputs[1].shape == (7, 2, 3)
    assert converted.check().passed


@pytest.mark.parametrize("limit", ["computed", "none"])
def test_a_loop_of_a_computed_number_of_steps(limit: str) -> None:
    """Or of one that nothing limits."""
    loop = _loop([node("RandomNormalLike", "s", "noise"), node("Add", "s noise", "r"), node("ReduceMax", "r", "top", keepdims=0),
                  node("Less", "top far", "goes")], "s", limit=limit)
    loop.attribute[0].g.node[-1].CopyFrom(node("Identity", "go", "unread"))
    nodes = [node("ReduceMax", "x", "m", keepdims=0), node("Cast", "m", "computed", to=onnx.TensorProto.INT64), loop]
    constants = {**CONSTANTS, "none": np.int64(np.iinfo(np.int64).max), "far": np.float32(9)}
    with pytest.raises(UnsupportedError, match="how many is not known outside"):
        convert(model(nodes, constants=constants), random="inputs")


@pytest.mark.parametrize("kind", ["function", "branch"])
def test_what_the_sources_runtime_cannot_be_given(kind: str) -> None:
    nodes, functions = _inside(kind)
    with pytest.raises(UnsupportedError, match="random numbers"):
        read_onnx(model(nodes, functions=functions, domains=["own"]), random="inputs")


def test_a_number_of_them_that_data_decides() -> None:
    nodes = [node("NonZero", "x", "n"), node("Cast", "n", "c", to=1), node("RandomNormalLike", "c", "r"), node("Add", "c r")]
    with pytest.raises(UnsupportedError, match="how many random numbers it draws depends on data"):
        read_onnx(model(nodes), random="inputs")


# ---- chances that data decides --------------------------------------------------------------------------------------------------
def test_bernoulli() -> None:
    for attributes in ({}, {"dtype": onnx.TensorProto.INT64}):
        nodes = [node("Sigmoid", "x", "p"), node("Bernoulli", "p", "c", **attributes), node("Cast", "c", to=1)]
        source = model(nodes, [tensor("x", ("N", 400))])
        converted = convert(source, random="inputs")
        assert [i.draw for i in converted.inputs] == [None, Uniform(0, 1)]
        assert converted.check().passed
        x = np.full((9, 400), np.log(0.3 / 0.7), np.float32)
        drawn = Uniform(0, 1).sample(np.random.default_rng(0), x.shape, x.dtype)
        (found,) = converted.reference({"x": x, converted.inputs[1].name: drawn}).expected.values()
        assert {*found.ravel().tolist()} == {0, 1}
        assert abs(found.mean() - 0.3) < 0.03


@pytest.mark.parametrize("attributes", [{}, {"sample_size": 5000, "dtype": onnx.TensorProto.INT64}])
def test_multinomial(attributes: dict[str, int]) -> None:
    source = model([node("Multinomial", "x", "c", **attributes), node("Cast", "c", to=1)], [tensor("x", ("N", 3))])
    converted = convert(source, random="inputs")
    assert converted.check().passed
    if attributes:
        x, name = np.log(np.array([[0.5, 0.2, 0.3], [0.1, 0.8, 0.1]], np.float32)), converted.inputs[1].name
        drawn = np.random.default_rng(0).random((2, 5000), np.float32)
        (found,) = converted.reference({"x": x, name: drawn}).expected.values()
        np.testing.assert_allclose([[(row == k).mean() for k in range(3)] for row in found], np.exp(x), atol=0.03)


@pytest.mark.parametrize("log", [False, True])
def test_multinomial_of_openvino(log: bool, tmp_path: Path) -> None:
    x = ops.parameter([-1, 3], np.float32, name="x")
    chances = ops.log(ops.abs(x)) if log else ops.abs(x)
    pick = opset13.multinomial(chances, np.int32(5000), "i32", with_replacement=True, log_probs=log)
    pick.set_friendly_name("pick")
    path = saved(openvino.Model([ops.result(ops.convert(pick, "f32"))], [x], "net"), tmp_path)
    with pytest.raises(UnsupportedError, match="--random inputs spells it out"):
        convert(path)
    converted = convert(path, random="inputs")
    assert [(i.name, i.draw) for i in converted.inputs] == [("x", None), ("pick/uniform", Uniform(0, 1))]
    assert converted.check().passed
    given = np.array([[1, -2, 1], [8, 1, 1]], np.float32)
    drawn = np.random.default_rng(0).random((2, 5000), np.float32)
    (found,) = converted.reference({"x": given, "pick/uniform": drawn}).expected.values()
    np.testing.assert_allclose([[(row == k).mean() for k in range(3)] for row in found], [[0.25, 0.5, 0.25], [0.8, 0.1, 0.1]], atol=0.03)


@pytest.mark.parametrize("operands", ["x r t", "x - t"])
def test_dropout_in_training_mode(operands: str) -> None:
    source = model([node("Dropout", operands, "y m", name="drop")], [tensor("x", ("N", 400))], ["y", "m"],
                   {"r": np.float32(0.25), "t": np.array(True)})
    with pytest.raises(UnsupportedError, match="training mode is random"):
        convert(source)
    converted = convert(source, random="inputs")
    assert converted.check().passed
    drawn = np.random.default_rng(0).random((2, 400), np.float32)
    ratio = 0.25 if " r " in operands else 0.5
    results = converted.reference({"x": np.ones((2, 400), np.float32), converted.inputs[1].name: drawn}).expected
    np.testing.assert_allclose(results["y"], np.where(drawn < ratio, 0, 1 / (1 - ratio)), rtol=1e-6)
    np.testing.assert_array_equal(results["m"], drawn >= ratio)


def test_dropout_whose_mode_an_input_decides() -> None:
    source = model([node("Not", "still", "t"), node("Dropout", "x r t", name="drop")],
                   [tensor("x", (2, 3)), tensor("still", (), np.bool_), tensor("other", (2, 3))], constants={"r": np.float32(0.25)})
    with pytest.raises(UnsupportedError, match="is computed at run time") as caught:
        convert(source)
    assert caught.value.advice == "Give the values of the inputs that decide it: --input-value still=..."
    assert convert(source, input_value={"still": [1]}).check().passed


def test_a_dropout_that_keeps_everything_draws_nothing() -> None:
    source = model([node("Dropout", "x r t", "d"), node("Relu", "d")], constants={"r": np.float32(0), "t": np.array(True)})
    converted = convert(source, random="inputs")
    assert [i.name for i in converted.inputs] == ["x"]
    assert converted.check().passed


def test_results_that_are_checked_again(tmp_path: Path) -> None:
    source = tmp_path / "m.onnx"
    onnx.save(model([node("Sigmoid", "x", "p"), node("Bernoulli", "p")], [tensor("x", ("N", 40))]), source)
    assert main([str(source), "-o", str(tmp_path), "--random", "inputs", "--quiet"]) == 0
    assert check(source, tmp_path / "m_float32.tflite").passed
    assert bisect(identify(source), ConvertOptions(random="inputs")).finding is None


def test_what_stays_refused() -> None:
    with pytest.raises(UnsupportedError, match="--random inputs spells it out"):
        convert(model([node("Multinomial", "x")]))
    with pytest.raises(UnsupportedError, match="--random inputs spells it out"):
        convert(model([node("Multinomial", "x")], opset=14), random="inputs")
    known = model([node("Dropout", "x - t")], [tensor("x"), tensor("t", (), np.bool_)])
    with pytest.raises(UnsupportedError, match="is computed at run time"):
        convert(known, random="inputs")


# ---- data that is given ---------------------------------------------------------------------------------------------------------
def test_what_is_drawn_need_not_be_given(tmp_path: Path) -> None:
    converted = convert(noisy(), random="inputs")
    x = np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)
    found = with_draws(converted.inputs, {"x": x})
    assert {name: array.shape for name, array in found.items()} == {"x": x.shape, "noise": (2, 4, 6, 6), "factor": (1, 4, 1, 1)}
    assert 1 <= found["factor"].min() < found["factor"].max() < 2
    np.testing.assert_array_equal(found["noise"], with_draws(converted.inputs, {"x": x})["noise"])
    assert (found["noise"] != with_draws(converted.inputs, {"x": x}, seed=1)["noise"]).any()
    zeros = np.zeros((2, 4, 6, 6), np.float32)
    assert with_draws(converted.inputs, {"x": x, "noise": zeros})["noise"] is zeros
    assert converted.check({"x": x}).passed


def test_calibration_without_what_is_drawn(tmp_path: Path) -> None:
    source = tmp_path / "m.onnx"
    onnx.save(noisy(), source)
    data = np.random.default_rng(0).standard_normal((6, 3, 8, 8)).astype(np.float32)
    np.save(tmp_path / "x.npy", data)
    np.savez(tmp_path / "all.npz", x=data, noise=np.zeros((6, 4, 6, 6), np.float32), factor=np.ones((6, 4, 1, 1), np.float32))
    for file in ("x.npy", "all.npz"):
        assert main([str(source), "-o", str(tmp_path), "--random", "inputs", "--quantize", "int8", "--calibration", str(tmp_path / file),
                     "--calibration-layout", "source", "--quiet"]) == 0
