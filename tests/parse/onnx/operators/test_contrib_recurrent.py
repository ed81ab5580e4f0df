"""Recurrent layers that round their data when they run."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from nchw2nhwc.errors import SourceError, UnsupportedError
from nchw2nhwc.ir import Array
from tests.parse.onnx.models import assert_as_runtime, model, read, tensor

DOMAIN = "com.microsoft"
RNG = np.random.default_rng(7)
STEPS, BATCH, FEATURES, UNITS = 5, 2, 3, 4
ALL = "x w r b - h c p ws wz rs rz"


def floats(*shape: int) -> Array:
    return RNG.normal(0, 0.5, shape).astype(np.float32)


def constants(ways: int, kind: type = np.int8, columns: bool = True) -> dict[str, Array]:
    count = (ways, 4 * UNITS) if columns else (ways,)
    zeros = np.zeros(count, kind) + kind(128 if kind is np.uint8 else 0)
    scales = RNG.uniform(0.003, 0.006, count).astype(np.float32)
    info = np.iinfo(kind)
    w, r = (RNG.integers(info.min, info.max, (ways, size, 4 * UNITS)).astype(kind) for size in (FEATURES, UNITS))
    return {"w": w, "r": r, "b": floats(ways, 8 * UNITS), "h": floats(ways, BATCH, UNITS), "c": floats(ways, BATCH, UNITS),
            "p": floats(ways, 3 * UNITS), "ws": scales, "wz": zeros, "rs": scales * np.float32(0.9), "rz": zeros,
            "lengths": np.full(BATCH, STEPS, np.int32), "short": np.full(BATCH, STEPS - 1, np.int32)}


def compare(operands: str, given: dict[str, Array], batch: int = BATCH, outputs: str = "y yh yc", **attributes: object) -> None:
    names = ["" if part == "-" else part for part in operands.split()]
    layer = helper.make_node("DynamicQuantizeLSTM", names, outputs.split(), domain=DOMAIN, hidden_size=UNITS, **attributes)
    used = {name: array for name, array in given.items() if name in names}
    whole = model([layer], [tensor("x", (STEPS, batch, FEATURES))], outputs.split(), used, domains=[DOMAIN])
    assert_as_runtime(whole, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("columns", [False, True])
@pytest.mark.parametrize("kind", [np.int8, np.uint8])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_directions(direction: str, kind: type, columns: bool) -> None:
    compare("x w r b - - - - ws wz rs rz", constants(1 + (direction == "bidirectional"), kind, columns), direction=direction)


@pytest.mark.parametrize("attributes", [{}, {"clip": 0.3}, {"input_forget": 1}, {"activations": ["HardSigmoid", "Softsign", "Relu"]}])
@pytest.mark.parametrize("operands", [ALL, "x w r - - - - - ws wz rs rz", "x w r b lengths - c - ws wz rs rz"])
def test_operands_and_attributes(operands: str, attributes: dict[str, object]) -> None:
    compare(operands, constants(1), **attributes)


def test_what_does_not_fit() -> None:
    with pytest.raises(UnsupportedError, match="of other lengths"):
        compare("x w r b short - - - ws wz rs rz", constants(1))
    with pytest.raises(SourceError, match="has 2 direction"):
        compare("x w r b - - - - ws wz rs rz", constants(1), direction="bidirectional")


def test_steps_of_any_number() -> None:
    layer = helper.make_node("DynamicQuantizeLSTM", ["x", "w", "r", "", "", "", "", "", "ws", "wz", "rs", "rz"], ["y"], domain=DOMAIN,
                             hidden_size=UNITS)
    used = {name: array for name, array in constants(1).items() if name in layer.input}
    whole = model([layer], [tensor("x", ("T", "N", FEATURES))], constants=used, domains=[DOMAIN])
    assert read(whole).outputs[0].type.rank == 4
    assert_as_runtime(whole, rtol=1e-4, atol=1e-5)
