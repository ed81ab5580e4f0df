"""What random graphs have found, as small as it was found, or nearly so: each through LiteRT as the random graphs are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from nchw2nhwc.errors import TargetError
from nchw2nhwc.ir.dim import Dim, Size
from nchw2nhwc.ir.graph import Graph, Value
from nchw2nhwc.ir.types import Array, DType, TensorType
from nchw2nhwc.ops.binary import PRelu
from nchw2nhwc.ops.elementwise import Exp
from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.ops.movement import Concat, Reshape, Transpose
from nchw2nhwc.ops.norm import LRN
from nchw2nhwc.ops.pooling import AvgPool, MaxPool
from nchw2nhwc.ops.quantized import Dequantize, Grid, Quantize
from nchw2nhwc.ops.windowed import ConvTranspose
from tests.random_graphs import Drawn, check

FLOAT, INT8, UINT8 = (np.dtype(t) for t in (np.float32, np.int8, np.uint8))
N = Dim.symbol("N")
BATCHES = (5, 2)


class Case:
    """A graph and data for its inputs: `N` in a shape is any of `sizes`."""

    def __init__(self, sizes: Sequence[int] = BATCHES) -> None:
        self.graph, self.sizes, self.random = Graph("finding", "finding.onnx"), sizes, np.random.default_rng(0)
        self.feeds: list[dict[str, Array]] = [{} for _ in sizes]

    def input(self, *shape: Size, dtype: DType = FLOAT) -> Value:
        value = self.graph.add_input(f"x{len(self.graph.inputs)}", TensorType(dtype, shape))
        for size, feeds in zip(self.sizes, self.feeds):
            real = [size if isinstance(s, Dim) else s for s in shape]
            drawn = self.random.uniform(-1, 1, real) if dtype == FLOAT else self.random.integers(0, 100, real)
            feeds[value.name] = drawn.astype(dtype)
        return value

    def constant(self, *shape: int) -> Value:
        return self.graph.constant(self.random.uniform(-1, 1, shape).astype(np.float32))

    def check(self, *outputs: Value, keep_layout: bool = False) -> None:
        for k, value in enumerate(outputs):
            self.graph.add_output(value, f"y{k}")
        check(Drawn(self.graph, self.feeds, keep_layout))


@pytest.mark.parametrize(("data", "slope"), [
    ((1, 3, 4, 4), (1, 1, 4, 1)), ((1, 4, 1, 1), (1, 1)), ((1, 1), (1, 1)), ((2, 3, 4), (3, 1))], ids=str)
def test_prelu_of_a_constant(data: tuple[int, ...], slope: tuple[int, ...]) -> None:
    """The constant keeps as many axes as the computed slope, which broadcasts to it."""
    case = Case()
    computed = case.graph.add1(Exp(), [case.input(*slope)])
    case.check(case.graph.add1(PRelu(), [case.constant(*data), computed]), computed)


@pytest.mark.parametrize("shape", [(2, 1, 2, 3, 3), (2, 2, 2, 3, 3), (N, 2, 2, 3, 3)], ids=str)
@pytest.mark.parametrize("adjoint", [False, True])
def test_products_of_matrices_of_five_axes(shape: tuple[Size, ...], adjoint: bool) -> None:
    """With itself and with another one; delegates for GPUs take four."""
    case = Case()
    x = case.graph.add1(Exp(), [case.input(*shape)])
    other = case.graph.add1(Transpose((0, 2, 1, 4, 3)), [case.input(shape[0], shape[2], shape[1], 3, 3)])
    case.check(*(case.graph.add1(MatMul(adjoint_b=adjoint), pair) for pair in ([x, x], [x, other])))


@pytest.mark.parametrize(("shape", "perm"), [((4, 4), (1, 0)), ((4, 4, 4), (2, 0, 1)), ((N, 3, 4, 3), (0, 2, 3, 1)),
                                             ((2, 3, 2, 4, 4), (1, 0, 2, 3, 4)), ((2, N, 3, 2, 3), (1, 0, 3, 4, 2))], ids=str)
@pytest.mark.parametrize(("first", "second"), [(False, False), (True, True), (False, True)])
def test_products_of_a_moved_matrix_with_itself(shape: tuple[Size, ...], perm: tuple[int, ...], first: bool, second: bool) -> None:
    """XNNPACK takes the move into the product, for one of its operands only."""
    case = Case()
    moved = case.graph.add1(Transpose(perm), [case.graph.add1(Exp(), [case.input(*shape)])])
    case.check(case.graph.add1(MatMul(adjoint_a=first, adjoint_b=second), [moved, moved]))


@pytest.mark.parametrize(("kernel", "stride", "pads"), [
    (1, 2, (0, 0)), (1, 3, (0, 0)), (2, 2, (0, 0)), (2, 3, (1, 1)), (3, 2, (0, 1))], ids=str)
def test_maxima_of_rounded_up_windows_of_any_size(kernel: int, stride: int, pads: tuple[int, int]) -> None:
    """Whether the last window is one whole window behind the data or starts in it depends on the size."""
    case = Case((4, 5, 6, 7, 8))
    op = MaxPool((kernel,) * 2, (stride,) * 2, (1, 1), (pads[0],) * 2, (pads[1],) * 2, ceil_mode=True)
    case.check(case.graph.add1(op, [case.input(1, 2, N, 7)]))


@pytest.mark.parametrize("stride", [2, 3])
@pytest.mark.parametrize("counted", [False, True])
def test_means_of_single_elements_of_any_size(stride: int, counted: bool) -> None:
    case = Case((4, 5, 6, 7, 8))
    op = AvgPool((1, 1), (1, stride), (1, 1), (0, 0), (0, 0), ceil_mode=True, count_include_pad=counted)
    case.check(case.graph.add1(op, [case.input(1, 2, 3, N)]))


@pytest.mark.parametrize(("kernel", "stride", "pads"), [(2, 2, (0, 0)), (2, 3, (1, 0)), (3, 2, (1, 0))], ids=str)
def test_means_of_rounded_up_windows_of_any_size_are_refused(kernel: int, stride: int, pads: tuple[int, int]) -> None:
    """Zeros that are added for the last window would count."""
    case = Case()
    op = AvgPool((kernel,) * 2, (stride,) * 2, (1, 1), (pads[0],) * 2, (pads[1],) * 2, ceil_mode=True, count_include_pad=True)
    with pytest.raises(TargetError, match="counts all padding or none"):
        case.check(case.graph.add1(op, [case.input(1, 2, N, 7)]))


@pytest.mark.parametrize("shape", [(3, N), (3, N, 2), (1, N, 2, 2)], ids=str)
def test_local_response_norms_of_any_number_of_channels(shape: tuple[Size, ...]) -> None:
    case = Case()
    case.check(case.graph.add1(LRN(size=3), [case.input(*shape)]))


GRID = Grid(0.0371, -128, -128, 127)
UNSIGNED = Grid(0.0371, 0, 0, 255)


@pytest.mark.parametrize("batch", [2, N], ids=str)
def test_quantized_results_in_source_order(batch: Size) -> None:
    """The integers are moved, and are still on their grid: XNNPACK takes the move by its operand and then the result has to be on one."""
    case = Case()
    grown = case.graph.add1(ConvTranspose((1, 1), (1, 1), (0, 0), (0, 0), (0, 0)), [case.input(batch, 2, 3, 4), case.constant(2, 2, 1, 1)])
    case.check(case.graph.add1(Quantize(GRID, INT8), [grown]), keep_layout=True)


@pytest.mark.parametrize("view", [False, True])
@pytest.mark.parametrize(("grid", "dtype"), [(GRID, INT8), (UNSIGNED, UINT8)], ids=["int8", "uint8"])
def test_integers_of_several_grids_are_put_together(grid: Grid, dtype: DType, view: bool) -> None:
    """As they are: CONCATENATION brings uint8 to one grid and takes no int8 of several."""
    case = Case()
    parts = [case.graph.add1(Quantize(grid, dtype), [case.input(N, 3)]), case.input(N, 3, dtype=dtype), case.input(N, 3, dtype=dtype)]
    real = case.graph.add1(Dequantize(Grid(0.5, 3, grid.low, grid.high)), [parts[2]])
    if view:
        parts = [case.graph.add1(Reshape((N, 1, 3)), [part]) for part in parts]
    case.check(case.graph.add1(Concat(1), parts), real)
