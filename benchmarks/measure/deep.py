"""A network of any number of ops, for what has to stay quick with thousands of them."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

_BLOCK = 8
"""Ops of one block."""


def deep_network(ops: int, *, modules: bool = True) -> onnx.ModelProto:
    """Residual blocks of gated convolutions, `_BLOCK` ops each, until there are at least `ops`; `modules` names layers by stage and block,
    else by number alone."""
    weight = np.full((4, 4, 3, 3), 0.02, np.float32)
    constants = [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(np.full((1, 4, 1, 1), 0.5, np.float32), "half")]
    nodes: list[onnx.NodeProto] = []
    tensor = "x"

    def add(op: str, inputs: list[str], part: str, **attributes: object) -> str:
        number = len(nodes)
        name = f"/stages.{number // (16 * _BLOCK)}/blocks.{number // _BLOCK}/{part}/{op}" if modules else f"{op}_{number}"
        nodes.append(helper.make_node(op, inputs, [f"{name}_output"], name=name, **attributes))
        return f"{name}_output"

    while len(nodes) < ops:
        conv = add("Conv", [tensor, "w"], "conv1", pads=[1, 1, 1, 1])
        scaled = add("Mul", [conv, add("Tanh", [conv], "gate")], "gate")
        conv = add("Conv", [add("Relu", [scaled], "act"), "w"], "conv2", pads=[1, 1, 1, 1])
        gate = add("Sigmoid", [conv], "attention")
        tensor = add("Add", [add("Mul", [gate, "half"], "attention"), tensor], "join")
    nodes[-1].output[0] = "y"
    value = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, (1, 4, 16, 16)) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "deep", value[:1], value[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
