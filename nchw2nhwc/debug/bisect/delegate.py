"""Which operator XNNPACK computes in another way than the built-in kernels."""

from __future__ import annotations

from collections.abc import Mapping

from nchw2nhwc.checking.compare import compare
from nchw2nhwc.checking.litert import litert_tensors, run_litert_with
from nchw2nhwc.converted import Converted
from nchw2nhwc.debug.bisect.finding import DELEGATE, Finding
from nchw2nhwc.ir import Array


def first_delegated(converted: Converted, content: bytes, data: Mapping[str, Array], tolerance: float) -> Finding | None:
    """The first operator whose results with XNNPACK differ from those of the built-in kernels, in a file that gives out all tensors."""
    graph = converted.flatbuffer().model.subgraphs[0]
    made = [(index, operator) for operator in graph.operators for index in operator.outputs]
    names = [graph.tensors[index].name for index, _ in made]
    _, delegated = run_litert_with(content, converted.inputs, (), data, names)
    plain = dict(litert_tensors(content, converted.inputs, data, set(names)))
    for name, (_, operator) in zip(names, made):
        if name not in plain:
            continue
        error = compare(plain[name], delegated[name])
        if not error.max_rel <= tolerance:
            return Finding(DELEGATE, operator.code, operator.origin.layer, operator.origin.type, name, error)
    return None
