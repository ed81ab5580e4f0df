"""Convolutions, pooling, resizing and sampling."""

from __future__ import annotations

import math

import numpy as np

from benchmarks.operators.draw import Draw, Spec, draws

AUTO = ("SAME_UPPER", "SAME_LOWER", "VALID")


def windows(d: Draw, rank: int, *, dilate: bool = True, most: int = 3) -> tuple[list[int], dict[str, object]]:
    """A kernel's sizes, and the attributes of strides, dilations and padding."""
    kernel = [d.integer(1, most) for _ in range(rank)]
    attributes: dict[str, object] = {}
    dilations = [1] * rank
    if d.chance(0.5):
        attributes["strides"] = [d.integer(1, 3) for _ in range(rank)]
    if dilate and d.chance(0.3):
        attributes["dilations"] = dilations = [d.integer(1, 2) for _ in range(rank)]
    if d.chance(0.3):
        attributes["auto_pad"] = d.one(*AUTO)
    elif d.chance(0.6):
        attributes["pads"] = [d.integer(0, min(2, (kernel[k % rank] - 1) * dilations[k % rank])) for k in range(2 * rank)]
    return kernel, attributes


@draws("Conv")
def conv(d: Draw) -> Spec:
    rank, group, m = d.one(1, 2, 2, 2, 3), d.one(1, 1, 2, 3), d.integer(1, 4)
    c = d.integer(1, 4)
    if d.chance(0.2):
        c = 1
    kernel, attributes = windows(d, rank)
    shape = (d.size(), c * group, *(d.size(5, 9) for _ in range(rank)))
    xs = [d.array(shape), d.array((m * group, c, *kernel))]
    if d.chance(0.5):
        xs.append(d.array((m * group,)))
    if d.chance(0.5):
        attributes["kernel_shape"] = kernel
    if group > 1:
        attributes["group"] = group
    return Spec(xs, attributes, shapes={0: shape})


@draws("ConvTranspose")
def conv_transpose(d: Draw) -> Spec | None:
    rank, group, m, c = d.one(1, 2, 2, 2, 3), d.one(1, 1, 2), d.integer(1, 3), d.integer(1, 4)
    kernel, attributes = windows(d, rank)
    shape = (d.size(), c * group, *(d.size(2, 6) for _ in range(rank)))
    strides = attributes.get("strides", [1] * rank)
    dilations = attributes.get("dilations", [1] * rank)
    if d.chance(0.4):
        attributes["output_padding"] = [d.integer(0, max(0, max(strides[k], dilations[k]) - 1)) for k in range(rank)]
    elif d.chance(0.2) and "pads" not in attributes:
        full = [strides[k] * (shape[k + 2] - 1) + (kernel[k] - 1) * dilations[k] + 1 for k in range(rank)]
        attributes["output_shape"] = [max(1, f - d.integer(0, 2)) for f in full]
        if attributes.get("auto_pad") == "VALID":
            del attributes["auto_pad"]
        shape = tuple(int(s) if k > 1 else s for k, s in enumerate(shape))
    xs = [d.array(shape), d.array((c * group, m, *kernel))]
    if d.chance(0.5):
        xs.append(d.array((m * group,)))
    if d.chance(0.5):
        attributes["kernel_shape"] = kernel
    if str(attributes.get("auto_pad")).startswith("SAME") and any(k < t for k, t in zip(kernel, strides)):
        return None  # ONNX Runtime makes less of it than the standard says
    if group > 1:
        attributes["group"] = group
    return Spec(xs, attributes, shapes={0: shape})


