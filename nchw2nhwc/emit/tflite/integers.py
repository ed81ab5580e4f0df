"""Which nodes of a stored graph integer kernels compute, and on which grids.

A value that is rounded to a grid is held as int8. An operator whose operands are held like that, and whose result is only read rounded to
one grid, is computed by the integer kernel: it writes the integers of that grid itself. An operator that only chooses among elements passes
integers on. Everything else computes in float, on operands that are dequantized when it is the first to ask for them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from nchw2nhwc.emit.tflite.integer_kernels import CHOOSING_16, KERNELS, ONLY_8
from nchw2nhwc.emit.tflite.integer_sums import Sums, gathers_for_few, has_rows, wide_sums
from nchw2nhwc.emit.tflite.rules_quantized import pads_with
from nchw2nhwc.errors import Location
from nchw2nhwc.ir import Graph, Node, Value
from nchw2nhwc.ops import activation_functions as act
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.matmul import FullyConnected, MatMul
from nchw2nhwc.ops.movement import Pad
from nchw2nhwc.ops.quantized import Dequantize, Grid, Quantize, QuantizeDequantize
from nchw2nhwc.ops.windowed import Conv, ConvTranspose
from nchw2nhwc.passes.quantization import chooses, data_operands, signed

CONVOLUTIONS: tuple[type[Op], ...] = (Conv, ConvTranspose)
_WEIGHTED: tuple[type[Op], ...] = (*CONVOLUTIONS, FullyConnected)

_NO_16 = "there is no kernel of 16 bits for it"
_LEAST_SHARE = 0.6
"""The share of convolutions that integer kernels compute at the cost of time."""
Widening: TypeAlias = Literal["none", "fast", "all"]
"""Which results that the source does not round may have 16 bits."""
NEVER: tuple[Widening, ...] = ("none",)
AT_NEED: tuple[Widening, ...] = ("none", "fast", "all")
ALWAYS: tuple[Widening, ...] = ("fast", "all")
"""The first of these with which enough convolutions compute with integers is taken. On a CPU with vectors float32 is exact and no slower
than kernels of 16 bits; a microcontroller has better ones for integers."""


@dataclass(frozen=True)
class StaysFloat:
    """A node with integers as operands that is computed in float, and why."""

    node: Node
    reason: str


@dataclass
class Plan:
    """What is held as integers."""

    grids: dict[int, Grid] = field(default_factory=dict)
    """The grid of every value that is held as int8 or int16, by its identity."""
    integer: dict[Node, Grid] = field(default_factory=dict)
    """The nodes that integer kernels compute, with the grid of their results."""
    sums: dict[Node, Sums] = field(default_factory=dict)
    """How those of them that have weights are computed."""
    constants: dict[int, Grid] = field(default_factory=dict)
    """The grids of constant operands of such nodes, by their identity."""
    floats: list[StaysFloat] = field(default_factory=list)
    widening: Widening = "none"
    strict: bool = True
    """Whether kernels take weights from -127 to 127 alone."""
    for_cpu: bool = True
    """Whether LiteRT's own kernels compute, not those of a device."""
    kept: Collection[str] = ()
    """The layers that are to compute in float."""
    wide: list[Node] = field(default_factory=list)
    """Those whose results have 16 bits because the source does not round them. They are not among `grids`: readers get real numbers."""
    told: dict[int, Grid] = field(default_factory=dict)
    """The grids of the graph's own inputs of small integers, by their identity."""

    def tell(self, value: Value, grid: Grid) -> bool:
        """Whether the integers of a value can be said to be on a grid: those of an input that is not said to be on another one."""
        if value.producer is not None or value.is_const or value.type.dtype.name not in ("int8", "uint8", "int16"):
            return False
        return self.told.setdefault(id(value), grid) == grid

    def grid(self, value: Value | None) -> Grid | None:
        """The grid that a value is held on; None for one that is not."""
        return None if value is None else self.grids.get(id(value), self.constants.get(id(value)))

    def operand(self, node: Node, index: int) -> Grid:
        """The grid of an operand of a node that has integers there."""
        grid = self.grid(node.input(index))
        assert grid is not None, f"operand {index} of {node!r} is not held as integers"
        return grid


@dataclass(frozen=True)
class Integers:
    """How much of a quantized source integer kernels compute: convolutions, fully connected layers and products of matrices among them, and
    all of its operators; and what stays float, with the layer, its type and the reason."""

    convolutions: tuple[int, int]
    """Those that integer kernels compute, and all."""
    products: tuple[int, int]
    """The same of fully connected layers and products of matrices."""
    nodes: int
    floats: tuple[tuple[Location, str], ...]
    """What computes in float on quantized operands, and why."""
    remarks: tuple[tuple[Location, str], ...]
    """What else differs from the source."""


def summary(graph: Graph, plan: Plan) -> Integers:
    """What a plan says of a stored graph."""
    floats = tuple((graph.where(each.node), each.reason) for each in plan.floats)
    remarks = [(remark.where, remark.text) for part in graph.graphs() for remark in part.remarks]
    remarks += [(graph.where(node), "its result, which is not rounded in the source, has 16 bits") for node in plan.wide]
    convolutions, products = _count(graph, plan, CONVOLUTIONS), _count(graph, plan, (FullyConnected, MatMul))
    return Integers(convolutions, products, len(plan.integer), tuple(dict.fromkeys(floats)), tuple(dict.fromkeys(remarks)))


