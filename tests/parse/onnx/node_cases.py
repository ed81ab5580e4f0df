"""ONNX's own tests of single operators, and what of them is out of scope."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, numpy_helper
from onnx.backend.test.case.test_case import TestCase

from nchw2nhwc.ir import Array
from nchw2nhwc.parse.onnx.functions import has_definition
from nchw2nhwc.parse.onnx.registry import MAPPINGS, newest_opset
from tests.emit.node_exceptions import DISPUTED

TOLERANCE = 1e-4
"""Allowed error relative to an output's largest magnitude, as in a check."""

PRECISION = {"float16": 4e-3, "bfloat16": 3e-2}
"""Relative tolerances of element types that steps in between are rounded to."""


@cache
def cases() -> Mapping[str, list[TestCase]]:
    """All cases that are about tensors, by the type of their (first) operator."""
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: dict[str, list[TestCase]] = {}
        for case in load_model_tests(kind="node"):
            if is_numeric(case):
                # An expanded case is the definition of an operator; it is counted with the operator that it is named after.
                found.setdefault(subject(case), []).append(case)
    return found


def is_numeric(case: TestCase) -> bool:
    """Whether all inputs and outputs of a case of kind `node` are tensors of numbers: no strings, complex numbers, sequences, optionals."""
    return all(_is_plain(info) for info in (*case.model.graph.input, *case.model.graph.output))


def _is_plain(info: onnx.ValueInfoProto) -> bool:
    """Whether an input or output is a tensor of numbers."""
    return info.type.WhichOneof("value") == "tensor_type" and info.type.tensor_type.elem_type not in (
        TensorProto.STRING, TensorProto.COMPLEX64, TensorProto.COMPLEX128)


def subject(case: TestCase) -> str:
    nodes: list[NodeProto] = list(case.model.graph.node)
    return "expanded definitions" if case.name.endswith(("_expanded", "_expanded_ver18")) or len(nodes) > 1 else nodes[0].op_type


def all_subjects() -> list[str]:
    """The operators of all cases."""
    return sorted(cases())


def subjects() -> list[str]:
    """The supported operators of the standard domain, those that are read through their definition included."""
    defined = {s.name for s in onnx.defs.get_all_schemas_with_history() if not s.domain and has_definition(s.name, newest_opset())}
    return sorted({op for domain, op in MAPPINGS if not domain} | defined | {"expanded definitions", "If", "Loop", "Scan"})


def prepared(model: onnx.ModelProto, arrays: Iterable[object], *, constants: bool = False) -> tuple[onnx.ModelProto, dict[str, Array]]:
    """A case's model, with `constants` all inputs but the first as initializers, and the remaining inputs."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    inputs: dict[str, Array] = {}
    for position, (info, given) in enumerate(zip(model.graph.input, arrays)):
        if constants and position:
            made.graph.initializer.append(numpy_helper.from_array(array_of(given), info.name))
        else:
            inputs[info.name] = array_of(given)
    return made, inputs


def loaded(case: TestCase) -> onnx.ModelProto:
    """A case's model, which some of them have as a file."""
    return case.model if case.model is not None else onnx.load(Path(case.model_dir, "model.onnx"))


def data_sets(case: TestCase) -> Iterator[tuple[Sequence[object], Sequence[object]]]:
    """A case's inputs and outputs, which some of them have as files."""
    if case.data_sets is not None:
        yield from case.data_sets
        return
    for folder in sorted(Path(case.model_dir).glob("test_data_set_*")):
        yield tuple([onnx.load_tensor(str(folder / f"{kind}_{k}.pb")) for k in range(len(list(folder.glob(f"{kind}_*.pb"))))]
                    for kind in ("input", "output"))  # type: ignore[misc]


def tolerance_of(case: TestCase, wanted: Iterable[Array]) -> float:
    """The error that a case allows, relative to an output's largest magnitude."""
    return max(TOLERANCE, case.rtol, *(PRECISION.get(y.dtype.name, 0) for y in wanted))


def wanted_of(case: TestCase, arrays: Iterable[object], expected: Iterable[object]) -> list[Array]:
    """The outputs that are expected of a case: its own or, where that is disputed, those of ONNX Runtime."""
    if case.name not in DISPUTED:
        return [array_of(y) for y in expected]
    from onnxruntime import InferenceSession

    model = loaded(case)
    given = {info.name: array_of(x) for info, x in zip(model.graph.input, arrays)}
    return [np.asarray(y) for y in InferenceSession(model.SerializeToString()).run(None, given)]


def array_of(given: object) -> Array:
    """An input or output of a case, which has some of them as protobufs."""
    return numpy_helper.to_array(given) if isinstance(given, TensorProto) else np.asarray(given)
