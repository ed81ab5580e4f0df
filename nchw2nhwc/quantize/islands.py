"""Fewer conversions between integers and floats than ai-edge-quantizer leaves.

It knows a list of operators; every other one computes in float, between a DEQUANTIZE and a QUANTIZE. Where the kernel of such an operator
takes integers, it is made to compute in them: a DEQUANTIZE moves behind an operator that only moves or selects values, and operators
with a scale of their own for the result get it from the QUANTIZE behind them. Where a QUANTIZE only changes the scale of one
operator's result (so the quantizer gives all operands of a concatenation the same one), that operator makes the new scale by itself, and
what was rounded twice is rounded once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from nchw2nhwc.ir import Array
from nchw2nhwc.quantize.flatfile import FLOAT32, INT8, INT16, Params, Part

if TYPE_CHECKING:
    from ai_edge_litert.schema_py_generated import ModelT, OperatorT

_BOTH = (INT8, INT16)
MOVES: Mapping[str, tuple[int, ...]] = {
    "SPLIT_V": _BOTH, "REVERSE_V2": _BOTH, "TILE": _BOTH, "SQUEEZE": _BOTH, "EXPAND_DIMS": _BOTH, "DEPTH_TO_SPACE": (INT8,),
    "SPACE_TO_DEPTH": (INT8,), "RESHAPE": _BOTH, "TRANSPOSE": _BOTH, "REDUCE_MAX": _BOTH, "REDUCE_MIN": _BOTH}
"""Operators whose results are values of their first operand, and the types that they take besides float32."""
KEPT = ("SPLIT", "STRIDED_SLICE", "SLICE", "GATHER", "GATHER_ND", "MAX_POOL_2D", "AVERAGE_POOL_2D", "PAD", "RESIZE_BILINEAR",
        "RESIZE_NEAREST_NEIGHBOR", *MOVES)
"""Operators whose results have the scale of their first operand."""
SCALED: Mapping[str, tuple[int, ...]] = {"LEAKY_RELU": _BOTH, "PRELU": (INT8,), "RELU6": _BOTH, "RELU_N1_TO_1": (INT8,)}
"""Operators with any scale for the result."""
_FREE = ("ADD", "SUB", "MUL", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "MEAN", "SUM", "HARD_SWISH",
         "BATCH_MATMUL", "QUANTIZE", *SCALED)
"""Operators, quantized by now, whose result's scale can still be changed."""
_VERSIONS: Mapping[str, Mapping[int, int]] = {
    "SPLIT_V": {INT8: 2, INT16: 2}, "LEAKY_RELU": {INT8: 2, INT16: 2}, "RELU6": {INT8: 2, INT16: 3}, "REDUCE_MAX": {INT8: 2, INT16: 3},
    "REDUCE_MIN": {INT8: 2, INT16: 3}, "DEPTH_TO_SPACE": {INT8: 2}, "SPACE_TO_DEPTH": {INT8: 2}}
"""The operators' versions in which they take these types, as TFLite's own `op_version.cc` numbers them."""


def join(model: ModelT) -> None:
    """Rewrite all subgraphs until nothing changes."""
    for graph in model.subgraphs:
        part = Part(model, graph)
        while _step(part):
            part.refresh()


def at_the_ends(model: ModelT) -> set[str]:
    """The names of the file's inputs and outputs, and of what outputs are only moved from."""
    graph = model.subgraphs[0]
    part, pending, found = Part(model, graph), list(graph.outputs), {*graph.inputs}
    while pending:
        tensor = pending.pop()
        found.add(tensor)
        maker = part.maker.get(tensor)
        if maker is not None and part.code(maker) in (*KEPT, "CONCATENATION"):
            pending += [i for i in maker.inputs if i >= 0 and part.constant(i) is None]
    return {graph.tensors[i].name.decode() for i in found}


def _step(part: Part) -> bool:
    """One round over the operators; whether something changed."""
    for op in list(part.graph.operators):
        code = part.code(op)
        if code == "QUANTIZE":
            changed = _absorb(part, op) or _hoist(part, op)
        else:
            changed = (code in MOVES and _push(part, op, code)) or (code in SCALED and _fold(part, op, code))
        if changed:
            return True
    return False


def _push(part: Part, op: OperatorT, code: str) -> bool:
    """DEQUANTIZE, then move: move the integers, then DEQUANTIZE, unless a result is a variable, which its reader has to be given itself."""
    before = part.made_by(op.inputs[0], "DEQUANTIZE")
    params = part.params(before.inputs[0]) if before is not None else None
    if before is None or params is None or params.type not in MOVES[code]:
        return False
    if any(part.graph.tensors[i].type != FLOAT32 or part.graph.tensors[i].isVariable for i in op.outputs):
        return False
    _take_integers(part, op, code, before, params)
    return True


