"""Run a TFLite file in LiteRT."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import numpy as np
from numpy.typing import DTypeLike

from nchw2nhwc.errors import CheckError
from nchw2nhwc.interface import TensorInfo
from nchw2nhwc.ir import Array
from nchw2nhwc.ops.kinds import kind_of

if TYPE_CHECKING:
    from ai_edge_litert.interpreter import Interpreter


_ADVICE = "`openvino2tf bisect MODEL` finds the layer that does not run; --check-inputs FILE.npz gives it other data."
_GONE = "data is null"
"""Part of LiteRT's error about a tensor that it does not keep."""


class _Detail(TypedDict):
    """What LiteRT tells of a tensor, as far as it is used."""

    shape: Sequence[int]
    dtype: DTypeLike
    index: int
    name: str
    quantization: tuple[float, int]


def run_litert(model: Path | bytes, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo],
               data: Mapping[str, Array]) -> dict[str, Array]:
    """Outputs by name, in the source's axis order, for inputs by name in the source's axis order; quantized ones as the numbers that they
    stand for. Raises CheckError.

    Detections, which the source does not have, are computed by one thread: see `parse.detection`.
    """
    return LoadedFile(model, inputs, threads=_threads_for(outputs)).run(outputs, data)


def _threads_for(outputs: Sequence[TensorInfo]) -> int | None:
    """How many threads may compute these outputs; None for as many as there are."""
    return None if all(info.tensor for info in outputs) else 1


class LoadedFile:
    """A file that is loaded once and run on several samples. `plain`: without XNNPACK. `inside` keeps all tensors, which XNNPACK does not
    do; where many sizes are computed, as in detection, planning their memory takes a minute. Raises CheckError."""

    def __init__(self, model: Path | bytes, inputs: Sequence[TensorInfo], *, plain: bool = False, inside: bool = False,
                 threads: int | None = None) -> None:
        self._inputs = inputs
        with _errors():
            self._interpreter = _load(model, plain=plain, inside=inside, threads=threads or os.cpu_count() or 1)

    def run(self, outputs: Sequence[TensorInfo], data: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name; data and results are in the source's axis order."""
        with _errors():
            _invoke(self._interpreter, self._inputs, data)
            details = self._interpreter.get_signature_runner().get_output_details()
            return {info.name: info.to_source(_as_declared(self._interpreter, details[info.name], info)) for info in outputs}

    def given_out(self, wanted: Collection[str]) -> dict[str, Array]:
        """Of the last run, the outputs of the main subgraph whose tensors are called as in `wanted`, as they are stored."""
        with _errors():
            return {detail["name"]: _numbers(self._interpreter, detail) for detail in self._interpreter.get_output_details()
                    if detail["name"] in wanted}

    def names(self) -> set[str]:
        """The names of all tensors."""
        return {detail["name"] for detail in self._interpreter.get_tensor_details()}

    def tensors(self, data: Mapping[str, Array], wanted: Collection[str]) -> Mapping[str, Array]:
        """Run it, and the tensors that are called as in `wanted`, as they are stored: each is read when it is asked for, so that they are
        never there all at once, until the next run. Those that LiteRT does not keep are not there; see `_kept`."""
        with _errors():
            _invoke(self._interpreter, self._inputs, data)
            return _Inside(self._interpreter, wanted)


class _Inside(Mapping[str, "Array"]):
    """Tensors of an interpreter that has run, by name."""

    def __init__(self, interpreter: Interpreter, wanted: Collection[str]) -> None:
        self._interpreter = interpreter
        self._details = {detail["name"]: detail for detail in interpreter.get_tensor_details() if detail["name"] in wanted}

    def __getitem__(self, name: str) -> Array:
        array = _kept(self._interpreter, self._details[name])
        if array is None:
            raise KeyError(name)
        return array

    def __iter__(self) -> Iterator[str]:
        return iter(self._details)

    def __len__(self) -> int:
        return len(self._details)


def litert_tensors(model: Path | bytes, inputs: Sequence[TensorInfo], data: Mapping[str, Array],
                   wanted: Collection[str]) -> Iterator[tuple[str, Array]]:
    """Run a file once and yield its tensors that are called as in `wanted`, in the file's order, each as it is stored, quantized ones as
    the numbers that they stand for.

    All tensors are kept while it runs, which the built-in kernels do and XNNPACK does not. Raises CheckError.
    """
    with _errors():
        interpreter = _load(model, inside=True)
        _invoke(interpreter, inputs, data)
    for detail in interpreter.get_tensor_details():
        array = _kept(interpreter, detail) if detail["name"] in wanted else None
        if array is not None:
            yield detail["name"], array


def _kept(interpreter: Interpreter, detail: _Detail) -> Array | None:
    """A tensor as it is stored; None if LiteRT does not keep it: a result of a loop that nothing reads, where sizes are open."""
    try:
        return _numbers(interpreter, detail)
    except ValueError as error:
        if _GONE in str(error):
            return None
        raise CheckError(f"LiteRT cannot run the result: {error}", advice=_ADVICE) from error


def run_litert_with(content: bytes, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo], data: Mapping[str, Array],
                    wanted: Collection[str]) -> tuple[dict[str, Array], dict[str, Array]]:
    """`run_litert`, and of the same run the tensors that are called as in `wanted`, as `litert_tensors` gives them, but computed with
    XNNPACK: they become outputs too. Raises CheckError."""
    from nchw2nhwc.emit.tflite.outputs import giving_out

    file = LoadedFile(giving_out(content, wanted), inputs, threads=_threads_for(outputs))
    return file.run(outputs, data), file.given_out(wanted)


