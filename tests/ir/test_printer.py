"""The text of a graph."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.ir import Graph, TensorType
from nchw2nhwc.ir.printer import to_text
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.activation_functions import Clip, LeakyRelu
from nchw2nhwc.ops.binary import Add
from nchw2nhwc.ops.reduce import ReduceMean
from nchw2nhwc.ops.windowed import Conv
from tests.ir.graphs import F32, diamond


def test_one_node_a_line_with_short_constants_in_full() -> None:
    graph, _ = diamond()
    assert to_text(graph) == """\
graph diamond(%x: float32[N, 2]) {
  %r: float32[N, 2] = Relu(%x)
  %n: float32[N, 2] = Neg(%r)
  %s: float32[N, 2] = Add(%r, %n)
  %y: float32[N, 2] = Add(%s, [1., 2.])
  return out=%y
}
"""


def test_attributes_that_differ_from_their_defaults_long_constants_and_absent_operands() -> None:
    graph = Graph("net")
    x = graph.add_input("x", TensorType(F32, (1, 3, 8, 8)))
    weights = graph.constant(np.zeros((4, 3, 3, 3), np.float32), "w")
    y = graph.add1(Conv(strides=(2, 2), dilations=(1, 1), pads_begin=(1, 1), pads_end=(1, 1)), [x, weights, None], name="conv")
    y = graph.add1(Clip(0.0, None), [y])
    y = graph.add1(LeakyRelu(), [y])
    y = graph.add1(ReduceMean((2, 3), False), [y], name="mean")
    y = graph.add1(Add(Activation.RELU6), [y, y])
    graph.add_output(y, "y")
    graph.add_output(weights, "w")
    assert to_text(graph) == """\
graph net(%x: float32[1, 3, 8, 8]) {
  %conv: float32[1, 4, 4, 4] = Conv(strides=[2, 2], dilations=[1, 1], pads_begin=[1, 1], pads_end=[1, 1])(%x, @w: float32[4, 3, 3, 3], -)
  %clip: float32[1, 4, 4, 4] = Clip(min=0)(%conv)
  %leakyrelu: float32[1, 4, 4, 4] = LeakyRelu(%clip)
  %mean: float32[1, 4] = ReduceMean(axes=[2, 3], keepdims=False)(%leakyrelu)
  %add: float32[1, 4] = Add(activation=RELU6)(%mean, %mean)
  return y=%add, w=@w: float32[4, 3, 3, 3]
}
"""


def test_the_text_is_the_same_every_time() -> None:
    assert to_text(diamond()[0]) == to_text(diamond()[0])
