"""Whole small networks in Keras: results, transposes, names, formats."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="TensorFlow is not installed")

import keras

from nchw2nhwc import ConvertOptions, conversion, convert
from nchw2nhwc.emit.keras import emit_keras
from nchw2nhwc.emit.keras.metadata import read_metadata
from nchw2nhwc.emit.keras.names import Names, short_scopes, valid_name
from nchw2nhwc.errors import OptionError, OutputError, SourceError, TargetError
from nchw2nhwc.ir import Dim, Graph, Origin, TensorType
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ops.activation_functions import HardSwish, LeakyRelu, Sigmoid
from nchw2nhwc.ops.binary import Add, Mul, PRelu, Where
from nchw2nhwc.ops.dynamic import DynamicReduce
from nchw2nhwc.ops.elementwise import Dropout
from nchw2nhwc.ops.matmul import FullyConnected, MatMul
from nchw2nhwc.ops.movement import Reshape, Transpose
from nchw2nhwc.ops.norm import MVN
from nchw2nhwc.ops.reduce import Softmax
from nchw2nhwc.ops.windowed import Conv
from nchw2nhwc.options import KERAS_FILES
from nchw2nhwc.progress import Stages
from nchw2nhwc.source import identify
from tests.digits import ONNX, XML
from tests.emit.keras.runs import assert_close, check_converted, check_model, converted, run_model
from tests.layout.networks import NETWORKS, TRANSPOSES

FLOAT = np.dtype(np.float32)
MOVES = {**TRANSPOSES, "window_attention": 2}
"""How many layers move data; the passes let queries, keys and values move together."""

READ = """
import sys
sys.modules["nchw2nhwc"] = None  # importing it is an ImportError from here on
import keras, numpy as np, tensorflow as tf
x, wanted = (np.load("data.npz")[name] for name in ("x", "y"))

def check(what, y):
    np.testing.assert_allclose(np.asarray(y), wanted, rtol=1e-4, atol=1e-4, err_msg=what)

check("keras", keras.models.load_model("digits.keras").predict(x, verbose=0))
check("h5", keras.models.load_model("digits.h5").predict(x, verbose=0))
with open("digits_architecture.json") as file:
    model = keras.models.model_from_json(file.read())
model.load_weights("digits.weights.h5")
check("weights", model.predict(x, verbose=0))
serve = tf.saved_model.load("digits_saved_model").signatures["serving_default"]
check("saved_model", serve(image=tf.constant(x))["logits"])
check("saved_model, one", serve(image=tf.constant(np.concatenate([x, x])))["logits"][:len(x)])
graph = tf.compat.v1.GraphDef()
with open("digits.pb", "rb") as file:
    graph.ParseFromString(file.read())
