"""Run an OpenVINO IR model, or a part of it, in OpenVINO on the CPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nchw2nhwc.checking.inputs import WITHOUT_SOURCE
from nchw2nhwc.checking.openvino_levels import Deviations, deviations, keep_levels
from nchw2nhwc.checking.openvino_pools import define_empty_windows
from nchw2nhwc.errors import CheckError, Location
from nchw2nhwc.interface import TensorInfo
from nchw2nhwc.ir import Array
from nchw2nhwc.ir.states import STATE_IN, STATE_OUT
from nchw2nhwc.source import Source
from nchw2nhwc.source.native import openvino_model

if TYPE_CHECKING:
    import openvino


_IN_FLOAT = {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0"}
"""Nothing is rounded but what the model says: beside weights of 8 bits OpenVINO rounds data, too, unless it is told not to."""


def run_openvino(source: Source, inputs: Sequence[TensorInfo], wanted: Sequence[str], data: Mapping[str, Array],
                 optional: Sequence[str] = (), *, by_itself: bool = False) -> dict[str, Array]:
    """Tensors by name, computed in float32 whatever the weights are, in integers where the model is quantized, with all roundings, unless
    the runtime does it `by_itself`; of the `optional` ones those that the model has. Raises CheckError; ImportError when OpenVINO is
    missing."""
    import openvino

    try:
        core = openvino.Core()
        states = {info.tensor.removeprefix(STATE_IN): data[info.name] for info in inputs if info.tensor.startswith(STATE_IN)}
        inputs = [info for info in inputs if not info.tensor.startswith(STATE_IN)]
        after = [name for name in wanted if name.startswith(STATE_OUT)]
        model, names = _part(openvino_model(core, source), source.name, inputs, [n for n in wanted if n not in after], optional, data)
        define_empty_windows(model)
        if not by_itself:
            keep_levels(model)
        compiled = _compiled(core, model, [data[info.name].shape for info in inputs])
        request = compiled.create_infer_request()
        for state in request.query_state():
            if state.name in states:
                state.state = openvino.Tensor(np.asarray(states[state.name], order="C"))
        results = request.infer({k: np.asarray(data[info.name], order="C") for k, info in enumerate(inputs)})
        kept = {state.name: np.array(state.state.data) for state in request.query_state()}
        return {**{name: np.array(results[compiled.output(k)]) for k, name in enumerate(names)},
                **{name: kept[name.removeprefix(STATE_OUT)] for name in after}}
    except (RuntimeError, ValueError, TypeError) as error:
        raise CheckError(f"OpenVINO cannot run the model: {last_line(error)}", Location(source.name), WITHOUT_SOURCE) from error


def deviations_of(source: Source) -> Deviations:
    """What OpenVINO computes otherwise than a quantized model says. Raises CheckError; ImportError when OpenVINO is missing."""
    import openvino

    try:
        core = openvino.Core()
        model = openvino_model(core, source)
        return deviations(core.compile_model(model, "CPU", _IN_FLOAT), model)
    except RuntimeError as error:
        raise CheckError(f"OpenVINO cannot run the model: {last_line(error)}", Location(source.name), WITHOUT_SOURCE) from error


def _compiled(core: openvino.Core, model: openvino.Model, shapes: Sequence[Sequence[int]]) -> openvino.CompiledModel:
    """The model for the plugin; for inputs of these shapes alone where it runs a layer (PSROIPooling) of known sizes only."""
    try:
        return core.compile_model(model, "CPU", _IN_FLOAT)
    except RuntimeError:
        if not model.is_dynamic():
            raise
    model.reshape(dict(enumerate(map(list, shapes))))
    return core.compile_model(model, "CPU", _IN_FLOAT)


def last_line(error: Exception) -> str:
    """OpenVINO puts where it failed first and what failed last."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _part(model: openvino.Model, file: str, inputs: Sequence[TensorInfo], wanted: Sequence[str], optional: Sequence[str],
          data: Mapping[str, Array]) -> tuple[openvino.Model, list[str]]:
    """The model between the given tensors, for inputs of the shapes of `data`, and its outputs' names. Its own open sizes stay open, unless
    ranks depend on them (Squeeze without axes), which the plugin does not take. Raises CheckError for an unknown tensor, unless it is
    optional."""
    import openvino
    from openvino import opset13 as ops

    ports = all_ports(model)

    def find(name: str) -> openvino.Output:
        if name not in ports:
            raise CheckError(f"the source has no tensor '{name}' to compare with", Location(file))
        return ports[name]

    extra = [name for name in dict.fromkeys(optional) if name in ports and name not in wanted]
    names = [*dict.fromkeys(wanted), *extra]
    ends = [*map(find, dict.fromkeys(wanted)), *(_as_computed(ports[name]) for name in extra)]
    parameters = []
    for info in inputs:
        port = find(info.tensor)
        node = port.get_node()
        if node.get_type_name() != "Parameter":
            node = ops.parameter(port.get_partial_shape(), port.get_element_type(), name=f"{info.name}/cut")
            for reader in port.get_target_inputs():
                reader.replace_source_output(node.output(0))
            ends = [node.output(0) if end == port else end for end in ends]
        parameters.append(node)
    part = openvino.Model([ops.result(end) for end in ends], model.get_sinks(), parameters, "check")
    shapes = {k: openvino.PartialShape(list(data[info.name].shape)) for k, info in enumerate(inputs)}
    unknown = any(port.get_partial_shape().rank.is_dynamic for op in part.get_ordered_ops() for port in op.outputs())
    if unknown or any(not part.input(k).get_partial_shape().compatible(shape) for k, shape in shapes.items()):
        part.reshape({part.input(k): shape for k, shape in shapes.items()})
    return part, names


def _as_computed(port: openvino.Output) -> openvino.Output:
    """A tensor as the plugin computes it: half precision only where the model ends, which this keeps from happening."""
    import openvino
    from openvino import opset13 as ops

    half = port.get_element_type() in (openvino.Type.f16, openvino.Type.bf16)
    return ops.convert(port, "f32").output(0) if half else port


def all_ports(model: openvino.Model) -> dict[str, openvino.Output]:
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
