"""Worker: what the source computes in ONNX Runtime or OpenVINO, on made-up inputs; nothing of the product is involved.

Job: `source` (.onnx or .xml), `shapes` ({input: shape} for inputs of a dynamic model, or of one that says batch 1 and is run element by
element), `seed`, `text` (whether inputs are pictures of text instead of noise), `integers` (see `Case`), `arrays` (the .npz to write:
`in0`, `in1`, ... and `out0`, `out1`, ..., in the source's order and its axis order). Answer: `Names`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, cast

import numpy as np
import numpy.typing as npt

from measure.child import reply, serve, work
from measure.text_image import text_images

Array = npt.NDArray[np.generic]


class Names(TypedDict):
    """The source's format ("onnx" or "openvino"), its inputs and outputs by name, in its order ("" for one without a name)."""

    format: str
    inputs: list[str]
    outputs: list[str]


def reference(source: Path, shapes: Mapping[str, Sequence[int]], arrays: Path, *, seed: int, text: bool, integers: int = 2) -> Names:
    """Run the worker. Raises WorkerError."""
    return cast(Names, work("reference", {"source": str(source), "shapes": shapes, "arrays": str(arrays), "seed": seed, "text": text,
                                          "integers": integers}))


@dataclass(frozen=True)
class Inputs:
    """Where inputs come from: for the networks of `text` pictures of it, for others normal (0, 1) floats; what is not float is a whole
    number below `integers`."""

    shapes: Mapping[str, Sequence[int]]
    text: bool
    integers: int
    rng: np.random.Generator

    def draw(self, name: str, dtype: np.dtype[np.generic], declared: Sequence[int]) -> Array:
        """An array for an input, in the given shape or else the declared one."""
        shape = self.shapes.get(name, declared)
        if self.text:
            return text_images(shape, self.rng)
        drawn = self.rng.standard_normal(shape) if dtype.kind == "f" else self.rng.integers(0, self.integers, shape)
        return drawn.astype(dtype)


def _onnx(source: str, inputs: Inputs) -> tuple[Names, list[Array], list[Array]]:
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    session = onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"])
    wanted = [(i.shape[1:], inputs.shapes.get(i.name, i.shape)[1:]) for i in session.get_inputs()]
    if any(isinstance(n, int) and n != m for declared, given in wanted for n, m in zip(declared, given)):
        session = onnxruntime.InferenceSession(_resized(source, inputs.shapes), providers=["CPUExecutionProvider"])
    types = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(int32)": np.int32}
    data = [inputs.draw(i.name, np.dtype(types[i.type]), i.shape) for i in session.get_inputs()]
    names: Names = {"format": "onnx", "inputs": [i.name for i in session.get_inputs()], "outputs": [o.name for o in session.get_outputs()]}

    def run(arrays: Sequence[Array]) -> list[Array]:
        return [np.asarray(r) for r in session.run(names["outputs"], dict(zip(names["inputs"], arrays)))]

    fixed = all(i.shape[:1] == [1] for i in session.get_inputs())
    return names, data, one_by_one(run, data) if fixed and {len(a) for a in data} != {1} else run(data)


def _resized(source: str, shapes: Mapping[str, Sequence[int]]) -> bytes:
    """A model with other sizes declared for its inputs, but for the first, and none for what it computes."""
    import onnx

    model = onnx.load(source)
    for value in model.graph.input:
        for dim, size in list(zip(value.type.tensor_type.shape.dim, shapes.get(value.name, ())))[1:]:
            dim.dim_value = size
    del model.graph.value_info[:]
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    return bytes(model.SerializeToString())


def one_by_one(run: Callable[[Sequence[Array]], list[Array]], data: Sequence[Array]) -> list[Array]:
    """The results for a batch, of a model that takes one element at a time; the elements are the first axis of every array."""
    parts = [run([a[k:k + 1] for a in data]) for k in range(len(data[0]))]
    return [np.concatenate(results) for results in zip(*parts)]


def _openvino(source: str, inputs: Inputs) -> tuple[Names, list[Array], list[Array]]:
    import openvino

    # Float32 arithmetic, so that a model with float16 weights is compared with what its weights mean.
    compiled = openvino.Core().compile_model(source, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    data = [inputs.draw(i.any_name if i.names else "", np.dtype(i.element_type.to_dtype()), i.shape) for i in compiled.inputs]
    names: Names = {"format": "openvino", "inputs": [i.any_name if i.names else "" for i in compiled.inputs],
                    "outputs": [o.any_name if o.names else "" for o in compiled.outputs]}
    results = compiled.create_infer_request().infer(dict(enumerate(data)))
    return names, data, [np.array(results[o]) for o in compiled.outputs]


def main(argv: Sequence[str]) -> int:
    job, answer = serve(argv)
    source = str(job["source"])
    inputs = Inputs(cast("Mapping[str, Sequence[int]]", job["shapes"]), bool(job["text"]), cast(int, job["integers"]),
                    np.random.default_rng(cast(int, job["seed"])))
    run = _onnx if source.endswith(".onnx") else _openvino
    names, data, results = run(source, inputs)
    arrays = {**{f"in{k}": a for k, a in enumerate(data)}, **{f"out{k}": a for k, a in enumerate(results)}}
    np.savez(str(job["arrays"]), allow_pickle=False, **arrays)
    reply(answer, names)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