@draws("AveragePool", "MaxPool", "LpPool")
def pool(d: Draw) -> Spec:
    rank = d.one(1, 2, 2, 2, 3)
    kernel, attributes = windows(d, rank, dilate=d.opset >= {"AveragePool": 19, "MaxPool": 10, "LpPool": 18}[d.op])
    if d.opset >= {"AveragePool": 10, "MaxPool": 10, "LpPool": 18}[d.op] and d.chance(0.4):
        attributes["ceil_mode"] = 1
    shape = (d.size(), d.size(), *(d.size(5, 9) for _ in range(rank)))
    outputs, dtype = 1, d.dtype()
    attributes["kernel_shape"] = kernel
    if d.op == "AveragePool" and d.chance(0.5):
        attributes["count_include_pad"] = 1
    if d.op == "LpPool" and d.chance(0.6):
        attributes["p"] = d.one(1, 2, 3)
    if d.op == "MaxPool" and d.opset >= 8:
        outputs = d.one(1, 1, 2)
        if d.chance(0.2) and outputs == 2:
            attributes["storage_order"] = 1
    steps = attributes.get("strides", [1] * rank)
    if "auto_pad" in attributes and ("ceil_mode" in attributes or "dilations" in attributes or any(k < t for k, t in zip(kernel, steps))):
        return None  # runtimes do not agree on what that is
    return Spec([d.array(shape, dtype)], attributes, outputs, shapes={0: shape})


@draws("MaxUnpool")
def unpool(d: Draw) -> Spec:
    rank, n, c = d.one(1, 2, 2, 3), d.size(), d.size()
    kernel, strides = [d.integer(1, 3) for _ in range(rank)], [d.integer(1, 3) for _ in range(rank)]
    space = [d.size(1, 4) for _ in range(rank)]
    full = [(s - 1) * t + k for s, t, k in zip(space, strides, kernel)]
    shape = (n, c, *space)
    x = d.array(shape)
    total, count = math.prod(full), math.prod(space)
    indices = np.stack([d.rng.permutation(total)[:count] + k * total for k in range(n * c)]).reshape(shape) if total >= count else None
    if indices is None:
        indices = np.arange(x.size).reshape(shape)
    attributes: dict[str, object] = {"kernel_shape": kernel, "strides": strides}
    return Spec([x, indices.astype(np.int64)], attributes, shapes={0: shape, 1: shape})


