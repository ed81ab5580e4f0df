"""Optimizers of ai.onnx.preview.training, against ONNX's reference implementation: ONNX Runtime has none."""

from __future__ import annotations

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator

from nchw2nhwc.errors import SourceError
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.parse.onnx.operators.optimizers import TRAINING
from tests.parse.onnx.models import model, node, read, tensor

MOMENTUM = {"alpha": 0.9, "beta": 0.5, "norm_coefficient": 0.01}
CASES = [("Momentum", 3, {**MOMENTUM, "mode": "standard"}), ("Momentum", 3, {**MOMENTUM, "mode": "nesterov"}),
         ("Adagrad", 3, {"decay_factor": 0.1}), ("Adam", 4, {"norm_coefficient": 0.1})]


@pytest.mark.parametrize("count", [0, 3])
@pytest.mark.parametrize(("op", "kinds", "attributes"), CASES)
def test_steps(op: str, kinds: int, attributes: dict[str, float | str], count: int) -> None:
    """Two tensors of different shapes at once."""
    shapes = {f"{kind}{k}": ((3,), (2, 4))[k] for kind in "xgvh"[:kinds] for k in (0, 1)}
    rng = np.random.default_rng(0)
    inputs = {"r": np.float32(0.1), "t": np.int64(count),
              **{name: rng.uniform(0.5, 2, shape).astype(np.float32) for name, shape in shapes.items()}}
    states = [kind for kind in "xgvh"[:kinds] if kind != "g"]
    outputs = [f"new_{kind}{k}" for kind in states for k in (0, 1)]
    source = model([node(op, " ".join(inputs), " ".join(outputs), domain=TRAINING, **attributes)],
                   [tensor(name, np.shape(array), array.dtype) for name, array in inputs.items()], outputs, domains=[TRAINING])
    given = {name: np.asarray(array) for name, array in inputs.items()}
    found = run(read(source), given)
    for result, wanted in zip(found.values(), ReferenceEvaluator(source).run(outputs, given), strict=True):
        np.testing.assert_allclose(result, wanted, rtol=1e-5)


@pytest.mark.parametrize(("operands", "match"), [("r t x x", "2 tensors are not 3"), ("r t x g v", "differs in type"),
                                                 ("r t", "0 tensors")])
def test_what_does_not_fit(operands: str, match: str) -> None:
    inputs = [tensor("r", ()), tensor("t", (), np.int64), tensor("x"), tensor("g"), tensor("v", (3, 2))]
    with pytest.raises(SourceError, match=match):
        read(model([node("Adagrad", operands, "y", domain=TRAINING)], inputs, domains=[TRAINING]))
