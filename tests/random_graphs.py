"""Random graphs over the whole registry of ops, with data for which their results can be compared.

A graph grows one op at a time. The op is drawn from the registry, and a case of it for shapes that the graph has already computed, so that
sizes are equal more often than not and say nothing about axes. What is computed is carried along twice, once with a little noise: an op
after which the two differ by more than a comparison allows (a division by almost nothing, the largest of equal elements) is not added.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from nchw2nhwc.conversion import plan
from nchw2nhwc.emit.tflite import emit
from nchw2nhwc.errors import ShapeError, UnsupportedError
from nchw2nhwc.ir.dim import Dim, Size, evaluate
from nchw2nhwc.ir.graph import Graph, Origin, Value
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ir.types import Array, TensorType
from nchw2nhwc.ir.verify import verify
from nchw2nhwc.layout import LayoutResult
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add, Div, FakeQuantize, FloorDiv, FMod, Mod, Mul, Sub
from nchw2nhwc.ops.matmul import FullyConnected
from nchw2nhwc.ops.movement import Expand, Pad, Reshape
from nchw2nhwc.ops.quantized import Dequantize
from nchw2nhwc.ops.reduce import ReduceLogSum
from nchw2nhwc.ops.rules import (
    Along,
    Broadcast,
    Contraction,
    Elementwise,
    GatherAxis,
    Last,
    Normalization,
    Recurrence,
    Reduction,
    Rename,
    Rule,
    SourceOrder,
    Spatial,
)
from nchw2nhwc.ops.selection import Compress
from nchw2nhwc.ops.sizes import Sizes
from nchw2nhwc.options import ConvertOptions
from nchw2nhwc.progress import Stages
from tests.emit.tflite.runs import RESOLVERS, run_file
from tests.ops.samples import ALL_OPS, op_cases
from tests.ops.sampling import cases_around

MOST_OPS, MOST_ELEMENTS, SMALLEST, LARGEST = 15, 600, 1e-4, 1e4
NOISE, TOLERANCE = 1e-6, 1e-3
"""Relative to the largest magnitude of a tensor: what every op's result is off by, and by how much a result may differ."""

BATCH, OTHER_BATCH = 7, 2
"""The batch sizes that a graph of any batch runs with; no other size is a multiple of the first."""

SHARES: dict[type[Rule], int] = {Rename: 4, Spatial: 4, Elementwise: 5, Along: 4, Contraction: 3, Reduction: 3, Last: 2, Normalization: 1,
                                 Broadcast: 1, GatherAxis: 1, SourceOrder: 1, Recurrence: 1}
"""How often ops of a rule are drawn: there are many more elementwise ones than of any other."""

_SHARED = [(Add, Sub, Mul, Div)] * 3 + [
    tuple(cls for cls in ALL_OPS if type(cls.rule) is rule and cls is not Sizes) for rule, share in SHARES.items() for _ in range(share)]


@dataclass(eq=False)
class Known:
    """A value of the graph and what it is in every run: for the graph's data and with noise, for each batch size."""

    value: Value
    runs: tuple[Array, ...]

    @property
    def exact(self) -> Array:
        return self.runs[0]


@dataclass
class Drawn:
    """A graph and data for its inputs, by name, for each of the batch sizes that it is to run with."""

    graph: Graph
    feeds: list[dict[str, Array]]
    keep_layout: bool


def same_enough(exact: Array, other: Array, tolerance: float = TOLERANCE) -> bool:
    """Whether the second is the first within the tolerance; what is no floating point number has to be equal."""
    if exact.dtype.kind != "f":
        return np.array_equal(exact, other)
    return bool(np.max(np.abs(np.subtract(exact, other, dtype=np.float64)), initial=0) <= tolerance * np.max(np.abs(exact), initial=0))


