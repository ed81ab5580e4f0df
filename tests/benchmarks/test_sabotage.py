"""A wrong lowering is found by bisecting, as exactly the op that it is, and the op's fixture shows it alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest
from measure.saboteurs import SABOTAGES, Sabotage, planted

from nchw2nhwc.debug.bisect import bisect
from nchw2nhwc.debug.fixture import run_fixture
from nchw2nhwc.options import ConvertOptions
from nchw2nhwc.source import identify
from tests.parse.onnx.models import model, tensor

RNG = np.random.default_rng(0)


def weights(*shape: int) -> np.ndarray:  # type: ignore[type-arg]
    return RNG.standard_normal(shape).astype(np.float32)


CONSTANTS: dict[str, object] = {
    "w": weights(6, 4, 3, 3), "v": weights(6, 4, 3, 3), "wt": weights(6, 6, 2, 2), "fc": weights(6, 6), "slope": np.abs(weights(6, 1, 1)),
    "perm": np.array([3, 0, 5, 4, 1, 2]), "pads": np.array([0, 0, 1, 0, 0, 0, 0, 2]), "first": np.array([2, 1]), "last": np.array([6, 6]),
    "space": np.array([2, 3]), "times": np.array([1, 1, 2, 1]), "along": np.array(2), "channels": np.array([1]), "half": np.float32(0.5),
    "two": np.float32(2), "three": np.array(3), "seven": np.array(7), "scales": np.array([1, 1, 2, 2], np.float32)}
"""What the networks read."""

PARTS = {
    "Sub": "p = Sin(a) m = Sub(p, b)", "Div": "p = Exp(b) m = Div(a, p)", "Pow": "p = Sigmoid(a) m = Pow(p, b)",
    "Concat": "m = Concat<axis=1>(a, b)", "MatMul": "m = MatMul(a, b)",
    "Mod": "p = Cast<to=7>(a) q = Abs(p) r = Add(q, three) s = Mod(r, seven) m = Cast<to=1>(s)", "Less": "p = Less(a, b) m = Cast<to=1>(p)",
    "Greater": "p = Greater(a, b) m = Cast<to=1>(p)", "LessEqual": "p = LessOrEqual(a, b) m = Cast<to=1>(p)",
    "GreaterEqual": "p = GreaterOrEqual(a, b) m = Cast<to=1>(p)", "Where": "p = Less(a, half) m = Where(p, a, b)",
    "Conv": "m = Softsign(a)", "ConvTranspose": "m = ConvTranspose(a, wt)", "FullyConnected": "m = MatMul(a, fc)",
    "PRelu": "m = PRelu(a, slope)", "ReduceMean": "m = ReduceMean(a, channels)", "ReduceSum": "m = ReduceSum(a, channels)",
    "ReduceMax": "m = ReduceMax(a, channels)", "ReduceMin": "m = ReduceMin(a, channels)", "ReduceProd": "m = ReduceProd(a, channels)",
    "ArgMax": "p = ArgMax<axis=2>(a) m = Cast<to=1>(p)", "ArgMin": "p = ArgMin<axis=2>(a) m = Cast<to=1>(p)",
    "CumSum": "m = CumSum(a, along)", "Gather": "m = Gather<axis=3>(a, perm)",
    "Transpose": "p = Transpose<perm=[0,2,1,3]>(a) m = Softmax<axis=3>(p)", "Tile": "m = Tile(a, times)",
    "Pad": 'm = Pad<mode="reflect">(a, pads)', "Split": "p, q = Split<axis=2, num_outputs=2>(a) m = Sub(p, q)",
    "Slice": "m = Slice(a, first, last, space)", "MaxPool": "m = MaxPool<kernel_shape=[2,2]>(a)",
    "AvgPool": "m = AveragePool<kernel_shape=[2,2]>(a)", "Softmax": "m = Softmax<axis=1>(a)", "LeakyRelu": "m = LeakyRelu<alpha=0.1>(a)",
    "Gelu": "m = Gelu(a)", "LRN": "m = LRN<size=3>(a)", "Add": "p = Sin(a) m = Add(p, b)", "Mul": "m = Mul(a, b)",
    "Maximum": "m = Max(a, b)", "Resize": 'm = Resize<mode="linear", coordinate_transformation_mode="half_pixel">(a, , scales)',
    "Minimum": "m = Min(a, b)", "Exp": "m = Exp(a)", "Log": "p = Sigmoid(a) m = Log(p)", "Sqrt": "p = Abs(a) m = Sqrt(p)",
    "Sin": "m = Sin(a)", "Cos": "m = Cos(a)", "Rsqrt": "p = Max(a, half) q = Sqrt(p) m = Reciprocal(q)", "Tanh": "m = Tanh(a)",
    "Sigmoid": "m = Sigmoid(a)", "Floor": "m = Floor(a)", "Relu": "p = Exp(a) m = Relu(p)", "Ceil": "m = Ceil(a)", "Round": "m = Round(a)",
    "Abs": "m = Abs(a)", "Neg": "p = Exp(a) m = Neg(p)", "Sign": "m = Sign(a)", "Elu": "m = Elu(a)", "HardSwish": "m = HardSwish(a)",
    "LogicalAnd": "p = Less(a, b) q = Less(a, half) r = And(p, q) m = Cast<to=1>(r)", "LogSoftmax": "m = LogSoftmax<axis=1>(a)",
    "LogicalOr": "p = Less(a, b) q = Less(a, half) r = Or(p, q) m = Cast<to=1>(r)",
}
"""For each op the part of a network, from a and b, images of 6 channels of 6 x 6, to m, that becomes it."""


NOT_LOADED = {"ArgMax", "ArgMin"}
"""Ops whose operators no longer fit together, so that LiteRT does not take the result."""


def network(part: str) -> onnx.ModelProto:
    """Two convolutions, the part, and something behind it."""
    text = f"a = Conv<pads=[1,1,1,1]>(x, w) b = Conv<pads=[1,1,1,1]>(x, v) {part} n = Sin(m) y = Mul(n, half)"
    graph = onnx.parser.parse_graph(f"g (float[1] x) => (float[1] y) {{ {text} }}")
    read = {name for node in graph.node for name in node.input}
    for node in graph.node:
        node.name = f"the {node.output[0]}"
    return model(list(graph.node), [tensor("x", [2, 4, 6, 6])], constants={n: c for n, c in CONSTANTS.items() if n in read}, opset=20)


def test_every_sabotage_has_a_network() -> None:
    assert {sabotage.op for sabotage in SABOTAGES} == PARTS.keys()
    assert len(PARTS) > 50


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=str)
def test_a_wrong_lowering_is_found(sabotage: Sabotage, tmp_path: Path) -> None:
    source = identify(network(PARTS[sabotage.op]))
    with planted(sabotage):
        found = bisect(source, ConvertOptions(), folder=tmp_path / "f")
        assert not found.passed
        assert found.finding is not None
        assert found.finding.op == sabotage.op, found.finding
        assert found.finding.stage == ("load" if sabotage.op in NOT_LOADED else "emit")
        assert found.fixture is not None
        assert found.reproduced
    assert all(outcome.passed for outcome in run_fixture(found.fixture, ["tflite"]))