@draws("Resize", "Upsample")
def resize(d: Draw) -> Spec | None:
    rank = d.one(2, 3, 4, 4, 4, 5)
    shape = tuple(d.size(1, 3) if k < rank - 2 and rank > 2 else d.size(2, 6) for k in range(rank))
    spatial = [k >= max(0, rank - d.one(1, 2, 2, 2, 3)) for k in range(rank)]
    scales = [d.one(2.0, 2.0, 1.0, 3.0, 0.5, 1.5, 0.6, 1.7, 0.75) if s else 1.0 for s in spatial]
    scales = [max(1.0, scale) if k < rank - 2 else scale for k, scale in enumerate(scales)]  # such an axis may have one element
    if d.op == "Upsample":
        if d.opset > 9:
            return None
        scales = [max(1.0, s) for s in scales]
        mode = d.one("nearest", "linear") if rank == 4 else "nearest"
        if mode == "linear":
            scales[0] = scales[1] = 1.0
        x = d.array(shape)
        if d.opset < 9:
            return Spec([x], {"scales": scales, "mode": mode}, shapes={0: shape})
        return Spec([x, np.array(scales, np.float32)], {"mode": mode}, shapes={0: shape}, always=frozenset())
    mode = d.one("nearest", "linear", "linear", "cubic" if d.opset >= 11 and rank == 4 else "nearest")
    if mode != "nearest":
        scales = [s if k >= rank - 2 else 1.0 for k, s in enumerate(scales)]
    dtype = d.one(np.float32, np.float32, np.float32, np.float16, np.uint8, np.int32) if mode == "nearest" else np.float32
    x = d.array(shape, dtype)
    if d.opset < 11:
        return Spec([x, np.array(scales, np.float32)], {"mode": mode}, shapes={0: shape})
    attributes: dict[str, object] = {"mode": mode}
    transforms = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]
    transforms += ["half_pixel_symmetric"] if d.opset >= 19 else []
    if d.opset in (11, 12) and mode == "nearest":
        transforms.append("tf_half_pixel_for_nn")
    if d.chance(0.8):
        attributes["coordinate_transformation_mode"] = d.one(*transforms)
    if mode == "nearest" and d.chance(0.7):
        attributes["nearest_mode"] = d.one("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
    if mode == "cubic":
        attributes |= d.one({}, {"cubic_coeff_a": -0.5}) | d.one({}, {"exclude_outside": 1})
    if d.opset >= 18 and mode != "nearest" and d.chance(0.3):
        attributes["antialias"] = 1
    axes = None
    if d.opset >= 18 and d.chance(0.4):
        axes = [k for k in range(rank) if spatial[k]] if mode == "nearest" else [rank - 2, rank - 1]
        attributes["axes"] = [a - rank if d.chance(0.3) else a for a in axes]
    chosen = range(rank) if axes is None else axes
    roi = np.zeros(0, np.float32) if d.opset < 13 or d.chance(0.3) else None
    if d.chance(0.12) and mode != "cubic" and d.opset >= 13:
        attributes["coordinate_transformation_mode"] = "tf_crop_and_resize"
        attributes.pop("antialias", None)
        starts = [d.one(0.0, 0.2, -0.1) if spatial[k] else 0.0 for k in chosen]
        ends = [d.one(1.0, 0.7, 1.2) if spatial[k] else 1.0 for k in chosen]
        roi = np.array([*starts, *ends], np.float32)
        attributes["extrapolation_value"] = 7.5
    if d.chance(0.5):
        return Spec([x, roi, np.array([scales[k] for k in chosen], np.float32)], attributes, shapes={0: shape})
    sizes = [max(1, int(shape[k] * scales[k])) for k in chosen]
    if d.opset >= 18 and axes is not None and d.chance(0.4) and len(axes) > 1 and "antialias" not in attributes and roi is None:
        attributes["keep_aspect_ratio_policy"] = d.one("stretch", "not_larger", "not_smaller")
    return Spec([x, roi, None, d.ints(sizes)], attributes, shapes={0: shape})


@draws("GridSample")
def grid_sample(d: Draw) -> Spec:
    rank = d.one(2, 2, 3) if d.opset >= 20 else 2
    n, c = d.size(), d.size()
    shape = (n, c, *(d.size(2, 6) for _ in range(rank)))
    grid = (n, *(d.size(1, 5) for _ in range(rank)), rank)
    names = ("linear", "nearest", "cubic") if d.opset >= 20 else ("bilinear", "nearest", "bicubic")
    mode = d.one(*names[: 2 if rank == 3 else 3])
    attributes = d.one({}, {"align_corners": 1}) | d.one({}, {"padding_mode": d.one("zeros", "border", "reflection")}) | {"mode": mode}
    return Spec([d.array(shape), d.array(grid, np.float32, -1.4, 1.4)], attributes, shapes={0: shape, 1: grid}, tolerance=1e-3)


@draws("AffineGrid")
def affine_grid(d: Draw) -> Spec:
    rank, n = d.one(2, 3), d.size()
    theta = (n, rank, rank + 1)
    return Spec(
        [d.array(theta), d.ints([n, 2, *(d.integer(1, 5) for _ in range(rank))])], d.one({}, {"align_corners": 1}), shapes={0: theta}
    )


@draws("RoiAlign")
def roi_align(d: Draw) -> Spec:
    n, k = d.size(1, 3), d.size(1, 4)
    shape = (n, d.size(1, 4), d.size(4, 9), d.size(4, 9))
    rois = np.sort(d.rng.uniform(0, 8, (k, 2, 2)), axis=1).reshape(k, 4).astype(np.float32)
    attributes = {
        "output_height": d.integer(1, 3),
        "output_width": d.integer(1, 3),
        "sampling_ratio": d.one(0, 1, 2, 3),
        "spatial_scale": d.one(1.0, 0.5),
    }
    attributes |= d.one({}, {"mode": "max"}, {"mode": "avg"})
    if d.opset >= 16:
        attributes |= d.one({}, {"coordinate_transformation_mode": d.one("half_pixel", "output_half_pixel")})
    return Spec([d.array(shape), rois, d.rng.integers(0, n, k)], attributes, shapes={0: shape, 1: (k, 4), 2: (k,)})


@draws("MaxRoiPool")
def max_roi_pool(d: Draw) -> Spec:
    n, k = d.size(1, 3), d.size(1, 4)
    shape = (n, d.size(1, 4), d.size(4, 9), d.size(4, 9))
    boxes = np.sort(d.rng.integers(0, 8, (k, 2, 2)), axis=1).reshape(k, 4)
    rois = np.concatenate([d.rng.integers(0, n, (k, 1)), boxes], axis=1).astype(np.float32)
    attributes = {"pooled_shape": [d.integer(1, 3), d.integer(1, 3)]} | d.one({}, {"spatial_scale": 0.5})
    return Spec([d.array(shape), rois], attributes, shapes={0: shape, 1: (k, 5)})


@draws("DeformConv")
def deform(d: Draw) -> Spec | None:
    group, og, c, m, n = d.one(1, 1, 2), d.one(1, 2), 2, d.integer(1, 3), d.size(1, 3)
    kernel, attributes = windows(d, 2)
    attributes.pop("auto_pad", None)
    strides, dil, pads = attributes.get("strides", [1, 1]), attributes.get("dilations", [1, 1]), attributes.get("pads", [0] * 4)
    space = [d.integer(5, 8), d.integer(5, 8)]
    out = [(space[k] + pads[k] + pads[k + 2] - dil[k] * (kernel[k] - 1) - 1) // strides[k] + 1 for k in range(2)]
    shape, taps = (n, c * group, *space), math.prod(kernel)
    offset, mask = (n, og * taps * 2, *out), (n, og * taps, *out)
    xs = [d.array(shape), d.array((m * group, c, *kernel)), d.array(offset), d.array((m * group,)) if d.chance(0.5) else None]
    if d.chance(0.5):
        xs.append(d.array(mask))
    return Spec(xs, attributes | {"group": group, "offset_group": og}, shapes={0: shape, 2: offset, 4: mask})


@draws("ConvInteger", "QLinearConv")
def conv_integer(d: Draw) -> Spec:
    rank, group, m, c = d.one(1, 2, 2), d.one(1, 1, 2), d.integer(1, 4), d.integer(1, 4)
    kernel, attributes = windows(d, rank)
    if group > 1:
        attributes["group"] = group
    shape = (d.size(), c * group, *(d.size(5, 9) for _ in range(rank)))
    tx = d.one(np.uint8, np.int8)
    tw = d.one(np.uint8, np.int8) if tx == np.uint8 else np.int8
    x, w = d.array(shape, tx, np.iinfo(tx).min, np.iinfo(tx).max), d.array((m * group, c, *kernel), tw, np.iinfo(tw).min, np.iinfo(tw).max)
    zx, zw = np.array(d.integer(0, 9), tx), np.array(d.one(0, d.integer(0, 9)), tw)
    if d.op == "ConvInteger":
        if d.chance(0.3):
            zw = np.full(m * group, zw, tw)
        return Spec([x, w, *d.one([], [zx], [zx, zw])], attributes, shapes={0: shape})
    per_channel = d.chance(0.5)
    sw = d.rng.uniform(0.01, 0.03, m * group if per_channel else ()).astype(np.float32)
    zw = np.zeros(m * group, tw) if per_channel else zw
    xs = [x, np.float32(0.02), zx, w, sw, zw, np.float32(0.3), np.array(d.integer(0, 100), tx)]
    if d.chance(0.5):
        xs.append(d.array((m * group,), np.int32, -500, 500))
    return Spec([np.asarray(v) for v in xs], attributes, shapes={0: shape}, steps=1)
