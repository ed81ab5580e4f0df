"""Whole graphs: errors, symbolic sizes, element types, and what is native."""

from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from nchw2nhwc.emit.tflite import emit, native
from nchw2nhwc.errors import TargetError
from nchw2nhwc.ir import Dim, Graph, Origin, Size, TensorType, Value
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ir.open_sizes import large_enough
from nchw2nhwc.ops.activation_functions import Clip, Elu, Mish, Sigmoid
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add, Div, Mul, Pow
from nchw2nhwc.ops.elementwise import Erf, Round
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.movement import Concat, Expand, Pad, Reshape, Slice, Tile, Transpose
from nchw2nhwc.ops.pooling import AvgPool, MaxPool
from nchw2nhwc.ops.reduce import ArgMax, ReduceMean, ReduceSum
from nchw2nhwc.ops.resize import Resize
from nchw2nhwc.ops.sizes import Sizes
from nchw2nhwc.ops.windowed import Conv, ConvTranspose, DepthToSpace
from tests.emit.tflite.graphs import FLOAT, conv, random, with_input
from tests.emit.tflite.runs import RESOLVERS, check_file, one_op, prepared, run_file

N, H, W = map(Dim.symbol, "NHW")


# ---- errors ----------------------------------------------------------------------------------------------------------------
def test_all_layers_that_cannot_be_expressed_are_listed() -> None:
    graph, x = with_input((2, 3))
    y = graph.add1(Mish(), [graph.add1(Erf(), [x], origin=Origin("first", "Erf"))], origin=Origin("second", "Mish"))
    graph.add_output(y, "y")
    with pytest.raises(TargetError) as caught:
        emit(graph)
    text = str(caught.value)
    assert text.startswith("test.onnx: 2 layers")
    assert "layer 'first' (Erf): TFLite has no operator for Erf" in text
    assert "layer 'second' (Mish)" in text


def test_a_single_one_is_named() -> None:
    graph, x = with_input((2, 3))
    graph.add_output(graph.add1(Erf(), [x], origin=Origin("only", "Erf")), "y")
    with pytest.raises(TargetError, match=r"test\.onnx: layer 'only' \(Erf\): TFLite has no operator for Erf"):
        emit(graph)


def test_a_size_that_has_to_be_known_is_an_error_of_its_layer() -> None:
    graph = Graph("open", "open.onnx")
    x = graph.add_input("x", TensorType(FLOAT, (1, 2, 2, N)))
    graph.add_output(graph.add1(Conv((1, 1), (1, 1), (0, 0), (0, 0), channels_last=True), (x, x), origin=Origin("itself", "Conv")), "y")
    with pytest.raises(TargetError, match="the number of channels must be known, but is 'N'") as caught:
        emit(graph)
    assert (str(caught.value.where), "--input-shape" in caught.value.advice) == ("open.onnx: layer 'itself' (Conv)", True)


def test_a_layer_of_several_nodes_is_listed_once() -> None:
    graph, x = with_input((2, 3))
    inner = graph.add1(Erf(), [x], origin=Origin("only", "Erf"))
    graph.add_output(graph.add1(Erf(), [inner], origin=Origin("only", "Erf")), "y")
    graph.add_output(graph.add1(Erf(), [x], origin=Origin("only", "Erf")), "z")
    with pytest.raises(TargetError) as caught:
        emit(graph)
    assert str(caught.value).splitlines() == ["test.onnx: layer 'only' (Erf): TFLite has no operator for Erf",
                                              "  Cut the model before this layer with --outputs."]


@pytest.mark.parametrize(("dtype", "reason"), [(np.int64, "DIV does not take int64"), (np.float64, "DIV does not take float64")])
def test_element_types_without_a_kernel(dtype: type, reason: str) -> None:
    graph, _ = one_op(Div(), [np.ones(3, dtype), np.ones(3, dtype)], [False, False])
    with pytest.raises(TargetError, match=reason):
        emit(graph)


def test_a_dimension_that_no_input_shows() -> None:
    graph, x = with_input((N * H, 3))
    graph.add_output(graph.add1(Expand((N * H, N, 3)), [graph.add1(Reshape((N * H, 1, 3)), [x])]), "y")
    with pytest.raises(TargetError, match="the size 'N' is not the size of any axis"):
        emit(graph)


