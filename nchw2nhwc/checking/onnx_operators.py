"""Run an ONNX model one operator after the other: what ONNX Runtime does not run as a whole.

Each operator runs in ONNX Runtime where that has a kernel for it, under the newest number of its operator set in which it is described word
by word as in the model's: ONNX numbers an operator anew for every element type that it takes, and ONNX Runtime may lag behind. What is
left, and element types that ONNX Runtime has no arrays of (4 bits, float8), runs in ONNX's reference implementation, which is slow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nchw2nhwc.checking.inputs import WITHOUT_SOURCE
from nchw2nhwc.errors import CheckError, Location
from nchw2nhwc.ir import Array
from nchw2nhwc.parse.onnx.model import subgraphs

if TYPE_CHECKING:
    import onnx
    import onnxruntime

REFERENCE_ELEMENTS = 10**7
"""Operands with more elements than this together are not given to the reference implementation."""

_INDEXING = frozenset({"Gather", "GatherElements", "GatherND", "Scatter", "ScatterElements", "ScatterND"})
"""ONNX Runtime has kernels for these and refuses indices past the end, where the reference implementation may wrap them."""

_FAULTS = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError, ArithmeticError)
"""What the reference implementation raises: it checks little, and leaves the rest to numpy."""

_ARRAYS = re.compile(r"(seq\()?tensor\((float|float16|double|bool|string|u?int(8|16|32|64))\)\)?")
"""What ONNX Runtime calls the types that it returns as arrays of this type."""


def refusals() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises for models and inputs that it does not run."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return (RuntimeError, ValueError, TypeError, state.Fail, state.InvalidArgument, state.InvalidGraph, state.InvalidProtobuf,
            state.NoModel, state.NoSuchFile, state.NotImplemented, state.RuntimeException, state.EPFail)


def session_of(model: str | bytes, *, optimized: bool = False) -> onnxruntime.InferenceSession:
    """A file, or its content, in ONNX Runtime, its optimisations off unless they are asked for."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimized else levels.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def has_arrays(session: onnxruntime.InferenceSession, feeds: Iterable[object]) -> bool:
    """Whether ONNX Runtime takes such arrays, and makes arrays of all outputs."""
    return all(map(_is_plain, feeds)) and all(_ARRAYS.fullmatch(output.type) for output in session.get_outputs())


def _is_plain(operand: object) -> bool:
    """Whether an operand is an array of a type that numpy has by itself."""
    return isinstance(operand, np.ndarray) and operand.dtype.isbuiltin != 2  # 2: types that others add


def run_operators(model: onnx.ModelProto, wanted: Sequence[str], feeds: Mapping[str, Array], file: str) -> list[Array]:
    """The wanted tensors of a model without functions of its own. Raises CheckError for an operator that neither runs."""
    from onnx import numpy_helper

    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    values: dict[str, object] = {**constants, **feeds}
    last = {name: k for k, node in enumerate(model.graph.node) for name in reads(node)}
    for k, node in enumerate(model.graph.node):
        operands = {name: values[name] for name in dict.fromkeys(reads(node)) if name in values}
        fixed = {name for name in operands if name in constants and name not in feeds}
        results = _Operator(model, node, operands, fixed, file).run()
        values |= results
        if node.op_type == "Constant":
            constants |= {name: array for name, array in results.items() if isinstance(array, np.ndarray)}
        for name in operands:
            if last[name] == k and name not in wanted:
                del values[name]
    return [np.asarray(values[name]) for name in wanted]


def reads(node: onnx.NodeProto) -> Iterator[str]:
    """Names a node reads, those that its subgraphs take from outside included."""
    yield from node.input
    for graph in subgraphs(node):
        for inner in graph.node:
            yield from reads(inner)
        yield from (output.name for output in graph.output)


