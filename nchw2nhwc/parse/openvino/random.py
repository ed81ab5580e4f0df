"""Operations that draw random numbers."""

from __future__ import annotations

from nchw2nhwc.errors import SourceError
from nchw2nhwc.ir import DType, Value
from nchw2nhwc.ir.draws import Uniform
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.draws import drawn
from nchw2nhwc.parse.openvino.registry import Results, mapping


@mapping("RandomUniform", 8)
def random_uniform(b: Builder, shape: Value, minimum: Value, maximum: Value, *, output_type: DType, global_seed: int = 0,
                   op_seed: int = 0, alignment: str = "tensorflow") -> Results:
    """Numbers from `minimum` up to below `maximum`; which ones follow from a seed is not kept."""
    limits = [b.array(v, "a limit of random numbers").ravel() for v in (minimum, maximum)]
    if any(v.size != 1 for v in limits) or not limits[0][0] < limits[1][0]:
        raise SourceError(f"random numbers between {minimum.type} and {maximum.type}, of which the first must be the smaller one")
    return drawn(b, b.shape_of(shape, "the shape of random numbers"), output_type, Uniform(*(float(v[0]) for v in limits)))