def test_a_dimension_of_which_an_input_shows_a_multiple() -> None:
    graph, x = with_input((N * 2, 3))
    graph.add_output(graph.add1(Expand((N * 2, N, 3)), [graph.add1(Reshape((N * 2, 1, 3)), [x])]), "y")
    data = random(6, 3)
    check_file(graph, {"x": data}, [np.broadcast_to(data[:, None], (6, 3, 3))])


def test_empty_results_are_refused() -> None:
    graph, x = with_input((2, 3))
    graph.add_output(graph.add1(Slice((0, None), (0, None), (1, 1)), [x]), "y")
    with pytest.raises(TargetError, match="no elements"):
        emit(graph)


# ---- symbolic sizes ----------------------------------------------------------------------------------------------------------
def compare(graph: Graph, *shapes: tuple[int, ...]) -> bytes:
    """The file agrees with the interpreter for every shape of input x."""
    prepared(graph)
    content = emit(graph).tobytes()
    for shape in shapes:
        x = random(*shape)
        wanted = run(graph, {"x": x}).values()
        for resolver in RESOLVERS:
            for result, want in zip(run_file(content, [x], resolver), wanted, strict=True):
                assert (result.dtype, result.shape) == (want.dtype, want.shape)
                np.testing.assert_allclose(result, want, rtol=1e-4, atol=1e-4, err_msg=resolver)
    return content


def test_dynamic_batch() -> None:
    """Convolution, flatten, slices and products do not need to know it; a transposed convolution reads it when the model runs."""
    graph, x = with_input((N, 8, 8, 3))
    y = conv(graph, x, stride=2, pads=(1, 1))
    graph.add_output(graph.add1(Reshape((N, 64)), [y]), "flat")
    graph.add_output(graph.add1(Reshape((N * 4, 16)), [y]), "rows")
    graph.add_output(graph.add1(Slice((None, 1, -2, None), (None, -1, None, 2), (1, 1, 1, 1)), [y]), "slice")
    graph.add_output(graph.add1(ReduceSum((1, 2), False), [y]), "sum")
    w = graph.constant(random(2, 3, 3, 4))
    graph.add_output(graph.add1(ConvTranspose((2, 2), (1, 1), (1, 1), (1, 1), (1, 1), channels_last=True), [y, w]), "up")
    compare(graph, (1, 8, 8, 3), (3, 8, 8, 3))


def test_dynamic_image_size() -> None:
    graph, x = with_input((N, H, W, 3))
    y = conv(graph, x, stride=2, pads=(1, 1))
    h, w = y.shape[1:3]
    graph.add_output(graph.add1(Resize((h * 2, w * 2), None, "linear", "half_pixel", channels_last=True), [y]), "resized")
    means = graph.add1(ReduceMean((3,), True), [graph.add1(Reshape((N, h, w, 4)), [y])])
    graph.add_output(graph.add1(Mul(), [graph.add1(Expand((N, h, w, 4)), [means]), y]), "scaled")
    graph.add_output(graph.add1(Pad((0, 2, 1, 0), (0, 1, 0, 0), "edge"), [y]), "padded")
    graph.add_output(graph.add1(MaxPool((2, 2), (2, 2), (1, 1), (0, 0), (0, 0), channels_last=True), [y]), "pooled")
    graph.add_output(graph.add1(Slice((None, None, None, None), (None, h, -1, None), (1, 1, 2, -1)), [y]), "sliced")
    graph.add_output(graph.add1(Sizes((N, h * w, H + W - 1, 7), np.dtype(np.int64)), []), "sizes")
    compare(graph, (1, 8, 8, 3), (2, 9, 13, 3))


