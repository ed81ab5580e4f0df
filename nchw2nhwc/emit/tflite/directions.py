"""LSTM kernels of both directions over one sequence, whose hidden states are put side by side, as the kernel of a layer that runs in both.

That kernel is wrong (LiteRT 2.3.0) about all but the first sequence of a batch that is stored before the steps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from nchw2nhwc.emit.tflite.model import Operator, Options, Subgraph, options

ONE_DIRECTION = "UNIDIRECTIONAL_SEQUENCE_LSTM"
BOTH_DIRECTIONS = "BIDIRECTIONAL_SEQUENCE_LSTM"

_PARAMETERS = slice(1, 18)
_STATES = slice(18, 20)
_AUXILIARY = (-1,) * 9
"""A second sequence and its weights, which are left out."""


def join_directions(subgraph: Subgraph) -> int:
    """Replace CONCATENATION of two such kernels, one of them between two REVERSE_V2; returns how many."""
    count = 0
    while (found := _first(subgraph)) is not None:
        concat, *rest = found
        forward, backward = (operator for operator in rest if operator.code == ONE_DIRECTION)
        joint = Operator(BOTH_DIRECTIONS, 1, _operands(forward, backward), concat.outputs, _options(forward), forward.origin)
        subgraph.operators[:] = [joint if operator is concat else operator for operator in subgraph.operators
                                 if not any(operator is gone for gone in rest)]
        count += 1
    return count


def _operands(forward: Operator, backward: Operator) -> tuple[int, ...]:
    parts = (*forward.inputs[_PARAMETERS], *backward.inputs[_PARAMETERS], *forward.inputs[_STATES], *backward.inputs[_STATES])
    return (forward.inputs[0], *parts, *_AUXILIARY)


def _options(forward: Operator) -> Options:
    assert isinstance(forward.options, Options)
    return options("BidirectionalSequenceLSTMOptions", **dict(forward.options.fields), mergeOutputs=True)


def _first(subgraph: Subgraph) -> tuple[Operator, ...] | None:
    """The CONCATENATION, the forward kernel, the sequence turned around, the backward kernel, and its results turned around."""
    makers = {tensor: operator for operator in subgraph.operators for tensor in operator.outputs}
    readers = Counter(tensor for operator in subgraph.operators for tensor in operator.inputs) + Counter(subgraph.outputs)
    for concat in subgraph.operators:
        if concat.code != "CONCATENATION" or len(concat.inputs) != 2:
            continue
        forward, back = (_only_for(makers, readers, tensor) for tensor in concat.inputs)
        if forward is None or back is None or (forward.code, back.code) != (ONE_DIRECTION, "REVERSE_V2"):
            continue
        backward = _only_for(makers, readers, back.inputs[0])
        turned = None if backward is None or backward.code != ONE_DIRECTION else _only_for(makers, readers, backward.inputs[0])
        if backward is None or turned is None or turned.code != "REVERSE_V2":
            continue
        same = turned.inputs == (forward.inputs[0], back.inputs[1]) and backward.options == forward.options
        if same and _along_units(subgraph, concat) and _takes(subgraph, forward):
            return concat, forward, turned, backward, back
    return None


def _only_for(makers: Mapping[int, Operator], readers: Mapping[int, int], tensor: int) -> Operator | None:
    """The operator that makes a tensor, if there is one reader."""
    return makers.get(tensor) if readers[tensor] == 1 else None


def _takes(subgraph: Subgraph, forward: Operator) -> bool:
    """Whether the kernel of both directions is right about the sequences."""
    assert isinstance(forward.options, Options)
    x = subgraph.tensors[forward.inputs[0]]
    return dict(forward.options.fields)["timeMajor"] is True or (x.signature or x.shape)[0] == 1


def _along_units(subgraph: Subgraph, concat: Operator) -> bool:
    assert isinstance(concat.options, Options)
    axis = dict(concat.options.fields)["axis"]
    return axis in (-1, len(subgraph.tensors[concat.outputs[0]].shape) - 1)


def drop_unused(subgraph: Subgraph) -> None:
    """Take out the tensors that nothing reads or makes any more."""
    used = {*subgraph.inputs, *subgraph.outputs, *(t for operator in subgraph.operators for t in (*operator.inputs, *operator.outputs))}
    kept = [k for k in range(len(subgraph.tensors)) if k in used]
    new = {old: k for k, old in enumerate(kept)} | {-1: -1}
    subgraph.tensors[:] = [subgraph.tensors[k] for k in kept]
    subgraph.operators[:] = [replace(op, inputs=tuple(new[t] for t in op.inputs), outputs=tuple(new[t] for t in op.outputs))
                             for op in subgraph.operators]
    subgraph.inputs, subgraph.outputs = [new[t] for t in subgraph.inputs], [new[t] for t in subgraph.outputs]
