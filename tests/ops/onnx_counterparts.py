"""Which ONNX op means the same as which op class: the table behind the comparison with ONNX Runtime.

An entry turns an op instance and its operands into a `Call`, or None where ONNX has no such case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

import numpy as np
import onnx
from onnx import helper

from nchw2nhwc.ir.types import Array
from nchw2nhwc.ops import activation_functions as act
from nchw2nhwc.ops import binary, indexing, norm, recurrent, reduce
from nchw2nhwc.ops import elementwise as ew
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.kinds import integer_range


def _onnx_type(x: Array) -> str:
    return f"tensor({ {'float32': 'float', 'float64': 'double'}.get(x.dtype.name, x.dtype.name)})"


@dataclass(frozen=True)
class Call:
    """One ONNX node: its type, operands and attributes, in the opset that `opset` names."""

    type: str
    operands: tuple[Array | None, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    opset: int = 20
    widened: bool = False
    """Whether results have axes of size 1 that ours lack."""

    @property
    def is_valid(self) -> bool:
        """Whether ONNX's schema allows the operands' element types."""
        schema = onnx.defs.get_schema(self.type, self.opset)
        last = len(schema.inputs) - 1
        return all(x is None or _onnx_type(x) in schema.inputs[min(k, last)].types for k, x in enumerate(self.operands))


_Op = TypeVar("_Op", bound=Op)
Entry: TypeAlias = Callable[[_Op, tuple[Array, ...]], "Call | None"]

COUNTERPARTS: dict[type[Op], Callable[[Op, tuple[Array, ...]], Call | None]] = {}


def counterpart(*classes: type[_Op]) -> Callable[[Entry[_Op]], Entry[_Op]]:
    """Registers the entry of these classes."""
    def register(entry: Entry[_Op]) -> Entry[_Op]:
        for cls in classes:
            COUNTERPARTS[cls] = entry  # type: ignore[assignment]
        return entry
    return register


def _same(type: str, opset: int = 20) -> Callable[[Op, tuple[Array, ...]], Call | None]:
    """An op without attributes in ONNX, with the same operands."""
    return lambda _, operands: Call(type, operands, opset=opset)


_SAME_NAME: tuple[type[Op], ...] = (
    ew.Abs, ew.Neg, ew.Sign, ew.Floor, ew.Ceil, ew.Exp, ew.Log, ew.Sqrt, ew.Sin, ew.Cos, ew.Tan, ew.Asin, ew.Acos, ew.Atan, ew.Sinh,
    ew.Cosh, ew.Tanh, ew.Asinh, ew.Acosh, ew.Atanh, ew.BitwiseNot, ew.IsNaN, ew.Identity, ew.Reciprocal, ew.Erf, act.Sigmoid, act.Relu,
    act.Softplus, act.Softsign, act.Mish, act.HardSwish, binary.Pow, binary.Equal, binary.Less, binary.Greater, binary.BitwiseAnd,
    binary.BitwiseOr, binary.BitwiseXor, binary.Where,
)
_OTHER_NAME: dict[type[Op], str] = {
    ew.LogicalNot: "Not", binary.Maximum: "Max", binary.Minimum: "Min", binary.LogicalAnd: "And", binary.LogicalOr: "Or",
    binary.LogicalXor: "Xor", binary.LessEqual: "LessOrEqual", binary.GreaterEqual: "GreaterOrEqual", binary.PRelu: "PRelu",
}
COUNTERPARTS.update({cls: _same(cls.__name__) for cls in _SAME_NAME})
COUNTERPARTS.update({cls: _same(name) for cls, name in _OTHER_NAME.items()})


@counterpart(binary.Add, binary.Sub, binary.Mul, binary.Div)
def _arithmetic(op: binary.Arithmetic, operands: tuple[Array, ...]) -> Call | None:
    return Call(op.name, operands) if op.activation is Activation.NONE else None


@counterpart(binary.Mod)
def _mod(_: binary.Mod, operands: tuple[Array, ...]) -> Call | None:
    return Call("Mod", operands) if operands[0].dtype.kind in "iu" else None


@counterpart(binary.FMod)
def _fmod(_: binary.FMod, operands: tuple[Array, ...]) -> Call:
    return Call("Mod", operands, {"fmod": 1})


@counterpart(ew.Round)
def _round(op: ew.Round, operands: tuple[Array, ...]) -> Call | None:
    return Call("Round", operands) if op.mode == "half_to_even" and operands[0].dtype.kind == "f" else None


@counterpart(act.LeakyRelu, act.Elu, act.Celu, act.ThresholdedRelu)
def _alpha(op: ew.Unary, operands: tuple[Array, ...]) -> Call:
    return Call(op.name, operands, {"alpha": op.alpha})  # type: ignore[attr-defined]


@counterpart(act.Selu)
def _selu(op: act.Selu, operands: tuple[Array, ...]) -> Call:
    return Call("Selu", operands, {"alpha": op.alpha, "gamma": op.gamma})


@counterpart(act.HardSigmoid)
def _hard_sigmoid(op: act.HardSigmoid, operands: tuple[Array, ...]) -> Call:
    return Call("HardSigmoid", operands, {"alpha": op.alpha, "beta": op.beta})


@counterpart(act.Gelu)
def _gelu(op: act.Gelu, operands: tuple[Array, ...]) -> Call:
    return Call("Gelu", operands, {"approximate": "tanh" if op.approximate else "none"})


@counterpart(act.Swish)
def _swish(op: act.Swish, operands: tuple[Array, ...]) -> Call:
    return Call("Swish", operands, {"alpha": op.beta}, opset=24)


@counterpart(act.Clip)
def _clip(op: act.Clip, operands: tuple[Array, ...]) -> Call | None:
    (x,) = operands
    if x.dtype.kind in "iu" and any(b is not None and (b != int(b) or (b < 0 and x.dtype.kind == "u")) for b in (op.min, op.max)):
        return None
    return Call("Clip", (x, *(None if b is None else np.asarray(b, x.dtype) for b in (op.min, op.max))))


@counterpart(ew.IsInf)
def _is_inf(op: ew.IsInf, operands: tuple[Array, ...]) -> Call:
    return Call("IsInf", operands, {"detect_negative": int(op.detect_negative), "detect_positive": int(op.detect_positive)})


@counterpart(ew.Cast)
def _cast(op: ew.Cast, operands: tuple[Array, ...]) -> Call:
    return Call("Cast", operands, {"to": helper.np_dtype_to_tensor_dtype(op.dtype)})


def _overflows(op: reduce.Reduce, x: Array) -> bool:
    """Whether an integer product leaves its type's range, where every runtime does as it likes."""
    (product,) = reduce.ReduceProd(op.axes).run(x.astype(np.float64))
    return isinstance(op, reduce.ReduceProd) and bool(np.any(np.abs(product.astype(np.float64)) > integer_range(x.dtype)[1]))


