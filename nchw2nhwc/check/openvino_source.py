"""Run an OpenVINO IR model, or a part of it, in OpenVINO on the CPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nchw2nhwc.errors import CheckError, Location
from nchw2nhwc.interface import TensorInfo
from nchw2nhwc.ir import Array
from nchw2nhwc.source import Source

if TYPE_CHECKING:
    import openvino


def run_openvino(source: Source, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo], data: Mapping[str, Array]) -> list[Array]:
    """The outputs, in order, computed in float32 whatever the weights are. Raises CheckError; ImportError when OpenVINO is missing."""
    import openvino

    try:
        core = openvino.Core()
        model = _part(_read(core, source), source.name, inputs, outputs, data)
        compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        results = compiled.create_infer_request().infer({k: np.asarray(data[info.name], order="C") for k, info in enumerate(inputs)})
        return [np.array(results[compiled.output(k)]) for k in range(len(outputs))]
    except (RuntimeError, ValueError, TypeError) as error:
        raise CheckError(f"OpenVINO cannot run the model: {_last_line(error)}", Location(source.name),
                         "Convert it without the check (--no-check), or give inputs that it accepts (--check-inputs FILE.npz).") from error


def _last_line(error: Exception) -> str:
    """OpenVINO puts where it failed first and what failed last."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _read(core: openvino.Core, source: Source) -> openvino.Model:
    model = str(source.model) if isinstance(source.model, Path) else source.model
    if source.bin is None:
        return core.read_model(model)
    weights = source.bin.read_bytes() if isinstance(source.bin, Path) and isinstance(model, bytes) else source.bin
    return core.read_model(model, str(weights) if isinstance(weights, Path) else weights)


def _part(model: openvino.Model, file: str, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo],
          data: Mapping[str, Array]) -> openvino.Model:
    """The model between the given tensors, for inputs of the shapes of `data`. Raises CheckError for an unknown tensor."""
    import openvino
    from openvino import opset13 as ops

    ports = _ports(model)

    def find(info: TensorInfo) -> openvino.Output:
        if info.tensor not in ports:
            raise CheckError(f"the source has no tensor '{info.tensor}' to compare with", Location(file))
        return ports[info.tensor]

    ends = [find(info) for info in outputs]
    parameters = []
    for info in inputs:
        port = find(info)
        node = port.get_node()
        if node.get_type_name() != "Parameter":
            node = ops.parameter(port.get_partial_shape(), port.get_element_type(), name=f"{info.name}/cut")
            for reader in port.get_target_inputs():
                reader.replace_source_output(node.output(0))
            ends = [node.output(0) if end == port else end for end in ends]
        parameters.append(node)
    part = openvino.Model([ops.result(end) for end in ends], parameters, "check")
    shapes = {k: openvino.PartialShape(list(data[info.name].shape)) for k, info in enumerate(inputs)}
    if any(not part.input(k).get_partial_shape().compatible(shape) for k, shape in shapes.items()):
        part.reshape({part.input(k): shape for k, shape in shapes.items()})
    return part


def _ports(model: openvino.Model) -> dict[str, openvino.Output]:
    """Every tensor of the model by each of its names: tensor names first, then layer names, then the names of outputs (Result layers)."""
    operations = model.get_ordered_ops()
    found: dict[str, openvino.Output] = {}
    for operation in operations:
        for port in operation.outputs():
            for name in sorted(port.get_names()):
                found.setdefault(name, port)
    for operation in operations:
        layer = operation.get_friendly_name()
        for k, port in enumerate(operation.outputs()):
            if len(operation.outputs()) == 1:
                found.setdefault(layer, port)
            found.setdefault(f"{layer}.{k}", port)
    for result in model.get_results():
        found.setdefault(result.get_friendly_name(), result.input_value(0))
    return found