class _Operator:
    """One operator of a model with its operands, of which those in `fixed` are constants."""

    def __init__(self, model: onnx.ModelProto, node: onnx.NodeProto, operands: Mapping[str, object], fixed: set[str], file: str) -> None:
        self.model, self.node, self.operands, self.fixed, self.file = model, node, operands, fixed, file
        self.names = [name for name in node.output if name]
        self.given = {name: operand for name, operand in operands.items() if name not in fixed}

    def run(self) -> dict[str, object]:
        """Its results by name."""
        refused = ""
        if all(map(_is_plain, self.operands.values())):
            for opset in self._opsets():
                try:
                    session = session_of(self._alone(opset).SerializeToString())
                    if has_arrays(session, self.given.values()):
                        return dict(zip(self.names, session.run(self.names, self.given)))
                    refused = refused or "it makes no arrays of such elements"
                except refusals() as error:
                    refused = refused or _first_line(error)
        return self._by_reference(refused)

    def _opsets(self) -> Iterator[int | None]:
        """Numbers of its operator set to try: the model's, then older ones in which the operator is described in the same words."""
        from onnx import defs

        yield None
        number = next((each.version for each in self.model.opset_import if each.domain == self.node.domain), 0)
        if not defs.has(self.node.op_type, number, self.node.domain):
            return
        newest = older = defs.get_schema(self.node.op_type, number, self.node.domain)
        while older.since_version > 1 and defs.has(self.node.op_type, older.since_version - 1, self.node.domain):
            number = older.since_version - 1
            older = defs.get_schema(self.node.op_type, number, self.node.domain)
            if _description(older) != _description(newest):
                return
            yield number

    def _alone(self, opset: int | None) -> onnx.ModelProto:
        """A model of this operator, under another number of its operator set if one is given."""
        from onnx import ModelProto, ValueInfoProto, helper, numpy_helper

        alone = ModelProto(ir_version=self.model.ir_version, opset_import=self.model.opset_import)
        for each in alone.opset_import:
            if opset is not None and each.domain == self.node.domain:
                each.version = opset
        alone.graph.name = "operator"
        alone.graph.node.append(self.node)
        for name, operand in self.operands.items():
            if isinstance(operand, np.ndarray) and name in self.fixed:
                alone.graph.initializer.append(numpy_helper.from_array(operand, name))
            elif isinstance(operand, np.ndarray):
                kind = helper.np_dtype_to_tensor_dtype(operand.dtype)
                alone.graph.input.append(helper.make_tensor_value_info(name, kind, operand.shape))
            else:
                alone.graph.input.append(ValueInfoProto(name=name))
        alone.graph.output.extend(ValueInfoProto(name=name) for name in self.names)
        return alone

    def _by_reference(self, refused: str) -> dict[str, object]:
        from onnx.reference import ReferenceEvaluator

        where = Location(self.file, self.node.name or self.names[0], self.node.op_type)
        reason = f"ONNX Runtime cannot run the model: {refused or 'it has no arrays of such elements'}"
        if refused and self.node.op_type in _INDEXING:
            raise CheckError(reason, where, WITHOUT_SOURCE)
        elements = sum(operand.size for operand in self.operands.values() if isinstance(operand, np.ndarray))
        if elements > REFERENCE_ELEMENTS:
            raise CheckError(f"{reason}; its operands are too large for ONNX's reference implementation", where, WITHOUT_SOURCE)
        try:
            with np.errstate(all="ignore"):
                found = ReferenceEvaluator(self._alone(None)).run(self.names, self.given)
        except _FAULTS as error:
            raise CheckError(f"{reason}; ONNX's reference implementation: {_first_line(error)}", where, WITHOUT_SOURCE) from error
        return dict(zip(self.names, found))


def _first_line(error: Exception) -> str:
    """The first line of an error's text, or its type."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _description(schema: onnx.defs.OpSchema) -> tuple[object, ...]:
    """All that an operator's definition says but the element types that it takes."""
    attributes = {name: (each.type, each.required, each.default_value.SerializeToString(), each.description)
                  for name, each in schema.attributes.items()}
    ends = [[(each.name, each.option, each.description) for each in group] for group in (schema.inputs, schema.outputs)]
    return schema.doc, attributes, ends
