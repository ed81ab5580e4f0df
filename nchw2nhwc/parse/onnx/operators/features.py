"""Operators of ai.onnx.ml that prepare features for models."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.ir.dim import product
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.binary import Equal, Greater, Where
from nchw2nhwc.ops.elementwise import IsNaN
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.kinds import kind_of
from nchw2nhwc.ops.movement import Concat
from nchw2nhwc.parse.formula import Formula
from nchw2nhwc.parse.onnx.registry import Floats, Ints, LayerBuilder, Strings, onnx_op
from nchw2nhwc.parse.onnx.scores import ML

FLOAT32 = np.dtype(np.float32)


@onnx_op("ArrayFeatureExtractor", 1, domain=ML)
def array_feature_extractor(b: LayerBuilder, x: Value, indices: Value) -> Value:
    """The features at these indices of the last axis; a vector counts as one row."""
    rows = b.reshape(x, (1, *x.shape)) if x.rank == 1 else x
    return b.add1(Gather(rows.rank - 1), rows, b.reshape(indices, (product(indices.shape),)))


@onnx_op("Binarizer", 1, domain=ML)
def binarizer(b: LayerBuilder, x: Value, *, threshold: float = 0.0) -> Value:
    """1 where an element is above the threshold, else 0."""
    return b.cast(b.add1(Greater(), x, b.scalar(threshold, x)), x.type.dtype)


def _per_feature(b: LayerBuilder, x: Value, numbers: tuple[float, ...], what: str) -> None:
    """Raises SourceError unless these are one number for all or, of a vector or rows, one for each feature."""
    if len(numbers) != 1 and not (1 <= x.rank <= 2 and len(numbers) == x.shape[-1]):
        raise b.damaged(f"{len(numbers)} numbers in {what} for {x.type}")


@onnx_op("Scaler", 1, domain=ML)
def scaler(b: LayerBuilder, x: Value, *, offset: Floats = (), scale: Floats = ()) -> Value:
    """(x - offset) * scale, always float32."""
    for what, numbers in (("offset", offset), ("scale", scale)):
        _per_feature(b, x, numbers, what)
    return ((Formula(b, x).cast(FLOAT32) - np.asarray(offset)) * np.asarray(scale)).value


@onnx_op("Imputer", 1, domain=ML)
def imputer(b: LayerBuilder, x: Value, *, imputed_value_floats: Floats = (), imputed_value_int64s: Ints = (),
            replaced_value_float: float = 0.0, replaced_value_int64: int = 0) -> Value:
    """x with one value, which may be NaN, replaced by another, or by another for each feature."""
    floating = kind_of(x.type.dtype) == "floating point"
    values, missing = (imputed_value_floats, replaced_value_float) if floating else (imputed_value_int64s, replaced_value_int64)
    _per_feature(b, x, values, "the imputed values")
    gone = b.add1(IsNaN(), x) if floating and np.isnan(missing) else b.add1(Equal(), x, b.scalar(missing, x))
    return b.add1(Where(), gone, b.const(values if len(values) > 1 else values[0], x.type.dtype), x)


@onnx_op("FeatureVectorizer", 1, domain=ML)
def feature_vectorizer(b: LayerBuilder, *xs: Value, inputdimensions: Ints = ()) -> Value:
    """Rows of several operands, one behind the other, as float32; a vector counts as one row."""
    rows = [b.cast(b.reshape(x, (1, *x.shape)) if x.rank == 1 else x, FLOAT32) for x in xs]
    if not rows or any(x.rank != 2 for x in rows) or tuple(x.shape[1] for x in rows) != inputdimensions:
        raise b.damaged(f"inputdimensions {list(inputdimensions)} are not those of the operands")
    return b.add1(Concat(1), *rows) if len(rows) > 1 else rows[0]


@onnx_op("OneHotEncoder", 1, domain=ML)
def one_hot_encoder(b: LayerBuilder, x: Value, *, cats_int64s: Ints = (), cats_strings: Strings = (), zeros: bool = True) -> Value:
    """1 at the place of the category that an element is, 0 elsewhere, along a new last axis, as float32. Without `zeros` elements that are
    no category would be an error when the model runs; here they are zeros all the same."""
    if cats_strings:
        raise UnsupportedError("categories that are strings are not supported", b.where)
    if not cats_int64s:
        raise b.damaged("there are no categories")
    return Formula(b, x).cast(np.int64).reshape(*x.shape, 1).equals(np.asarray(cats_int64s)).cast(FLOAT32).value
