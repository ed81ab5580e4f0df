"""The graph: values, nodes and their use-lists. Every stage of a conversion is one of these.

Mutation goes through methods that keep use-lists true; iteration order is the insertion order, so results are deterministic.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from nchw2nhwc.errors import ConversionError, Location
from nchw2nhwc.ir.dim import Size
from nchw2nhwc.ir.draws import Draw
from nchw2nhwc.ir.preprocessing import Preprocessing
from nchw2nhwc.ir.types import Array, TensorType

if TYPE_CHECKING:
    from nchw2nhwc.ops.base import Op


@dataclass(frozen=True)
class Origin:
    """Where a node comes from: the source's layer name and type, and the passes that made it, first to last."""

    layer: str = ""
    type: str = ""
    passes: tuple[str, ...] = ()

    def through(self, name: str) -> Origin:
        """The same origin after the pass called `name` has rewritten the node."""
        return self if self.passes[-1:] == (name,) else replace(self, passes=(*self.passes, name))


@dataclass(frozen=True)
class Remark:
    """Something the user may want to know about how a layer was converted."""

    where: Location
    text: str


class Value:
    """One tensor: a graph input, a constant, or a result of a node.

    `const` holds the array of a constant (possibly a view of the mapped source file). `sizes` holds the content of a small integer
    tensor that is known only symbolically (an object array of `Size`), as shape arithmetic gives it. `origin` is the name of
    the source tensor it is equal to, "" for one that the source does not have.
    """

    __slots__ = ("_uses", "const", "index", "name", "origin", "producer", "sizes", "type")

    def __init__(self, name: str, type: TensorType, *, const: Array | None = None, origin: str = "") -> None:
        self.name, self.type, self.const, self.origin = name, type, const, origin
        self.producer: Node | None = None
        self.index = 0
        self.sizes: np.ndarray[tuple[int, ...], np.dtype[np.object_]] | None = None
        self._uses: dict[tuple[Node, int], None] = {}

    @property
    def uses(self) -> tuple[tuple[Node, int], ...]:
        """Every `(node, operand index)` that reads this value, in the order in which they were made."""
        return tuple(self._uses)

    @property
    def users(self) -> tuple[Node, ...]:
        """The nodes that read this value, each once."""
        return tuple(dict.fromkeys(node for node, _ in self._uses))

    @property
    def is_const(self) -> bool:
        return self.const is not None

    @property
    def shape(self) -> tuple[Size, ...]:
        return self.type.shape

    @property
    def rank(self) -> int:
        return len(self.type.shape)

    def __repr__(self) -> str:
        return f"%{self.name}: {self.type}"


class Node:
    """One op applied to values. An absent optional operand is None."""

    __slots__ = ("_inputs", "op", "origin", "outputs")

    def __init__(self, op: Op, inputs: Sequence[Value | None], outputs: Sequence[Value], origin: Origin) -> None:
        self.op, self.origin = op, origin
        self.outputs = tuple(outputs)
        self._inputs: tuple[Value | None, ...] = ()
        for index, value in enumerate(self.outputs):
            value.producer, value.index = self, index
        self.set_inputs(inputs)

    @property
    def inputs(self) -> tuple[Value | None, ...]:
        return self._inputs

    def input(self, index: int) -> Value:
        """The operand at `index`, which the op requires to be there."""
        value = self._inputs[index]
        assert value is not None, f"operand {index} of {self!r} is absent"
        return value

    @property
    def output(self) -> Value:
        """The only result."""
        (value,) = self.outputs
        return value

    def set_input(self, index: int, value: Value | None) -> None:
        inputs = list(self._inputs)
        inputs[index] = value
        self.set_inputs(inputs)

    def set_inputs(self, inputs: Sequence[Value | None]) -> None:
        inputs = tuple(inputs)
        for index, old in enumerate(self._inputs):
            if old is not None and (index >= len(inputs) or inputs[index] is not old):
                del old._uses[self, index]
        for index, new in enumerate(inputs):
            if new is not None:
                new._uses.setdefault((self, index))
        self._inputs = inputs

    def __repr__(self) -> str:
        return f"<{type(self.op).__name__} {self.origin.layer or self.outputs[0].name}>"


