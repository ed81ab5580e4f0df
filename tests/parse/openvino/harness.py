"""Cases as data: a model of a few OpenVINO ops, and the comparison of what the parser makes of its IR with OpenVINO itself."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import openvino
import openvino.opset13 as basic
from openvino.utils.node_factory import NodeFactory

from nchw2nhwc.ir import Array, Graph
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ir.verify import verify
from nchw2nhwc.parse.openvino import read_openvino

Build: TypeAlias = Callable[..., Any]
Sizes: TypeAlias = Sequence[int | str]


@dataclass(frozen=True)
class Input:
    """One operand that is an input of the model: uniform in [low, high], or these `values`."""

    shape: Sizes
    dtype: Any = np.float32
    low: float = -2.0
    high: float = 2.0
    actual: tuple[int, ...] | None = None
    values: Any = None


@dataclass(frozen=True)
class Case:
    """`build(*parameters)` gives the result (or several) of a model with these inputs; `ops` are the catalogue's that it must become."""

    name: str
    build: Build
    inputs: tuple[Input, ...] = (Input((2, 3, 4, 5)),)
    ops: tuple[str, ...] | None = None
    tolerance: float = 2e-6
    oracle: str = "CPU"

    def __str__(self) -> str:
        return self.name


def case(name: str, build: Build, *inputs: Input | Sequence[int], ops: str | None = None, tolerance: float = 2e-6,
         oracle: str = "CPU") -> Case:
    """A case; an input that is only a shape is float32. `oracle` is OpenVINO's "CPU" plugin, or its "reference" where that one deviates."""
    given = tuple(i if isinstance(i, Input) else Input(tuple(i)) for i in inputs) or (Input((2, 3, 4, 5)),)
    return Case(name, build, given, None if ops is None else tuple(ops.split()), tolerance, oracle)


def i32(*shape: int, low: int = -5, high: int = 6) -> Input:
    """An input of 32-bit integers."""
    return Input(shape, np.int32, low, high)


def boolean(*shape: int) -> Input:
    """An input of booleans."""
    return Input(shape, np.bool_, 0, 2)


def given(values: Any, dtype: Any = np.int32) -> Input:
    """An input of these values."""
    array = np.asarray(values, dtype)
    return Input(array.shape, dtype, values=array)


def made(opset: int, type: str, **attributes: Any) -> Build:
    """Builds an op that openvino has no function for, by its type; gives all of its results."""
    def build(*operands: Any) -> Any:
        outputs = [node.output(0) for node in operands]
        node = NodeFactory(f"opset{opset}").create(type, outputs, attributes)
        return node.outputs()
    return build


@cache
def core() -> openvino.Core:
    return openvino.Core()


def model_of(case: Case, constants: Mapping[str, Array] | None = None) -> openvino.Model:
    """The model of a case. Its results are named "out0", "out1", ... and its inputs "in0", "in1", ..., unless they are in `constants`."""
    given = {f"in{k}": i for k, i in enumerate(case.inputs)}
    fixed = {name: basic.constant(array) for name, array in (constants or {}).items()}
    free = {name: basic.parameter(list(i.shape), i.dtype, name=name) for name, i in given.items() if name not in fixed}
    for name, parameter in free.items():
        parameter.output(0).set_names({name})
    built = case.build(*(fixed[name] if name in fixed else free[name] for name in given))
    ends = [node.output(0) if hasattr(node, "get_friendly_name") else node
            for node in (built if isinstance(built, (list, tuple)) else [built])]
    results = [basic.result(end) for end in ends]
    model = openvino.Model(results, list(free.values()), "case")
    for k, result in enumerate(results):
        result.output(0).set_names({f"out{k}"})
    return model


def saved(model: openvino.Model, folder: Path, name: str = "case") -> Path:
    """The .xml that OpenVINO writes for a model, exactly as it is."""
    path = folder / f"{name}.xml"
    openvino.serialize(model, path)
    return path


def data_for(case: Case) -> dict[str, Array]:
    """Random inputs, the same ones in every run."""
    rng = np.random.default_rng(zlib.crc32(case.name.encode()))
    found: dict[str, Array] = {}
    for k, i in enumerate(case.inputs):
        if i.values is not None:
            found[f"in{k}"] = np.asarray(i.values, i.dtype)
            continue
        shape = i.actual or [int(s) for s in i.shape]
        values = rng.integers(int(i.low), int(i.high), shape) if np.dtype(i.dtype).kind in "iub" else rng.uniform(i.low, i.high, shape)
        found[f"in{k}"] = np.asarray(values).astype(i.dtype)
    return found


def expected(case: Case, model: openvino.Model, data: dict[str, Array]) -> list[Array]:
    """What OpenVINO computes in float32: its CPU plugin, or the reference implementations that it folds constants with."""
    if case.oracle == "reference":
        results = [openvino.Tensor(end.get_element_type(), end.get_shape()) for end in model.outputs]
        assert model.evaluate(results, [openvino.Tensor(np.ascontiguousarray(x)) for x in data.values()])
        return [np.array(tensor.data) for tensor in results]
    compiled = core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = compiled(list(data.values()))
    return [np.array(found[compiled.output(k)]) for k in range(len(compiled.outputs))]


def close(mine: Array, theirs: Array, tolerance: float) -> bool:
    """Whether two results agree: integers and booleans exactly, floats within `tolerance` of the largest finite magnitude."""
    if mine.shape != theirs.shape or mine.dtype != theirs.dtype:
        return False
    if mine.dtype.kind in "iub":
        return bool(np.array_equal(mine, theirs))
    finite = np.isfinite(theirs)
    if not np.array_equal(finite, np.isfinite(mine)) or not np.array_equal(mine[~finite], theirs[~finite], equal_nan=True):
        return False
    scale = max(float(np.abs(theirs[finite]).max(initial=0)), 1e-30)
    return float(np.abs(mine[finite].astype(np.float64) - theirs[finite]).max(initial=0)) <= tolerance * scale


def _short(array: Array) -> str:
    return f"{array.dtype}{array.shape} {np.array2string(array.ravel()[:12], precision=7)}"


def agree(case: Case, folder: Path) -> Graph:
    """Parse the IR of a case, run it and compare with OpenVINO. Returns the graph."""
    model = model_of(case)
    graph = read_openvino(saved(model, folder))
    verify(graph)
    names = [node.op.name for node in graph.nodes]
    assert case.ops is None or tuple(names) == case.ops, names
    data = data_for(case)
    results = run(graph, data)
    assert list(results) == [f"out{k}" for k in range(len(results))]
    for (name, mine), theirs in zip(results.items(), expected(case, model, data)):
        assert close(mine, theirs, case.tolerance), f"{name}: {_short(mine)} instead of {_short(theirs)}"
    return graph
