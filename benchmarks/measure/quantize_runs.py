"""Running quantized files whose inputs and outputs may be integers, and how far they are from the source."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

import nchw2nhwc
from measure.samples import Floats


def declared_sqnr(file: Path, converted: nchw2nhwc.Converted, tested: Sequence[Mapping[str, Floats]],
              truth: Sequence[Sequence[Floats]], notes: list[str], whose: str) -> float | None:
    """SQNR of a file whose inputs and outputs have our names and layouts; None if LiteRT does not run it."""
    try:
        return sqnr(truth, _run(Interpreter(model_path=str(file)), converted, tested))
    except (ValueError, RuntimeError) as error:
        notes.append(f"{whose}: {_line(error)}")
        return None


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:160]


def _run(interpreter: Interpreter, converted: nchw2nhwc.Converted, tested: Sequence[Mapping[str, Floats]]) -> list[list[Floats]]:
    """The outputs for every sample, in the source's order of axes."""
    signature = interpreter.get_signature_runner()
    into, out = signature.get_input_details(), signature.get_output_details()
    results = []
    for sample in tested:
        made = signature(**{(name := _name(info.name, into)): _stored(info.to_result(sample[info.name]), into[name])
                            for info in converted.inputs})
        results.append([info.to_source(_real(made[(name := _name(info.name, out))], out[name])) for info in converted.outputs])
    return results


def _name(name: str, names: Collection[str]) -> str:
    """A name as it is spelled there, where one that begins with a digit may have another word in front; the only one, whatever it is."""
    if name in names or len(names) == 1:
        return name if name in names else next(iter(names))
    spelled = saved_name(name)
    return next(each for each in names if each == spelled or each.endswith(f"_{spelled}"))


def saved_name(name: str) -> str:
    """A name as a SavedModel's signature has it: letters, digits and `_`."""
    return re.sub(r"\W", "_", name, flags=re.ASCII)


def sqnr_by_shape(file: Path, tested: Sequence[Mapping[str, Floats]], truth: Sequence[Sequence[Floats]], notes: list[str],
                  whose: str) -> float | None:
    """SQNR of a file of onnx2tf, which says nothing about layouts: arrays are brought into its shapes where these leave one order of axes,
    and the outputs of one shape are taken in the order in which they fit best, which is in its favour. None if LiteRT does not run it."""
    try:
        results = _run_by_shape(Interpreter(model_path=str(file)), tested)
    except (ValueError, RuntimeError) as error:
        notes.append(f"{whose}: {_line(error)}")
        return None
    pairs = []
    for k in range(len(truth[0])):
        wanted = [t[k] for t in truth]
        fits = [[_same_axes(r[j], wanted[0].shape) for r in results] for j, first in enumerate(results[0]) if first.size == wanted[0].size]
        pairs.append(max((sqnr([[w] for w in wanted], [[f] for f in each]) for each in fits), default=math.nan))
    return min(pairs)


def _run_by_shape(interpreter: Interpreter, tested: Sequence[Mapping[str, Floats]]) -> list[list[Floats]]:
    """The outputs for every sample of one input, as they are stored."""
    interpreter.allocate_tensors()
    (into,), out = interpreter.get_input_details(), interpreter.get_output_details()
    results = []
    for (array,) in (sample.values() for sample in tested):
        fitting = array if array.shape == tuple(into["shape"]) else np.moveaxis(array, 1, -1)
        interpreter.set_tensor(into["index"], _stored(fitting.reshape(into["shape"]), into))
        interpreter.invoke()
        results.append([_real(interpreter.get_tensor(d["index"]), d) for d in out])
    return results


def _same_axes(array: Floats, shape: Sequence[int]) -> Floats:
    """An array in the source's order of axes."""
    if array.shape == tuple(shape) or array.ndim != len(shape) or array.ndim < 3:
        return array.reshape(shape)
    return np.moveaxis(array, -1, 1).reshape(shape)


def _stored(array: Floats, detail: Mapping[str, object]) -> np.ndarray:
    scale, zero = detail["quantization"]  # type: ignore[misc]
    dtype = np.dtype(detail["dtype"])  # type: ignore[arg-type]
    if not scale or dtype == array.dtype:
        return array
    return np.clip(np.round(array / scale) + zero, np.iinfo(dtype).min, np.iinfo(dtype).max).astype(dtype)


def _real(array: np.ndarray, detail: Mapping[str, object]) -> Floats:
    scale, zero = detail["quantization"]  # type: ignore[misc]
    return (array.astype(np.float32) - zero) * scale if scale and array.dtype.kind in "iu" else array


def sqnr(truth: Sequence[Sequence[Floats]], results: Sequence[Sequence[Floats]]) -> float:
    """dB of the worst output over all samples."""
    worst = math.inf
    for k in range(len(truth[0])):
        signal = sum(float(np.sum(np.square(t[k], dtype=np.float64))) for t in truth)
        noise = sum(float(np.sum(np.square(t[k].astype(np.float64) - r[k]))) for t, r in zip(truth, results))
        worst = min(worst, 10 * math.log10(signal / noise) if noise > 0 else 200.0)
    return worst