@counterpart(reduce.ReduceSum, reduce.ReduceMean, reduce.ReduceMax, reduce.ReduceMin, reduce.ReduceProd, reduce.ReduceL1, reduce.ReduceL2,
             reduce.ReduceSumSquare, reduce.ReduceLogSum, reduce.ReduceLogSumExp)
def _reduce(op: reduce.Reduce, operands: tuple[Array, ...]) -> Call | None:
    (x,) = operands
    if not op.axes:
        return None
    if x.dtype.kind in "iu" and (isinstance(op, reduce.ReduceLogSumExp) or _overflows(op, x)):
        return None
    return Call(op.name, (*operands, np.asarray(op.axes, np.int64)), {"keepdims": int(op.keepdims)})


@counterpart(reduce.ArgMax, reduce.ArgMin)
def _arg_reduce(op: reduce.ArgReduce, operands: tuple[Array, ...]) -> Call | None:
    attributes = {"axis": op.axis, "keepdims": int(op.keepdims), "select_last_index": int(op.select_last_index)}
    return Call(op.name, operands, attributes) if op.dtype == np.int64 else None


@counterpart(reduce.Softmax, reduce.LogSoftmax)
def _softmax(op: reduce.AlongAxis, operands: tuple[Array, ...]) -> Call:
    return Call(op.name, operands, {"axis": op.axis})


@counterpart(reduce.CumSum)
def _cumsum(op: reduce.CumSum, operands: tuple[Array, ...]) -> Call:
    return Call("CumSum", (*operands, np.asarray(op.axis, np.int64)), {"exclusive": int(op.exclusive), "reverse": int(op.reverse)})


