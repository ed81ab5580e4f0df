"""Which ONNX operators are supported, and how: one small typed function for each, registered with the operator versions it covers.

A mapping's signature is the operator's: after the builder come the operands (`Value`, `Value | None = None` for an optional one, without
the default where others follow that have to be there, `*xs` for any number), then, keyword-only, the attributes with their types and
defaults. Whatever a node has beyond that is an error.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TypeAlias, TypeVar

from onnx import AttributeProto, NodeProto, defs

from nchw2nhwc.errors import SourceError, UnsupportedError
from nchw2nhwc.ir.dim import Shape, Size
from nchw2nhwc.ir.graph import Graph, Value
from nchw2nhwc.ir.types import Array, DType
from nchw2nhwc.ops.elementwise import Cast
from nchw2nhwc.ops.kinds import kind_of
from nchw2nhwc.ops.movement import Expand
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.onnx.tensors import TensorReader, element_type
from nchw2nhwc.wording import counted

Ints: TypeAlias = tuple[int, ...]
Floats: TypeAlias = tuple[float, ...]
Results: TypeAlias = Value | Sequence[Value]
Function = TypeVar("Function", bound=Callable[..., Results])

LARGEST_CONSTANT = 1 << 24
"""Elements of the largest constant that is made from an op such as EyeLike."""

Strings: TypeAlias = tuple[str, ...]

SparseTensor: TypeAlias = Array
"""Annotation of attributes that are stored as sparse tensors; a mapping sees all elements."""

WITHOUT_SCHEMA = {"LayerNormalization": 1, "SimplifiedLayerNormalization": 1}
"""Operators that ONNX Runtime has in ONNX's domain though the standard lacks them, or lacks them in old operator sets; their versions."""

EXPERIMENTAL = frozenset({"Affine", "Crop", "DynamicSlice", "ImageScaler", "MeanVarianceNormalization", "ParametricSoftplus", "Scale",
                          "ScaledTanh"})
"""Operators that ONNX took out of its domain before they had a schema, or a lasting one; ONNX Runtime has them up to opset 9, as version 1,
unless there is a newer one."""

OLDEST_OPSET = 7
"""The first operator set with numpy's broadcasting."""


class LayerBuilder(Builder):
    """Adds what one ONNX node becomes to the graph."""

    def __init__(self, graph: Graph, tensors: TensorReader) -> None:
        super().__init__(graph)
        self.tensors = tensors
        self.version = 0
        """The operator version of the current node: the opset in which its definition last changed."""
        self.wanted: tuple[bool, ...] = ()
        """For each result of the current node, whether something reads it."""

    def damaged(self, reason: str) -> SourceError:
        """An error to raise where the current node contradicts itself or the standard."""
        return SourceError(reason, self.where)

    def axis(self, axis: int, rank: int, what: str = "axis") -> int:
        """An axis number of a tensor of `rank` axes, counted from the front. Raises SourceError when there is none."""
        if not -rank <= axis < rank:
            raise self.damaged(f"{what} {axis} does not exist in a tensor of {rank} axes")
        return axis % rank

    def axes(self, axes: Sequence[int], rank: int) -> Ints:
        """Several axis numbers, counted from the front and ascending. Raises SourceError when one does not exist or is there twice."""
        found = sorted(self.axis(a, rank) for a in axes)
        if len(set(found)) < len(found):
            raise self.damaged(f"axes {list(axes)} name an axis twice")
        return tuple(found)

    def scalar(self, value: float, like: Value) -> Value:
        """A constant without axes, of the element type of `like`."""
        return self.const(value, like.type.dtype)

    def cast(self, x: Value, dtype: DType) -> Value:
        """`x` in another element type; `x` itself when it has that already."""
        return x if x.type.dtype == dtype else self.add1(Cast(dtype), x)

    def along(self, x: Value, axis: int, rank: int) -> Value:
        """A vector, made to broadcast along `axis` of a tensor with `rank` axes."""
        if x.rank != 1:
            raise self.damaged(f"{x.type} must have one axis")
        return self.reshape(x, (*x.shape, *[1] * (rank - axis - 1)))

    def full(self, element: Array, shape: Shape) -> Value:
        """A tensor of `shape` that is filled with one element (an array without axes)."""
        value = self.const(element)
        return value if not shape else self.add1(Expand(tuple(shape)), value)

    def number(self, x: Value, what: str) -> float:
        """The only element of a constant operand. Raises UnsupportedError when it is computed at run time."""
        array = self.array(x, what)
        if array.size != 1:
            raise self.damaged(f"{what} must be one number, but is a tensor {x.type}")
        kind = kind_of(array.dtype)
        return int(array.ravel()[0]) if kind == "integer" else bool(array.ravel()[0]) if kind == "boolean" else float(array.ravel()[0])

    def integer(self, x: Value, what: str) -> int:
        """The only element of a constant integer operand."""
        number = self.number(x, what)
        if not isinstance(number, int):
            raise self.damaged(f"{what} must be an integer, but is a tensor {x.type}")
        return number

    def size(self, x: Value, what: str) -> Size:
        """The only element of an operand that holds a size, symbolic or not. Raises UnsupportedError when it is not known."""
        elements = self.shape_of(x, what)
        if len(elements) != 1:
            raise self.damaged(f"{what} must be one number, but is a tensor {x.type}")
        return elements[0]

    def require_room(self, count: int) -> None:
        """Raises UnsupportedError before a constant of more elements than could be meant is made."""
        if count > LARGEST_CONSTANT:
            raise UnsupportedError(f"a constant of {count} elements would have to be stored", self.where)


