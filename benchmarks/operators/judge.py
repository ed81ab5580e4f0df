"""Whether what LiteRT, or Keras, makes of a case is what was expected."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np

from benchmarks.operators.draw import Array, Size, Spec
from nchw2nhwc import Converted
from nchw2nhwc.checking.keras import run_keras
from nchw2nhwc.checking.litert import LoadedFile
from nchw2nhwc.checking.results import KerasResult
from nchw2nhwc.errors import CheckError

Runner: TypeAlias = Callable[[Mapping[str, Array]], Mapping[str, Array]]
"""Outputs by name for inputs by name, in the source's order of axes. Raises CheckError."""

PRECISION = {"float16": 1e-2, "bfloat16": 3e-2}
HUGE = 1e37
"""Such a number may stand for an infinity, or an infinity for it: kernels saturate."""


@dataclass(frozen=True)
class Run:
    """Inputs by name, and what may come out."""

    data: Mapping[str, Array]
    allowed: Sequence[Sequence[Array]]


def litert_runtimes(made: Converted) -> dict[str, Callable[[], Runner]]:
    """The ways in which a TFLite file runs, by name: each loads it. Raises ConversionError."""
    content = made.tflite()

    def loaded(*, plain: bool) -> Runner:
        return partial(LoadedFile(content, made.inputs, plain=plain, threads=1).run, made.outputs)

    return {"XNNPACK": partial(loaded, plain=False), "plain": partial(loaded, plain=True)}


def keras_runtimes(made: Converted, folder: Path) -> dict[str, Callable[[], Runner]]:
    """The same of a Keras model: called as it is, and opened from its file as the graph that SavedModels hold. Raises ConversionError."""
    import keras

    keras.backend.clear_session()
    model = made.keras()
    made.save_keras(folder)
    file = folder / f"{made.source.stem}.keras"
    return {"called": lambda: partial(run_keras, model, made.inputs, made.outputs),
            "graph": lambda: partial(KerasResult(keras.models.load_model(file)).run, made.inputs, made.outputs)}


def outcome(made: Converted, runtimes: Mapping[str, Callable[[], Runner]], runs: Iterable[Run], spec: Spec) -> tuple[str, str]:
    """What became of a result, and what is wrong: it is right, wrong, or fails; "noted" where the report says that numbers are narrower."""
    runs = list(runs)
    narrow = any("computed in int32" in note for note in made.graph.notes)
    for runtime, load in runtimes.items():
        try:
            run_on = load()
        except CheckError as error:
            return "does not load", f"{runtime}: {error}"
        for number, run in enumerate(runs):
            where = f"{runtime}, run {number}, shapes {[list(x.shape) for x in run.data.values()]}"
            try:
                found = run_on(run.data)
            except CheckError as error:
                return "does not run", f"{where}: {error}"
            results = [found[info.name] for info in made.outputs]
            texts = [_differences(wanted, results, spec) for wanted in run.allowed]
            if all(texts):
                return ("noted" if narrow else "wrong"), f"{where}: {texts[0]}"
    return "right", ""


def _differences(wanted: Sequence[Array], found: Sequence[Array], spec: Spec) -> str:
    texts = (difference(y, z, spec.tolerance, spec.steps) for y, z in zip(wanted, found, strict=True))
    return next((f"result {k}: {text}" for k, text in enumerate(texts) if text), "")


def difference(wanted: Array, found: Array, tolerance: float, steps: int = 0) -> str:
    """What is wrong with a result; "" if nothing is."""
    floating = wanted.dtype.kind == "f" or wanted.dtype.name == "bfloat16"
    if wanted.shape != found.shape:
        return f"shape {found.shape} instead of {wanted.shape}"
    if (found.dtype.kind == "f") != floating or (not floating and found.dtype != wanted.dtype):
        return f"type {found.dtype} instead of {wanted.dtype}"
    if not floating:
        off = np.abs(wanted.astype(np.int64) - found.astype(np.int64)) > steps if steps else wanted != found
        return f"{off.sum()} of {off.size} differ: {found[off][:5]} instead of {wanted[off][:5]}" if off.any() else ""
    with np.errstate(over="ignore", invalid="ignore"):
        a, b = wanted.astype(np.float32).astype(np.float64), found.astype(np.float64)
        most = 6e4 if wanted.dtype == np.float16 else HUGE
        infinite = (np.sign(a) == np.sign(b)) & (np.abs(a) > most) & (np.abs(b) > most)
        scale = max(1.0, float(np.abs(a[np.isfinite(a)]).max(initial=0.0)))
        close = np.abs(a - b) <= max(tolerance, PRECISION.get(wanted.dtype.name, 0)) * scale
    off = ~((a == b) | (np.isnan(a) & np.isnan(b)) | infinite | close)
    return f"{off.sum()} of {off.size} differ: {b[off][:4]} instead of {a[off][:4]}, of numbers up to {scale:.3g}" if off.any() else ""


def fits(made: Converted, data: Mapping[str, Array]) -> bool:
    """Whether inputs have sizes that the result says it takes, such as multiples of a number."""
    for info in made.inputs:
        for size, actual in zip(info.source_type.shape, data[info.name].shape):
            if isinstance(size, int) and size != actual:
                return False
            linear = None if isinstance(size, int) or size.is_symbol else size.linear()
            if linear is not None and (actual - linear[2]) % linear[0]:
                return False
    return True


def same_model(spec: Spec, other: Spec, form: str) -> bool:
    """Whether another draw is of the same model with other sizes; its constants become those of the first one."""
    if (
        spec.about != other.about
        or str(spec.outputs) != str(other.outputs)
        or str(spec.attributes) != str(other.attributes)
        or [x is None for x in spec.inputs] != [x is None for x in other.inputs]
    ):
        return False
    fixed = form.endswith("constants")
    met, present = spec.met(fixed=fixed), [k for k, x in enumerate(spec.inputs) if x is not None]
    for k in present:
        a, b = np.asarray(spec.inputs[k]), np.asarray(other.inputs[k])
        constant = k in spec.always or (fixed and k != present[0])
        named = spec.shapes.get(k, a.shape)
        if a.dtype != b.dtype or a.ndim != b.ndim:
            return False
        if any(x != y and (constant or not isinstance(s, Size) or s.name in met) for x, y, s in zip(a.shape, b.shape, named)):
            return False
        if constant:
            other.inputs[k] = spec.inputs[k]
    return True