class Maker:
    """Grows a graph."""

    def __init__(self, draw: DrawFn, dynamic: bool) -> None:
        self.draw, self.dynamic = draw, dynamic
        self.batches = [BATCH, BATCH, OTHER_BATCH, OTHER_BATCH] if dynamic else [BATCH, BATCH]
        self.graph = Graph("random", "random.onnx")
        self.known: list[Known] = []
        self.inputs: list[Known] = []
        self.random = np.random.default_rng(draw(st.integers(0, 2**16)))

    def noise(self, x: Array) -> Array:
        if x.dtype.kind != "f" or not x.size:
            return x
        scale = np.max(np.abs(x), initial=0, where=np.isfinite(x))
        return np.asarray(x + NOISE * scale * self.random.uniform(-1, 1, x.shape), x.dtype)

    def sized(self, size: Size) -> Size:
        """The size in terms of the batch."""
        return Dim.symbol("N") * (size // BATCH) if self.dynamic and isinstance(size, int) and size and size % BATCH == 0 else size

    def input(self, x: Array) -> Known:
        value = self.graph.add_input(f"x{len(self.inputs)}", TensorType(x.dtype, tuple(map(self.sized, x.shape))))
        runs = [x if batch == BATCH or not any(isinstance(d, Dim) for d in value.shape) else x[:batch] for batch in self.batches]
        known = Known(value, tuple(self.noise(each) if k % 2 else each for k, each in enumerate(runs)))
        self.inputs.append(known)
        self.known.append(known)
        return known

    def operand(self, k: int, x: Array, may_be_data: bool) -> Known | None:
        """A value for operand k, of which the case says `x`; None where there is none."""
        fits = [known for known in self.known if may_be_data and known.exact.shape == x.shape and known.exact.dtype == x.dtype]
        if fits and (k == 0 or self.draw(st.booleans())):
            return self.draw(st.sampled_from(fits[-6:]))
        batched = [axis for axis, size in enumerate(x.shape) if self.dynamic and size and size % BATCH == 0]
        if batched and (batched != [0] or x.shape[0] != BATCH):
            return None
        if may_be_data and len(self.inputs) < 4 and (batched or self.draw(st.integers(0, 3)) == 0):
            return self.input(x)
        return None if batched else Known(self.graph.constant(np.array(x, order="C"), "c"), (x,) * len(self.batches))

    def step(self) -> None:
        """Draw an op and add it where that can be."""
        cls = self.draw(st.sampled_from(self.draw(st.sampled_from(_SHARED))))
        with cases_around([known.exact for known in self.known[-6:]]):
            op, arrays = self.draw(op_cases(cls))
        if isinstance(op, Compress):
            op = replace(op, count=f"kept{len(self.graph)}")
        elif isinstance(op, (Reshape, Expand)):
            op = replace(op, shape=tuple(map(self.sized, op.shape)))
        if getattr(op, "activation", Activation.NONE) is Activation.TANH:
            op = replace(op, activation=Activation.NONE)  # type: ignore[call-arg]  # hardly any kernel has it
        there = len(self.inputs)
        operands = [self.operand(k, x, _may_be_data(op, k, x)) for k, x in enumerate(arrays)]
        if None in operands or not self.add(op, [each for each in operands if each is not None]):
            self.known = [known for known in self.known if known not in self.inputs[there:]]
            self.inputs = self.inputs[:there]
            self.graph.inputs = [known.value for known in self.inputs]

    def add(self, op: Op, operands: Sequence[Known]) -> bool:
        """Add a node if its results are such that they can be compared; whether they are."""
        try:
            types = op.infer_types(*(o.value.type for o in operands))
            with np.errstate(all="ignore"):
                runs = [[np.asarray(y) for y in op.bind({"N": batch}).run(*(o.runs[k] for o in operands))]
                        for k, batch in enumerate(self.batches)]
        except (ShapeError, ValueError, IndexError):  # the op does not take the other batch size
            return False
        if isinstance(op, (Div, FloorDiv, Mod, FMod)) and operands[1].exact.dtype.kind != "f" and not operands[1].exact.all():
            return False
        if isinstance(op, Pad) and op.mode != "constant":
            sizes = zip(*(o.shape for o in operands[0].runs), zip(op.pads_begin, op.pads_end))
            if any(min(size) != max(size) and max(pads) >= min(size) for *size, pads in sizes):
                return False  # no kernel reflects more than the smaller batch has
        if isinstance(op, ReduceLogSum) and any(o.exact.dtype.kind != "f" and o.exact.min() <= 0 for o in operands):
            return False  # which integer minus infinity becomes is not defined
        if isinstance(op, Dequantize) and any(x.min() < op.grid.low or x.max() > op.grid.high for x in operands[0].runs if x.size):
            return False  # integers that the grid does not have
        for results, batch in zip(runs, self.batches):
            if not all(_is_usable(y) and _has_type(y, t, batch) for y, t in zip(results, types)):
                return False
        if not all(same_enough(a, b) for k in range(0, len(runs), 2) for a, b in zip(runs[k], runs[k + 1])):
            return False
        values = self.graph.add(op, [o.value for o in operands], origin=Origin(f"layer{len(self.graph)}", op.name))
        for value, made in zip(values, zip(*runs)):
            of_data = any(d.symbols - {"N"} for d in value.shape if isinstance(d, Dim))
            if not of_data and 1 <= value.rank <= 5 and made[0].size <= MOST_ELEMENTS:
                self.known.append(Known(value, tuple(self.noise(y) if k % 2 else y for k, y in enumerate(made))))
        return True

    def finish(self) -> Drawn:
        """What nothing reads is an output, and sometimes what something reads."""
        for node in self.graph.nodes:
            for value in node.outputs:
                if not value.uses or self.draw(st.integers(0, 9)) == 0:
                    self.graph.add_output(value, f"y{len(self.graph.outputs)}")
        feeds = [{known.value.name: known.runs[k] for known in self.inputs} for k in range(0, len(self.batches), 2)]
        return Drawn(self.graph, feeds, self.draw(st.sampled_from([False, False, True])))


def _has_type(y: Array, type: TensorType, batch: int) -> bool:
    """Whether a result is of the type that was inferred, of which sizes that depend on data may be any."""
    sizes = zip(type.shape, y.shape, strict=True)
    return y.dtype == type.dtype and all((isinstance(s, Dim) and s.symbols - {"N"}) or evaluate(s, {"N": batch}) == n for s, n in sizes)


def _may_be_data(op: Op, k: int, x: Array) -> bool:
    """Whether a value that is computed can be operand k: its contents are free."""
    rule = op.rule
    if x.dtype.kind != "f" and not (isinstance(rule, Elementwise) or k == 0):
        return False
    if k == 0:
        return not (isinstance(rule, SourceOrder) and x.dtype.kind == "b")
    if isinstance(op, (FullyConnected, FakeQuantize)):
        return False
    if isinstance(rule, Along):
        return rule.data is None or k < rule.data
    if isinstance(rule, Spatial):
        return k < len(rule.operands)
    return isinstance(rule, (Elementwise, Contraction))


def _is_usable(x: Array) -> bool:
    """Whether a result is neither empty nor, if of floating point, beyond bounds or so small all over that it may be what is left of sums
    which cancel: of operands around 1 float32 keeps but a few digits of it."""
    if x.dtype.kind == "f" and not (np.isfinite(x).all() and SMALLEST <= np.max(np.abs(x), initial=0) <= LARGEST):
        return False
    return 0 < x.size <= 4 * MOST_ELEMENTS and x.dtype != np.float16


_SIZES = (1, 2, 3, 4, 4, 4, 6)


@st.composite
def graphs(draw: DrawFn, dynamic: bool | None = None, most: int = MOST_OPS) -> Drawn:
    """A graph of one to `most` ops; `dynamic`: with a batch of any size (None: sometimes)."""
    maker = Maker(draw, draw(st.sampled_from([False, False, True])) if dynamic is None else dynamic)
    for _ in range(draw(st.integers(1, 2))):
        shape = [draw(st.sampled_from(_SIZES)) for _ in range(draw(st.sampled_from([4, 4, 3, 2, 5, 1])))]
        if prod(shape) > MOST_ELEMENTS // 2:
            shape = [min(s, 3) for s in shape]
        if maker.dynamic:
            shape = [BATCH, *(min(s, 3) for s in shape[1:])]
        maker.input(np.asarray(maker.random.normal(0, 1, shape), np.float32))
    wanted = draw(st.integers(1, most))
    for _ in range(3 * wanted):
        if len(maker.graph) < wanted:
            maker.step()
    assume(len(maker.graph))
    return maker.finish()


# ---- running ---------------------------------------------------------------------------------------------------------
class Difference(AssertionError):
    """A stage's graph does not compute what the source graph computes."""


def compare(stage: str, expected: Sequence[Array], results: Iterable[Array]) -> None:
    """Raises Difference."""
    for k, (want, got) in enumerate(zip(expected, results, strict=True)):
        if want.dtype.kind == "f":
            want = np.asarray(want, np.float32)  # which is what all floating point becomes
        if want.dtype != got.dtype or want.shape != got.shape:
            raise Difference(f"{stage}: output {k} is {got.dtype} {got.shape}, not {want.dtype} {want.shape}")
        if not same_enough(want, got, 3 * TOLERANCE):
            raise Difference(f"{stage}: output {k} differs\n{got}\ninstead of\n{want}")


def convert(drawn: Drawn) -> LayoutResult:
    """The graph as its target takes it. Uses the drawn graph up. Raises ConversionError; UnsupportedError also where a size of any batch
    has to be known."""
    try:
        result = plan(drawn.graph, ConvertOptions(keep_layout=drawn.keep_layout), Stages())
    except ShapeError as error:
        if "must be known" not in error.reason:
            raise
        raise UnsupportedError(error.reason, error.where, error.advice) from error
    verify(result.graph)
    return result


def check(drawn: Drawn) -> Counter[str]:
    """The graph after passes and layout, and the TFLite file in LiteRT with XNNPACK and without, compute what the source graph computes,
    compared through the declared layouts. Returns which ops the graph had. Raises Difference, or ConversionError where it cannot be
    converted."""
    graph, seen = drawn.graph, Counter(node.op.name for node in drawn.graph.nodes)
    wanted = [list(run(graph, feeds).values()) for feeds in drawn.feeds]
    stored = convert(drawn)
    content = emit(stored.graph).tobytes()
    types = {v.name: v.type.dtype for v in stored.graph.inputs}  # those of the source but for floating point and narrow integers
    for feeds, expected in zip(drawn.feeds, wanted):
        inputs = {name: np.array(x.transpose(stored.inputs[name]), types[name], order="C") for name, x in feeds.items()}
        there = [x.transpose(stored.outputs[name]) for name, x in zip(stored.graph.output_names, expected)]
        compare("passes and layout", there, run(stored.graph, inputs).values())
        for resolver in RESOLVERS:
            compare(resolver, there, run_file(content, [inputs[v.name] for v in stored.graph.inputs], resolver))
    return seen
