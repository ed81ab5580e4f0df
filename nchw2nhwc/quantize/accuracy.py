"""What quantization costs: outputs against the source's, and the tensors inside against the float32 file's.

The signal to quantization noise ratio is 10 log10(sum of squares of what was expected / sum of squared differences), in dB, over all
elements of all samples: 20 dB is a difference of a tenth, 40 dB of a hundredth, relative to the root mean square.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nchw2nhwc.checking.litert import LoadedFile
from nchw2nhwc.emit.tflite.integers import Integers
from nchw2nhwc.emit.tflite.model import Subgraph
from nchw2nhwc.ir import Array
from nchw2nhwc.ops.kinds import Doubles

LIMIT = 200.0
"""dB: no difference is told as this much, and values that are not finite, or of another shape, as its negative."""
TOP = 5
INNER_SAMPLES = 4
"""How many samples the tensors inside are compared on."""
_PART = 1 << 16
"""So many elements are compared at a time: what is made of them is in double precision."""


class Noise:
    """Sums over samples of one tensor."""

    def __init__(self) -> None:
        self.signal = self.noise = self._actual = self._product = 0.0
        self._sound = True

    def add(self, expected: Array, actual: Array) -> None:
        """Take in one sample's arrays, in the same order of axes."""
        if expected.shape != actual.shape:
            self._sound = False
            return
        flat = expected.reshape(-1), actual.reshape(-1)
        for start in range(0, expected.size, _PART):
            self._add(*(np.asarray(each[start:start + _PART], np.float64) for each in flat))

    def _add(self, x: Doubles, y: Doubles) -> None:
        known = np.isfinite(x)
        self._sound &= bool(np.isfinite(y[known]).all())
        x, y = x[known], y[known]
        with np.errstate(invalid="ignore", over="ignore"):
            difference = y - x
            self.signal += float(x @ x)
            self.noise += float(difference @ difference)
            self._actual, self._product = self._actual + float(y @ y), self._product + float(x @ y)

    @property
    def sqnr(self) -> float:
        """In dB, within `LIMIT`."""
        if not (self._sound and math.isfinite(self.noise)):
            return -LIMIT
        if self.noise == 0.0:
            return LIMIT
        return max(-LIMIT, min(LIMIT, 10 * math.log10(self.signal / self.noise))) if self.signal else -LIMIT

    @property
    def cosine(self) -> float:
        """Of the angle between what was expected and what came out; 0 where it is not defined."""
        length = math.sqrt(self.signal) * math.sqrt(self._actual)
        return max(-1.0, min(1.0, self._product / length)) if length and self._sound else float(self.signal == self._actual)


@dataclass(frozen=True)
class OutputAccuracy:
    """One output over all samples: SQNR in dB, cosine, the share of equal elements (of integers and truth values, else None), and for
    floats with two axes and at least five columns in how many rows the largest (one of the five largest) is the source's largest."""

    sqnr: float
    cosine: float
    equal: float | None = None
    top1: float | None = None
    top5: float | None = None


@dataclass(frozen=True)
class LayerAccuracy:
    """A tensor inside: its name in the file, the source's layer and type, SQNR against the float32 file in dB, and what that would be if
    only the noise counted that is not in the operator's operands already."""

    tensor: str
    layer: str
    type: str
    sqnr: float
    own: float


@dataclass(frozen=True)
class Accuracy:
    """Of one quantized file. `data` says in words what it was measured on, `plain` is the SQNR of each output on the first sample with
    LiteRT's built-in kernels, `layers` are in the order of execution."""

    outputs: Mapping[str, OutputAccuracy]
    plain: Mapping[str, float]
    layers: tuple[LayerAccuracy, ...]
    samples: int
    data: str
    min_sqnr: float
    kept: tuple[str, ...] = ()
    """Layers that `auto_mixed` kept in float32 (or with int16 activations); of a quantized source what is done otherwise than it says."""
    integers: Integers | None = None
    """Of a file that has the quantization of its source: what it computes with integers."""

    @property
    def sqnr(self) -> float:
        """The smallest of all outputs, with XNNPACK and without."""
        return min([least(self.outputs.values(), LIMIT), *self.plain.values()])

    @property
    def passed(self) -> bool:
        return self.sqnr >= self.min_sqnr

    def worst(self, count: int = 5) -> list[LayerAccuracy]:
        """The layers that lose most: those that add most noise, relative to their results."""
        return sorted((each for each in self.layers if each.own < LIMIT), key=lambda each: each.own)[:count]


def output_accuracy(expected: Sequence[Mapping[str, Array]], actual: Sequence[Mapping[str, Array]]) -> dict[str, OutputAccuracy]:
    """All outputs by name, from each sample's in the source's order of axes."""
    found = {}
    for name in expected[0] if expected else ():
        pairs = [(e[name], a[name]) for e, a in zip(expected, actual)]
        noise, first = Noise(), pairs[0][0]
        for e, a in pairs:
            noise.add(e, a)
        equal = float(np.mean([np.mean(e == a) for e, a in pairs])) if first.dtype.kind in "iub" else None
        one, five = _top(pairs) if equal is None and first.ndim == 2 and first.shape[1] >= TOP else (None, None)
        found[name] = OutputAccuracy(noise.sqnr, noise.cosine, equal, one, five)
    return found


def least(outputs: Iterable[OutputAccuracy], default: float = 0.0) -> float:
    """The smallest SQNR of floating point outputs, in dB; `default` where there are none."""
    return min((each.sqnr for each in outputs if each.equal is None), default=default)


def _top(pairs: Sequence[tuple[Array, Array]]) -> tuple[float, float]:
    """In which share of rows the source's largest is the largest, and one of the five largest."""
    best = np.concatenate([e.argmax(1) for e, _ in pairs])
    order = np.concatenate([np.argsort(-a.astype(np.float64), 1, kind="stable")[:, :TOP] for _, a in pairs])
    return float(np.mean(order[:, 0] == best)), float(np.mean((order == best[:, None]).any(1)))


def layer_accuracy(graph: Subgraph, reference: LoadedFile, result: LoadedFile, samples: Sequence[Mapping[str, Array]],
                   ) -> tuple[LayerAccuracy, ...]:
    """The tensors that the operators of the float32 file's main `graph` make and the quantized file has too, over the first few samples.
    `reference` is the float32 file; both are loaded with the tensors inside. Raises CheckError."""
    noises: dict[str, Noise] = {}
    shared = reference.names() & result.names() & {graph.tensors[i].name for op in graph.operators for i in op.outputs}
    for sample in samples[:INNER_SAMPLES]:
        expected, actual = reference.tensors(sample, shared), result.tensors(sample, shared)
        for name in sorted(shared):
            array, other = expected.get(name), actual.get(name)
            if array is not None and other is not None and array.dtype.kind == "f":
                noises.setdefault(name, Noise()).add(array, other)
    return tuple(_added(graph, {name: noise.sqnr for name, noise in noises.items()}))


def _added(graph: Subgraph, ratios: Mapping[str, float]) -> Iterator[LayerAccuracy]:
    names = [tensor.name for tensor in graph.tensors]
    for op in graph.operators:
        before = min((ratios[names[i]] for i in op.inputs if i >= 0 and names[i] in ratios), default=LIMIT)
        for name in (names[i] for i in op.outputs if names[i] in ratios):
            more = 10 ** (-ratios[name] / 10) - 10 ** (-before / 10)
            own = min(LIMIT, -10 * math.log10(more)) if more > 0 else LIMIT
            yield LayerAccuracy(name, op.origin.layer, op.origin.type, ratios[name], own)
