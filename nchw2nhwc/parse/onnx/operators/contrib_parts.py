"""Parts of tensors and of images: operators of ONNX Runtime's own domain, com.microsoft."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.parse.formula import Formula
from nchw2nhwc.parse.onnx.operators.contrib import MICROSOFT
from nchw2nhwc.parse.onnx.registry import LayerBuilder, onnx_op
from nchw2nhwc.parse.regions import MOST_CELLS
from nchw2nhwc.parse.sampling import read_regions, require_regions


@onnx_op("UnfoldTensor", 1, domain=MICROSOFT)
def unfold_tensor(b: LayerBuilder, x: Value, *, size: int, dim: int = -1, step: int = 1) -> Value:
    """All slices of `size` elements along an axis, `step` apart; their elements are a new last axis."""
    axis = b.axis(dim, x.rank)
    length = static(x.shape[axis], "the size of an axis that is unfolded")
    if not 0 < size <= length or step < 1:
        raise b.damaged(f"an axis of {length} elements has no slices of {size}, {step} apart")
    starts = np.arange(0, length - size + 1, step)
    b.require_room(starts.size * size)
    found = b.add1(Gather(axis), x, b.const(starts[:, None] + np.arange(size)))
    return b.transpose(found, (*(k for k in range(x.rank + 1) if k != axis + 1), axis + 1))


@onnx_op("CropAndResize", 1, domain=MICROSOFT)
def crop_and_resize(b: LayerBuilder, x: Value, rois: Value, batch_indices: Value, crop_size: Value, *, mode: str = "bilinear",
                    extrapolation_value: float = 0.0) -> Value:
    """Regions (R, 4), corners (y, x, y, x) from 0 to 1, of images (N, C, H, W), resized to `crop_size` with their corners kept, as
    (R, C, ...). What lies outside of an image is `extrapolation_value`."""
    require_regions(x, rois, batch_indices)
    cells = b.ints(crop_size, "crop_size")
    if mode not in ("bilinear", "nearest") or len(cells) != 2 or not 0 < min(cells) <= max(cells) <= MOST_CELLS:
        raise b.damaged(f"there is no CropAndResize to {list(cells)} with mode '{mode}'")
    regions, corners = rois.shape[0], Formula(b, rois)
    where, inside = [], []
    for axis, count in enumerate(cells):
        last = float(static(x.shape[2 + axis], "the size of an image") - 1)
        start, end = (corners.part(1, k, k + 1) for k in (axis, axis + 2))
        shares = np.arange(count, dtype=np.float32)[None] / (count - 1) if count > 1 else np.full((1, 1), 0.5, np.float32)
        place = start * last + (end - start) * last * shares
        where.append((place + 0.5).floor() if mode == "nearest" else place)
        inside.append((place >= 0.0) & (place <= last))
    kind = "nearest" if mode == "nearest" else "linear"
    read = Formula(b, read_regions(b, x, batch_indices, kind, where[0].value, where[1].value)).transpose(1, 0, 2, 3)
    both = inside[0].reshape(regions, 1, cells[0], 1) & inside[1].reshape(regions, 1, 1, cells[1])
    return both.choose(read, extrapolation_value).value
