"""Every float becomes float32."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from nchw2nhwc.ir import Graph, Origin, TensorType
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ir.verify import verify
from nchw2nhwc.ops.activation_functions import Relu
from nchw2nhwc.ops.binary import Add, Greater, Mul
from nchw2nhwc.ops.elementwise import Cast
from nchw2nhwc.ops.movement import Concat
from nchw2nhwc.passes.promote import PROMOTE_FLOATS
from tests.passes.nets import Net


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ml_dtypes.bfloat16])
def test_the_whole_graph_with_its_interface(dtype: object) -> None:
    net = Net(dtype)
    x, kept = net.input(2, 3), net.input(2, 3, dtype=np.int64)
    y = net(Relu(), net(Mul(), net(Add(), x, 0.5), np.full((3,), 0.25)))
    net.output(y, net(Greater(), y, x), net(Cast(np.dtype(np.int32)), y), kept)
    assert PROMOTE_FLOATS(net.graph) > 0
    verify(net.graph)
    assert [v.type.dtype.name for v in net.graph.values()].count("float32") == 6
    assert [v.type.dtype.name for v in net.graph.outputs] == ["float32", "bool", "int32", "int64"]
    assert len(net.graph.notes) == 2
    assert "input 'x0'" in net.graph.notes[0]
    assert "output 'y0'" in net.graph.notes[1]
    assert PROMOTE_FLOATS(net.graph) == 0
    x0 = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(run(net.graph, {"x0": x0, "x1": np.zeros((2, 3), np.int64)})["y0"], (x0 + 0.5) / 4)


def test_casts_between_floats_become_casts_to_float32() -> None:
    net = Net(np.float32)
    weights = net.graph.constant(np.array([0.1, 2], np.float16), "w")
    half = net(Cast(np.dtype(np.float16)), net.input(2))
    net.output(net(Add(), net(Cast(np.dtype(np.float32)), half), net(Cast(np.dtype(np.float32)), weights)))
    PROMOTE_FLOATS(net.graph)
    verify(net.graph)
    assert {n.op for n in net.graph.nodes} == {Cast(np.dtype(np.float32)), Add()}
    assert weights.const is not None
    assert weights.const.dtype == np.float32
    assert net.graph.notes == []


def test_finite_numbers_stay_finite() -> None:
    net = Net(np.float64)
    mask = net.const([-1e308, np.inf, 1.0, np.nan])
    net.output(net(Add(), net.input(4), mask))
    PROMOTE_FLOATS(net.graph)
    assert mask.const is not None
    np.testing.assert_array_equal(mask.const, np.array([np.finfo(np.float32).min, np.inf, 1, np.nan], np.float32))


def test_float32_and_integers_are_left_alone() -> None:
    net = Net(np.float32)
    ints = net.input(2, dtype=np.int64)
    net.output(net(Relu(), net.input(2)), net(Concat(0), ints, ints))
    assert PROMOTE_FLOATS(net.graph) == 0
    assert net.graph.notes == []


def test_a_constant_output_and_one_shared_by_several_nodes() -> None:
    net = Net(np.float16)
    c = net.const([1.0, 2.0])
    net.output(net(Add(), net.input(2), c), net(Mul(), net.input(2), c), c)
    PROMOTE_FLOATS(net.graph)
    verify(net.graph)
    assert net.graph.outputs[2] is c
    assert c.type.dtype == np.float32


@pytest.mark.parametrize("dtype", [ml_dtypes.float8_e5m2, ml_dtypes.float4_e2m1fn, ml_dtypes.float8_e8m0fnu, ml_dtypes.int4,
                                   ml_dtypes.uint2])
def test_casts_to_narrow_types_round_or_cut(dtype: object) -> None:
    graph = Graph("net", "net.onnx")
    x = graph.add_input("x", TensorType(np.dtype(np.float16), (5,)))
    graph.add_output(graph.add1(Cast(np.dtype(dtype)), [x], origin=Origin("narrow", "Cast")), "y")  # type: ignore[call-overload]
    array = np.array([0.3, 1.7, 3, 9, 13], np.float16)
    wanted = run(graph, {"x": array})["y"]
    PROMOTE_FLOATS(graph)
    verify(graph)
    found = run(graph, {"x": array.astype(np.float32)})["y"]
    assert found.dtype.name in ("float32", "int8", "uint8")
    np.testing.assert_array_equal(found, wanted.astype(found.dtype))
