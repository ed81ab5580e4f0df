"""Resizing, and what is read at positions."""

from __future__ import annotations

import numpy as np
import openvino.opset1 as op1
import openvino.opset2 as op2
import openvino.opset9 as op9
import openvino.opset11 as op11
import openvino.opset13 as op13
from openvino.utils.node_factory import NodeFactory

from benchmarks.operators.draw import Draw, Spec
from benchmarks.operators.openvino_operations import case, const, ov


@ov("interpolate_1")
def interpolate_1(d: Draw) -> Spec | None:
    mode = d.one("nearest", "linear")
    shape = (d.size(1, 3), d.size(1, 3), d.size(2, 6), d.size(2, 6))
    target = [d.integer(1, 9), d.integer(1, 9)]
    attrs = {
        "axes": np.array([2, 3], np.int64),
        "mode": mode,
        "align_corners": bool(d.integer(0, 1)),
        "antialias": False,
        "pads_begin": np.array([0, 0], np.int64),
        "pads_end": np.array([0, 0], np.int64),
    }
    return case(
        [d.array(shape)],
        lambda x: NodeFactory("opset1").create("Interpolate", [x.output(0), const(*target).output(0)], attrs),
        f"{attrs} {target}",
        {0: shape},
    )


@ov("interpolate_4", "interpolate_11")
def interpolate_4(d: Draw) -> Spec | None:
    rank = d.one(4, 4, 4, 3, 5)
    new = d.op.endswith("11")
    mode = d.one("nearest", "linear", "linear_onnx", "cubic", *(["bilinear_pillow", "bicubic_pillow"] if new and rank == 4 else []))
    count = d.one(1, 2) if mode not in ("linear_onnx", "cubic", "bilinear_pillow", "bicubic_pillow") else 2
    if rank == 3:
        count = 1
        if mode in ("linear_onnx", "cubic"):
            return None
    axes = list(range(rank - count, rank))
    shape = tuple(d.size(1, 3) if k not in axes else d.size(3, 6) for k in range(rank))
    by = d.one("sizes", "scales")
    ctm = d.one("half_pixel", "pytorch_half_pixel", "asymmetric", "tf_half_pixel_for_nn", "align_corners")
    if "pillow" in mode:
        ctm = "half_pixel"
    nm = d.one("round_prefer_floor", "round_prefer_ceil", "floor", "ceil", "simple")
    pad = d.chance(0.2)
    pb = [d.integer(0, 1) if pad else 0 for _ in range(rank)]
    pe = [d.integer(0, 1) if pad else 0 for _ in range(rank)]
    anti = False  # which the CPU plugin leaves out
    coeff = d.one(-0.75, -0.5)
    sizes = [d.integer(1, 9) for _ in axes]
    scales = [d.one(0.5, 2.0, 1.5, 0.7, 1.0, 3.0) for _ in axes]
    if by == "scales" and any(not float(s).is_integer() for s in scales):
        shape = tuple(int(s) if k in axes else s for k, s in enumerate(shape))

    def build(x):
        if new:
            what = const(*sizes) if by == "sizes" else op13.constant(np.array(scales, np.float32))
            return op11.interpolate(x, what, mode, by, pb, pe, ctm, nm, anti, coeff, const(*axes))
        return NodeFactory("opset4").create(
            "Interpolate",
            [v.output(0) for v in (x, const(*sizes), op13.constant(np.array(scales, np.float32)), const(*axes))],
            {
                "mode": mode,
                "shape_calculation_mode": by,
                "pads_begin": np.array(pb),
                "pads_end": np.array(pe),
                "coordinate_transformation_mode": ctm,
                "nearest_mode": nm,
                "antialias": anti,
                "cube_coeff": coeff,
            },
        )

    return case(
        [d.array(shape)],
        build,
        f"{mode} {by} {ctm} {nm} axes {axes} sizes {sizes} scales {scales} pads {pb} {pe} anti {anti} {coeff}",
        {0: shape},
    )


@ov("grid_sample")
def grid_sample(d: Draw) -> Spec | None:
    n = d.size(1, 3)
    shape, grid = (n, d.size(1, 3), d.size(2, 5), d.size(2, 5)), (n, d.size(1, 4), d.size(1, 4), 2)
    al, mode, pad_ = d.one(True, False), d.one("bilinear", "bicubic", "nearest"), d.one("zeros", "border", "reflection")
    return case(
        [d.array(shape), d.array(grid, np.float32, -1.5, 1.5)],
        lambda x, g: op9.grid_sample(x, g, {"align_corners": al, "mode": mode, "padding_mode": pad_}),
        f"{al} {mode} {pad_}",
        {0: shape, 1: grid},
        tolerance=1e-3,
    )


@ov("roi_align", "roi_pooling", "psroi_pooling")
def rois(d: Draw) -> Spec | None:
    n, k = d.size(1, 2), d.size(1, 3)
    out = [d.integer(1, 3), d.integer(1, 3)]
    boxes = np.sort(d.rng.uniform(0, 7, (int(k), 2, 2)), 1).reshape(int(k), 4).astype(np.float32)
    which = d.rng.integers(0, int(n), int(k))
    shape = (n, d.size(1, 4), d.size(5, 9), d.size(5, 9))
    scale, ratio = d.one(1.0, 0.5), d.one(0, 1, 2)
    if d.op == "roi_align":
        mode, al = d.one("avg", "max"), d.one("asymmetric", "half_pixel_for_nn", "half_pixel")
        return case(
            [d.array(shape), boxes, which.astype(np.int32)],
            lambda x, r, b: op9.roi_align(x, r, b, *out, ratio, scale, mode, al),
            f"{out} {ratio} {scale} {mode} {al}",
            {0: shape, 1: (k, 4), 2: (k,)},
            bound={2: shape},
            tolerance=1e-3,
        )
    five = np.concatenate([which[:, None], boxes], 1).astype(np.float32)
    if d.op == "roi_pooling":
        method = d.one("max", "bilinear")
        five = five if method == "max" else np.concatenate([which[:, None], boxes / 8], 1).astype(np.float32)
        sc = scale if method == "max" else 1.0
        return case(
            [d.array(shape), np.round(five) if method == "max" else five],
            lambda x, r: op2.roi_pooling(x, r, out, sc, method),
            f"{out} {sc} {method}",
            {0: shape, 1: (k, 5)},
            bound={1: shape},
            tolerance=1e-3,
        )
    if d.op == "psroi_pooling":
        g, mode = d.integer(1, 3), d.one("average", "bilinear")
        bx, by = (1, 1) if mode == "average" else (d.integer(1, 2), d.integer(1, 2))
        od = d.integer(1, 2)
        shape = (n, od * (g * g if mode == "average" else bx * by), d.size(5, 9), d.size(5, 9))
        return case(
            [
                d.array(shape),
                five / (1 if mode == "average" else 8)
                if mode == "average"
                else np.concatenate([which[:, None], boxes / 8], 1).astype(np.float32),
            ],
            lambda x, r: op1.psroi_pooling(x, r, od, g, scale, bx, by, mode),
            f"{od} {g} {scale} {bx} {by} {mode}",
            {0: shape, 1: (k, 5)},
            bound={1: shape},
            tolerance=1e-3,
        )
    return None