@pytest.mark.parametrize("size", [(H + 1) // 2, H % 3 + 1, 2 * H - 1, H * H + H, (H + 5) // 2 * 3 + H // 4, 4 * H])
def test_sizes_are_computed_when_the_model_runs(size: Size) -> None:
    graph, x = with_input((H,))
    graph.add_output(graph.add1(Expand((size,)), [graph.add1(ReduceSum((0,), True), [x])]), "y")
    compare(graph, (4,), (7,))


def test_products_of_sizes_are_known_before_the_model_runs() -> None:
    """Reshape to sizes that are read off other tensors and multiplied: LiteRT works them out while it allocates tensors."""
    graph, x = with_input((N, H, 3))
    y = graph.add1(Reshape((N, 3, H)), [graph.add1(Transpose((0, 2, 1)), [x])])
    y = graph.add1(Reshape((3 * N, H, 1)), [y])
    graph.add_output(y, "y")
    interpreter = Interpreter(model_content=emit(prepared(graph)).tobytes())
    interpreter.resize_tensor_input(0, (2, 5, 3))
    interpreter.allocate_tensors()
    assert interpreter.get_output_details()[0]["shape"].tolist() == [6, 5, 1]


def test_shapes_say_what_may_change() -> None:
    graph, x = with_input((N, 8, 8, 3))
    graph.add_output(conv(graph, x), "y")
    tensors = emit(graph).model.subgraphs[0].tensors
    assert [(t.shape, t.signature) for t in tensors if not t.buffer] == [((1, 8, 8, 3), (-1, 8, 8, 3)), ((1, 6, 6, 4), (-1, 6, 6, 4))]


def test_the_file_loads_with_sizes_that_leave_no_axis_empty() -> None:
    graph, x = with_input((N, H, 8, 3))
    graph.add_output(conv(graph, x, kernel=5), "y")
    assert large_enough(graph) == {"N": 1, "H": 8}


# ---- element types -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64])
@pytest.mark.parametrize("op", [Add(), Mul(), Concat(0), Pad((1, 0), (0, 2)), Tile((2, 1)), Clip(-3.0, 5.5)], ids=lambda op: op.name)
def test_integers_wrap_as_they_should(op: Op, dtype: type) -> None:
    """Kernels that lack a type compute in a wider one."""
    info = np.iinfo(dtype)
    values = np.random.default_rng(0).integers(max(info.min, -2**31), min(info.max, 2**31 - 1), (2, 3, 4), endpoint=True).astype(dtype)
    operands = [values[0], values[1]] if not isinstance(op, (Pad, Tile, Clip)) else [values[0]]
    graph, inputs = one_op(op, operands, [False, True][:len(operands)])
    if not native(graph.nodes[0]):
        pytest.skip("no wider type")
    with np.errstate(all="ignore"):
        check_file(graph, inputs, list(op.run(*operands)))


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_gather_wraps_negative_indices(dtype: type) -> None:
    for constant in (True, False):
        operands = [random(5, 3), np.array([[0, -1], [4, -5]], dtype)]
        graph, inputs = one_op(Gather(0), operands, [False, constant])
        check_file(graph, inputs, list(Gather(0).run(*operands)))


# ---- native ------------------------------------------------------------------------------------------------------------------
def _spatial(cls: type[Op], rank: int = 2, **more: object) -> Op:
    filled = {"strides": (1,) * rank, "dilations": (1,) * rank, "pads_begin": (0,) * rank, "pads_end": (0,) * rank}
    if cls in (MaxPool, AvgPool):
        filled["kernel"] = (3,) * rank
    if cls is ConvTranspose:
        filled["output_padding"] = (0,) * rank
    return cls(**(filled | more))  # type: ignore[arg-type]


IMAGE, FILTER = (1, 4, 9, 9), (8, 4, 3, 3)


@pytest.mark.parametrize(("op", "shapes", "expected"), [
    (_spatial(Conv), [IMAGE, FILTER], True),
    (_spatial(Conv, groups=2, dilations=(2, 2), strides=(2, 1)), [IMAGE, (8, 2, 3, 3)], True),
    (_spatial(Conv, 1), [(1, 4, 9), (8, 4, 3)], False),
    (_spatial(Conv, 3), [(1, 4, 9, 9, 9), (8, 4, 3, 3, 3)], True),
    (_spatial(Conv, 3, groups=2), [(1, 4, 9, 9, 9), (8, 2, 3, 3, 3)], False),
    (_spatial(ConvTranspose, strides=(2, 2)), [IMAGE, (4, 8, 3, 3)], True),
    (_spatial(ConvTranspose, groups=2), [IMAGE, (4, 4, 3, 3)], False),
    (_spatial(MaxPool), [IMAGE], True),
    (_spatial(MaxPool, 1), [(1, 4, 9)], False),
    (_spatial(MaxPool, dilations=(2, 2)), [IMAGE], False),
    (_spatial(MaxPool, pads_begin=(1, 0)), [IMAGE], True),
    (_spatial(AvgPool, pads_begin=(1, 0)), [IMAGE], False),
    (_spatial(AvgPool, pads_begin=(1, 0), count_include_pad=True), [IMAGE], True),
    (_spatial(AvgPool, pads_begin=(1, 1), pads_end=(1, 1)), [IMAGE], True),
    (_spatial(AvgPool, strides=(4, 4), ceil_mode=True, count_include_pad=True), [IMAGE], False),
    (Resize((18, 18), None, "nearest", "asymmetric", "floor"), [IMAGE], True),
    (Resize((18, 18), None, "nearest", "half_pixel", "round_prefer_floor"), [IMAGE], True),
    (Resize((6, 6), None, "nearest", "half_pixel", "floor"), [IMAGE], True),  # the same elements as asymmetric
    (Resize((5, 5), None, "nearest", "half_pixel", "ceil"), [IMAGE], False),
    (Resize((18, 18), None, "linear", "align_corners"), [IMAGE], True),
    (Resize((18, 18), None, "linear", "pytorch_half_pixel"), [IMAGE], True),
    (Resize((18, 18), None, "cubic", "half_pixel"), [IMAGE], False),
    (Resize((18,), None, "linear", "half_pixel"), [(1, 4, 9)], False),
    (DepthToSpace(2, "DCR"), [(1, 8, 3, 3)], True),
    (DepthToSpace(2, "CRD"), [(1, 8, 3, 3)], False),
    (DepthToSpace(2, "CRD"), [(1, 4, 3, 3)], True),  # to one channel, whose order is that of DCR
    (Pad((0, 0, 9, 0), (0,) * 4, "reflect"), [IMAGE], False), (Pad((0, 0, 8, 0), (0,) * 4, "reflect"), [IMAGE], True),
    (Elu(), [IMAGE], True), (Elu(0.5), [IMAGE], False), (Sigmoid(), [IMAGE], True), (Erf(), [IMAGE], False),
    (Round("half_away_from_zero"), [IMAGE], False), (ArgMax(1, select_last_index=True), [IMAGE], False), (Pow(), [IMAGE, (1,)], True)])
def test_native(op: Op, shapes: list[tuple[int, ...]], expected: bool) -> None:
    graph = Graph("native")
    operands: list[Value | None] = [graph.add_input("x", TensorType(FLOAT, shapes[0]))]
    operands += [graph.constant(np.ones(shape, np.float32)) for shape in shapes[1:]]
    graph.add(op, operands)
    assert native(graph.nodes[0]) is expected


@pytest.mark.parametrize("rows", [6, N])
def test_indices_that_several_read_are_counted_from_the_front_once(rows: Size) -> None:
    """Indices may be negative, which no kernel takes; into axes of other sizes they are others."""
    graph = Graph("test")
    where = graph.add_input("i", TensorType(np.dtype(np.int64), (4,)))
    sizes = [(rows, 3), (rows, 2), (9, 2)]
    for k, shape in enumerate(sizes):
        x = graph.add_input(f"x{k}", TensorType(FLOAT, shape))
        graph.add_output(graph.add1(Gather(0), [x, where]), f"y{k}")
    made = emit(graph)
    assert [op.code for op in made.model.subgraphs[0].operators].count("FLOOR_MOD") == 2
    shapes = [tuple(6 if isinstance(size, Dim) else size for size in shape) for shape in sizes]
    inputs = [np.array([-1, 2, -6, 0]), *(random(*shape) for shape in shapes)]
    for resolver in RESOLVERS:
        for found, x in zip(run_file(made.tobytes(), inputs, resolver), inputs[1:], strict=True):
            np.testing.assert_array_equal(found, x[inputs[0]])
