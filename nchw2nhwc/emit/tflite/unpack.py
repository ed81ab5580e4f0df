"""Parts of one tensor at single constant positions along an axis, which one operator takes at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from nchw2nhwc.emit.tflite.in_place import add_tensor
from nchw2nhwc.emit.tflite.model import Blob, Operator, Options, Subgraph, options
from nchw2nhwc.ir import DType

GATHER, UNPACK = "GATHER", "UNPACK"

_TYPES = ("float32", "int32", "int8", "uint8", "int16", "bool")


def unpack(subgraph: Subgraph, blobs: Sequence[Blob], apart: Callable[[DType], bool]) -> int:
    """Replace GATHERs of more than half of all positions by UNPACK of all, unless there may be no elements; returns how many. `apart` says
    of which element types."""
    groups: dict[tuple[int, int], dict[int, Operator]] = {}
    for operator in subgraph.operators:
        place = _position(subgraph, blobs, operator)
        if place is not None:
            groups.setdefault(place[0], {}).setdefault(place[1], operator)
    count = 0
    for (data, axis), taken in groups.items():
        whole = subgraph.tensors[data]
        if len(taken) * 2 > whole.shape[axis] > 1 and whole.dtype.name in _TYPES and apart(whole.dtype) and not whole.decided:
            _replace(subgraph, data, axis, taken)
            count += len(taken)
    return count


def _position(subgraph: Subgraph, blobs: Sequence[Blob], operator: Operator) -> tuple[tuple[int, int], int] | None:
    """`((data, axis), position)` of a GATHER at one constant position, along an axis of known size."""
    if operator.code != GATHER or not isinstance(operator.options, Options):
        return None
    data, index = (subgraph.tensors[t] for t in operator.inputs)
    fields = dict(operator.options.fields)
    axis = int(fields["axis"]) if isinstance(fields["axis"], int) else -1
    known = data.signature is None or data.signature[axis] != -1
    if index.shape or not index.buffer or fields.get("batchDims", 0) or not known or axis < 0:
        return None
    return (operator.inputs[0], axis), int(blobs[index.buffer - 1].array.reshape(()))


def _replace(subgraph: Subgraph, data: int, axis: int, taken: dict[int, Operator]) -> None:
    first, like = next(iter(taken.values())), subgraph.tensors[next(iter(taken.values())).outputs[0]]
    results = tuple(taken[k].outputs[0] if k in taken else add_tensor(subgraph, replace(like, name=f"{like.name}/other"))
                    for k in range(subgraph.tensors[data].shape[axis]))
    whole = Operator(UNPACK, 1, (data,), results, options("UnpackOptions", num=len(results), axis=axis), first.origin)
    gone = {id(operator) for operator in taken.values()} - {id(first)}
    subgraph.operators[:] = [whole if operator is first else operator for operator in subgraph.operators if id(operator) not in gone]
