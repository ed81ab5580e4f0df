"""How far rounding alone moves what a source computes.

Some networks make much of little: a difference in the last bit of an input becomes one of 1e-4 in an output, and so does every rounding
inside. Two runtimes that round differently, or one that is told to use other kernels, are then that far apart, and no file could be nearer.
Where outputs of a result are off by more than the tolerance (and that is not below 1e-4), the source runs again on inputs that are changed
in their last bit: what its own outputs change by is measured, nothing is assumed of the network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from nchw2nhwc.checking.compare import Rounding, compare
from nchw2nhwc.checking.rankings import ranked_outputs
from nchw2nhwc.ir import Array, Graph, Value
from nchw2nhwc.ops.activation_functions import Sigmoid
from nchw2nhwc.ops.elementwise import Identity
from nchw2nhwc.ops.movement import Reshape, Slice, Transpose

_MOVES = (Identity, Reshape, Slice, Transpose)

_RUNS = 3
"""How often the last bits of the inputs are drawn."""

_BIT = 2.0**-23
"""The last of a float32's bits, relative to it."""

FACTOR = 10
"""How many times as far as the last bit of the inputs moves the source, a result may be off. Every layer rounds, not the inputs alone: of
127 networks that are right, `benchmarks/rounding.py` finds 123 within this, and the others where the last bit moves less than 1e-7."""

MOST = 1e-2
"""What no rounding excuses, relative to an output's largest magnitude."""

_NEAR_ONE = 2.0**-23
"""What a Sigmoid may be off by, whatever it comes to: kernels compute it by way of numbers near 1. ONNX Runtime's results below 1e-3 are
multiples of 2**-24."""

Run = Callable[[Mapping[str, Array]], Mapping[str, Array]]
"""Runs the source on inputs by name: its outputs by name."""


def measure(run: Run, graph: Graph, samples: Sequence[Mapping[str, Array]], expected: Sequence[Mapping[str, Array]]) -> Rounding:
    """By how much rounding moves the outputs: `samples` are inputs, `expected` the source's outputs for them; `graph` is the source's, with
    outputs of the same names. It is no excuse for integers, and for what a ranking comes before: those jump, and are compared in parts.
    Raises CheckError where the source does not run."""
    rng = np.random.default_rng(0)
    moved = dict.fromkeys(expected[0], 0.0)
    for data, exact in zip(samples, expected, strict=True):
        for _ in range(_RUNS if any(map(_is_nudged, data.values())) else 0):
            outputs = run({name: _nudged(rng, array) if _is_nudged(array) else array for name, array in data.items()})
            moved = {name: max(most, compare(exact[name], outputs[name]).max_rel) for name, most in moved.items()}
    jumping = ranked_outputs(graph) | {name for name, array in expected[0].items() if array.dtype.kind != "f"}
    allowed = {name: min(FACTOR * most, MOST) for name, most in moved.items() if name not in jumping}
    for name, value in zip(graph.output_names, graph.outputs):
        largest = min(float(np.abs(each[name]).max(initial=0.0)) for each in expected)
        if name in allowed and _is_sigmoid(value) and largest > 0.0:
            allowed[name] = max(allowed[name], _NEAR_ONE / largest)
    return Rounding(moved, allowed)


def _is_nudged(array: Array) -> bool:
    """Not float16, whose last bit is not what is rounded: it is computed in float32."""
    return array.dtype in (np.float32, np.float64)


def _nudged(rng: np.random.Generator, array: Array) -> Array:
    """Every element a bit more, or a bit less."""
    return np.asarray(array.astype(np.float64) * (1.0 + _BIT * rng.choice((-1.0, 1.0), array.shape))).astype(array.dtype)


def _is_sigmoid(value: Value) -> bool:
    """Whether a tensor's elements are those of a Sigmoid."""
    while value.producer is not None and isinstance(value.producer.op, _MOVES):
        value = value.producer.input(0)
    return value.producer is not None and isinstance(value.producer.op, Sigmoid)
