"""ONNX's node tests and the OpenVINO cases as TFLite files, in LiteRT with XNNPACK and without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from onnx import ModelProto

from nchw2nhwc import convert
from nchw2nhwc.ir import Array
from tests.emit.node_exceptions import WHILE_READING
from tests.emit.op_cases import Exceptions, OpCaseTests, Run
from tests.emit.tflite.runs import RESOLVERS, run_file

EXCEPTIONS = Exceptions(refused=WHILE_READING)


def tflite(model: ModelProto | Path) -> Run:
    """The file is loaded and run with XNNPACK and without."""
    made = convert(model)

    def run(data: Mapping[str, Array]) -> dict[str, Sequence[Array]]:
        inputs = {info.name: info.to_result(data[info.name]) for info in made.inputs}
        content = made.tflite()
        found = {kind: run_file(content, [inputs[v.name] for v in made.graph.inputs], kind) for kind in RESOLVERS}
        return {kind: [info.to_source(y) for info, y in zip(made.outputs, results, strict=True)] for kind, results in found.items()}

    return run


class TestTFLite(OpCaseTests):
    exceptions = EXCEPTIONS
    target = staticmethod(tflite)
