"""Models with open sizes, from the source to one file that is run at several sizes."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import openvino
import pytest
from openvino import opset13 as ops

from nchw2nhwc import convert
from nchw2nhwc.checking.litert import run_litert
from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir import Array
from tests.parse.onnx.models import Dims, model, node, runtime, tensor
from tests.parse.onnx.operators.test_contrib_attention import DOMAIN, own
from tests.parse.onnx.test_reader import branch
from tests.parse.openvino.harness import saved
from tests.parse.test_open_sizes import halvings, image_model
from tests.runtimes import skip_with_older_runtime

IMAGE: Dims = ("N", 4, "H", "W")
RNG = np.random.default_rng(0)


def weights(*shape: int) -> object:
    return RNG.standard_normal(shape).astype(np.float32)


def ints(*values: int) -> Array:
    return np.array(values, np.int64)


def floats(*values: float) -> Array:
    return np.array(values, np.float32)


ATTENTION = [
    node("Shape", "x", "s"), node("Slice", "s zero two", "nc"), node("Concat", "nc open", "r", axis=0), node("Reshape", "x r", "f"),
    node("Transpose", "f", "q", perm=[0, 2, 1]), node("MatMul", "q f", "qk"), node("Softmax", "qk", "p"), node("MatMul", "p q", "o"),
    node("Transpose", "o", "t", perm=[0, 2, 1]), node("Reshape", "t s", "y")]
WINDOWS = [
    node("Shape", "x", "s"), node("Slice", "s two four", "hw"), node("Div", "hw seven", "b"),
    node("Split", "b", "h w", axis=0, num_outputs=2), node("Concat", "open channels h side w side", "r", axis=0),
    node("Reshape", "x r", "a"),
    node("Transpose", "a", "t", perm=[0, 2, 4, 1, 3, 5]), node("Reshape", "t tokens", "u"), node("Softmax", "u", "y")]
FULL_BLOCKS = [node("Shape", "x", "s", start=2), node("Mod", "s eights", "m"), node("Sub", "eights m", "d"), node("Mod", "d eights", "e"),
               node("Concat", "nothing e", "p", axis=0), node("Pad", "x p", "y")]
DILATED = [node("Shape", "x", "s", start=2), node("Div", "s eights", "q"), node("Mul", "q eights", "r"), node("Sub", "s r", "m"),
           node("Sub", "eights m", "d"), node("Div", "d eights", "u"), node("Mul", "u eights", "v"), node("Sub", "d v", "e"),
           node("Add", "e eights", "h"), node("Concat", "before h", "p", axis=0), node("Pad", "x p", "a"),
           node("Transpose", "a", "t", perm=[1, 0, 2, 3]), node("SpaceToDepth", "t", "b", blocksize=2),
           node("Transpose", "b", "c", perm=[1, 0, 2, 3]), node("Conv", "c w", "i"), node("Transpose", "i", "f", perm=[1, 0, 2, 3]),
           node("DepthToSpace", "f", "g", blocksize=2), node("Transpose", "g", "y", perm=[1, 0, 2, 3])]
"""A dilated convolution as tf2onnx writes it where sizes are open: by blocks in the batch."""
AS_LARGE = [node("Conv", "x w", "a", pads=[1, 1, 1, 1], strides=[2, 2]), node("Shape", "a", "k", end=2), node("Shape", "x", "l", start=2),
            node("Concat", "k l", "z", axis=0),
            node("Resize", "a - - z", "b", mode="linear", coordinate_transformation_mode="pytorch_half_pixel"), node("Add", "b x", "y")]
CAUSAL = [node("Shape", "x", "s", start=3), node("Concat", "s s", "l", axis=0), node("ConstantOfShape", "l", "o"),
          node("Trilu", "o", "y0", upper=0), node("MatMul", "x y0", "y")]
READ = [node("Split", "x", "a b", axis=1, num_outputs=2), node("Transpose", "a", "t", perm=[0, 2, 3, 1]), node("Tanh", "t", "g"),
        node("GridSample", "x g", mode="bicubic", padding_mode="reflection")]
ROIS = [node("RoiAlign", "x boxes which", "y", output_height=3, output_width=2, sampling_ratio=2, spatial_scale=0.5, mode="max")]
DEFORMED = [node("Conv", "x w", "o", pads=[1, 1, 1, 1], strides=[2, 1]), node("DeformConv", "x v o", "y", strides=[2, 1])]

GRID = [node("Shape", "x", "s"), node("Gather", "s three", "w"), node("Cast", "w", "c", to=onnx.TensorProto.FLOAT),
        node("Range", "start c step", "r"), node("Mul", "x r", "y")]
NOTHING = [node("Shape", "x", "s", end=3), node("Concat", "s zero", "l", axis=0), node("ConstantOfShape", "l", "e"),
           node("Concat", "x e x", "y", axis=3)]

CASES: dict[str, tuple[list[onnx.NodeProto], dict[str, object]]] = {
    "attention": (ATTENTION, {"zero": ints(0), "two": ints(2), "open": ints(-1)}),
    "windows": (WINDOWS, {"two": ints(2), "four": ints(4), "seven": ints(7, 7), "open": ints(-1), "channels": ints(4), "side": ints(7),
                          "tokens": ints(-1, 4, 49)}),
    "full blocks": (FULL_BLOCKS, {"eights": ints(8, 8), "nothing": ints(0, 0, 0, 0, 0, 0)}),
    "dilated by blocks": (DILATED, {"eights": ints(2, 2), "before": ints(0, 0, 2, 2, 0, 0), "w": weights(3, 4, 3, 3)}),
    "mirrored to full blocks": ([*FULL_BLOCKS[:-1], node("Pad", "x p", mode="reflect")],
                                {"eights": ints(8, 8), "nothing": ints(0, 0, 0, 0, 0, 0)}),
    "full blocks of what is halved": (
        [node("AveragePool", "x", "h", kernel_shape=[2, 2], strides=[2, 2]), node("Shape", "h", "s", start=2), *FULL_BLOCKS[1:-1],
         node("Pad", "h p", "y")], {"eights": ints(8, 8), "nothing": ints(0, 0, 0, 0, 0, 0)}),
    "the last row": ([node("AveragePool", "x", "a", kernel_shape=[8, 1], strides=[8, 1]), node("Slice", "a last far rows", "l"),
                      node("Sub", "a l", "y")], {"last": ints(-1), "far": ints(1 << 40), "rows": ints(2)}),
    "as often as images": ([node("Shape", "x", "n", end=1), node("Concat", "n ones", "r", axis=0), node("Tile", "x r", "y")],
                           {"ones": ints(1, 1, 1)}),
    "as large as": (AS_LARGE, {"w": weights(4, 4, 3, 3)}),
    "causal mask": (CAUSAL, {}),
    "grid of floats": (GRID, {"three": np.array(3), "start": np.array(0, np.float32), "step": np.array(1, np.float32)}),
    "halves of a grid": ([*GRID[:-1], node("ReduceMean", "r", "m"), node("Mul", "x m", "y")],
               {"three": np.array(3), "start": np.array(0.5, np.float32), "step": np.array(1.5, np.float32)}),
    "nothing beside it": (NOTHING, {"zero": ints(0)}),
    "mean of what is there": ([node("AveragePool", "x", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2])], {}),
    "maximum, rounded up": ([node("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)], {}),
    "pairs, rounded up": ([node("MaxPool", "x", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)], {}),
    "dilated maximum": ([node("MaxPool", "x", kernel_shape=[3, 2], dilations=[2, 3], strides=[2, 1], pads=[0, 1, 1, 0])], {}),
    "dilated maximum behind halves": ([node("MaxPool", "x", "a", kernel_shape=[2, 2], strides=[2, 2]),
                                       node("MaxPool", "a", kernel_shape=[3, 3], dilations=[2, 2])], {}),
    "SAME": ([node("Conv", "x w", strides=[2, 2], auto_pad="SAME_UPPER")], {"w": weights(4, 4, 3, 3)}),
    "transposed": ([node("ConvTranspose", "x w", strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1])], {"w": weights(4, 4, 3, 3)}),
    "repeated": ([node("Resize", "x - s", mode="nearest")], {"s": floats(1, 1, 3, 2)}),
    "half as large": ([node("Resize", "x - s", mode="linear")], {"s": floats(1, 1, 0.5, 0.5)}),
    "cubic": ([node("Resize", "x - s", mode="cubic", coordinate_transformation_mode="align_corners", exclude_outside=1)],
              {"s": floats(1, 1, 0.5, 3)}),
    "antialiased": ([node("Resize", "x - s", mode="linear", antialias=1)], {"s": floats(1, 1, 0.5, 2)}),
    "nearest below": ([node("Resize", "x - s", mode="nearest", nearest_mode="ceil")], {"s": floats(1, 1, 2, 0.5)}),
    "read at positions": (READ, {}),
    "deformed": (DEFORMED, {"w": weights(4, 4, 3, 3), "v": weights(3, 4, 2, 1)}),
    "regions": (ROIS, {"boxes": floats(1, 2, 30, 40, -9, 5, 50, 70).reshape(2, 4), "which": ints(0, 0)}),
    "of each column": ([node("ArgMax", "x", "i", axis=2), node("Neg", "x", "n"), node("GatherElements", "n i", axis=2)], {}),
    "reflected": ([node("Pad", "x p", mode="reflect")], {"p": ints(0, 0, 2, 1, 0, 0, 1, 3)}),
    "wrapped": ([node("Pad", "x p", mode="wrap")], {"p": ints(0, 0, 2, 1, 0, 0, 1, 3)}),
    "edges": ([node("Pad", "x p", mode="edge")], {"p": ints(0, 0, 2, 1, 0, 0, 1, 3)}),
    "blocks": ([node("SpaceToDepth", "x", blocksize=2)], {}),
    "elements by index": ([node("ArgMax", "x", "i", axis=2), node("GatherElements", "x i", axis=2)], {}),
    "elements put somewhere": ([node("ArgMin", "x", "i", axis=2), node("ReduceMax", "x rows", "u"),
                                node("ScatterElements", "x i u", axis=2)], {"rows": ints(2)}),
    "rows by index in a batch": ([node("ReduceMax", "x columns", "r", keepdims=0), node("ArgMax", "r", "i", axis=1, keepdims=0),
                                  node("Unsqueeze", "i last", "j"), node("GatherND", "r j", batch_dims=1)],
                                 {"columns": ints(3), "last": ints(-1)}),
    "places": ([node("ReduceMean", "x lead", "m", keepdims=0), node("Greater", "m limit", "c"), node("NonZero", "c")],
               {"lead": ints(0, 1), "limit": floats(0.5)}),
    "diagonal": ([node("ReduceMean", "x lead", "m", keepdims=0), node("EyeLike", "m", "e", k=2), node("Mul", "x e")], {"lead": ints(0, 1)}),
    "cut or filled up": ([node("Shape", "x", "s", start=2), node("Sub", "size s", "d"), node("Concat", "nothing d", "p", axis=0),
                          node("Pad", "x p one", "y")], {"size": ints(64, 100), "nothing": ints(0, 0, 0, 0, 0, 0), "one": floats(1)[0]}),
    "backwards from before the end": ([node("Slice", "x starts ends axes steps")],
                                      {"starts": ints(-2, -200), "ends": ints(-1000, -1000), "axes": ints(2, 3), "steps": ints(-1, -2)}),
    "transposed to less": ([node("ConvTranspose", "x w", strides=[2, 2], pads=[2, 1, 1, 2], dilations=[1, 2])],
                           {"w": weights(4, 4, 2, 2)}),
    "a part of nothing": ([node("Split", "x sizes", "a b", axis=1), node("Relu", "a", "r"), node("Concat", "b r", axis=1)],
                          {"sizes": ints(4, 0)}),
    "halves": ([node("Split", "x", "y z", axis=2, num_outputs=2)], {}),
}
MODELS = {name: model(nodes, [tensor("x", IMAGE)], constants=constants, opset=19) for name, (nodes, constants) in CASES.items()}
MODELS["pyramid"] = image_model(halvings(3))

@pytest.mark.parametrize("name", MODELS)
def test_one_file_at_several_sizes(name: str) -> None:
    """The check runs at two sizes, the file at two more, in which height and width differ."""
    skip_with_older_runtime()
    source = MODELS[name]
    converted = convert(source)
    outcome = converted.check()
    assert converted.sample is not None
    assert len({run.data["x"].shape for run in converted.sample.runs}) == 2
    assert outcome.passed, outcome
    content = converted.tflite()
    for height, width in ((56, 112), (168, 56)):
        x = RNG.standard_normal((1, converted.inputs[0].source_shape[1], height, width)).astype(np.float32)
        found = run_litert(content, converted.inputs, converted.outputs, {"x": x})
        for array, wanted in zip(found.values(), runtime(source, {"x": x}), strict=True):
            np.testing.assert_allclose(array, wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max())


@pytest.mark.skipif(find_spec("tensorflow") is None, reason="Keras is not installed")
@pytest.mark.parametrize("name", MODELS)
def test_keras(name: str) -> None:
    converted = convert(MODELS[name])
    assert converted.compare_keras(converted.reference(), converted.keras_network(), 1e-4).passed


def test_what_is_needed_of_a_size_is_said() -> None:
    converted = convert(MODELS["pyramid"])
    assert converted.inputs[0].source_shape == (-1, 3, -1, -1)
    assert any("axis 3 of 'x' to be a multiple of 8" in note for note in converted.graph.notes)


def test_a_cache_that_grows_or_has_room() -> None:
    """A step of a language model as ONNX Runtime's model builder exports it: three lengths that only the caller knows."""
    heads, size = 2, 32
    nodes = [node("Shape", "mask", "shape"), node("Gather", "shape one", "all", axis=0), node("Cast", "all", "t", to=6),
             node("ReduceSum", "mask along", "sum", keepdims=0), node("Sub", "sum one", "less"), node("Cast", "less", "l", to=6),
             own("GroupQueryAttention", "q k v m n l t c s", "y j w", num_heads=heads, kv_num_heads=heads, do_rotary=1)]
    inputs = [tensor("mask", (1, "total"), np.int64), *(tensor(name, (1, "new", heads * size)) for name in "qkv"),
              *(tensor(name, (1, heads, "past", size)) for name in "mn")]
    constants: dict[str, object] = {"one": np.array(1), "along": ints(1), "c": weights(32, size // 2), "s": weights(32, size // 2)}
    source = model(nodes, inputs, ["y", "j", "w"], constants, domains=[DOMAIN])
    converted = convert(source)
    content = converted.tflite()
    for new, past, total in ((1, 4, 5), (1, 9, 4), (6, 9, 6), (3, 9, 8)):
        data = {"mask": np.ones((1, total), np.int64), **{name: weights(1, new, heads * size) for name in "qkv"},
                **{name: weights(1, heads, past, size) for name in "mn"}}
        found = run_litert(content, converted.inputs, converted.outputs, data)
        for array, wanted in zip(found.values(), runtime(source, data), strict=True):
            np.testing.assert_allclose(array, wanted, rtol=1e-4, atol=1e-5)


def test_a_table_of_relative_positions() -> None:
    """Whose middle part is as long as the data: no longer than the table has positions on one side."""
    skip_with_older_runtime()
    nodes = [node("Shape", "x", "l", start=1, end=2), node("Sub", "center l", "first"), node("Slice", "table first far zero", "p"),
             node("Slice", "p zero l zero", "q"), node("Add", "x q")]
    constants = {"center": ints(60), "far": ints(1 << 40), "zero": ints(0), "table": weights(119, 3)}
    converted = convert(model(nodes, [tensor("x", (2, "L", 3))], constants=constants, opset=19))
    assert any("axis 1 of 'x' to be at most 60" in note for note in converted.graph.notes)
    assert converted.check().passed


def test_a_table_of_relative_positions_for_what_data_decides() -> None:
    """As many tokens as a number says that is computed, as in speech whose length is predicted."""
    skip_with_older_runtime()
    nodes = [node("Cast", "x", "n", to=onnx.TensorProto.INT64), node("Range", "nothing n one", "r"), node("Shape", "r", "l"),
             node("Sub", "center l", "first"), node("Slice", "table first far zero", "p"), node("Slice", "p zero l zero", "q"),
             node("Cast", "r", "f", to=onnx.TensorProto.FLOAT), node("Unsqueeze", "f one1", "c"), node("Add", "q c", "s"),
             node("ReduceSum", "s zero", "y", keepdims=0)]
    constants = {"center": ints(60), "far": ints(1 << 40), "zero": ints(0), "table": weights(119, 3), "nothing": np.array(0),
                 "one": np.array(1), "one1": ints(1)}
    source = model(nodes, [tensor("x", ())], constants=constants, opset=19)
    converted = convert(source)
    (limit,) = converted.graph.fixed_sizes
    assert limit == "'r_count', which data decides, is at most 60"
    assert converted.check({"x": np.float32(7)}).passed
    assert converted.check({"x": np.float32(60)}).passed


def test_images_that_are_resized_and_padded_to_whole_windows() -> None:
    """As torchvision's detectors are exported: a scale that follows from the sizes, paddings of which those of channels are known, a
    convolution."""
    skip_with_older_runtime()
    nodes = [node("Shape", "x", "s", start=2), node("Cast", "s", "f", to=1), node("ReduceMin", "f", "m", keepdims=0),
             node("Div", "least m", "scale"), node("Unsqueeze", "scale zero", "one"), node("Concat", "one one", "scales", axis=0),
             node("Resize", "x - scales", "r", mode="linear", axes=[2, 3]), node("Shape", "r", "chw", start=1),
             node("Cast", "chw", "sizes", to=1), node("Div", "sizes steps", "d"), node("Ceil", "d", "c"),
             node("Mul", "c steps", "w"), node("Cast", "w", "whole", to=7), node("Sub", "whole chw", "lack"),
             node("Concat", "none zero lack", "pads", axis=0),
             node("Pad", "r pads", "p"), node("Conv", "p k", "v", strides=[4, 4]), node("ReduceMax", "v axes", "y")]
    constants = {"least": np.float32(10), "zero": ints(0), "steps": floats(3, 8, 8), "none": ints(0, 0, 0, 0), "k": weights(2, 3, 4, 4),
                 "axes": ints(2, 3)}
    converted = convert(model(nodes, [tensor("x", (1, 3, "H", "W"))], constants=constants, opset=18))
    assert converted.outputs[0].source_shape == (1, 2, 1, 1)
    assert converted.check({"x": RNG.uniform(0, 1, (1, 3, 7, 12)).astype(np.float32)}).passed
    assert converted.check({"x": RNG.uniform(0, 1, (1, 3, 21, 13)).astype(np.float32)}).passed


ALONG_AN_OPEN_AXIS = {
    "Hardmax": (node("Hardmax", "x", "y", axis=1), {}), "Unique": (node("Unique", "x", "y", axis=1), {}),
    "Unique in order": (node("Unique", "x", "y", sorted=0), {}),
    "TopK": (node("TopK", "x k", "y w", axis=1), {}), "CumProd": (node("CumProd", "x one", "y", exclusive=1), {"one": np.array(1)}),
    "DFT": (node("DFT", "x - one", "y"), {"one": np.array(1)}),
    "DFT of real numbers": (node("DFT", "x - one", "y", onesided=1), {"one": np.array(1)}),
    "inverse DFT of a length": (node("DFT", "x five one", "y", inverse=1), {"one": np.array(1), "five": np.array(5)}),
    "CumProd from behind": (node("CumProd", "x one", "y", reverse=1), {"one": np.array(1)}),
}


@pytest.mark.parametrize("name", ALONG_AN_OPEN_AXIS)
def test_along_an_open_axis(name: str) -> None:
    skip_with_older_runtime()
    layer, constants = ALONG_AN_OPEN_AXIS[name]
    parts = 3 if "DFT" not in name else 1 if "real" in name else 2
    inputs = [tensor("x", ("N", "L", parts)), tensor("k", (1,), np.int64)][:1 + (name == "TopK")]
    source = model([layer], inputs, constants=constants, opset=26 if "Prod" in name else 20)
    converted = convert(source)
    content = converted.tflite()
    for length in (4, 7):
        data = {"x": RNG.integers(-2, 3, (2, length, parts)).astype(np.float32), "k": ints(3)}
        data = {value.name: data[value.name] for value in source.graph.input}
        found = run_litert(content, converted.inputs, converted.outputs, data)
        np.testing.assert_allclose(np.asarray(next(iter(found.values()))), np.asarray(runtime(source, data)[0]), atol=2e-5)


def test_regions_with_as_many_samples_as_elements() -> None:
    """RoiAlign without a number of samples, of images of any size."""
    skip_with_older_runtime()
    inputs = [tensor("x", ("N", 3, "H", "W")), tensor("r", ("R", 4)), tensor("i", ("R",), np.int64)]
    source = model([node("RoiAlign", "x r i", "y", output_height=2, output_width=3, spatial_scale=0.5)], inputs, opset=16)
    converted = convert(source)
    content = converted.tflite()
    for batch, height, width, count in ((1, 9, 6, 2), (3, 5, 12, 4)):
        corners = np.sort(RNG.uniform(0, 2, (count, 2, 2)), 1) * np.array([width, height])
        data: dict[str, Array] = {"x": RNG.uniform(-1, 1, (batch, 3, height, width)).astype(np.float32),
                                  "r": corners.reshape(count, 4).astype(np.float32), "i": RNG.integers(0, batch, count)}
        (found,) = run_litert(content, converted.inputs, converted.outputs, data).values()
        np.testing.assert_allclose(np.asarray(found), np.asarray(runtime(source, data)[0]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("count", [3, 2500])
def test_boxes_of_an_open_batch(count: int) -> None:
    """In a loop over the classes of all images; boxes without extent overlap nothing, however many there are."""
    skip_with_older_runtime()
    inputs = [tensor("x", ("N", "B", 4)), tensor("s", ("N", 2, "B"))]
    constants = {"most": ints(5), "iou": floats(0.5), "least": floats(0.1)}
    source = model([node("NonMaxSuppression", "x s most iou least", "y")], inputs, constants=constants)
    converted = convert(source)
    content = converted.tflite()
    for batch in (1, 3):
        boxes = RNG.uniform(0, 10, (batch, count, 4)).astype(np.float32)
        boxes[:, ::2, 2:] = boxes[:, ::2, :2]
        data: dict[str, Array] = {"x": boxes, "s": RNG.uniform(0, 1, (batch, 2, count)).astype(np.float32)}
        (found,) = run_litert(content, converted.inputs, converted.outputs, data).values()
        np.testing.assert_array_equal(found, runtime(source, data)[0])


PICKED = [node("NonZero", "x", "p"), node("Reshape", "p one1", "k"), node("Gather", "table k", "r", axis=0)]
"""The row of a table for the only element of x that is not 0: there has to be one."""


@pytest.mark.parametrize("inside", [False, True])
def test_a_number_that_data_decides_and_that_can_be_one_only(inside: bool) -> None:
    """Also in a branch, of what is found out there."""
    constants: dict[str, object] = {"one1": ints(1), "table": weights(5, 3)}
    inputs = [tensor("x", (5,)), tensor("c", (), np.bool_)]
    other = branch(node("Gather", "table one1", "r", axis=0))
    nodes = [node("If", "c", "y", then_branch=branch(*PICKED), else_branch=other)] if inside else [
        *PICKED, node("Where", "c r table", "y")]
    source = model(nodes, inputs, constants=constants)
    converted = convert(source)
    assert converted.graph.fixed_sizes == ["'p_count', which data decides, is 1, the only size that fits"]
    for place in range(5):
        assert converted.check({"x": np.eye(5, dtype=np.float32)[place], "c": np.array(place % 2 == 0)}).passed
    if inside:
        assert converted.check({"x": np.zeros(5, np.float32), "c": np.array(False)}).passed
    elif find_spec("tensorflow"):
        sample = converted.reference({"x": np.eye(5, dtype=np.float32)[3], "c": np.array(True)})
        assert converted.compare_keras(sample, converted.keras_network(), 1e-4).passed


def test_a_number_that_a_branch_needs_of_what_is_found_out_around_it() -> None:
    """It need not be that number where the branch is not taken."""
    first, *others = PICKED
    nodes = [first, node("If", "c", "y", then_branch=branch(*others), else_branch=branch(node("Identity", "table", "r")))]
    source = model(nodes, [tensor("x", (5,)), tensor("c", (), np.bool_)], constants={"one1": ints(1), "table": weights(5, 3)})
    with pytest.raises(ShapeError, match=r"has p_count elements, shape \[1\] needs 1"):
        convert(source)


@pytest.mark.parametrize("reduction", ["mul", "max", "min"])
@pytest.mark.parametrize("scatter", [
    ("ScatterND", [("R", 4, 3), ("K", 1), ("K", 4, 3)]), ("ScatterND", [("R", 4, 3), ("K", 2), ("K", 3)]),
    ("ScatterND", [(5, 4), (6, "K", 2), (6, "K")]), ("ScatterElements", [(4, "R"), ("K", "R"), ("K", "R")])])
def test_several_updates_for_one_place(scatter: tuple[str, list[Dims]], reduction: str) -> None:
    """Of any number of updates; what nothing goes to stays, infinite as it may be. Indices may count from the end."""
    skip_with_older_runtime()
    kind, shapes = scatter
    inputs = [tensor(name, dims, dtype) for name, dims, dtype in zip("xiu", shapes, (np.float32, np.int64, np.float32))]
    source = model([node(kind, "x i u", "y", reduction=reduction)], inputs, opset=18)
    converted = convert(source)
    content = converted.tflite()
    for updates in (3, 9):
        sizes = [tuple({"R": 5, "K": updates}.get(str(s), s) for s in dims) for dims in shapes]
        data = {"x": weights(*sizes[0]), "i": RNG.integers(-4, 4, sizes[1]), "u": weights(*sizes[2])}
        data["x"][0] = -np.inf if reduction == "max" else np.inf
        (found,) = run_litert(content, converted.inputs, converted.outputs, data).values()
        np.testing.assert_allclose(found, runtime(source, data)[0], rtol=1e-5)


def test_parts_whose_lengths_are_computed(tmp_path: Path) -> None:
    """OpenVINO's VariadicSplit; one length is what the others leave."""
    x, n = ops.parameter([-1, 3], np.float32, name="x"), ops.parameter([2], np.int64, name="n")
    parts = ops.variadic_split(x, np.int64(0), ops.concat([n, np.array([-1])], 0))
    xml = saved(openvino.Model([ops.result(part) for part in parts.outputs()], [x, n], "net"), tmp_path)
    converted = convert(xml)
    for lengths in ((2, 3), (4, 1)):
        assert converted.check({"x": weights(7, 3), "n": ints(*lengths)}).passed


def test_parts_of_sizes_that_are_open(tmp_path: Path) -> None:
    """OpenVINO's VariadicSplit by sizes of another input; the last part is what they leave."""
    x, z = (ops.parameter(openvino.PartialShape([-1, 3]), np.float32, name=name) for name in "xz")
    rows = ops.gather(ops.shape_of(z), np.array([0]), np.int64(0))
    parts = ops.variadic_split(x, np.int64(0), ops.concat([rows, np.array([-1])], 0))
    xml = saved(openvino.Model([ops.result(part) for part in parts.outputs()], [x, z], "net"), tmp_path)
    converted = convert(xml)
    for count in (2, 5):
        assert converted.check({"x": weights(7, 3), "z": weights(count, 3)}).passed


def test_ranges_and_shapes_that_are_computed(tmp_path: Path) -> None:
    """OpenVINO's Slice and Broadcast."""
    x, n = ops.parameter([6, 3], np.float32, name="x"), ops.parameter([2], np.int64, name="n")
    ends = [ops.gather(n, np.array([k]), np.int64(0)) for k in (0, 1)]
    rows = ops.slice(x, ends[0], ends[1], np.array([1]), np.array([0]))
    wide = ops.broadcast(ops.reduce_sum(x, np.array([0]), keep_dims=True), ops.concat([ends[1], np.array([3])], 0))
    xml = saved(openvino.Model([ops.result(rows), ops.result(wide)], [x, n], "net"), tmp_path)
    converted = convert(xml)
    for given in ((1, 4), (-5, 5)):
        assert converted.check({"x": weights(6, 3), "n": ints(*given)}).passed


@pytest.mark.parametrize("dtype", ["u32", "u64", "i16"])
def test_positions_of_other_integers(dtype: str, tmp_path: Path) -> None:
    """Which kernels do not take as such."""
    x, n = ops.parameter([5, 3], np.float32, name="x"), ops.parameter([4], np.int64, name="n")
    best = ops.convert(ops.topk(x, np.int64(2), 0, "max", "value", index_element_type="i64").output(1), dtype)
    results = [ops.gather(x, best, np.int64(0)), ops.gather(x, ops.convert(n, dtype), np.int64(0))]
    xml = saved(openvino.Model([ops.result(each) for each in results], [x, n], "net"), tmp_path)
    assert convert(xml).check({"x": weights(5, 3), "n": ints(4, 0, 2, 2)}).passed
