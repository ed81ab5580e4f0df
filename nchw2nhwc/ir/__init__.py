"""The intermediate representation: `Graph`, `Node`, `Value`, `TensorType` and symbolic `Dim`s."""

from nchw2nhwc.ir.bounds import bounds, is_at_most
from nchw2nhwc.ir.dim import Dim, Shape, Size, evaluate, exact_div, is_static, product, size_max, size_min, substitute
from nchw2nhwc.ir.graph import Graph, Node, Origin, Value
from nchw2nhwc.ir.types import Array, DType, TensorType

__all__ = ["Array", "DType", "Dim", "Graph", "Node", "Origin", "Shape", "Size", "TensorType", "Value", "bounds", "evaluate", "exact_div",
           "is_at_most", "is_static", "product", "size_max", "size_min", "substitute"]
