"""What both parsers build graphs with: nodes, constants, and shape arithmetic that is carried out on the spot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nchw2nhwc.errors import Location, UnsupportedError
from nchw2nhwc.ir.dim import Dim, Shape, Size, product, substitute
from nchw2nhwc.ir.graph import Graph, Origin, Remark, Value
from nchw2nhwc.ir.types import Array, TensorType
from nchw2nhwc.ops.base import Op, UnequalSizesError
from nchw2nhwc.ops.binary import Arithmetic
from nchw2nhwc.ops.dynamic import DynamicReshape
from nchw2nhwc.ops.movement import Reshape, Transpose
from nchw2nhwc.ops.rules import Elementwise
from nchw2nhwc.ops.shape_arithmetic import LIMIT, as_numbers, known, propagate
from nchw2nhwc.ops.sizes import Sizes
from nchw2nhwc.parse.numbers import Numbers

if TYPE_CHECKING:
    from nchw2nhwc.parse.draws import Drawn

LARGEST = 1 << 24
"""Elements of the largest tensor that is computed while the graph is built, because an operand has to be known."""


class Builder:
    """Adds nodes to a graph on behalf of one source layer at a time (`layer` sets which).

    Unless `half`, the source's runtime computes in single precision what is stored in half: such arithmetic on constants is left to the
    passes, which do so, too.
    """

    def __init__(self, graph: Graph, *, half: bool = True) -> None:
        self.graph, self.half = graph, half
        self.origin = Origin()
        self.detections: list[tuple[Value, ...]] | None = None
        """What mappings of layers that suppress boxes add where models are to end with the operator for that (see `parse.detection`)."""
        self.draws: list[Drawn] | None = None
        """The inputs that stand for random numbers, where such are asked for (see `parse.draws`)."""
        self.within = False
        """Whether the graph is the body of an op in another one."""
        self.limits: Mapping[str, int] = {}
        """The most that sizes which data decides may be, by name (see `parse.open_sizes`)."""
        self.counts: Mapping[str, int] = {}
        """The only numbers that sizes which data decides can be, by name."""
        self.dimensions: dict[str, None] = {}
        """The names of sizes that layers have found out, in bodies and around them, in the order in which they were made."""
        self.positions: dict[Value, Value] = {}
        """The positions of elements that are not 0, by operand: found once, so that what is chosen by equal conditions has one size."""
        self.numbers = Numbers()
        """Which computed numbers are the same one, and the named dimensions of those that are sizes."""
        self._computed: dict[int, Array] = {}

    def layer(self, name: str, type: str) -> None:
        """Nodes added from here on come from this source layer."""
        self.origin = Origin(name, type)

    def shares(self, inner: Builder) -> None:
        """Another builder adds what is inside of the current layer: what is known holds there, too."""
        inner.origin, inner.draws, inner.within = self.origin, self.draws, True
        inner.limits, inner.counts, inner.dimensions = self.limits, self.counts, self.dimensions

    @property
    def where(self) -> Location:
        return Location(self.graph.source, self.origin.layer, self.origin.type)

    def remark(self, text: str) -> None:
        """Say something about how the current layer is converted."""
        self.graph.remarks.append(Remark(self.where, text))

    def note(self, text: str) -> None:
        """Say something that the user needs to know of the current layer, whatever its quantization."""
        self.graph.notes.append(f"{self.origin.type} '{self.origin.layer}': {text}")

    # ---- adding ----------------------------------------------------------------------------------------------------
    def add(self, op: Op, *inputs: Value | None, names: Sequence[str] = ()) -> tuple[Value, ...]:
        """Add one node and return its results; small tensors whose content follows from known operands become known themselves.

        `names` are the source tensors that the results equal ("" for none).
        """
        folded = self._fold(op, inputs, names)
        if folded is not None:
            return folded
        if isinstance(op.rule, Elementwise):
            self._require_one_size([v.shape for v in inputs if v is not None])
        outputs = tuple(map(self._counted, self.graph.add(op, inputs, origin=self.origin, names=names, origins=names)))
        contents = propagate(op, inputs)
        if contents is None:
            return outputs
        for value, content in zip(outputs, contents):
            value.sizes = content
        return tuple(self._numbers(v, c) for v, c in zip(outputs, contents))

    def add1(self, op: Op, *inputs: Value | None, name: str = "") -> Value:
        """`add` for an op with one result."""
        (value,) = self.add(op, *inputs, names=(name,))
        return value

    def const(self, array: Array | Sequence[float] | Sequence[int] | float | int, dtype: object = None, name: str = "") -> Value:
        """A constant, named after the layer unless `name` is given."""
        return self.graph.constant(np.asarray(array, dtype), name or f"{self.origin.layer or 'const'}/const", origin=name)  # type: ignore[call-overload]

    def sizes(self, sizes: Shape, dtype: np.dtype[np.generic], name: str = "") -> Value:
        """A 1-D integer tensor that holds these sizes: a constant where all are numbers."""
        content = np.empty(len(sizes), object)
        content[:] = sizes
        numbers = as_numbers(content, dtype)
        if numbers is not None:
            return self.const(numbers, name=name)
        value = self.graph.add1(Sizes(tuple(sizes), dtype), (), origin=self.origin, name=name, source=name)
        value.sizes = content
        return value

    def reshape(self, x: Value, shape: Shape, name: str = "") -> Value:
        """`x` with another shape; `x` itself when that changes nothing, a view of a constant where it is one."""
        if x.shape == tuple(shape) and not name:
            return x
        if x.const is not None and product(shape) == x.const.size:
            return self.const(x.const.reshape(tuple(int(s) for s in shape if isinstance(s, int))), name=name)
        return self.add1(Reshape(tuple(shape)), x, name=name)

    def transpose(self, x: Value, perm: Sequence[int], name: str = "") -> Value:
        """`x` with its axes in another order; `x` itself when that changes nothing."""
        return x if tuple(perm) == tuple(range(x.rank)) and not name else self.add1(Transpose(tuple(perm)), x, name=name)

    def size_name(self, what: str) -> str:
        """The name of a dimension of its own for a size that the current layer finds out; no other has it, in a body or around it."""
        base = f"{self.origin.layer or 'layer'}_{what}"
        name = self.graph.unique_name(base)
        while name in self.dimensions:
            name = self.graph.unique_name(base)
        self.dimensions[name] = None
        return name

    def name_of(self, size: Size, what: str) -> str:
        """The name of a dimension; a new one for what is no dimension of its own."""
        return str(size) if isinstance(size, Dim) and size.is_symbol else self.size_name(what)

    # ---- reading operands that have to be known ----------------------------------------------------------------------
    def array(self, value: Value, what: str) -> Array:
        """The content of an operand that is constant, or computed from constants. Raises UnsupportedError, naming `what`, when it depends
        on an input."""
        content = self.content(value)
        if content is None:
            raise UnsupportedError(f"{what} is computed at run time; it has to be a constant", self.where,
                                   "Give fixed sizes with --input-shape NAME=..., or cut the model with --inputs/--outputs.")
        return content

    def ints(self, value: Value, what: str) -> tuple[int, ...]:
        """A constant integer operand, flattened. Raises UnsupportedError as `array` does."""
        return tuple(int(v) for v in self.array(value, what).ravel())

    def shape_of(self, value: Value, what: str) -> Shape:
        """An operand that holds sizes (numbers or symbolic), flattened. Raises UnsupportedError when its content is not known."""
        content = known(value)
        if content is None:
            raise UnsupportedError(f"{what} depends on data at run time", self.where,
                                   "Give fixed sizes with --input-shape NAME=..., or cut the model with --inputs/--outputs.")
        return tuple(v if isinstance(v, Dim) else int(v) for v in content.ravel())

    def is_computed(self, *values: Value | None) -> bool:
        """Whether the content of any of these operands is known only when the model runs; symbolic sizes count as known."""
        return any(v is not None and known(v) is None and self.content(v) is None for v in values)

    def decided(self, *sizes: Size) -> frozenset[str]:
        """The names in sizes that are not those of the inputs' axes, but that data decides."""
        names = frozenset(n for size in sizes if isinstance(size, Dim) for n in size.symbols)
        return names - {n for v in self.graph.inputs for s in v.shape if isinstance(s, Dim) for n in s.symbols} if names else names

    # ---- inside ----------------------------------------------------------------------------------------------------
    def _require_one_size(self, shapes: Sequence[Shape]) -> None:
        """Raises UnequalSizesError where a size that an input leaves open meets a number: it could not be any other."""
        pairs = [(a, b) for k in range(1, max(map(len, shapes), default=0) + 1) for a in _at(shapes, k) if isinstance(a, Dim)
                 for b in _at(shapes, k) if isinstance(b, int) and b > 1]
        pairs = [(a, b) for a, b in pairs if not self.decided(a)]
        if pairs:
            texts = ", ".join("[" + ", ".join(map(str, s)) + "]" for s in shapes)
            raise UnequalSizesError(f"shapes {texts} meet", pairs)

    def _counted(self, value: Value) -> Value:
        """A result of a size that data decides, but that can be one number only, under that size: another one is an error when the model
        runs."""
        shape = tuple(substitute(size, self.counts) for size in value.shape)
        if shape == value.shape:
            return value
        operands = (value, self.sizes(shape, np.dtype(np.int64)))
        result = self.graph.add1(DynamicReshape(shape), operands, origin=self.origin, source=value.origin)
        value.origin = ""
        return result

    def _fold(self, op: Op, inputs: Sequence[Value | None], names: Sequence[str]) -> tuple[Value, ...] | None:
        """Results as constants where all operands are small constants and the results stay small."""
        if not inputs or op.bodies or any(v is not None and (v.const is None or v.const.size > LIMIT) for v in inputs):
            return None
        types: tuple[TensorType, ...] = op.infer_types(*(None if v is None else v.type for v in inputs))
        if not self.half and isinstance(op, Arithmetic) and types[0].dtype == np.float16:
            return None
        if any(not isinstance(n := t.size_bytes, int) or n > 8 * LIMIT for t in types):
            return None
        with np.errstate(all="ignore"):
            arrays = op.run(*(None if v is None else v.const for v in inputs))
        wanted = [*names, *("",) * len(arrays)]
        return tuple(self.const(a.astype(t.dtype, copy=False), name=name) for a, t, name in zip(arrays, types, wanted))

    def content(self, value: Value) -> Array | None:
        """What a value is, if it follows from constants alone and no step on the way has more than `LARGEST` elements."""
        pending = [value]
        while pending:
            each = pending[-1]
            node = each.producer
            if each.const is not None or id(each) in self._computed:
                pending.pop()
                continue
            elements = product(each.shape)
            if node is None or node.op.bodies or isinstance(elements, Dim) or elements > LARGEST:
                return None
            operands = [v for v in node.inputs if v is not None]
            open_ones = [v for v in operands if v.const is None and id(v) not in self._computed]
            if open_ones:
                pending += open_ones
                continue
            if not operands:
                return None
            with np.errstate(all="ignore"):
                results = node.op.run(*(None if v is None else self.content(v) for v in node.inputs))
            self._computed.update({id(v): np.asarray(a, v.type.dtype) for v, a in zip(node.outputs, results)})
        return value.const if value.const is not None else self._computed[id(value)]

    def _numbers(self, value: Value, content: np.ndarray[tuple[int, ...], np.dtype[np.object_]]) -> Value:
        numbers = as_numbers(content, value.type.dtype)
        return value if numbers is None else self.const(numbers, name=value.origin)


def _at(shapes: Sequence[Shape], k: int) -> dict[Size, None]:
    """The sizes of the axis that is `k` from the end, each once."""
    return dict.fromkeys(s[-k] for s in shapes if len(s) >= k)
