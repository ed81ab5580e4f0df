"""Operators that read images at computed positions, or write to them, against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc import convert
from nchw2nhwc.errors import ShapeError, SourceError
from nchw2nhwc.ir.interpreter import run
from tests.parse.onnx.models import assert_as_runtime, model, node, read, runtime, tensor

RNG = np.random.default_rng(0)
X = tensor("x", (2, 3, 6, 5))


@pytest.mark.parametrize(("opset", "modes"), [(16, ("bilinear", "nearest", "bicubic")), (22, ("linear", "nearest", "cubic"))])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("align", [0, 1])
def test_grid_sample(opset: int, modes: tuple[str, ...], padding: str, align: int) -> None:
    nodes = [node("GridSample", "x g", f"y{k}", mode=mode, padding_mode=padding, align_corners=align) for k, mode in enumerate(modes)]
    grid = RNG.uniform(-1.6, 1.6, (2, 4, 3, 2)).astype(np.float32)
    assert_as_runtime(model(nodes, [X], [f"y{k}" for k in range(3)], {"g": grid}, opset), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("batch", [1, 2, "N"])
def test_images_stay_channels_last(batch: int | str) -> None:
    """Between convolutions nothing is transposed, however large the batch."""
    constants = {"w": RNG.standard_normal((4, 3, 1, 1)).astype(np.float32), "v": RNG.standard_normal((2, 4, 1, 1)).astype(np.float32)}
    nodes = [node("Conv", "x w", "a"), node("GridSample", "a g", "s"), node("Conv", "s v", "y")]
    made = convert(model(nodes, [tensor("x", (batch, 3, 6, 5)), tensor("g", (batch, 4, 3, 2))], constants=constants, opset=20))
    assert not made.layout.transposes
    assert made.check().passed


ROIS = {"r": RNG.uniform(0, 12, (4, 4)).astype(np.float32), "i": np.array([0, 1, 1, 0])}


@pytest.mark.parametrize(("opset", "attributes"), [
    (10, {}), (16, {}), (16, {"coordinate_transformation_mode": "output_half_pixel"}), (16, {"mode": "max"})])
def test_roi_align(opset: int, attributes: dict[str, object]) -> None:
    source = node("RoiAlign", "x r i", output_height=2, output_width=3, sampling_ratio=2, spatial_scale=0.4, **attributes)
    assert_as_runtime(model([source], [X], constants=ROIS, opset=opset), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["avg", "max"])
@pytest.mark.parametrize("mode", ["half_pixel", "output_half_pixel"])
def test_as_many_samples_as_elements(mode: str, kind: str) -> None:
    source = node("RoiAlign", "x r i", output_height=2, output_width=3, spatial_scale=0.4, coordinate_transformation_mode=mode, mode=kind)
    regions = {**ROIS, "r": np.sort(ROIS["r"].reshape(4, 2, 2), 1).reshape(4, 4)}  # ONNX Runtime fails for those that end before they begin
    assert_as_runtime(model([source], [X], constants=regions, opset=16), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["avg", "max"])
def test_regions_without_extent_have_no_samples(kind: str) -> None:
    source = node("RoiAlign", "x r i", output_height=2, output_width=3, mode=kind)
    regions = {"r": np.array([[2, 2, 2, 2], [1, 1, 1, 3], [-5, -5, -3, -3], [40, 40, 50, 50]], np.float32), "i": ROIS["i"]}
    assert_as_runtime(model([source], [X], constants=regions, opset=16), rtol=1e-4, atol=1e-5)


def test_regions_of_a_single_image_of_any_number() -> None:
    source = node("RoiAlign", "x r i", output_height=2, output_width=2, sampling_ratio=1)
    assert_as_runtime(model([source], [tensor("x", (1, 2, 5, 5)), tensor("r", ("R", 4))], constants={"i": np.array([0, 0])}, opset=16),
                      rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("group", [1, 2])
def test_deform_conv(group: int) -> None:
    constants = {"w": RNG.standard_normal((4, 4 // group, 3, 2)).astype(np.float32),
                 "o": RNG.uniform(-2, 2, (2, 24, 4, 5)).astype(np.float32), "b": RNG.standard_normal(4).astype(np.float32),
                 "m": RNG.uniform(0, 1, (2, 12, 4, 5)).astype(np.float32)}
    source = node("DeformConv", "x w o b m", group=group, offset_group=2, pads=[1, 1, 0, 1], strides=[1, 1], dilations=[1, 2])
    assert_as_runtime(model([source], [tensor("x", (2, 4, 5, 5))], constants=constants, opset=19), rtol=1e-3, atol=1e-4)


def test_col2im() -> None:
    constants = {"s": np.array([5, 7]), "k": np.array([2, 3])}
    source = node("Col2Im", "x s k", strides=[2, 1], dilations=[1, 2], pads=[1, 0, 0, 1])
    assert_as_runtime(model([source], [tensor("x", (2, 12, 12))], constants=constants, opset=18))


@pytest.mark.parametrize(("sizes", "scale"), [((2, 3), 1.0), ((1, 1), 0.5), ((3, 3), 0.25)])
def test_max_roi_pool(sizes: tuple[int, int], scale: float) -> None:
    """Regions within an image, of one element, and beyond its edge."""
    regions = np.array([[0, 0, 0, 5, 4], [1, 2, 1, 2, 1], [0, 3, 2, 20, 9], [1, 1, 0, 4, 3]], np.float32)
    source = node("MaxRoiPool", "x r", pooled_shape=list(sizes), spatial_scale=scale)
    assert_as_runtime(model([source], [tensor("x", (2, 3, 6, 7))], constants={"r": regions}))


def test_max_roi_pool_of_any_number_of_regions() -> None:
    converted = convert(model([node("MaxRoiPool", "x r", pooled_shape=[2, 3])], [tensor("x", (1, 3, 6, 7)), tensor("r", ("N", 5))]))
    regions = np.array([[0, 0, 0, 5, 4], [0, 2, 1, 2, 1], [0, 1, 0, 4, 3]], np.float32)
    for count in (1, 3):
        data = {"x": np.random.default_rng(0).normal(size=(1, 3, 6, 7)).astype(np.float32), "r": regions[:count]}
        assert converted.check(data).max_rel_error == 0


@pytest.mark.parametrize("larger", [False, True])
def test_max_unpool(larger: bool) -> None:
    constants = {"i": np.array([[[[5, 7], [13, 15]]]]), **({"s": np.array([1, 1, 5, 5])} if larger else {})}
    source = node("MaxUnpool", "x i s" if larger else "x i", kernel_shape=[2, 2], strides=[2, 2])
    graph = read(model([source], [tensor("x", (1, 1, 2, 2))], constants=constants))
    assert graph.outputs[0].shape == ((1, 1, 5, 5) if larger else (1, 1, 4, 4))


@pytest.mark.parametrize(("source", "constants", "error", "reason"), [
    (node("GridSample", "x x", mode="cosine"), {}, SourceError, "no interpolation mode 'cosine'"),
    (node("GridSample", "x x"), {}, ShapeError, "does not have positions in the 2 spatial axes"),
    (node("RoiAlign", "x r i", mode="sum", sampling_ratio=1), ROIS, SourceError, "mode 'sum'"),
    (node("Col2Im", "x s s"), {"s": np.array([2, 2])}, ShapeError, "has no blocks"),
    (node("MaxUnpool", "x i", kernel_shape=[2, 2]), {"i": np.array([0])}, SourceError, "do not fit kernel"),
])
def test_what_does_not_fit(source: object, constants: dict[str, object], error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason):
        read(model([source], [X], constants=constants, opset=22))  # type: ignore[list-item]


@pytest.mark.parametrize("align", [0, 1])
@pytest.mark.parametrize("spatial", [(4, 5), (3, 4, 5)])
def test_affine_grid(spatial: tuple[int, ...], align: int) -> None:
    """With a size that is known, named, and computed."""
    rank = len(spatial)
    theta = tensor("t", (2, rank, rank + 1))
    source = node("AffineGrid", "t s", align_corners=align)
    assert_as_runtime(model([source], [theta], constants={"s": np.array([2, 3, *spatial])}, opset=20))
    named = model([node("Shape", "i", "s"), source], [theta, tensor("i", (2, 3, *spatial[:-1], "W"))], opset=20)
    assert_as_runtime(named, unknown=6)
    made = model([source], [theta, tensor("s", (rank + 2,), np.int64)], opset=20)
    given = {"t": RNG.standard_normal((2, rank, rank + 1)).astype(np.float32), "s": np.array([2, 3, *spatial])}
    np.testing.assert_allclose(run(read(made), given)["y"], runtime(made, given)[0], atol=1e-5)


def test_affine_grid_of_another_rank() -> None:
    with pytest.raises(SourceError, match="is no map of"):
        read(model([node("AffineGrid", "t s")], [tensor("t", (2, 2, 3))], constants={"s": np.array([2, 3, 4, 5, 6])}, opset=20))


@pytest.mark.parametrize(("image", "block", "attributes"), [
    ((5, 7), (2, 3), {}), ((5, 7), (2, 3), {"strides": [2, 1], "dilations": [1, 2], "pads": [1, 0, 0, 1]}), ((9,), (3,), {"strides": [2]}),
    ((3, 4, 5), (2, 1, 3), {"pads": [0, 1, 0, 0, 0, 1]})])
def test_col2im_of_computed_sizes(image: tuple[int, ...], block: tuple[int, ...], attributes: dict[str, list[int]]) -> None:
    rank = len(image)
    pads = attributes.get("pads", [0] * 2 * rank)
    reach = [(k - 1) * gap + 1 for k, gap in zip(block, attributes.get("dilations", [1] * rank))]
    counts = [(size + pads[k] + pads[rank + k] - reach[k]) // step + 1
              for k, (size, step) in enumerate(zip(image, attributes.get("strides", [1] * rank)))]
    x = RNG.standard_normal((2, 3 * int(np.prod(block)), int(np.prod(counts)))).astype(np.float32)
    given = {"x": x, "i": np.asarray(image), "b": np.asarray(block)}
    inputs = [tensor(name, array.shape, array.dtype) for name, array in given.items()]
    made = model([node("Col2Im", "x i b", **attributes)], inputs, opset=18)
    np.testing.assert_allclose(run(read(made), given)["y"], runtime(made, given)[0], rtol=1e-4, atol=1e-5)