@counterpart(norm.BatchNorm)
def _batch_norm(op: norm.BatchNorm, operands: tuple[Array, ...]) -> Call | None:
    return Call("BatchNormalization", operands, {"epsilon": op.epsilon}) if op.axis == 1 else None


@counterpart(norm.LRN)
def _lrn(op: norm.LRN, operands: tuple[Array, ...]) -> Call | None:
    """ONNX Runtime has it for odd sizes and single-precision images only; test_norm.py has the rest."""
    (x,) = operands
    if op.size % 2 == 0 or x.ndim != 4 or x.dtype != np.float32:
        return None
    return Call("LRN", operands, {"size": op.size, "alpha": op.alpha, "beta": op.beta, "bias": op.bias})


@counterpart(indexing.GatherElements)
def _gather_elements(op: indexing.GatherElements, operands: tuple[Array, ...]) -> Call:
    return Call("GatherElements", operands, {"axis": op.axis})


@counterpart(indexing.GatherND)
def _gather_nd(op: indexing.GatherND, operands: tuple[Array, ...]) -> Call:
    return Call("GatherND", (operands[0], operands[1].astype(np.int64)), {"batch_dims": op.batch_dims})


@counterpart(indexing.ScatterElements)
def _scatter_elements(op: indexing.ScatterElements, operands: tuple[Array, ...]) -> Call | None:
    """ONNX Runtime combines no half-precision numbers."""
    if operands[0].dtype == np.float16 and op.reduction != "none":
        return None
    return Call("ScatterElements", operands, {"axis": op.axis, "reduction": op.reduction})


@counterpart(indexing.ScatterND)
def _scatter_nd(op: indexing.ScatterND, operands: tuple[Array, ...]) -> Call | None:
    """ONNX Runtime combines no half-precision numbers."""
    data, indices, updates = operands
    if data.dtype == np.float16 and op.reduction != "none":
        return None
    return Call("ScatterND", (data, indices.astype(np.int64), updates), {"reduction": op.reduction})


@counterpart(indexing.TopK)
def _top_k(op: indexing.TopK, operands: tuple[Array, ...]) -> Call | None:
    if op.dtype != np.int64:
        return None
    return Call("TopK", (*operands, np.asarray([op.k], np.int64)), {"axis": op.axis, "largest": int(op.largest)})


@counterpart(indexing.ReverseSequence)
def _reverse_sequence(op: indexing.ReverseSequence, operands: tuple[Array, ...]) -> Call | None:
    """ONNX has the first two axes only."""
    if {op.batch_axis, op.time_axis} != {0, 1}:
        return None
    return Call("ReverseSequence", (operands[0], operands[1].astype(np.int64)), {"batch_axis": op.batch_axis, "time_axis": op.time_axis})


@counterpart(recurrent.RNN, recurrent.GRU, recurrent.LSTM)
def _recurrent(op: recurrent.Recurrent, operands: tuple[Array, ...]) -> Call | None:
    """Biases of x and of the state are apart in ONNX, and all but the sequence has an axis of directions. ONNX Runtime computes in float32
    with steps first."""
    if op.batch_first or operands[0].dtype != np.float32:
        return None
    x, w, r, b, *states = operands
    units = r.shape[1]
    if getattr(op, "linear_before_reset", False):
        both = (b[:3 * units], np.concatenate([np.zeros(2 * units, b.dtype), b[3 * units:]]))
    else:
        both = (b[:op.gates * units], np.zeros_like(b[:op.gates * units]))
    peepholes = [b[None, op.gates * units:]] if getattr(op, "peepholes", False) else []
    attributes: dict[str, Any] = {"hidden_size": units, "direction": "reverse" if op.reverse else "forward",
                                  "activations": [a.name for a in op.activations]}
    for name in ("alpha", "beta"):
        given = [getattr(a, name) for a in op.activations if hasattr(a, name)]
        attributes |= {f"activation_{name}": given} if given else {}
    attributes |= {} if op.clip is None else {"clip": op.clip}
    attributes |= {name: int(getattr(op, name)) for name in ("linear_before_reset", "input_forget") if hasattr(op, name)}
    lifted = [v[None] for v in (w, r, np.concatenate(both))]
    initial = (s[None] for s in states) if states or not peepholes else (None,) * op.states
    return Call(op.name, (x, *lifted, None, *initial, *peepholes), attributes, 14, widened=True)
