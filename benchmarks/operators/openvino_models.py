"""Models of one OpenVINO operation, and what is expected of them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import openvino
import openvino.opset13 as basic

from benchmarks.operators.draw import Array, Draw, Size, Spec
from benchmarks.operators.onnx_models import opened


@cache
def core() -> openvino.Core:
    return openvino.Core()


def model(d: Draw, spec: Spec, form: str, folder: Path) -> tuple[Path, dict[str, Array]]:
    """The IR of a case in a form, and the data of its inputs. Sizes that are open have no names there."""
    made, feeds = _model(spec, form)
    path = folder / f"{d.op}.xml"
    openvino.serialize(made, path)
    return path, feeds


def _model(spec: Spec, form: str) -> tuple[openvino.Model, dict[str, Array]]:
    fixed = form.endswith("constants")
    may_open = opened(spec, form, fixed)
    feeds: dict[str, Array] = {}
    parameters, nodes = [], []
    for k, x in enumerate(spec.inputs):
        if k in spec.always or (fixed and k):
            nodes.append(basic.constant(np.asarray(x)))
            continue
        feeds[f"x{k}"] = np.asarray(x)
        shape = [-1 if isinstance(s, Size) and s.name in may_open else int(s) for s in spec.shapes.get(k, np.shape(x))]
        parameters.append(basic.parameter(shape, np.asarray(x).dtype, name=f"x{k}"))
        parameters[-1].output(0).set_names({f"x{k}"})
        nodes.append(parameters[-1])
    assert spec.build is not None
    built = spec.build(*nodes)
    ends = [node.output(0) if hasattr(node, "get_friendly_name") else node for node in (built if isinstance(built, list) else [built])]
    results = []
    for k, end in enumerate(ends):
        end.get_node().set_friendly_name("the_layer")
        results.append(basic.result(end))
        results[-1].output(0).set_names({f"y{k}"})
    return openvino.Model(results, parameters, "case"), feeds


def expected(d: Draw, spec: Spec, folder: Path) -> list[list[Array]]:
    """What OpenVINO's CPU plugin computes in float32; nothing for what it does not take."""
    try:
        made, feeds = _model(spec, "given")
        compiled = core().compile_model(made, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": "1"})
        found = compiled(list(feeds.values()))
    except RuntimeError:
        return []
    return [[np.array(found[compiled.output(k)]) for k in range(len(compiled.outputs))]]


def about(d: Draw, spec: Spec) -> str:
    """A case in one line."""
    return f"{spec.about} {' '.join(f'{np.asarray(x).dtype}{list(np.shape(x))}' for x in spec.inputs)}"
