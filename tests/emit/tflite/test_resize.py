"""What LiteRT's resizing kernels compute, against what the choice between them assumes."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.emit.tflite import emit, native
from nchw2nhwc.emit.tflite.lower_resize import Flags, flags_of, kernel_matrix
from nchw2nhwc.emit.tflite.model import Blob, Model, Operator, Subgraph, Tensor, options
from nchw2nhwc.emit.tflite.writer import FlatBuffer
from nchw2nhwc.ir import Dim, Shape, Size
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ops.resize import Resize
from tests.emit.tflite.graphs import FLOAT, random, with_input
from tests.emit.tflite.runs import RESOLVERS, run_file

FLAGS = (Flags(), Flags(half_pixel_centers=True), Flags(align_corners=True))
H = Dim.symbol("H")


def kernel_file(before: int, after: int, mode: str, flags: Flags) -> bytes:
    """A file that resizes (1, before, 1, before) to (1, after, 1, before)."""
    size = np.array([after, 1], np.int32)
    x, y = Tensor("x", FLOAT, (1, before, 1, before)), Tensor("y", FLOAT, (1, after, 1, before))
    tensors = [x, Tensor("size", size.dtype, (2,), buffer=1), y]
    code, table = {"linear": ("RESIZE_BILINEAR", "ResizeBilinearOptions"),
                   "nearest": ("RESIZE_NEAREST_NEIGHBOR", "ResizeNearestNeighborOptions")}[mode]
    operator = Operator(code, 3, (0, 1), (2,), options(table, alignCorners=flags.align_corners, halfPixelCenters=flags.half_pixel_centers))
    return FlatBuffer(Model([Subgraph("main", tensors, [operator], [0], [2], ["x"], ["y"])], [Blob(size, size.dtype)])).tobytes()


@pytest.mark.parametrize("mode", ["linear", "nearest"])
@pytest.mark.parametrize("flags", FLAGS, ids=["asymmetric", "half_pixel", "align_corners"])
def test_kernels_apply_the_matrix(mode: str, flags: Flags) -> None:
    """The identity as data shows it."""
    for before in range(1, 8):
        for after in (1, 2, 3, 5, 6, 7, 9, 14):
            content = kernel_file(before, after, mode, flags)
            wanted = kernel_matrix(before, after, mode, flags)
            for resolver in RESOLVERS:
                (result,) = run_file(content, [np.eye(before, dtype=np.float32).reshape(1, before, 1, before)], resolver)
                np.testing.assert_allclose(result.reshape(after, before), wanted, atol=1e-5, err_msg=f"{resolver} {before} -> {after}")


@pytest.mark.parametrize(("sizes", "scales", "mode", "coordinates", "rounding", "expected"), [
    ((2 * H, 6), None, "linear", "half_pixel", "floor", FLAGS[1]),
    ((2 * H, 6), (2.0, 2.0), "linear", "pytorch_half_pixel", "floor", FLAGS[1]),
    ((H // 2, 6), None, "linear", "pytorch_half_pixel", "floor", None),  # may be a single element
    ((2 * H, 6), (2.0, 2.0), "linear", "align_corners", "floor", FLAGS[2]),
    ((2 * H, 6), (2.0, 2.0), "nearest", "asymmetric", "floor", FLAGS[1]),  # repeats, as the kernels do
    ((H // 2, 6), (0.5, 2.0), "nearest", "asymmetric", "floor", None),  # of an odd size the scale is not half
    ((2 * H, 6), (2.0, 2.0), "nearest", "half_pixel", "round_prefer_floor", FLAGS[1]),
    ((2 * H, 6), (2.0, 2.0), "nearest", "tf_half_pixel_for_nn", "floor", FLAGS[1])])
def test_symbolic_sizes(sizes: Shape, scales: tuple[float, ...] | None, mode: str, coordinates: str, rounding: str,
                        expected: Flags | None) -> None:
    op = Resize(sizes, scales, mode, coordinates, rounding, channels_last=True)
    graph, x = with_input((1, H, 3, 2))
    graph.add_output(graph.add1(op, [x]), "y")
    (node,) = graph.nodes
    assert flags_of(node, op) == expected
    assert native(node) is (expected is not None)
    if expected is not None:
        content, data = emit(graph).tobytes(), random(1, 5, 3, 2)
        for resolver in RESOLVERS:
            np.testing.assert_allclose(run_file(content, [data], resolver)[0], run(graph, {"x": data})["y"], atol=1e-5)


@pytest.mark.parametrize(("size", "code"), [(2 * H, "half_pixel"), (12, "half_pixel"), (12, "asymmetric")])
def test_the_axis_that_stays_does_not_matter(size: Size, code: str) -> None:
    graph, x = with_input((1, H if isinstance(size, Dim) else 6, 5, 2))
    graph.add1(Resize((size, 5), None, "linear", code, channels_last=True), [x])
    assert native(graph.nodes[0])