wrapped = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(graph, name=""), [])
check("pb", wrapped.prune("image:0", "logits:0")(tf.constant(x)))
converter = tf.lite.TFLiteConverter.from_saved_model("digits_saved_model")
assert converter.convert()
"""


@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name: str) -> None:
    graph = NETWORKS[name]()
    shape = [2 if isinstance(s, Dim) else s for s in graph.inputs[0].shape]
    inputs = {"image": np.random.default_rng(1).standard_normal(shape).astype(FLOAT)}
    wanted = [run(graph, inputs)[output] for output in graph.output_names]
    model = check_converted(graph, inputs, wanted)
    moves = [layer for layer in model.operations if type(layer).__name__ in ("Permute", "Transpose", "Swapaxes")]
    assert len(moves) == MOVES[name]
    assert all(layer.name[0].isalpha() for layer in model.operations)


def test_all_formats_in_a_process_without_this_package(tmp_path: Path) -> None:
    result = convert(ONNX)
    model = result.keras()
    result.save_keras(tmp_path, list(KERAS_FILES))
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(f"digits{ending}" for endings in KERAS_FILES.values() for ending in endings)
    x = np.random.default_rng(0).standard_normal((3, 8, 8, 1)).astype(FLOAT)
    np.savez(tmp_path / "data.npz", x=x, y=run_model(model, [x])[0])
    done = subprocess.run([sys.executable, "-c", READ], cwd=tmp_path, env={"PATH": "", "HOME": str(tmp_path)}, capture_output=True,
                          text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def test_both_sources_and_the_check() -> None:
    for source in (ONNX, XML):
        result = convert(source)
        assert result.compare_keras(result.reference(), result.keras_network(), 1e-4).passed
        assert [layer.name for layer in result.keras().layers if layer.name.isdigit()] == []


def test_trainable_keeps_batch_norms_and_learns() -> None:
    result = convert(ONNX)
    network = result.keras_network(trainable=True)
    assert result.compare_keras(result.reference(), network, 1e-4).passed
    model = network.model
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert norms
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in result.keras().layers)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((32, 8, 8, 1)).astype(FLOAT), rng.integers(0, 10, 32)
    before = norms[0].moving_mean.numpy().copy()
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    losses = model.fit(x, y, batch_size=16, epochs=6, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert not np.array_equal(before, norms[0].moving_mean.numpy())


def transformer_block() -> Graph:
    """Dropout, a layer norm in three nodes, and a factor of a channel's own."""
    graph = Graph("block")
    rng = np.random.default_rng(0)
    x = graph.add_input("x", TensorType(FLOAT, (2, 5, 6)))
    kept = graph.add1(Dropout(0.25), [x], origin=Origin("drop", "Dropout"))
    scale, bias, factor = (graph.constant(rng.uniform(0.5, 2, shape).astype(FLOAT)) for shape in ((6,), (1, 1, 6), (6,)))
    normal = graph.add1(MVN((2,), 1e-5), [kept], origin=Origin("norm", "LayerNormalization"))
    scaled = graph.add1(Mul(), [normal, scale], origin=Origin("norm", "LayerNormalization"))
    shifted = graph.add1(Add(), [scaled, bias], origin=Origin("norm", "LayerNormalization"))
    graph.add_output(graph.add1(Mul(), [graph.add1(Sigmoid(), [shifted]), factor], origin=Origin("scale", "Mul")), "y")
    return graph


@pytest.mark.parametrize("trainable", [False, True])
def test_what_is_trained_stays(trainable: bool) -> None:
    graph = transformer_block()
    data = {"x": np.random.default_rng(1).standard_normal((2, 5, 6)).astype(FLOAT)}
    wanted = run(graph, data)["y"]
    layout = converted(graph, trainable=trainable)
    model = emit_keras(layout.graph, trainable=trainable).model
    (result,) = run_model(model, [data["x"]])
    np.testing.assert_allclose(result.transpose(np.argsort(layout.outputs["y"])), wanted, rtol=1e-5, atol=1e-5)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds.count("LayerNormalization") == 1
    assert kinds.count("Dropout") == trainable
    assert sum(int(np.prod(w.shape)) for w in model.trainable_weights) == (18 if trainable else 12)
    assert model.get_layer("norm").gamma.shape == (6,)
    if trainable:
        assert not np.array_equal(np.asarray(model(data["x"], training=True)), result)


def attention() -> Graph:
    """Queries, keys and values of one tensor, in two heads."""
    graph = Graph("attention")
    rng = np.random.default_rng(0)
    x = graph.add_input("x", TensorType(FLOAT, (2, 5, 6)))
    heads = []
    for name in ("query", "key", "value"):
        w, b = (graph.constant(rng.uniform(-1, 1, shape).astype(FLOAT)) for shape in ((6, 6), (6,)))
        layer = graph.add1(FullyConnected(), [x, w, b], origin=Origin(name, "MatMul"))
        heads.append(graph.add1(Transpose((0, 2, 1, 3)), [graph.add1(Reshape((2, 5, 2, 3)), [layer])]))
    weights = graph.add1(Softmax(3), [graph.add1(MatMul(adjoint_b=True), heads[:2])])
    mixed = graph.add1(Transpose((0, 2, 1, 3)), [graph.add1(MatMul(), [weights, heads[2]])])
    graph.add_output(graph.add1(Reshape((2, 5, 6)), [mixed]), "y")
    return graph


