"""Run a TFLite file in LiteRT."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nchw2nhwc.errors import CheckError
from nchw2nhwc.interface import TensorInfo
from nchw2nhwc.ir import Array

if TYPE_CHECKING:
    from ai_edge_litert.interpreter import Interpreter


def run_litert(model: Path | bytes, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo],
               data: Mapping[str, Array]) -> dict[str, Array]:
    """Outputs by name, in the source's axis order, for inputs by name in the source's axis order. Raises CheckError."""
    from ai_edge_litert.interpreter import Interpreter

    try:
        threads = os.cpu_count() or 1
        interpreter = (Interpreter(model_content=model, num_threads=threads) if isinstance(model, bytes)
                       else Interpreter(model_path=str(model), num_threads=threads))
        entry, leave = _tensors(interpreter)
        arrays = {info.name: info.to_result(data[info.name]) for info in inputs}
        for info in inputs:
            if -1 in info.shape:
                interpreter.resize_tensor_input(entry[info.name], arrays[info.name].shape, strict=True)
        interpreter.allocate_tensors()
        for name, array in arrays.items():
            interpreter.set_tensor(entry[name], array)
        interpreter.invoke()
        return {info.name: info.to_source(np.asarray(interpreter.get_tensor(leave[info.name]))) for info in outputs}
    except (RuntimeError, ValueError, KeyError) as error:
        raise CheckError(f"LiteRT cannot run the result: {error}") from error


def _tensors(interpreter: Interpreter) -> tuple[dict[str, int], dict[str, int]]:
    """The tensors of the inputs and of the outputs by their names in the signature."""
    runner = interpreter.get_signature_runner()
    def indices(details: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
        return {name: detail["index"] for name, detail in details.items()}

    return indices(runner.get_input_details()), indices(runner.get_output_details())
