"""Recurrent layers in LiteRT: the kernel of an LSTM, loops, and what is unrolled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from nchw2nhwc.emit.tflite import emit, native
from nchw2nhwc.emit.tflite.validate import validate
from nchw2nhwc.emit.tflite.writer import FlatBuffer
from nchw2nhwc.errors import TargetError
from nchw2nhwc.ir import Array, Dim, Graph, Origin, Size, TensorType
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ops.activation_functions import Affine, HardSigmoid, Relu, ScaledTanh, Sigmoid, Softplus, Softsign
from nchw2nhwc.ops.elementwise import Tanh
from nchw2nhwc.ops.movement import Reshape
from nchw2nhwc.ops.recurrent import GRU, LSTM, RNN, Recurrent
from nchw2nhwc.passes.decompose import decompose
from tests.emit.tflite.runs import RESOLVERS, run_file

N, T, F, H = 2, 7, 3, 4
Y, LAST, CELL = 0, 1, 2


def graph_of(op: Recurrent, results: Sequence[int], shape: Sequence[Size] | None = None, *, states: bool = False,
             weights: bool = True) -> tuple[Graph, list[Array], list[Array]]:
    """A graph of one layer with these results, the data for its inputs, and the results; initial states, and weights that are not
    constant, are inputs as well."""
    rng = np.random.default_rng(2)
    known = (N, T, F) if op.batch_first else (T, N, F)
    declared = tuple(shape or known)
    shapes = [known, (op.gates * H, F), (op.gates * H, H), (op.bias_rows * H,), *[(N, H)] * (op.states if states else 0)]
    arrays = [rng.normal(0, 0.6, s).astype(np.float32) for s in shapes]
    graph = Graph("net", "net.onnx")
    values = [graph.add_input("x", TensorType(arrays[0].dtype, declared))]
    values += [graph.constant(a) if weights else graph.add_input(f"w{k}", TensorType(a.dtype, a.shape)) for k, a in enumerate(arrays[1:4])]
    batch = declared[0 if op.batch_first else 1]
    values += [graph.add_input(f"s{k}", TensorType(a.dtype, (batch, H))) for k, a in enumerate(arrays[4:])]
    found = graph.add(op, values, origin=Origin("the_layer", op.name))
    for k in results:
        graph.add_output(found[k], f"y{k}")
    return graph, [*arrays[:1], *([] if weights else arrays[1:4]), *arrays[4:]], [np.asarray(op.run(*arrays)[k]) for k in results]


def operators(made: FlatBuffer) -> Counter[str]:
    return Counter(op.code for subgraph in made.model.subgraphs for op in subgraph.operators)


def assert_runs(made: FlatBuffer, inputs: Sequence[Array], wanted: Sequence[Array], tolerance: float = 1e-5) -> None:
    for resolver in RESOLVERS:
        for found, want in zip(run_file(made.tobytes(), inputs, resolver), wanted, strict=True):
            np.testing.assert_allclose(found, want, rtol=tolerance, atol=tolerance, err_msg=resolver)


KERNEL = "UNIDIRECTIONAL_SEQUENCE_LSTM"
NAMED = (Dim.symbol("A"), Dim.symbol("B"), F)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("states", [False, True])
@pytest.mark.parametrize("shape", [None, NAMED])
@pytest.mark.parametrize(("op", "results", "code"), [
    (LSTM(), (Y, LAST), KERNEL), (LSTM((Sigmoid(), Relu(), Relu())), (LAST,), KERNEL), (LSTM(), (CELL, Y), "WHILE"),
    (LSTM(peepholes=True), (Y,), KERNEL), (LSTM(peepholes=True), (CELL,), "WHILE"),
    (GRU(linear_before_reset=True), (Y, LAST), "WHILE"), (RNN(), (LAST,), "WHILE"),
], ids=str)
def test_one_operator_for_all_steps(op: Recurrent, results: tuple[int, ...], code: str, shape: Sequence[Size] | None, states: bool,
                                    reverse: bool, batch_first: bool) -> None:
    """The kernel where it has what is asked for, else a loop; also of a batch and a number of steps that are not known."""
    op = replace(op, reverse=reverse, batch_first=batch_first)
    graph, inputs, wanted = graph_of(op, results, shape, states=states)
    made = emit(graph)
    found = operators(made)
    assert (found[KERNEL], found["WHILE"]) == (int(code == KERNEL), int(code == "WHILE"))
    assert found["TRANSPOSE"] == 0
    assert_runs(made, inputs, wanted)


@pytest.mark.parametrize("op", [
    LSTM(clip=0.4), LSTM(input_forget=True), LSTM((HardSigmoid(0.2, 0.5), Tanh(), Tanh())), LSTM((Sigmoid(), Tanh(), Softsign())),
    GRU((HardSigmoid(0.3, 0.5), Softplus()), clip=0.7), LSTM(peepholes=True, clip=0.4), LSTM(peepholes=True, input_forget=True),
    LSTM((Affine(0.5, 0.25), ScaledTanh(1.5, 0.5), Tanh()), peepholes=True),
], ids=str)
def test_what_the_kernel_lacks_is_a_loop(op: Recurrent) -> None:
    """Activations that TFLite has no operator for are formulas within it."""
    graph, inputs, wanted = graph_of(op, (Y,))
    made = emit(graph)
    assert operators(made)["WHILE"] == 1
    assert_runs(made, inputs, wanted)


def test_initial_states_that_are_reshaped() -> None:
    """Their memory is that of an input, which variables must not share."""
    graph, inputs, wanted = graph_of(LSTM(), (Y,), states=True)
    (layer,) = graph.nodes
    for k, state in enumerate(graph.inputs[1:]):
        reshaped = graph.add1(Reshape((N, H)), [graph.add1(Reshape((1, N, H)), [state], before=layer)], before=layer)
        layer.set_input(4 + k, reshaped)
    made = emit(graph)
    assert operators(made)[KERNEL] == 1
    assert_runs(made, inputs, wanted)


@pytest.mark.parametrize("op", [LSTM(), LSTM(peepholes=True), GRU(), GRU(linear_before_reset=True), RNN()], ids=str)
def test_computed_weights(op: Recurrent) -> None:
    graph, inputs, wanted = graph_of(op, (Y, LAST), weights=False)
    assert_runs(emit(graph), inputs, wanted)


@pytest.mark.parametrize("resolver", RESOLVERS)
@pytest.mark.parametrize("states", [False, True])
@pytest.mark.parametrize("op", [LSTM(), LSTM(input_forget=True), GRU()], ids=str)
def test_a_run_does_not_depend_on_the_ones_before(op: Recurrent, states: bool, resolver: str) -> None:
    """The kernel's variables keep their content, which has to be set anew every time; also after the batch has changed."""
    graph, inputs, wanted = graph_of(op, (Y,), (T, Dim.symbol("N"), F), states=states)
    interpreter = Interpreter(model_content=emit(graph).tobytes(), experimental_op_resolver_type=RESOLVERS[resolver], num_threads=1)

    def results(data: Sequence[Array]) -> Array:
        details = interpreter.get_input_details()
        if tuple(details[0]["shape"]) != data[0].shape:
            for detail, x in zip(details, data):
                interpreter.resize_tensor_input(detail["index"], x.shape)
            interpreter.allocate_tensors()
        for detail, x in zip(details, data, strict=True):
            interpreter.set_tensor(detail["index"], x)
        interpreter.invoke()
        return np.array(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))

    other = [x[:, :1] * 3 if k == 0 else x[:1] for k, x in enumerate(inputs)]
    for _ in range(3):
        np.testing.assert_allclose(results(inputs), wanted[0], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(results([inputs[0] * -2, *inputs[1:]]), run(graph, dict(zip(
            (v.name for v in graph.inputs), [inputs[0] * -2, *inputs[1:]])))["y0"], rtol=1e-5, atol=1e-5)
    narrow = results(other)
    np.testing.assert_allclose(results(other), narrow, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("resolver", RESOLVERS)
@pytest.mark.parametrize("constant", [(0, 1), (0,), (1,)])
def test_constant_states_are_set_anew_too(constant: Sequence[int], resolver: str) -> None:
    """LiteRT computes a product of constants once, when it loads a file."""
    op = LSTM()
    graph, inputs, wanted = graph_of(op, (Y,), states=True)
    layer = next(node for node in graph.nodes if isinstance(node.op, LSTM))
    for k in constant:
        layer.set_input(4 + k, graph.constant(inputs[1 + k]))
    interpreter = Interpreter(model_content=emit(graph).tobytes(), experimental_op_resolver_type=RESOLVERS[resolver], num_threads=1)
    interpreter.allocate_tensors()
    for _ in range(3):
        for detail in interpreter.get_input_details():
            interpreter.set_tensor(detail["index"], inputs[[v.name for v in graph.inputs].index(detail["name"])])
        interpreter.invoke()
        found = np.array(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
        np.testing.assert_allclose(found, wanted[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("op", [LSTM(), GRU()], ids=str)
def test_weights_stored_in_half_precision(op: Recurrent) -> None:
    graph, inputs, wanted = graph_of(op, (Y,))
    assert_runs(emit(graph, float16=True), inputs, wanted, 2e-3)


def test_the_size_of_a_loop_does_not_depend_on_the_steps() -> None:
    counts = []
    for steps in (9, 300):
        graph = Graph("net")
        x = graph.add_input("x", TensorType(np.dtype(np.float32), (steps, 1, F)))
        weights = [graph.constant(np.zeros(s, np.float32)) for s in ((3 * H, F), (3 * H, H), (3 * H,))]
        graph.add_output(graph.add(GRU(), [x, *weights])[0], "y")
        counts.append(operators(emit(graph)).total())
    assert counts[0] == counts[1] < 25


@pytest.mark.parametrize(("steps", "loops"), [(1, 0), (4, 0), (5, 1)])
def test_a_few_steps_are_unrolled(steps: int, loops: int) -> None:
    graph = Graph("net", "net.onnx")
    x = graph.add_input("x", TensorType(np.dtype(np.float32), (steps, 1, F)))
    weights = [graph.constant(np.full(s, 0.1, np.float32)) for s in ((3 * H, F), (3 * H, H), (3 * H,))]
    graph.add_output(graph.add(GRU(), [x, *weights], origin=Origin("the_layer", "GRU"))[0], "y")
    assert native(graph.nodes[0]) == bool(loops)
    if not loops:
        with pytest.raises(TargetError, match="a few steps"):
            emit(graph)
    data = np.random.default_rng(0).normal(size=(steps, 1, F)).astype(np.float32)
    wanted = run(graph, {"x": data})["y"]
    decompose(native)(graph)
    made = emit(graph)
    assert operators(made)["WHILE"] == loops
    assert_runs(made, [data], [wanted])


def test_the_layer_that_is_refused_is_named() -> None:
    """Its file has other subgraphs besides the damaged one."""
    graph, _, _ = graph_of(GRU(), (Y,))
    made = emit(graph)
    main = made.model.subgraphs[0].operators
    at = next(k for k, op in enumerate(main) if op.code == "BROADCAST_TO")
    main[at] = replace(main[at], inputs=main[at].inputs * 2)
    broken = FlatBuffer(made.model)
    with pytest.raises(TargetError, match="layer 'the_layer'"):
        validate(broken.tobytes(), broken)


@pytest.mark.parametrize("op", [
    GRU(linear_before_reset=True, batch_first=True), GRU(reverse=True), LSTM(clip=0.4), RNN(batch_first=True),
], ids=str)
@pytest.mark.parametrize("axes", [(1, 1, T, F), (T, 1, 1, F), (T, F)], ids=str)
def test_a_sequence_that_is_a_view_is_read_as_rows(op: Recurrent, axes: tuple[int, ...]) -> None:
    """What comes from a convolution has other axes than the layer's; a batch of one has the same rows."""
    graph, inputs, _ = graph_of(op, (LAST,), (1, T, F) if op.batch_first else (T, 1, F))
    x = graph.inputs[0]
    data = np.take(inputs[0], [0], 0 if op.batch_first else 1)
    (layer,) = graph.nodes
    layer.set_input(0, graph.add1(Reshape(x.shape), [graph.add1(Reshape(axes), [graph.add1(Tanh(), [x], before=layer)], before=layer)],
                                  before=layer))
    made = emit(graph)
    assert [o.code for o in made.model.subgraphs[0].operators] == ["TANH", "RESHAPE", "FULLY_CONNECTED", "WHILE"]
    assert_runs(made, [data], [run(graph, {"x": data})["y1"]])


@pytest.mark.parametrize("results", [(Y,), (LAST,)], ids=str)
def test_a_view_that_a_layer_reads_by_its_own_axes_stays(results: tuple[int, ...]) -> None:
    """Of several sequences, or where the states after each step are read."""
    graph, inputs, wanted = graph_of(GRU(), results, (T, 1, F) if results == (Y,) else None)
    if results == (Y,):
        inputs[0] = inputs[0][:, :1]
        wanted = [run(graph, {"x": inputs[0]})["y0"]]
    x, (layer,) = graph.inputs[0], graph.nodes
    flat = graph.add1(Reshape((int(str(x.shape[0])) * int(str(x.shape[1])), F)), [x], before=layer)
    layer.set_input(0, graph.add1(Reshape(x.shape), [flat], before=layer))
    made = emit(graph)
    assert [o.code for o in made.model.subgraphs[0].operators].count("RESHAPE") == 2
    assert_runs(made, inputs, wanted)
