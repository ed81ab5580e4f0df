"""Damaged models: whatever is wrong with them, reading gives one of our errors, located, and quickly."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, ModelProto, NodeProto, numpy_helper

from nchw2nhwc.errors import ConversionError
from nchw2nhwc.ir.verify import verify
from nchw2nhwc.parse.onnx import read_onnx
from nchw2nhwc.parse.onnx.registry import MAPPINGS
from tests.parse.onnx.models import Dims, model, node, tensor

IMAGE, MATRIX, VECTOR = (2, 4, 6, 6), (3, 4), (4,)
W = np.ones((4, 4, 3, 3), np.float32)
C = np.ones(4, np.float32)
NUMBERS = (0, 1, -1, 2, 3, 5, 7, -2, -3, 16, 100, 2**31, 2**63 - 1, -2**63, 10**15)
FLOATS = (0.0, -1.0, 1e30, float("nan"), float("inf"), 0.5, -3.0)
TEXTS = (b"", b"x", b"\xff\xfe", b"SAME_UPPER", b"SAME_LOWER", b"linear", b"cubic", b"reflect", b"tf_crop_and_resize", b"ij,jk->ik", b"CRD")

SEEDS: Sequence[tuple[NodeProto, Dims, Mapping[str, object], int]] = [
    (node("Conv", "x w c", strides=[2, 1], pads=[1, 1, 1, 1], dilations=[1, 1], group=1, kernel_shape=[3, 3]), IMAGE, {"w": W, "c": C}, 11),
    (node("Conv", "x w c", strides=[2, 2], auto_pad="SAME_UPPER"), IMAGE, {"w": W, "c": C}, 22),
    (node("ConvTranspose", "x w c", strides=[2, 2], output_padding=[1, 1], pads=[1, 1, 1, 1]), IMAGE, {"w": W, "c": C}, 11),
    (node("ConvTranspose", "x w", strides=[2, 2], output_shape=[12, 12]), IMAGE, {"w": W}, 11),
    (node("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], ceil_mode=1, dilations=[1, 1]), IMAGE, {}, 12),
    (node("AveragePool", "x", kernel_shape=[3, 3], auto_pad="SAME_LOWER", count_include_pad=1), IMAGE, {}, 19),
    (node("LpPool", "x", kernel_shape=[2, 2], p=2), IMAGE, {}, 18),
    (node("BatchNormalization", "x c c c c", epsilon=1e-5), IMAGE, {"c": C}, 15),
    (node("GroupNormalization", "x c c", num_groups=2), IMAGE, {"c": C}, 21),
    (node("LayerNormalization", "x c", axis=-1), VECTOR, {"c": C}, 17),
    (node("LRN", "x", size=3, alpha=1e-4), IMAGE, {}, 13),
    (node("LpNormalization", "x", axis=1, p=2), IMAGE, {}, 22),
    (node("Reshape", "x s", allowzero=0), IMAGE, {"s": np.array([0, -1, 4])}, 14),
    (node("Flatten", "x", axis=1), IMAGE, {}, 13),
    (node("Squeeze", "x s"), (1, 4), {"s": np.array([0])}, 13),
    (node("Unsqueeze", "x s"), MATRIX, {"s": np.array([0, 3])}, 13),
    (node("Expand", "x s"), MATRIX, {"s": np.array([2, 3, 4])}, 13),
    (node("Tile", "x s"), MATRIX, {"s": np.array([2, 3])}, 13),
    (node("Slice", "x s e a t"), IMAGE, {"s": np.array([0, 5]), "e": np.array([9, 0]), "a": np.array([2, 3]), "t": np.array([2, -1])}, 13),
    (node("Pad", "x p v", mode="constant"), MATRIX, {"p": np.array([1, 0, -1, 2]), "v": np.float32(1)}, 18),
    (node("Split", "x s", "y z", axis=1), MATRIX, {"s": np.array([1, 3])}, 13),
    (node("Concat", "x x", axis=1), IMAGE, {}, 13),
    (node("Transpose", "x", perm=[0, 2, 3, 1]), IMAGE, {}, 13),
    (node("Gather", "x i", axis=1), IMAGE, {"i": np.array([0, 2, -1])}, 13),
    (node("GatherElements", "x i", axis=1), MATRIX, {"i": np.array([[0, 2], [1, -1], [3, 3]])}, 13),
    (node("GatherND", "x i", batch_dims=1), MATRIX, {"i": np.array([[0], [2], [-1]])}, 13),
    (node("ScatterElements", "x i u", axis=1, reduction="add"), MATRIX, {"i": np.array([[0, 2]]), "u": np.ones((1, 2), np.float32)}, 18),
    (node("ScatterND", "x i u", reduction="max"), MATRIX, {"i": np.array([[0, 2], [1, -1]]), "u": np.ones(2, np.float32)}, 18),
    (node("TopK", "x k", "y z", axis=-1, largest=0, sorted=1), MATRIX, {"k": np.array([2])}, 11),
    (node("ReverseSequence", "x n", batch_axis=0, time_axis=1), MATRIX, {"n": np.array([2, 4, 0])}, 10),
    (node("NonZero", "i"), MATRIX, {"i": np.array([0, 3, 1])}, 13),
    (node("Unique", "i", "y j k l", axis=0, sorted=0), MATRIX, {"i": np.array([3, 3, 1])}, 11),
    (node("Compress", "x b", axis=1), MATRIX, {"b": np.array([True, False, True])}, 11),
    (node("DepthToSpace", "x", blocksize=2, mode="DCR"), IMAGE, {}, 13),
    (node("SpaceToDepth", "x", blocksize=2), IMAGE, {}, 13),
    (node("Resize", "x - s", mode="linear", coordinate_transformation_mode="half_pixel"), IMAGE, {"s": np.float32([1, 1, 2, 2])}, 13),
    (node("Resize", "x r - s", mode="cubic", coordinate_transformation_mode="tf_crop_and_resize", axes=[2, 3]), IMAGE,
     {"s": np.array([3, 9]), "r": np.float32([0, 0, 1, 1])}, 18),
    (node("Upsample", "x", scales=[1.0, 1.0, 2.0, 2.0], mode="nearest"), IMAGE, {}, 7),
    (node("MatMul", "x w"), MATRIX, {"w": np.ones((4, 5), np.float32)}, 13),
    (node("Gemm", "x w c", alpha=2.0, beta=0.5, transB=1), MATRIX, {"w": np.ones((4, 4), np.float32), "c": C}, 13),
    (node("Einsum", "x x", equation="ij,kj->ik"), MATRIX, {}, 12),
    (node("ReduceMean", "x", axes=[1, 2], keepdims=0), IMAGE, {}, 13),
    (node("ReduceSum", "x a", keepdims=1, noop_with_empty_axes=0), IMAGE, {"a": np.array([-1])}, 13),
    (node("ArgMax", "x", axis=1, select_last_index=1), IMAGE, {}, 13),
    (node("Softmax", "x", axis=1), IMAGE, {}, 11),
    (node("CumSum", "x a", reverse=1), IMAGE, {"a": np.array(1)}, 14),
    (node("Clip", "x a b"), MATRIX, {"a": np.float32(0), "b": np.float32(6)}, 13),
    (node("Cast", "x", to=6), MATRIX, {}, 19),
    (node("OneHot", "i d v", axis=-1), MATRIX, {"i": np.array([0, 2]), "d": np.array(3), "v": np.float32([0, 1])}, 11),
    (node("Range", "a b d"), MATRIX, {"a": np.array(0), "b": np.array(9), "d": np.array(2)}, 11),
    (node("ConstantOfShape", "s"), MATRIX, {"s": np.array([2, 3])}, 9),
    (node("EyeLike", "x", k=1), MATRIX, {}, 9),
    (node("Trilu", "x k", upper=1), MATRIX, {"k": np.array(1)}, 14),
    (node("Where", "b x c"), MATRIX, {"b": np.array([True, False, True, True]), "c": C}, 16),
    (node("Shape", "x", start=1, end=-1), IMAGE, {}, 19),
    (node("PRelu", "x c"), MATRIX, {"c": C}, 16),
    (node("CenterCropPad", "x s", axes=[0, 1]), MATRIX, {"s": np.array([2, 6])}, 18),
    (node("HannWindow", "n", periodic=1), MATRIX, {"n": np.array(8)}, 17),
]


def _attribute(rng: random.Random, source: ModelProto) -> None:
    attributes = source.graph.node[0].attribute
    if not attributes:
        return
    changed = rng.choice(attributes)
    match changed.type:
        case AttributeProto.INT:
            changed.i = rng.choice(NUMBERS)
        case AttributeProto.FLOAT:
            changed.f = rng.choice(FLOATS)
        case AttributeProto.STRING:
            changed.s = rng.choice(TEXTS)
        case AttributeProto.INTS:
            numbers = list(changed.ints)
            if numbers and rng.random() < 0.5:
                numbers[rng.randrange(len(numbers))] = rng.choice(NUMBERS)
            else:
                numbers = numbers[:-1] if rng.random() < 0.5 else [*numbers, rng.choice(NUMBERS)]
            changed.ints[:] = numbers
        case _:
            changed.floats[:] = [rng.choice(FLOATS) for _ in changed.floats]
    if rng.random() < 0.1:
        changed.type = rng.choice([AttributeProto.INT, AttributeProto.INTS, AttributeProto.TENSOR, AttributeProto.GRAPH])


def _operand(rng: random.Random, source: ModelProto) -> None:
    names = list(source.graph.node[0].input)
    if names and rng.random() < 0.5:
        names[rng.randrange(len(names))] = rng.choice([*names, "", "nowhere"])
    else:
        names = names[:-1] if rng.random() < 0.5 else [*names, rng.choice(["", "x"])]
    source.graph.node[0].input[:] = names


def _constant(rng: random.Random, source: ModelProto) -> None:
    if not source.graph.initializer:
        return
    stored = rng.choice(source.graph.initializer)
    array = numpy_helper.to_array(stored).copy()
    if rng.random() < 0.3:
        array = array.reshape(-1)[:rng.randrange(array.size + 1)]
    elif rng.random() < 0.3:
        array = array.astype(rng.choice([np.float32, np.int64, np.int32, np.bool_]))
    elif array.size and array.dtype == np.int64:
        array.ravel()[rng.randrange(array.size)] = rng.choice(NUMBERS)
    elif array.size and array.dtype == np.float32:
        array.ravel()[rng.randrange(array.size)] = rng.choice(FLOATS)
    stored.CopyFrom(numpy_helper.from_array(array, stored.name))


def _input(rng: random.Random, source: ModelProto) -> None:
    kind = source.graph.input[0].type.tensor_type
    choice = rng.randrange(5)
    if choice == 0:
        kind.elem_type = rng.choice([1, 2, 6, 7, 8, 9, 10, 11, 14, 16, 17, 22, 99])
    elif choice == 1:
        rng.choice(kind.shape.dim).dim_value = rng.choice(NUMBERS)
    elif choice == 2:
        rng.choice(kind.shape.dim).dim_param = "n"
    elif choice == 3:
        kind.shape.dim.add().dim_value = rng.choice(NUMBERS)
    else:
        del kind.shape.dim[-1]


def _operator(rng: random.Random, source: ModelProto) -> None:
    source.graph.node[0].op_type = rng.choice(sorted(op for domain, op in MAPPINGS if not domain))


MUTATIONS: Sequence[Callable[[random.Random, ModelProto], None]] = (_attribute, _operand, _constant, _input, _operator)


def _mutated(rng: random.Random) -> bytes:
    source = ModelProto()
    made, shape, constants, opset = rng.choice(SEEDS)
    source.CopyFrom(model([made], [tensor("x", shape)], constants=constants, opset=opset))
    for _ in range(rng.randrange(1, 4)):
        if source.graph.node[0].input and source.graph.input[0].type.tensor_type.shape.dim:
            rng.choice(MUTATIONS)(rng, source)
    content = bytearray(source.SerializeToString())
    if rng.random() < 0.3:
        for _ in range(rng.randrange(1, 5)):
            content[rng.randrange(len(content))] = rng.randrange(256)
    return bytes(content)


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")
@pytest.mark.parametrize("seed", range(20))
def test_damaged_models(seed: int) -> None:
    rng = random.Random(seed)
    errors = [_error(_mutated(rng)) for _ in range(100)]
    assert 5 <= errors.count(None) < 90, "most mutations do damage, but not all of them"
    for error in filter(None, errors):
        assert error.where.file == "ONNX model"
        assert len(str(error)) < 3000


def _error(content: bytes) -> ConversionError | None:
    """What is wrong with a model; None when it can be read."""
    try:
        verify(read_onnx(content))
    except ConversionError as error:
        return error
    return None


def test_the_models_are_sound_to_begin_with() -> None:
    for made, shape, constants, opset in SEEDS:
        verify(read_onnx(model([made], [tensor("x", shape)], constants=constants, opset=opset).SerializeToString()))


def test_no_operator_set_is_too_new_for_the_models() -> None:
    assert max(opset for *_, opset in SEEDS) <= onnx.defs.onnx_opset_version()
