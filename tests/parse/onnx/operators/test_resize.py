"""Resize and Upsample against ONNX Runtime, in all their versions."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.errors import ConversionError
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ops.resize import Resize
from tests.parse.onnx.models import Dims, assert_as_runtime, data, model, node, ops, read, runtime, tensor

Arrays = dict[str, object]


def scales(*values: float) -> Arrays:
    return {"s": np.array(values, np.float32)}


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("factors", [(1.0, 1.0, 2.0, 3.0), (1.0, 1.0, 1.5, 2.5), (1.0, 1.0, 0.5, 0.6), (1.0, 1.0, 0.5, 2.0)])
@pytest.mark.parametrize("opset", [7, 9, 10])
def test_first_definition(mode: str, factors: tuple[float, ...], opset: int) -> None:
    if opset < 10 and min(factors) < 1:
        pytest.skip("Upsample does not shrink")
    source = node("Upsample", "x", scales=list(factors), mode=mode) if opset == 7 else node("Upsample" if opset == 9 else "Resize", "x s",
                                                                                            mode=mode)
    assert_as_runtime(model([source], [tensor("x", (1, 2, 5, 4))], constants=scales(*factors), opset=opset), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("coordinates", ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"])
@pytest.mark.parametrize(("mode", "more"), [("nearest", {"nearest_mode": "floor"}), ("nearest", {"nearest_mode": "round_prefer_ceil"}),
                                            ("linear", {}), ("cubic", {"cubic_coeff_a": -0.5})])
@pytest.mark.parametrize("opset", [11, 13, 19])
def test_resize(coordinates: str, mode: str, more: dict[str, object], opset: int) -> None:
    inputs = [tensor("x", (1, 2, 5, 4))]
    attributes = {"coordinate_transformation_mode": coordinates, "mode": mode, **more}
    roi = {"r": np.array([], np.float32)}
    assert_as_runtime(model([node("Resize", "x r s", **attributes)], inputs, constants=scales(1, 1, 2, 1.25) | roi, opset=opset),
                      rtol=1e-4, atol=1e-5)
    sizes = {"z": np.array([1, 2, 7, 3]), "s": np.array([], np.float32)} | roi
    assert_as_runtime(model([node("Resize", "x r s z", **attributes)], inputs, constants=sizes, opset=opset), rtol=1e-4, atol=1e-5)


def test_crop_and_resize() -> None:
    constants = {"r": np.array([0, 0, 0.25, -0.2, 1, 1, 0.8, 1.3], np.float32), "z": np.array([1, 1, 3, 6])}
    attributes = {"coordinate_transformation_mode": "tf_crop_and_resize", "mode": "linear", "extrapolation_value": 9.0}
    assert_as_runtime(model([node("Resize", "x r - z", **attributes)], [tensor("x", (1, 1, 6, 5))], constants=constants), rtol=1e-4,
                      atol=1e-5)


@pytest.mark.parametrize("policy", ["not_larger", "not_smaller"])
def test_aspect_ratio(policy: str) -> None:
    source = node("Resize", "x - - z", axes=[2, 3], keep_aspect_ratio_policy=policy, mode="linear")
    assert_as_runtime(model([source], [tensor("x", (1, 2, 5, 8))], constants={"z": np.array([7, 6])}, opset=18), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("axes", "shape"), [([3, 2], (1, 2, 4, 5)), ([1, 2], (1, 4, 5, 3)), ([-4], (3, 2, 4, 5)), ([0, 1], (4, 5))])
def test_named_axes(axes: list[int], shape: Dims) -> None:
    """Where batch or channels are resized, other axes take their place."""
    source = node("Resize", "x - s", axes=axes, mode="nearest", nearest_mode="floor", coordinate_transformation_mode="asymmetric")
    graph = assert_as_runtime(model([source], [tensor("x", shape)], constants=scales(*[2.0, 3.0][:len(axes)]), opset=18))
    wrapped = ["Transpose", "Resize", "Transpose"] if len(shape) == 4 else ["Reshape", "Resize", "Reshape"]
    assert ops(graph) == (["Resize"] if min(axes) >= 2 else wrapped)


def test_a_resize_that_changes_nothing_is_left_out() -> None:
    source = node("Resize", "x - s", mode="linear")
    assert ops(read(model([source], [tensor("x", ("N", 2, "H", 4))], constants=scales(1, 1, 1, 1)))) == ["Identity"]


@pytest.mark.parametrize(("factor", "size"), [(2.0, "2*H"), (0.5, "H/2"), (1.5, "3*H/2")])
def test_symbolic_sizes(factor: float, size: str) -> None:
    source = node("Resize", "x - s", mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    graph = assert_as_runtime(model([source], [tensor("x", ("N", 2, "H", "W"))], constants=scales(1, 1, factor, 1)), unknown=6)
    assert str(graph.outputs[0].shape[2]) == size


def test_resize_to_the_size_of_another_tensor() -> None:
    nodes = [node("Shape", "u", "su"), node("Slice", "su two four", "hw"), node("Shape", "x", "sx"), node("Slice", "sx zero two", "nc"),
             node("Concat", "nc hw", "z", axis=0), node("Resize", "x - - z", mode="linear")]
    constants = {"zero": np.array([0]), "two": np.array([2]), "four": np.array([4])}
    graph = assert_as_runtime(model(nodes, [tensor("x", ("N", 2, 4, 4)), tensor("u", (1, 1, "H", "W"))], constants=constants), unknown=7,
                              rtol=1e-4, atol=1e-5)
    (step,) = graph.nodes
    assert isinstance(step.op, Resize)
    assert [str(s) for s in step.op.sizes] == ["H", "W"]


@pytest.mark.parametrize(("operands", "attributes", "message"), [
    ("x", {}, "needs scales or sizes"), ("x - s2", {}, "must be 4 positive numbers"), ("x - s0", {}, "must be 4 positive numbers"),
    ("x - huge", {}, "no possible size"), ("x - - z2", {}, "must be 4 positive numbers"),
    ("x - s", {"axes": [2, 2, 3, 1]}, "name an axis twice"),
    ("x - s", {"mode": "area"}, "mode 'area'"), ("x - s", {"coordinate_transformation_mode": "tf_crop_and_resize"}, "roi"),
    ("x - - z", {"keep_aspect_ratio_policy": "other"}, "no keep_aspect_ratio_policy"),
])
def test_operands_that_do_not_fit(operands: str, attributes: dict[str, object], message: str) -> None:
    constants = scales(1, 1, 2, 2) | {"s2": np.ones(2, np.float32), "s0": np.zeros(4, np.float32), "huge": np.full(4, 1e20, np.float32),
                                      "z": np.array([1, 2, 3, 4]), "z2": np.array([1, 2])}
    with pytest.raises(ConversionError, match=message):
        read(model([node("Resize", operands, **attributes)], [tensor("x", (1, 2, 5, 5))], constants=constants, opset=18))


@pytest.mark.parametrize(("kind", "opset"), [("Resize", 18), ("Resize", 10)])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_scales_without_an_exact_formula(kind: str, opset: int, mode: str) -> None:
    """The size is computed in floating point numbers when the model runs."""
    operands = "x - s" if opset == 18 else "x s"
    source = model([node(kind, operands, mode=mode)], [tensor("x", (1, 2, "H", 4))], constants=scales(1, 1, 0.3, 1.7), opset=opset)
    for height in (10, 13):
        assert_as_runtime(source, unknown=height, rtol=1e-4, atol=1e-5)
    assert str(read(source, input_shapes={"x": [1, 2, 10, 4]}).outputs[0].type) == "float32[1, 2, 3, 6]"


@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_integers_by_computed_sizes(mode: str) -> None:
    """Nearest copies them; what runtimes cut off of a mean depends on the last bit of a position."""
    inputs = [tensor("x", (1, 1, "H", "W"), "uint8")]
    with pytest.raises(ConversionError, match=rf"Integers \(uint8\) are interpolated.*{mode}"):
        read(model([node("Resize", "x - s", mode=mode)], inputs, constants=scales(1, 1, 1.5, 0.7), opset=19))
    assert read(model([node("Resize", "x - s")], inputs, constants=scales(1, 1, 1.5, 0.7), opset=19)).outputs


def test_a_region_does_not_change_sizes() -> None:
    """Of as many elements as scales say, the runtimes make a region of interest."""
    constants = scales(1, 1, 0.5, 2) | {"r": np.array([0, 0, 0.25, 0.2, 1, 1, 0.8, 0.9], np.float32)}
    inputs = [tensor("x", (1, 2, 6, 5))]
    for attributes in ({"mode": "linear"}, {"mode": "nearest", "nearest_mode": "floor"}):
        layer = node("Resize", "x r s", coordinate_transformation_mode="tf_crop_and_resize", **attributes)
        assert_as_runtime(model([layer], inputs, constants=constants), rtol=1e-4, atol=1e-5)
        computed = model([layer], [*inputs, tensor("r", (8,)), tensor("s", (4,))])
        graph = read(computed)
        given = data(graph) | {"r": constants["r"], "s": constants["s"]}
        (found,) = run(graph, given).values()
        np.testing.assert_allclose(found, runtime(computed, given)[0], rtol=1e-4, atol=1e-5)
