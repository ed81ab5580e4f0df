"""Which nodes of a stored graph integer kernels compute, and on which grids.

A value that is rounded to a grid is held as int8. An operator whose operands are held like that, and whose result is only read rounded to
one grid, is computed by the integer kernel: it writes the integers of that grid itself. An operator that only chooses among elements passes
integers on. Everything else computes in float, on operands that are dequantized when it is the first to ask for them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from nchw2nhwc.emit.tflite.integer_sums import Sums, rounded_sums, wide_sums
from nchw2nhwc.emit.tflite.rules_quantized import pads_with
from nchw2nhwc.emit.tflite.scales import is_result_too_fine
from nchw2nhwc.emit.tflite.steps import LARGEST, steps_of
from nchw2nhwc.errors import Location
from nchw2nhwc.ir import Graph, Node, Value
from nchw2nhwc.ops import activation_functions as act
from nchw2nhwc.ops import binary, elementwise, reduce
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.matmul import FullyConnected, MatMul
from nchw2nhwc.ops.movement import Concat, Pad, Reshape, Slice, Split, Transpose
from nchw2nhwc.ops.pooling import AvgPool, MaxPool
from nchw2nhwc.ops.quantized import FLOAT32, Dequantize, Grid, Quantize, QuantizeDequantize
from nchw2nhwc.ops.resize import Resize
from nchw2nhwc.ops.windowed import Conv, ConvTranspose
from nchw2nhwc.passes.quantization import chooses, data_operands, signed

CONVOLUTIONS: tuple[type[Op], ...] = (Conv, ConvTranspose)
_WEIGHTED: tuple[type[Op], ...] = (*CONVOLUTIONS, FullyConnected)

_CHOOSING_16: tuple[type[Op], ...] = (Reshape, Transpose, Slice, Split, Concat, Gather, MaxPool, Resize, Pad, act.Relu)
"""Those that only choose among elements and have kernels of 16 bits."""
_ONLY_8: tuple[type[Op], ...] = (binary.PRelu, act.HardSwish)
_NO_16 = "there is no kernel of 16 bits for it"
_BROADCAST_RANK = 4
"""Axes up to which integer kernels of ADD, SUB and MUL broadcast."""



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
    may_widen: bool = True
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
    def count(classes: tuple[type[Op], ...]) -> tuple[int, int]:
        nodes = [node for node in graph.nodes if isinstance(node.op, classes)]
        return sum(node in plan.integer for node in nodes), len(nodes)

    floats = tuple((graph.where(each.node), each.reason) for each in plan.floats)
    remarks = [(remark.where, remark.text) for part in graph.graphs() for remark in part.remarks]
    remarks += [(graph.where(node), "its result, which is not rounded in the source, has 16 bits") for node in plan.wide]
    return Integers(count(CONVOLUTIONS), count((FullyConnected, MatMul)), len(plan.integer), tuple(dict.fromkeys(floats)),
                    tuple(dict.fromkeys(remarks)))


def asked(graph: Graph, value: Value) -> Grid | None:
    """The grid that everything which reads a value rounds it to; None if there is not just one."""
    if graph.is_output(value) or not value.uses:
        return None
    found = {signed(node.op.grid) if isinstance(node.op, (QuantizeDequantize, Quantize)) else None for node in value.users}
    return found.pop() if len(found) == 1 else None


def plan_integers(graph: Graph, *, wide: bool = True) -> Plan:
    """The plan for a stored graph; `wide`: with results of 16 bits where the source does not round them."""
    plan, mixed = Plan(may_widen=wide), set[int]()
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
    if grid.bits == 16 and not isinstance(node.op, _CHOOSING_16):
        return _NO_16
    return _hold(plan, node, grid)


def _compute(plan: Plan, graph: Graph, node: Node) -> str:
    """A node that computes: "" if an integer kernel does that, else why not."""
    kernel = _KERNELS.get(type(node.op))
    if kernel is None:
        return "there is no integer kernel for it that gives the same"
    result = asked(graph, node.outputs[0])
    if result is None:
        rounded = any(isinstance(user.op, (QuantizeDequantize, Quantize)) for user in node.outputs[0].users)
        if _widened(plan, node):
            return ""
        return "its readers quantize its result in different ways, or some do not" if rounded else "its result is not quantized"
    return kernel(plan, node, result) or _bits(plan, node, result) or _hold(plan, node, result)


def _bits(plan: Plan, node: Node, result: Grid) -> str:
    """Why the numbers of bits are none that a kernel has; convolutions and the like have seen to that."""
    found = {grid.bits for grid in map(plan.grid, node.inputs) if grid is not None}
    if isinstance(node.op, _WEIGHTED):
        return ""
    if found != {result.bits}:
        return "its operands and its result have different numbers of bits"
    return _NO_16 if result.bits == 16 and isinstance(node.op, _ONLY_8) else ""


def _widened(plan: Plan, node: Node) -> bool:
    """Whether a node with weights is computed with a result of 16 bits, as the source does not round it."""
    data = plan.grids.get(id(node.input(0)))
    sums = wide_sums(node, data) if plan.may_widen and isinstance(node.op, _WEIGHTED) and data is not None else ""
    if isinstance(sums, str):
        return False
    plan.sums[node], plan.integer[node] = sums, sums.result
    plan.wide.append(node)
    return True


# ---- kernels -----------------------------------------------------------------------------------------------------------
_Kernel: TypeAlias = Callable[[Plan, Node, Grid], str]
_KERNELS: dict[type[Op], _Kernel] = {}
"""Why the integer kernel of an op cannot compute a node whose first operand may be integers; "" if it can."""


def _kernel(*classes: type[Op]) -> Callable[[_Kernel], _Kernel]:
    def register(function: _Kernel) -> _Kernel:
        _KERNELS.update(dict.fromkeys(classes, function))
        return function
    return register


@_kernel(Conv, ConvTranspose, FullyConnected)
def _weighted(plan: Plan, node: Node, result: Grid) -> str:
    data = plan.grids.get(id(node.input(0)))
    return "its operand is not quantized" if data is None else _sum_up(plan, node, rounded_sums(node, data, result))


def _sum_up(plan: Plan, node: Node, sums: Sums | str) -> str:
    if isinstance(sums, str):
        return sums
    plan.sums[node] = sums
    return ""


@_kernel(binary.Add, binary.Sub, binary.Mul)
def _pairwise(plan: Plan, node: Node, result: Grid) -> str:
    shapes = [node.input(k).shape for k in (0, 1)]
    if shapes[0] != shapes[1] and max(map(len, shapes)) > _BROADCAST_RANK:
        return f"integer kernels broadcast at most {_BROADCAST_RANK} axes"
    reason = _constants(plan, node, (0, 1), result)
    left, right = (plan.grid(node.input(k)) for k in (0, 1))
    if reason or left is None or right is None or not isinstance(node.op, binary.Add):
        return reason
    too_fine = is_result_too_fine("ADD", result.bits, (left.scale, right.scale), result.scale)
    return "the scale of its result is too small beside those of its operands" if too_fine else ""


def _constants(plan: Plan, node: Node, operands: Sequence[int], result: Grid) -> str:
    """Constant operands on a grid of their own, all others held as integers."""
    found: dict[int, Grid] = {}
    for value in map(node.input, operands):
        if value.const is not None and value.type.dtype == FLOAT32:
            steps = steps_of(value.const.reshape(1, -1))
            if steps is None:
                return "its constant operand is not quantized"
            least, most = (-LARGEST, LARGEST) if result.bits == 8 else (result.low, result.high)
            found[id(value)] = Grid(float(steps[0]) or 1.0, 0, least, most)
        elif id(value) not in plan.grids:
            return "not all of its operands are quantized"
    plan.constants.update(found)
    return ""


@_kernel(MatMul)
def _product(plan: Plan, node: Node, result: Grid) -> str:
    return "" if all(id(node.input(k)) in plan.grids for k in (0, 1)) else "not all of its operands are quantized"


@_kernel(binary.PRelu)
def _slopes(plan: Plan, node: Node, result: Grid) -> str:
    return _constants(plan, node, (0, 1), result)


@_kernel(AvgPool, Resize)
def _same_grid(plan: Plan, node: Node, result: Grid) -> str:
    return "" if plan.grids.get(id(node.input(0))) == result else "its integer kernel has one scale for operand and result, the source two"


@_kernel(reduce.ReduceMean, act.HardSwish, act.LeakyRelu)
def _any_grid(plan: Plan, node: Node, result: Grid) -> str:
    return ""


def _fixed(scale: float, zero_point: int) -> _Kernel:
    """Of results of 8 bits; those of 16 are 1/32768."""
    def check(plan: Plan, node: Node, result: Grid) -> str:
        only = Grid(scale, zero_point, -128, 127) if result.bits == 8 else Grid(1 / (1 << 15), 0, -(1 << 15), (1 << 15) - 1)
        if result == only:
            return ""
        return f"its integer kernel has results of scale {only.scale:g} and zero point {only.zero_point} only"
    return check


_kernel(act.Sigmoid, reduce.Softmax)(_fixed(1 / 256, -128))
_kernel(elementwise.Tanh)(_fixed(1 / 128, 0))