@pytest.mark.parametrize("trainable", [False, True])
def test_layers_of_attention(trainable: bool) -> None:
    """One layer for queries, keys and values; three, by their names, where they are trained."""
    graph = attention()
    data = {"x": np.random.default_rng(1).standard_normal((2, 5, 6)).astype(FLOAT)}
    wanted = run(graph, data)["y"]
    layout = converted(graph, trainable=trainable)
    model = emit_keras(layout.graph, trainable=trainable).model
    (result,) = run_model(model, [data["x"].transpose(layout.inputs["x"])])
    np.testing.assert_allclose(result.transpose(np.argsort(layout.outputs["y"])), wanted, rtol=1e-5, atol=1e-5)
    layers = [layer.name for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    assert layers == (["query", "key", "value"] if trainable else ["query"])


def test_large_constants_are_weights() -> None:
    graph = Graph("net")
    x = graph.add_input("x", TensorType(FLOAT, (1, 40, 50)))
    table = np.random.default_rng(0).standard_normal((40, 50)).astype(FLOAT)
    graph.add_output(graph.add1(Add(), [x, graph.constant(table)], origin=Origin("3", "Add")), "y")
    data = {"x": np.ones((1, 40, 50), FLOAT)}
    model = check_converted(graph, data, [1 + table[None]])
    assert model.count_params() == table.size
    assert len(model.to_json()) < 10_000
    assert "add_3" in {operation.name for operation in model.operations}


def test_every_file_says_what_is_in_it(tmp_path: Path) -> None:
    result = convert(ONNX)
    result.save_keras(tmp_path, list(KERAS_FILES))
    layers = {layer.name for layer in result.keras().layers if not isinstance(layer, keras.layers.InputLayer)}
    source = {node.origin.layer for node in result.graph.nodes}
    for path in sorted(tmp_path.iterdir()):
        if path.name.endswith(".weights.h5"):
            with pytest.raises(SourceError, match="does not say how its inputs and outputs are stored"):
                read_metadata(path)
            continue
        content = read_metadata(path)
        assert content["inputs"] == result.report["inputs"]
        assert content["outputs"] == result.report["outputs"]
        named = content["layers"]
        assert isinstance(named, dict)
        assert layers <= named.keys()
        assert {origin["layer"] for origin in named.values()} >= source


def test_keras_alone(tmp_path: Path) -> None:
    """The graph of Keras decides, nothing of TFLite is made, and the report speaks of the model."""
    result = conversion.run(identify(ONNX), ConvertOptions(), Stages(), "keras")
    network = result.keras_network()
    assert "emit" not in result.stages.seconds
    assert result.report["ops"]["result"] == len(network.model.operations) - 1
    assert result.compare_keras(result.reference(), network, 1e-4).passed
    check = result.report["check"]
    assert check is not None
    assert check["keras"] is not None
    assert check["outputs"] == check["keras"]["outputs"]
    assert [info.perm for info in result.inputs] == [info.perm for info in convert(ONNX).inputs]
    assert result.check().passed


def test_a_constant_with_computed_slopes() -> None:
    graph = Graph("net")
    slopes = graph.add_input("slopes", TensorType(FLOAT, (2, 3)))
    data = np.random.default_rng(0).standard_normal((2, 3)).astype(FLOAT)
    graph.add_output(graph.add1(PRelu(), [graph.constant(data), slopes]), "y")
    given = {"slopes": np.full((2, 3), 0.25, FLOAT)}
    check_model(graph, given, [run(graph, given)["y"]])


@pytest.mark.parametrize("shape", [(), (2, 3)])
def test_numbers_that_are_chosen_keep_their_element_type(shape: tuple[int, ...]) -> None:
    graph = Graph("net")
    x = graph.add_input("x", TensorType(np.bool_, shape))
    numbers = [graph.constant(np.asarray(number, np.int64)) for number in (1, 0)]
    graph.add_output(graph.add1(Where(), [x, *numbers]), "y")
    given = {"x": np.ones(shape, np.bool_)}
    check_model(graph, given, [run(graph, given)["y"]])


def test_outputs_that_are_inputs_or_the_same() -> None:
    graph = Graph("net")
    x = graph.add_input("x", TensorType(FLOAT, (2, 3)))
    y = graph.add1(Sigmoid(), [x])
    for name, value in (("a", x), ("b", y), ("c", y)):
        graph.add_output(value, name)
    data = np.zeros((2, 3), FLOAT)
    assert [float(r[0, 0]) for r in run_model(emit_keras(graph).model, [data])] == [0.0, 0.5, 0.5]


def test_what_keras_cannot_express_is_named() -> None:
    graph = Graph("net", "net.onnx")
    x, axes = graph.add_input("x", TensorType(FLOAT, (2, 3))), graph.add_input("axes", TensorType(np.int64, (1,)))
    reduction = DynamicReduce("ReduceSum", True, (Dim.symbol("a"), Dim.symbol("b")))
    graph.add_output(graph.add1(reduction, [x, axes], origin=Origin("sum", "ReduceSum")), "y")
    with pytest.raises(TargetError, match=r"no axes that data decides") as caught:
        emit_keras(converted(graph).graph)
    assert (caught.value.where.layer, caught.value.where.type) == ("sum", "ReduceSum")


def test_names() -> None:
    assert [valid_name(name, "conv") for name in ("/a/b.1", "12", "", "_x", "é")] == ["a_b.1", "conv_12", "conv", "x", "conv"]
    assert short_scopes("/layer1/layer1.0/conv1/Conv") == "/layer1.0/conv1/Conv"
    assert short_scopes("/layers/layers.0/blocks/blocks.1/mlp/mlp.0/MatMul") == "/layers.0/blocks.1/mlp.0/MatMul"
    assert short_scopes("conv1") == "conv1"
    names = Names()
    assert [names.take("A", "x"), names.take("a", "x"), names.take("A", "x")] == ["A", "a_1", "A_2"]


def test_layer_names_have_no_dots() -> None:
    graph = Graph("net")
    x = graph.add_input("x.1", TensorType(FLOAT, (2, 3)))
    graph.add_output(graph.add1(Sigmoid(), [x], origin=Origin("block.1/act.2", "Sigmoid")), "y")
    assert [layer.name for layer in emit_keras(graph).model.layers] == ["x.1", "block_1_act_2"]


def test_transposes_of_many_axes_are_merged_for_tensorflows_converter() -> None:
    graph = Graph("net")
    x = graph.add_input("x", TensorType(FLOAT, (1, 2, 3, 2, 3, 2, 4)))
    graph.add_output(graph.add1(Transpose((0, 2, 4, 1, 3, 5, 6)), [x]), "y")
    data = np.arange(288, dtype=FLOAT).reshape(1, 2, 3, 2, 3, 2, 4)
    model = check_model(graph, {"x": data}, [run(graph, {"x": data})["y"]])
    assert [layer.dims for layer in model.layers if isinstance(layer, keras.layers.Permute)] == [(2, 4, 1, 3, 5)]


@pytest.mark.parametrize("perm", [(4, 0, 2, 5, 1, 3, 6), (0, 6, 4, 2, 7, 5, 3, 1), (7, 5, 3, 1, 6, 4, 2, 0)])
def test_a_narrow_model_moves_more_axes_in_steps(perm: tuple[int, ...]) -> None:
    graph = Graph("net")
    shape = tuple(2 + k % 2 for k in range(len(perm)))
    x = graph.add_input("x", TensorType(FLOAT, shape))
    graph.add_output(graph.add1(Transpose(perm), [x], origin=Origin("move", "Transpose")), "y")
    data = np.arange(np.prod(shape), dtype=FLOAT).reshape(shape)
    wide, narrow = emit_keras(graph), emit_keras(graph, narrow=True)
    assert (wide.wide, narrow.wide) == (True, False)
    for network, most in ((wide, len(perm)), (narrow, 6)):
        (result,) = run_model(network.model, [data])
        np.testing.assert_array_equal(result, data.transpose(perm))
        moves = [o for o in network.model.operations if type(o).__name__ in ("Permute", "Transpose")]
        assert max(len(o.input[0].shape) if isinstance(o.input, list) else len(o.input.shape) for o in moves) <= most
        assert all(o.name.startswith("move") for o in moves)


def test_batches_of_products_are_merged_for_tensorflows_converter() -> None:
    graph = Graph("net")
    x, y = (graph.add_input(name, TensorType(FLOAT, (1, 2, 3, 2, 4, 5))) for name in "xy")
    graph.add_output(graph.add1(MatMul(adjoint_b=True), [x, y]), "z")
    data = {name: np.random.default_rng(k).standard_normal((1, 2, 3, 2, 4, 5)).astype(FLOAT) for k, name in enumerate("xy")}
    model = check_converted(graph, data, [run(graph, data)["z"]])
    (product,) = [o for o in model.operations if type(o).__name__ == "Einsum"]
    assert len(product.input[0].shape) <= 5


@pytest.mark.parametrize("names", [("a", "z"), ("z", "a")])
def test_a_scaled_hard_swish_keeps_its_factor_in_tensorflows_graphs(names: tuple[str, str]) -> None:
    graph, rng = Graph("net"), np.random.default_rng(0)
    x = graph.add_input("x", TensorType(FLOAT, (1, 4, 4, 8)))
    filters, bias = (graph.constant(rng.standard_normal(shape).astype(FLOAT)) for shape in ((8, 1, 1, 8), (8,)))
    conv = Conv(strides=(1, 1), dilations=(1, 1), pads_begin=(0, 0), pads_end=(0, 0), channels_last=True)
    y = graph.add1(conv, [x, filters, bias], origin=Origin(names[0], "Conv"))
    y = graph.add1(HardSwish(), [y], origin=Origin(names[1], "HardSwish"))
    graph.add_output(graph.add1(Mul(), [y, graph.constant(np.array(0.966, FLOAT))]), "y")
    data = rng.standard_normal((1, 4, 4, 8)).astype(FLOAT)
    wanted = [run(graph, {"x": data})["y"]]
    assert_close([check_model(graph, {"x": data}, wanted).predict(data, verbose=0)], wanted)


@pytest.mark.parametrize("slope", [0.0, 0.01, 0.2, 1.5])
def test_a_leaky_relu_of_a_sum_keeps_its_slope_in_tensorflows_graphs(slope: float) -> None:
    graph, rng = Graph("net"), np.random.default_rng(0)
    x, z = (graph.add_input(name, TensorType(FLOAT, (1, 4, 4, 8))) for name in "xz")
    filters, bias = (graph.constant(rng.standard_normal(shape).astype(FLOAT)) for shape in ((8, 1, 1, 8), (8,)))
    conv = Conv(strides=(1, 1), dilations=(1, 1), pads_begin=(0, 0), pads_end=(0, 0), channels_last=True)
    y = graph.add1(Add(), [graph.add1(conv, [x, filters, bias]), z])
    graph.add_output(graph.add1(LeakyRelu(slope), [y]), "y")
    data = {name: rng.standard_normal((1, 4, 4, 8)).astype(FLOAT) for name in "xz"}
    wanted = [run(graph, data)["y"]]
    assert_close([check_model(graph, data, wanted).predict([data["x"], data["z"]], verbose=0)], wanted)


def test_targets_that_do_not_exist(tmp_path: Path) -> None:
    result = convert(ONNX)
    with pytest.raises(OptionError, match="no Keras target 'tfjs'"):
        result.save_keras(tmp_path, ["tfjs"])
    (tmp_path / "digits_saved_model").mkdir()
    (tmp_path / "digits_saved_model" / "mine").write_text("")
    with pytest.raises(OutputError, match="something else in it"):
        result.save_keras(tmp_path, ["keras", "saved_model"])
    assert [p.name for p in tmp_path.iterdir()] == ["digits_saved_model"]
