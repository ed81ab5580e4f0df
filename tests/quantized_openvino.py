"""A residual network as OpenVINO's tools quantize them, with what its CPU plugin computes otherwise than it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino
from openvino import opset13 as ov

from nchw2nhwc.ir import Array

SHAPE = (1, 8, 10, 10)


def rounded(x: openvino.Output, low: float, high: float, name: str, dtype: str = "f32") -> openvino.Node:
    """FakeQuantize to 256 levels."""
    bounds = [ov.constant(np.float16(bound) if dtype == "f16" else np.float32(bound)) for bound in (low, high)]
    return ov.fake_quantize(x, *bounds, *bounds, 256, name=name)


def convolved(x: openvino.Output, name: str, rng: np.random.Generator, dtype: str = "f32") -> openvino.Node:
    """A convolution with weights of 8 bits and a bias that is no whole number of products."""
    weights = ov.convert(ov.constant(rng.integers(-127, 128, (8, 8, 3, 3)).astype(np.int8)), dtype)
    steps = ov.constant(rng.uniform(0.001, 0.002, (8, 1, 1, 1)).astype(np.float16 if dtype == "f16" else np.float32))
    bias = ov.constant(rng.normal(0, 0.3, (1, 8, 1, 1)).astype(np.float16 if dtype == "f16" else np.float32))
    made = ov.convolution(x, ov.multiply(weights, steps), [1, 1], [1, 1], [1, 1], [1, 1], name=name)
    return ov.add(made, bias, name=f"{name}/bias")


def residual(folder: Path, dtype: str = "f32", *, factors: bool = False) -> Path:
    """x rounded, and convolved twice ("conv", "side"); the sum of both, each rounded ("branch", "beside"); that rounded ("sum"), multiplied
    by factors if asked for ("factor"), and convolved again ("last"), which is rounded, too."""
    rng = np.random.default_rng(3)
    x = ov.parameter(SHAPE, np.float16 if dtype == "f16" else np.float32, name="x")
    first = rounded(x, -2.0, 1.984375, "first", dtype)
    branch = rounded(convolved(first, "conv", rng, dtype), -3.0, 2.978, "branch", dtype)
    side = rounded(convolved(first, "side", rng, dtype), -2.0, 1.984375, "beside", dtype)
    added = rounded(ov.add(branch, side, name="add"), -4.0, 3.96875, "sum", dtype)
    if factors:
        element = np.float16 if dtype == "f16" else np.float32
        gains = ov.constant(rng.uniform(0.5, 2, (1, 8, 1, 1)).astype(element))
        added = rounded(ov.add(ov.multiply(added, gains, name="factor"), element(0.1), name="shift"), -8, 7.9375, "scaled", dtype)
    y = rounded(convolved(added, "last", rng, dtype), -8.0, 7.9375, "result", dtype)
    model = openvino.Model([ov.result(ov.sigmoid(y), name="y")], [x], "residual")
    openvino.save_model(model, folder / "residual.xml", compress_to_fp16=False)
    return folder / "residual.xml"


def data(count: int, dtype: str = "f32") -> list[dict[str, Array]]:
    """Inputs for it."""
    rng = np.random.default_rng(9)
    return [{"x": rng.normal(0, 1, SHAPE).astype(np.float16 if dtype == "f16" else np.float32)} for _ in range(count)]