# ---- attributes ------------------------------------------------------------------------------------------------------
def _texts(b: LayerBuilder, a: AttributeProto) -> Strings:
    """The strings of an attribute that is one or has several."""
    try:
        return tuple(s.decode() for s in ((a.s,) if a.type == AttributeProto.STRING else a.strings))
    except UnicodeDecodeError:
        raise b.damaged(f"attribute '{a.name}' is not valid text") from None


def _flag(b: LayerBuilder, a: AttributeProto) -> bool:
    if a.i not in (0, 1):
        raise b.damaged(f"attribute '{a.name}' must be 0 or 1, but is {a.i}")
    return bool(a.i)


_READERS: Mapping[str, tuple[AttributeProto.AttributeType, Callable[[LayerBuilder, AttributeProto], object]]] = {
    "int": (AttributeProto.INT, lambda b, a: a.i),
    "bool": (AttributeProto.INT, _flag),
    "DType": (AttributeProto.INT, lambda b, a: element_type(a.i, f"attribute '{a.name}'")),
    "float": (AttributeProto.FLOAT, lambda b, a: a.f),
    "str": (AttributeProto.STRING, lambda b, a: _texts(b, a)[0]),
    "Ints": (AttributeProto.INTS, lambda b, a: tuple(a.ints)),
    "Floats": (AttributeProto.FLOATS, lambda b, a: tuple(a.floats)),
    "Array": (AttributeProto.TENSOR, lambda b, a: b.tensors.array(a.t, f"attribute '{a.name}'")),
    "SparseTensor": (AttributeProto.SPARSE_TENSOR, lambda b, a: b.tensors.dense(a.sparse_tensor, f"attribute '{a.name}'")),
    "Strings": (AttributeProto.STRINGS, _texts),
}
"""How an attribute annotated so in a mapping's signature is stored and read."""


@dataclass(frozen=True)
class AttributeSpec:
    """An attribute of a mapping: how its type is annotated, and whether a node must have it."""

    kind: str
    required: bool

    @property
    def type(self) -> AttributeProto.AttributeType:
        """How ONNX stores it."""
        return _READERS[self.kind][0]