class Graph:
    """Inputs, outputs and nodes in topological order. `source` is the file the graph was read from, for messages."""

    def __init__(self, name: str = "", source: str = "") -> None:
        self.name, self.source = name, source
        self.inputs: list[Value] = []
        self.outputs: list[Value] = []
        self.output_names: list[str] = []
        self.notes: list[str] = []
        self.fixed_sizes: list[str] = []
        """In words, what the source leaves open although it can be one size only, and how large sizes may be that data decides."""
        self.other_outputs: list[str] = []
        """In words, which outputs of the source are others here, or none."""
        self.preprocessing: dict[str, Preprocessing] = {}
        """By name, what is done to the raw data of inputs before it is what the source takes."""
        self.draws: dict[str, Draw] = {}
        """By name, how the numbers of inputs are distributed that the source draws at random."""
        self.remarks: list[Remark] = []
        self.keeps_integers = False
        """Whether weights that are whole multiples of a step for each result channel are to stay that."""
        self.ranks_freely = False
        """Whether the source may take any of equal numbers where it ranks some, so that a check has to follow each of its rankings."""
        self._nodes: list[Node] = []
        self._names: dict[str, int] = {}

    # ---- reading ---------------------------------------------------------------------------------------------------
    @property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes in topological order (a copy: safe while the graph changes)."""
        return tuple(self._nodes)

    def __len__(self) -> int:
        return len(self._nodes)

    def values(self) -> Iterator[Value]:
        """Every value once: inputs, then per node its constants and its results."""
        seen: set[int] = set()
        for value in self.inputs:
            seen.add(id(value))
            yield value
        for node in self._nodes:
            for operand in node.inputs:
                if operand is not None and id(operand) not in seen:
                    seen.add(id(operand))
                    yield operand
            for value in node.outputs:
                seen.add(id(value))
                yield value
        for value in self.outputs:
            if id(value) not in seen:
                seen.add(id(value))
                yield value

    def graphs(self) -> Iterator[Graph]:
        """The bodies of all nodes, those within bodies included and inner ones first, then this graph."""
        for node in self._nodes:
            for body in node.op.bodies:
                yield from body.graphs()
        yield self

    def where(self, node: Node) -> Location:
        """The place in the source that `node` comes from, for an error."""
        return Location(self.source, node.origin.layer, node.origin.type)

    # ---- building --------------------------------------------------------------------------------------------------
    def unique_name(self, wanted: str) -> str:
        """`wanted` if it is still free, else the same with a number behind it; taken from now on."""
        base = wanted or "value"
        if base not in self._names:
            self._names[base] = 0
            return base
        while True:
            self._names[base] += 1
            name = f"{base}_{self._names[base]}"
            if name not in self._names:
                self._names[name] = 0
                return name

    def add_input(self, name: str, type: TensorType) -> Value:
        value = Value(self.unique_name(name), type, origin=name)
        self.inputs.append(value)
        return value

    def add_output(self, value: Value, name: str) -> None:
        """Declare `value` an output that the interface calls `name`."""
        self.outputs.append(value)
        self.output_names.append(name)

    def constant(self, array: Array, name: str = "const", *, origin: str = "") -> Value:
        """A new constant. The array is kept, not copied; nobody writes to it afterwards."""
        array = np.asarray(array)
        return Value(self.unique_name(name), TensorType(array.dtype, array.shape), const=array, origin=origin)

    def add(self, op: Op, inputs: Sequence[Value | None], *, origin: Origin | None = None, names: Sequence[str] = (),
            origins: Sequence[str] = (), before: Node | None = None) -> tuple[Value, ...]:
        """Append a node (or insert it `before` another) and return its results.

        `names` are wished result names, `origins` the source tensors that the results equal.
        Raises ShapeError, located at `origin`, when the operands do not fit the op.
        """
        origin = origin or Origin()
        try:
            types = op.infer_types(*(None if v is None else v.type for v in inputs))
        except ConversionError as error:
            raise error.at(Location(self.source, origin.layer, origin.type)) from None
        outputs = []
        for k, t in enumerate(types):
            wanted = names[k] if k < len(names) and names[k] else (origin.layer or op.name.lower())
            outputs.append(Value(self.unique_name(wanted), t, origin=origins[k] if k < len(origins) else ""))
        node = Node(op, inputs, outputs, origin)
        if before is None:
            self._nodes.append(node)
        else:
            self._nodes.insert(self._nodes.index(before), node)
        return node.outputs

    def add1(self, op: Op, inputs: Sequence[Value | None], *, origin: Origin | None = None, name: str = "", source: str = "",
             before: Node | None = None) -> Value:
        """`add` for an op with one result, which it returns; `source` is the source tensor that the result equals."""
        (value,) = self.add(op, inputs, origin=origin, names=(name,), origins=(source,), before=before)
        return value

    # ---- changing --------------------------------------------------------------------------------------------------
    def replace_uses(self, old: Value, new: Value) -> None:
        """Every reader of `old`, and the interface, reads `new` instead.

        `new` takes over the source tensor name when it has none of its own."""
        for node, index in old.uses:
            node.set_input(index, new)
        self.outputs = [new if v is old else v for v in self.outputs]
        if not new.origin and not new.is_const:
            new.origin = old.origin

    def remove(self, node: Node) -> None:
        """Take a node out whose results nobody reads."""
        self.remove_all([node])

    def remove_all(self, nodes: Iterable[Node]) -> None:
        """Take several nodes out at once; nothing outside of them may read their results."""
        gone = dict.fromkeys(nodes)
        for node in gone:
            node.set_inputs(())
        for node in gone:
            assert not any(v.uses or v in self.outputs for v in node.outputs), f"{node!r} is still in use"
        self._nodes = [n for n in self._nodes if n not in gone]

    def prune(self) -> int:
        """Remove every node that no output needs; returns how many went. Inputs stay."""
        wanted = {id(v) for v in self.outputs}
        live: set[Node] = set()
        for node in reversed(self._nodes):
            if any(id(v) in wanted for v in node.outputs):
                live.add(node)
                wanted |= {id(v) for v in node.inputs if v is not None}
        dead = [n for n in self._nodes if n not in live]
        if dead:
            self.remove_all(dead)
        return len(dead)

    def is_output(self, value: Value) -> bool:
        return any(v is value for v in self.outputs)

    def __str__(self) -> str:
        """Short, for messages; `ir.printer.to_text` shows everything."""
        return f"graph {self.name}" if self.name else "graph"

    def reorder(self, nodes: Sequence[Node]) -> None:
        """Set a new (topological) order of the same nodes."""
        assert sorted(map(id, nodes)) == sorted(map(id, self._nodes)), "not the same nodes"
        self._nodes = list(nodes)