def _content(interpreter: Interpreter, detail: _Detail) -> Array:
    """The content of an output; LiteRT hands out none that has no elements."""
    shape = tuple(int(s) for s in detail["shape"])
    return np.zeros(shape, detail["dtype"]) if 0 in shape else np.asarray(interpreter.get_tensor(detail["index"]))


@contextmanager
def _errors() -> Iterator[None]:
    """LiteRT's own errors as CheckError."""
    try:
        yield
    except (RuntimeError, ValueError, KeyError) as error:
        raise CheckError(f"LiteRT cannot run the result: {error}", advice=_ADVICE) from error


def _load(model: Path | bytes, *, plain: bool = False, inside: bool = False, threads: int = os.cpu_count() or 1) -> Interpreter:
    """An interpreter of the file, with XNNPACK unless it is `plain`; `inside` keeps all tensors, without XNNPACK."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    kind = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES if plain or inside else OpResolverType.AUTO
    content = {"model_content": model} if isinstance(model, bytes) else {"model_path": str(model)}
    return Interpreter(**content, num_threads=threads, experimental_op_resolver_type=kind,
                       experimental_preserve_all_tensors=inside)


def _invoke(interpreter: Interpreter, inputs: Sequence[TensorInfo], data: Mapping[str, Array]) -> None:
    """Run it once on inputs by name, in the source's axis order."""
    details = interpreter.get_signature_runner().get_input_details()
    arrays = {info.name: info.to_result(data[info.name]) for info in inputs}
    for info in inputs:
        if -1 in info.shape:
            interpreter.resize_tensor_input(details[info.name]["index"], arrays[info.name].shape, strict=True)
    interpreter.allocate_tensors()
    for name, array in arrays.items():
        interpreter.set_tensor(details[name]["index"], _stored(array, details[name]))
    interpreter.invoke()


def _as_declared(interpreter: Interpreter, detail: _Detail, info: TensorInfo) -> Array:
    """An output; where the source's are integers they are what they are, whatever they stand for."""
    return _numbers(interpreter, detail) if kind_of(info.source_type.dtype) == "floating point" else np.array(_content(interpreter, detail))


def _numbers(interpreter: Interpreter, detail: _Detail) -> Array:
    """A tensor, integers that stand for numbers as these."""
    array = _content(interpreter, detail)
    scale, zero = detail["quantization"]
    if not scale or array.dtype.kind not in "iu":
        return array
    numbers = array.astype(np.float32)
    numbers -= np.float32(zero)
    numbers *= np.float32(scale)
    return numbers


def _stored(array: Array, detail: _Detail) -> Array:
    """An input as the file takes it: numbers as the integers that stand for them, where it is quantized."""
    scale, zero = detail["quantization"]
    dtype = np.dtype(detail["dtype"])
    if not scale or dtype == array.dtype:
        return array
    limits = np.iinfo(dtype)
    return np.asarray(np.clip(np.round(array.astype(np.float32) / np.float32(scale)) + zero, limits.min, limits.max), dtype)
