"""ai.onnx.ml.LabelEncoder of ONNX."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ir.types import Array
from nchw2nhwc.ops.elementwise import IsNaN
from nchw2nhwc.ops.kinds import kind_of
from nchw2nhwc.ops.reduce import ArgMax
from nchw2nhwc.parse.formula import Formula
from nchw2nhwc.parse.onnx.registry import Floats, Ints, LayerBuilder, Strings, onnx_op
from nchw2nhwc.parse.onnx.scores import ML


def _list(b: LayerBuilder, what: str, floats: Floats, ints: Ints, strings: Strings, tensor: Array | None) -> Array:
    """The one of these that is there, with its element type. Raises UnsupportedError for strings, SourceError for none."""
    if strings:
        raise UnsupportedError(f"{what} that are strings are not supported", b.where,
                               "End the model before them with --outputs, or leave the encoder out of the exported pipeline.")
    if tensor is not None:
        return tensor.ravel()
    if not floats and not ints:
        raise b.damaged(f"there are no {what}")
    return np.asarray(floats, np.float32) if floats else np.asarray(ints, np.int64)


@onnx_op("LabelEncoder", 2, 4, domain=ML)
def label_encoder(b: LayerBuilder, x: Value, *, default_float: float = 0.0, default_int64: int = -1, default_string: str = "",
                  default_tensor: Array | None = None, keys_floats: Floats = (), keys_int64s: Ints = (), keys_strings: Strings = (),
                  keys_tensor: Array | None = None, values_floats: Floats = (), values_int64s: Ints = (), values_strings: Strings = (),
                  values_tensor: Array | None = None) -> Value:
    """The value that belongs to the key that an element is, of equal keys the first one's; the default for an element that is none. What is
    no number is a key like any other since version 4, and none before."""
    keys = _list(b, "keys", keys_floats, keys_int64s, keys_strings, keys_tensor)
    values = _list(b, "values", values_floats, values_int64s, values_strings, values_tensor)
    if len(keys) != len(values) or kind_of(keys.dtype) != kind_of(x.type.dtype):
        raise b.damaged(f"{len(keys)} keys of {keys.dtype} and {len(values)} values, for elements of {x.type.dtype}")
    default = default_float if kind_of(values.dtype) == "floating point" else default_int64
    table = np.append(values, np.asarray(default, values.dtype) if default_tensor is None else default_tensor.ravel()[:1])
    elements = Formula(b, x).reshape(*x.shape, 1)
    same = elements.equals(keys)
    if b.version >= 4 and np.isnan(keys).any():
        same = same | (elements.apply(IsNaN()) & Formula(b, b.const(np.isnan(keys))))
    which = same.cast(np.float32).apply(ArgMax(x.rank, False))
    found = same.cast(np.float32).max(x.rank) > 0.0
    return Formula(b, b.const(table)).take(found.choose(which, len(keys))).value
