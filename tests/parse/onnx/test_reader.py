"""Names, scopes, local functions, conditions, and what is not supported."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import FunctionProto, GraphProto, NodeProto, TensorProto, helper, numpy_helper

from nchw2nhwc.errors import ConversionError, ShapeError, SourceError, UnsupportedError, UnsupportedOpsError
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.parse.onnx import read_onnx
from tests.parse.onnx.models import assert_as_runtime, data, model, node, ops, output, read, sparse, tensor

STANDARD = helper.make_opsetid("", 17)
OWN = helper.make_opsetid("own", 1)
YES, NO = {"c": np.array(True)}, {"c": np.array(False)}


def call(op: str, inputs: str, outputs: str = "y", **attributes: object) -> NodeProto:
    """A call of a local function."""
    made = node(op, inputs, outputs, **attributes)
    made.domain = "own"
    return made


def function(name: str, inputs: str, outputs: str, nodes: list[NodeProto], **more: object) -> FunctionProto:
    return helper.make_function("own", name, inputs.split(), outputs.split(), nodes, [STANDARD, OWN], **more)  # type: ignore[arg-type]


def branch(*nodes: NodeProto, out: str = "r", constants: dict[str, object] | None = None) -> GraphProto:
    arrays = [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()]
    return helper.make_graph(list(nodes), "branch", [], [output(out)], arrays)


# ---- names ---------------------------------------------------------------------------------------------------------------
def test_values_have_the_names_of_their_tensors() -> None:
    """Also where layers, tensors and what lies between them want the same name."""
    nodes = [node("Gemm", "x w c", "fc", name="fc", alpha=2.0), node("Relu", "fc", "relu_out", name="relu"),
             node("Neg", "relu_out", name="y")]
    graph = read(model(nodes, [tensor("x", ("N", 3))], constants={"w": np.ones((3, 4), np.float32), "c": np.ones(4, np.float32)}))
    assert [(n.output.name, n.output.origin, n.origin.layer, n.origin.type) for n in graph.nodes if n.output.origin] == [
        ("fc", "fc", "fc", "Gemm"), ("relu_out", "relu_out", "relu", "Relu"), ("y", "y", "y", "Neg")]
    assert [v.name for v in graph.inputs] == ["x"]
    assert {v.origin for v in graph.values() if v.is_const} >= {"w", "c"}


def test_tensors_that_equal_others_keep_their_names() -> None:
    """Identity and reshapes to the same shape stay as Identity, Dropout as what it is, so that the model can be cut at them."""
    nodes = [node("Identity", "x", "a"), node("Dropout", "a", "b"), node("Reshape", "b s", "d"), node("Relu", "d")]
    graph = assert_as_runtime(model(nodes, constants={"s": np.array([2, 3])}))
    assert [(n.op.name, n.output.origin) for n in graph.nodes] == [("Identity", "a"), ("Dropout", "b"), ("Identity", "d"), ("Relu", "y")]


def test_outputs_of_all_kinds() -> None:
    """Directly an input or a constant, the same tensor twice, one read on, one that a constant expression gives."""
    nodes = [node("Relu", "x", "a"), node("Identity", "a", "b"), node("Neg", "a", "y"), node("Identity", "w", "v"), node("Add", "w w", "u")]
    source = model(nodes, outputs=["x", "w", "a", "b", "y", "v", "u"], constants={"w": np.arange(3, dtype=np.float32)})
    graph = read(source)
    assert graph.output_names == ["x", "w", "a", "b", "y", "v", "u"]
    given = data(graph)
    results = run(graph, given)
    assert np.array_equal(results["x"], given["x"])
    assert results["u"].tolist() == [0, 2, 4]
    assert np.array_equal(results["a"], results["b"])


def test_results_that_nobody_makes() -> None:
    norm = node("BatchNormalization", "x s s s s", "y mean")
    inputs, constants = [tensor("x", (1, 2, 4, 4))], {"s": np.ones(2, np.float32)}
    assert ops(read(model([norm], inputs, constants=constants))) == ["BatchNorm"]
    for outputs, nodes in ((["y", "mean"], [norm]), (["q"], [norm, node("Neg", "mean", "q")])):
        with pytest.raises(UnsupportedError, match=r"result 2 of layer 'y' \(BatchNormalization\) is not supported"):
            read(model(nodes, inputs, outputs, constants))


def test_declared_types_inside_do_not_matter() -> None:
    source = model([node("Relu", "x", "a"), node("Neg", "a")])
    source.graph.value_info.append(tensor("a", (99,), np.int8))
    source.graph.output[0].CopyFrom(tensor("y", (1, 2, 3), np.int64))
    assert str(read(source).outputs[0].type) == "float32[2, 3]"


# ---- local functions -----------------------------------------------------------------------------------------------------
def test_functions_are_inlined() -> None:
    """Nested, with attributes passed on, defaults, optional operands and several results."""
    inner = function("Leaky", "v", "r", [_referring("LeakyRelu", "v", "r", alpha="slope")], attributes=["slope"])
    nodes = [_referring_call("Leaky", "a", "t", slope="k"), node("Clip", "t lo", "m"), node("Add", "m b", "s"), node("Neg", "t", "n")]
    outer = function("Outer", "a lo b", "s n", nodes, attribute_protos=[helper.make_attribute("k", 0.5)])
    calls = [call("Outer", "x - w", "p q"), call("Outer", "p lo w", "y z", k=0.25), node("Add", "y q", "u")]
    constants = {"w": np.arange(3, dtype=np.float32), "lo": np.array(-0.3, np.float32)}
    source = model(calls, outputs=["y", "z", "u"], constants=constants, functions=[inner, outer], domains=["own"])
    graph = assert_as_runtime(source)
    assert "Identity" not in ops(graph)
    named = {n.output.origin: n.origin.layer for n in graph.nodes}
    assert named["y"] == "y/s"
    assert {"p/t", "q", "z", "u"} <= named.keys()


def _referring(op: str, inputs: str, outputs: str, **attributes: str) -> NodeProto:
    """A node whose attributes are those of the function around it."""
    made = node(op, inputs, outputs)
    for name, referred in attributes.items():
        attribute = made.attribute.add()
        attribute.name, attribute.ref_attr_name, attribute.type = name, referred, helper.AttributeProto.FLOAT
    return made


def _referring_call(op: str, inputs: str, outputs: str, **attributes: str) -> NodeProto:
    made = _referring(op, inputs, outputs, **attributes)
    made.domain = "own"
    return made


def test_an_attribute_that_the_call_lacks_has_the_operators_default() -> None:
    leaky = function("Leaky", "v", "r", [_referring("LeakyRelu", "v", "r", alpha="slope")], attributes=["slope"])
    graph = read(model([call("Leaky", "x")], functions=[leaky], domains=["own"]))
    assert str(graph.nodes[0].op) == "LeakyRelu"


def test_functions_have_their_own_operator_sets() -> None:
    """Squeeze took its axes from an attribute in opset 11."""
    old = helper.make_function("own", "Old", ["v"], ["r"], [node("Unsqueeze", "v", "r", axes=[0])], [helper.make_opsetid("", 11)])
    assert str(read(model([call("Old", "x")], functions=[old], domains=["own"])).outputs[0].type) == "float32[1, 2, 3]"


def test_a_function_comes_before_a_standard_operator() -> None:
    """And its inner names are its own, whatever they are called."""
    own = helper.make_function("", "Relu", ["x"], ["y"], [node("Neg", "x", "t"), node("Abs", "t", "y")], [STANDARD])
    graph = read(model([node("Relu", "x", "t"), node("Sqrt", "t")], functions=[own]))
    assert ops(graph) == ["Neg", "Abs", "Sqrt"]


def test_overloads() -> None:
    one, two = function("F", "v", "r", [node("Neg", "v", "r")]), function("F", "v", "r", [node("Abs", "v", "r")])
    two.overload = "other"
    second = call("F", "t")
    second.overload = "other"
    assert ops(read(model([call("F", "x", "t"), second], functions=[one, two], domains=["own"]))) == ["Neg", "Abs"]


def test_a_function_that_returns_its_operand() -> None:
    same = function("Same", "v", "r s", [node("Neg", "v", "s"), node("Identity", "s", "r")])
    graph = assert_as_runtime(model([call("Same", "x", "y z")], outputs=["y", "z"], functions=[same], domains=["own"]))
    assert ops(graph) == ["Neg", "Identity"]


@pytest.mark.parametrize(("made", "message"), [
    (call("F", "x x"), "1 operands and 1 results, not 2 and 1"), (call("F", "x", "y z"), "not 1 and 2"), (call("F", ""), "needs 1 operand"),
])
def test_calls_that_do_not_fit(made: NodeProto, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read(model([made], functions=[function("F", "v", "r", [node("Neg", "v", "r")])], domains=["own"]))


def test_an_error_in_a_function_names_the_call_and_the_layer() -> None:
    wrong = function("F", "v", "r", [node("Concat", "v v", "r", axis=7, name="inner")])
    with pytest.raises(SourceError) as caught:
        read(model([call("F", "x", name="outer")], functions=[wrong], domains=["own"]))
    assert (caught.value.where.layer, caught.value.where.type) == ("outer/inner", "Concat")


def test_standard_operators_are_read_through_their_definition() -> None:
    """SoftmaxCrossEntropyLoss and the like have no mapping, but ONNX defines them by operators that have one."""
    graph = read(model([node("HannWindow", "n")], constants={"n": np.array(8)}))
    assert graph.outputs[0].const is not None
    np.testing.assert_allclose(graph.outputs[0].const, np.hanning(9)[:8], atol=1e-6)


# ---- conditions ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("constants", [YES, NO])
def test_a_constant_condition_takes_one_branch(constants: dict[str, object]) -> None:
    """The branches read tensors from outside, have constants of their own, and hide outer names."""
    then = branch(node("Add", "a k", "r"), constants={"k": np.array([1.0, 2, 3], np.float32)})
    other = branch(node("Mul", "a a", "t"), node("Neg", "t", "r"))
    nodes = [node("Relu", "x", "a"), node("If", "c", "i", then_branch=then, else_branch=other), node("Abs", "i")]
    graph = assert_as_runtime(model(nodes, constants=constants))
    assert "Identity" not in ops(graph)


def test_conditions_that_follow_from_the_shape() -> None:
    """What exporters write for squeeze: an axis goes only where its size is 1."""
    nodes = [node("Shape", "x", "s"), node("Gather", "s zero", "n"), node("Equal", "n one", "c"),
             node("If", "c", then_branch=branch(node("Squeeze", "x axes", "r")), else_branch=branch(node("Identity", "x", "r")))]
    source = model(nodes, [tensor("x", ("N", 3))], constants={"zero": np.array(0), "one": np.array(1), "axes": np.array([0])})
    shapes = [str(read(source, batch=batch).outputs[0].type) for batch in (1, 2)]
    assert shapes == ["float32[3]", "float32[2, 3]"]
    with pytest.raises(ShapeError, match=r"axis 0 of 'x' cannot be of any size, because N has to be 1\n.*--input-shape x=1,3"):
        read(source)


def test_a_branch_that_passes_a_tensor_on() -> None:
    """Nothing is computed: the result is an outer tensor, or a constant."""
    then, other = branch(out="a"), branch(out="k", constants={"k": np.ones(3, np.float32)})
    for constants, wanted in ((YES, ["Relu", "Identity", "Neg"]), (NO, [])):
        nodes = [node("Relu", "x", "a"), node("If", "c", "i", then_branch=then, else_branch=other), node("Neg", "i")]
        assert ops(read(model(nodes, constants=constants))) == wanted


def test_a_branch_does_not_rename_what_is_around_it() -> None:
    same = branch(node("Identity", "w", "r"))
    nodes = [node("If", "c", "i", then_branch=same, else_branch=same), node("Add", "x i", "a"), node("Add", "a w")]
    graph = read(model(nodes, constants=YES | {"w": np.ones(3, np.float32)}))
    assert graph.nodes[0].input(1) is graph.nodes[1].input(1)
    assert graph.nodes[0].input(1).origin == "w"


@pytest.mark.parametrize(("made", "message"), [
    (node("If", "c", then_branch=branch(node("Neg", "x", "r"))), "a then_branch and an else_branch"),
    (node("If", "x c", then_branch=branch(node("Neg", "x", "r")), else_branch=branch(node("Neg", "x", "r"))), "needs a condition"),
    (node("If", "two", then_branch=branch(node("Neg", "x", "r")), else_branch=branch(node("Neg", "x", "r"))), "must be one number"),
    (node("If", "c", then_branch=branch(node("Neg", "q", "r")), else_branch=branch(node("Neg", "x", "r"))),
     "'q' is read, but is not defined"),
    (node("If", "c", then_branch=branch(node("Neg", "x", "q")), else_branch=branch(node("Neg", "x", "r"))),
     "'r' is read, but is not defined"),
])
def test_conditions_that_do_not_fit(made: NodeProto, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read(model([made], constants=YES | {"two": np.array([True, True])}))


# ---- what is not supported -----------------------------------------------------------------------------------------------
def missing(source_nodes: list[NodeProto], **more: object) -> dict[str, tuple[int, tuple[str, ...]]]:
    with pytest.raises(UnsupportedOpsError) as caught:
        read(model(source_nodes, **more))  # type: ignore[arg-type]
    assert caught.value.where.file == "ONNX model"
    return {m.type: (m.count, m.layers) for m in caught.value.missing}


def foreign(inputs: str, outputs: str, op: str = "Wonder") -> NodeProto:
    made = node(op, inputs, outputs)
    made.domain = "far.away"
    return made


def test_all_unsupported_ops_are_reported_at_once() -> None:
    nodes = [node("Marvel", "x", "m"), *[foreign("m" if k == 0 else f"f{k - 1}", f"f{k}") for k in range(5)],
             node("RegexFullMatch", "f4")]
    assert missing(nodes) == {"Marvel": (1, ("m",)), "RegexFullMatch": (1, ("y",)), "far.away.Wonder": (5, ("f0", "f1", "f2"))}


def test_reasons_not_to_read_an_operator() -> None:
    nodes = [node("StringConcat", "x x", "s"), helper.make_node("Conv", ["s"], ["y"], domain="com.microsoft.nchwc")]
    with pytest.raises(UnsupportedOpsError) as caught:
        read(model(nodes, domains=["com.microsoft.nchwc"]))
    assert [m.reason.split(",")[0] for m in caught.value.missing] == ["targets have no tensors of strings",
                                                                      "ONNX Runtime wrote the model for the machine that it ran on"]


def test_they_are_reported_before_what_else_is_wrong() -> None:
    assert missing([node("Concat", "x x", "a", axis=99), node("RegexFullMatch", "a")]).keys() == {"RegexFullMatch"}


def test_they_are_found_inside_loops_functions_and_branches() -> None:
    body = helper.make_graph([node("Identity", "go", "more"), foreign("x", "r")], "b",
                             [tensor("i", (), np.int64), tensor("go", (), np.bool_)], [output("more"), output("r")])
    loop = node("Loop", "- c", "l", body=body)
    made = function("F", "v", "r", [node("RegexFullMatch", "v", "r")])
    conditional = node("If", "unknown", "w", then_branch=branch(node("Multinomial", "x", "r")), else_branch=branch(node("Neg", "x", "r")))
    found = missing([loop, call("F", "l", "q"), call("F", "q", "p"), conditional, node("Sum", "w p")], functions=[made], domains=["own"],
                    inputs=[tensor("x"), tensor("unknown", (), np.bool_)], constants=YES)
    assert found == {"RegexFullMatch": (1, ("q/r",)), "Multinomial": (1, ("r",)), "far.away.Wonder": (1, ("r",))}


def test_they_are_found_in_the_branches_of_a_computed_condition() -> None:
    then, other = branch(foreign("x", "r")), branch(node("Neg", "x", "r"))
    conditional = node("If", "unknown", "w", then_branch=then, else_branch=other)
    found = missing([conditional, node("Relu", "w")], inputs=[tensor("x"), tensor("unknown", (), np.bool_)])
    assert found == {"far.away.Wonder": (1, ("r",))}


def test_a_branch_that_is_not_taken_may_hold_anything() -> None:
    conditional = node("If", "c", then_branch=branch(node("Neg", "x", "r")), else_branch=branch(foreign("x", "r")))
    assert ops(read(model([conditional], constants=YES))) == ["Neg"]


def test_a_version_of_an_op_that_is_not_supported() -> None:
    """Upsample ended with opset 10."""
    assert missing([node("Upsample", "x", scales=[1.0, 2.0])], opset=10) == {"Upsample (opset 10)": (1, ("y",))}


def test_a_domain_that_is_not_imported() -> None:
    source = model([call("Relu", "x")], functions=[function("Relu", "v", "r", [node("Relu", "v", "r")])], domains=["own"])
    source.opset_import[0].domain = "elsewhere"
    del source.functions[0].opset_import[0]
    with pytest.raises(SourceError, match="imports no operator set of the domain ''"):
        read(source)


def test_onnx_runtimes_own_domain_needs_no_import() -> None:
    """As quantizers leave it out."""
    source = model([node("Gelu", "x")])
    source.graph.node[0].domain = "com.microsoft"
    assert ops(read(source)) == ["Gelu"]


def test_the_standard_domain_has_two_spellings() -> None:
    source = model([node("Relu", "x")])
    source.opset_import[0].domain = source.graph.node[0].domain = "ai.onnx"
    assert ops(read(source)) == ["Relu"]


def test_sparse_initializers() -> None:
    """They are dense ones, those of branches too, which are no operands from outside; the model that was given stays as it is."""
    then = branch(node("Mul", "x s", "r"))
    then.sparse_initializer.append(sparse("s", [2.0, 5.0], [4, 5], [2, 3]))
    source = model([node("ReduceMax", "x", "m", keepdims=0), node("Cast", "m", "c", to=TensorProto.BOOL),
                    node("If", "c", "i", then_branch=then, else_branch=branch(node("Neg", "x", "r"))), node("Add", "i w", "y")])
    source.graph.sparse_initializer.append(sparse("w", [3.0, 7.0], [[1, 1], [1, 2]], [2, 3]))
    before = source.SerializeToString()
    assert_as_runtime(source)
    assert source.SerializeToString() == before


def test_initializers_have_one_name_each() -> None:
    source = model([node("Relu", "x")], constants={"w": np.ones(3), "v": np.ones(3)})
    for name, message in (("w", "initializer 'w' is defined twice"), ("", "an initializer has no name")):
        source.graph.initializer[1].name = name
        with pytest.raises(SourceError, match=message):
            read(source)


# ---- errors ----------------------------------------------------------------------------------------------------------------
def test_errors_are_located() -> None:
    with pytest.raises(ConversionError) as caught:
        read(model([node("Relu", "x", "a"), node("Concat", "a a", axis=5, name="joined")]))
    assert str(caught.value.where) == "ONNX model: layer 'joined' (Concat)"


def test_sizes_that_may_not_fit_are_held_to_what_fits() -> None:
    source = model([node("Add", "x z")], [tensor("x", ("N", 3)), tensor("z", ("M", 3))])
    graph = read(source)
    assert [str(v.type) for v in graph.inputs] == ["float32[N, 3]", "float32[N, 3]"]
    assert graph.notes == ["'y' (Add) needs axis 0 of 'z' to be N"]
    assert str(read(source, batch=4).outputs[0].type) == "float32[4, 3]"


@pytest.mark.parametrize("shape", [[10**8, 10**7], [2**31, 2**31]])
def test_results_of_impossible_size(shape: list[int]) -> None:
    """Nothing of that size is allocated, be it computed from a constant or from an input."""
    for operand in ("x", "k"):
        with pytest.raises(ConversionError, match="elements"):
            read(model([node("Expand", f"{operand} s")], [tensor("x", (1, 1))],
                       constants={"s": np.array(shape), "k": np.ones((1, 1), np.float32)}))


# ---- stopping early --------------------------------------------------------------------------------------------------------
def test_reading_stops_at_named_tensors_and_layers() -> None:
    """What lies behind them may be unsupported."""
    nodes = [node("Relu", "x", "a", name="first"), node("Split", "a", "b c", axis=1, num_outputs=2, name="second"),
             node("RegexFullMatch", "b")]
    source = model(nodes, [tensor("x", (2, 4))], opset=18).SerializeToString()
    for outputs, wanted in ((["a"], ["a"]), (["first"], ["a"]), (["second"], ["b", "c"]), (["c", "first"], ["c", "a"])):
        assert read_onnx(source, outputs=outputs).output_names == wanted
    with pytest.raises(ConversionError, match="no tensor or layer 'third'"):
        read_onnx(source, outputs=["third"])