@dataclass(frozen=True)
class OpMapping:
    """A supported operator: its domain and name, the operator versions covered, and the function that adds it to the graph."""

    domain: str
    op: str
    versions: Ints
    function: Callable[..., Results]
    needed: tuple[bool, ...]
    """For each operand, whether a node must have it."""
    most: int | None
    attributes: Mapping[str, AttributeSpec] = field(default_factory=dict)

    @property
    def required(self) -> int:
        """How many operands a node must have."""
        return sum(self.needed)

    def apply(self, b: LayerBuilder, node: NodeProto, operands: Sequence[Value | None],
              given: Mapping[str, AttributeProto]) -> Sequence[Value]:
        """Add `node` to the graph; `given` are the attributes of the function call around it, which its own may refer to.

        Raises SourceError where the node does not fit the operator's definition."""
        operands = list(operands)
        while operands and operands[-1] is None:
            operands.pop()
        if any(needed and (k >= len(operands) or operands[k] is None) for k, needed in enumerate(self.needed)):
            raise b.damaged(f"{self.op} needs {counted(self.required, 'operand')}")
        if self.most is None and None in operands:
            raise b.damaged(f"an operand of {self.op} is absent")
        if self.most is not None and len(operands) > self.most:
            raise b.damaged(f"{self.op} has {len(operands)} operands, but takes at most {self.most}")
        results = self.function(b, *operands, **self._attributes(b, node, given))
        return (results,) if isinstance(results, Value) else results

    def _attributes(self, b: LayerBuilder, node: NodeProto, given: Mapping[str, AttributeProto]) -> dict[str, object]:
        found: dict[str, object] = {}
        for attribute in node.attribute:
            name, spec = attribute.name, self.attributes.get(attribute.name)
            if spec is None:
                raise b.damaged(f"{self.op}-{b.version} has no attribute '{name}'")
            if attribute.ref_attr_name:
                referred = given.get(attribute.ref_attr_name)
                if referred is None:
                    continue
                attribute = referred
            kind, read = _READERS[spec.kind]
            if attribute.type != kind:
                raise b.damaged(f"attribute '{name}' of {self.op} is of the wrong type")
            found[name] = read(b, attribute)
        for name, spec in self.attributes.items():
            if spec.required and name not in found:
                raise b.damaged(f"{self.op} needs the attribute '{name}'")
        return found


MAPPINGS: dict[tuple[str, str], dict[int, OpMapping]] = {}
"""Every supported operator: (domain, name) -> operator version -> mapping. The default domain is ""."""


def onnx_op(op: str, *versions: int, domain: str = "") -> Callable[[Function], Function]:
    """Register the decorated function as the mapping of `op` for these operator versions (opsets in which its definition changed)."""

    def register(function: Function) -> Function:
        mapping = _described(domain, op, versions, function)
        for version in versions:
            if MAPPINGS.setdefault((domain, op), {}).setdefault(version, mapping) is not mapping:
                raise ValueError(f"{op}-{version} is mapped twice")
        return function

    return register


def _described(domain: str, op: str, versions: Ints, function: Callable[..., Results]) -> OpMapping:
    """The mapping that a function's signature describes."""
    operands: list[bool] = []
    attributes: dict[str, AttributeSpec] = {}
    unlimited = False
    for parameter in list(_parameters(function))[1:]:
        absent_allowed = parameter.default is not inspect.Parameter.empty
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            unlimited = True
        elif parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            kind = parameter.annotation.removesuffix(" | None")
            attributes[parameter.name] = AttributeSpec(kind, not absent_allowed)
            if kind not in _READERS:
                raise TypeError(f"attribute '{parameter.name}' of {op} is annotated {kind}")
        else:
            operands.append(not absent_allowed and parameter.annotation != "Value | None")
    return OpMapping(domain, op, versions, function, tuple(operands), None if unlimited else len(operands), attributes)


def _parameters(function: Callable[..., Results]) -> Sequence[inspect.Parameter]:
    return tuple(inspect.signature(function).parameters.values())


# ---- looking up ------------------------------------------------------------------------------------------------------
@cache
def newest_opset() -> int:
    """The newest operator set that the installed onnx package knows."""
    return defs.onnx_opset_version()


@cache
def operator_version(op: str, opset: int) -> int | None:
    """The version of a standard operator in an operator set; None when it has none."""
    try:
        return defs.get_schema(op, opset, "").since_version
    except defs.SchemaError:
        return 1 if op in EXPERIMENTAL and opset < 10 else WITHOUT_SCHEMA.get(op)


def find_mapping(domain: str, op: str, opset: int) -> tuple[OpMapping, int] | None:
    """The mapping of an operator and the operator version that it has in this operator set; None when it is not supported."""
    versions = MAPPINGS.get((domain, op))
    if versions is None:
        return None
    version = operator_version(op, opset) if not domain else max((v for v in versions if v <= opset), default=0)
    mapping = versions.get(version or 0)
    return None if mapping is None or version is None else (mapping, version)