def _take_integers(part: Part, op: OperatorT, code: str, before: OperatorT, made: Params) -> None:
    """The operator behind a DEQUANTIZE before it, with results of these parameters."""
    op.inputs = [before.inputs[0], *op.inputs[1:]]
    for result in op.outputs:
        floats = part.add_tensor(result, "_dequantized", None)
        part.redirect(result, floats)
        part.quantize(result, made)
        part.insert(part.operator("DEQUANTIZE", result, floats), after=op)
    part.raise_version(op, _VERSIONS.get(code, {}).get(made.type, 1))
    part.refresh()
    _drop_unread(part, before)


def _drop_unread(part: Part, op: OperatorT) -> None:
    """Take out an operator whose result nothing reads."""
    if not part.readers[op.outputs[0]] and op.outputs[0] not in part.graph.outputs:
        part.drop([op])


def _fold(part: Part, op: OperatorT, code: str) -> bool:
    """DEQUANTIZE, an operator with a scale of its own, QUANTIZE: the operator alone."""
    before, result = part.made_by(op.inputs[0], "DEQUANTIZE"), op.outputs[0]
    params = part.params(before.inputs[0]) if before is not None else None
    after = [each for each in part.readers[result] if part.code(each) == "QUANTIZE"]
    made = part.params(after[0].outputs[0]) if after else None
    if before is None or params is None or made is None or params.type not in SCALED[code] or made.type != params.type:
        return False
    slopes = part.constant(op.inputs[1]) if code == "PRELU" else None
    if code == "PRELU":
        if slopes is None:
            return False
        fit = _symmetric(slopes)
        op.inputs[1] = part.add_constant(op.inputs[1], "_quantized", _rounded(slopes, fit), fit)
    _take_integers(part, op, code, before, made)
    return True


def _absorb(part: Part, op: OperatorT) -> bool:
    """DEQUANTIZE, then QUANTIZE: nothing, or QUANTIZE alone, which changes the scale. A change of scale behind an operator that can make
    the new one, and whose result nothing else reads: the operator with the new scale."""
    source, target = op.inputs[0], op.outputs[0]
    before, wanted = part.made_by(source, "DEQUANTIZE"), part.params(target)
    if wanted is None:
        return False
    if before is not None and part.params(before.inputs[0]) is not None:
        op.inputs = [before.inputs[0]]
        part.refresh()
        _drop_unread(part, before)
        return True
    given = part.params(source)
    if given is None or given.type != wanted.type:
        return False
    maker = part.maker.get(source)
    alone = part.readers[source] == [op] and source not in part.graph.outputs
    if given != wanted and not (alone and maker is not None and part.code(maker) in _FREE):
        return False
    part.quantize(source, wanted)
    part.redirect(target, source)
    part.drop([op])
    return True


def _hoist(part: Part, op: OperatorT) -> bool:
    """Move, then change the scale: change the scale, then move; it may be absorbed further up."""
    source, target = op.inputs[0], op.outputs[0]
    maker, given, wanted = part.maker.get(source), part.params(source), part.params(target)
    if maker is None or given is None or wanted is None or given.type != wanted.type or part.code(maker) not in KEPT:
        return False
    data = maker.inputs[1] if part.code(maker) == "SPLIT" else maker.inputs[0]
    lone = len(maker.outputs) == 1 and part.readers[source] == [op] and source not in part.graph.outputs
    if not lone or len(part.readers[data]) != 1 or data in part.graph.inputs or part.params(data) != given:
        return False
    above = part.maker.get(data)
    if above is None or part.code(above) not in (*_FREE, *KEPT) or data in part.graph.outputs:
        return False
    part.quantize(source, wanted)
    part.redirect(target, source)
    scaled = part.add_tensor(data, "_rescaled", wanted)
    op.inputs, op.outputs = [data], [scaled]
    maker.inputs = [scaled if i == data else i for i in maker.inputs]
    part.drop([op])
    part.insert(op, after=above)
    return True


def _symmetric(values: Array) -> Params:
    return Params(INT8, max(float(np.abs(values).max(initial=0.0)), 1e-9) / 127, 0)


def _rounded(values: Array, params: Params) -> Array:
    return np.asarray(np.clip(np.round(values.astype(np.float64) / params.scale), -127, 127), np.int8)