def _count(graph: Graph, plan: Plan, classes: tuple[type[Op], ...]) -> tuple[int, int]:
    """How many nodes of these classes integer kernels compute, and how many there are."""
    nodes = [node for node in graph.nodes if isinstance(node.op, classes)]
    return sum(node in plan.integer for node in nodes), len(nodes)


def asked(graph: Graph, value: Value) -> Grid | None:
    """The grid that everything which reads a value rounds it to; None if there is not just one."""
    if graph.is_output(value) or not value.uses:
        return None
    found = {signed(node.op.grid) if isinstance(node.op, (QuantizeDequantize, Quantize)) else None for node in value.users}
    return found.pop() if len(found) == 1 else None


def plan_integers(graph: Graph, *, widenings: Sequence[Widening] = AT_NEED, for_cpu: bool = True, kept: Collection[str] = ()) -> Plan:
    """The plan for a stored graph. `widenings` say which results have 16 bits where the source does not round them: the first is taken with
    which enough convolutions compute with integers, or the last. `for_cpu`: for LiteRT's own kernels. `kept` are layers of the source that
    are to compute in float."""
    for widening in widenings:
        plan = _planned(graph, Plan(widening=widening, strict=tuple(widenings) == NEVER, for_cpu=for_cpu, kept=kept))
        done, total = _count(graph, plan, CONVOLUTIONS)
        if done >= _LEAST_SHARE * total:
            break
    return plan


def _planned(graph: Graph, plan: Plan) -> Plan:
    mixed = set[int]()
    for node in graph.nodes:
        op = node.op
        if isinstance(op, QuantizeDequantize):
            plan.grids[id(node.output)] = signed(op.grid)
        elif isinstance(op, Dequantize):
            if plan.tell(node.input(0), op.grid):
                plan.grids[id(node.output)] = signed(op.grid)
        elif any(id(v) in plan.grids for v in node.inputs) and not isinstance(op, Quantize):
            reason = _choose(plan, graph, node) if chooses(op) or isinstance(op, act.Relu) else _compute(plan, graph, node)
            if reason:
                plan.floats.append(StaysFloat(node, reason))
                mixed |= {id(v) for v in node.outputs if chooses(op)}
        elif any(id(v) in mixed for v in node.inputs):
            plan.floats.append(StaysFloat(node, "its operand is computed in float, as what it is made of is quantized in different ways"))
            mixed |= {id(v) for v in node.outputs if chooses(op)}
        elif isinstance(op, _WEIGHTED):
            plan.floats.append(StaysFloat(node, "its operand is not quantized"))
    return plan if plan.grids or graph.remarks else Plan()


def _hold(plan: Plan, node: Node, grid: Grid) -> str:
    plan.integer[node] = grid
    plan.grids.update({id(v): grid for v in node.outputs})
    return ""


def _choose(plan: Plan, graph: Graph, node: Node) -> str:
    """A node whose results are elements of its operands."""
    grids = {plan.grids.get(id(node.input(k))) for k in data_operands(node)}
    grid = grids.pop()
    if grids or grid is None:
        return "its operands are quantized in different ways, or some are not"
    if isinstance(node.op, Pad) and node.op.mode == "constant" and not pads_with(node, node.op.value, grid):
        return f"it pads with {node.op.value:g}, which is not among the quantized numbers"
    if grid.bits == 16 and not isinstance(node.op, CHOOSING_16):
        return _NO_16
    return _hold(plan, node, grid)


def _compute(plan: Plan, graph: Graph, node: Node) -> str:
    """A node that computes: "" if an integer kernel does that, else why not."""
    if plan.kept and graph.where(node).layer in plan.kept:
        return "it is kept in float, as was asked for"
    kernel = KERNELS.get(type(node.op))
    if kernel is None:
        return "there is no integer kernel for it that gives the same"
    result = asked(graph, node.outputs[0])
    if result is None:
        rounded = any(isinstance(user.op, (QuantizeDequantize, Quantize)) for user in node.outputs[0].users)
        reason = _widened(plan, node)
        if reason is None:
            return ""
        return ("its readers quantize its result in different ways, or some do not" if rounded else "its result is not quantized") + reason
    return kernel(plan, node, result) or _bits(plan, node, result) or _hold(plan, node, result)


def _bits(plan: Plan, node: Node, result: Grid) -> str:
    """Why the numbers of bits are none that a kernel has; convolutions and the like have seen to that."""
    found = {grid.bits for grid in map(plan.grid, node.inputs) if grid is not None}
    if isinstance(node.op, _WEIGHTED):
        return ""
    if found != {result.bits}:
        return "its operands and its result have different numbers of bits"
    return _NO_16 if result.bits == 16 and isinstance(node.op, ONLY_8) else ""


def _widened(plan: Plan, node: Node) -> str | None:
    """Compute a node with weights with a result of 16 bits, as the source does not round it: None if that is done, else why not, to be
    said behind a reason."""
    data = plan.grids.get(id(node.input(0)))
    if plan.strict or data is None or not isinstance(node.op, _WEIGHTED):
        return ""
    if plan.widening == "none" or (plan.for_cpu and has_rows(node)):
        return "; 16 bits would be no faster than float32, which is exact"
    if plan.widening == "fast" and gathers_for_few(node):
        return "; 16 bits would be slow for so few channels"
    sums = wide_sums(node, data)
    if isinstance(sums, str):
        return f"; {sums}"
    plan.sums[node], plan.integer[node] = sums, sums.result
    plan.wide.append(node)
    return None
