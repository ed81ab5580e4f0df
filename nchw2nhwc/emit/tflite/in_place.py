"""Keeps LiteRT from overwriting what is still to be read.

LiteRT lets some kernels write their result over an operand that nothing else reads, and lets RESHAPE share memory with its operand.
Where the two meet it counts readers of the wrong tensor: in `v = a + b; r = reshape(v); s = r * r; t = f(v)` the product is written over
r, and with it over v, if v itself was written over a. Its planner (`ArenaPlanner::IdentifyInPlaceTensors`) is followed here, and where it
would do that the operand is replaced by a copy of it.
"""

from __future__ import annotations

from dataclasses import replace

from nchw2nhwc.emit.tflite.model import Operator, Subgraph, Tensor, options
from nchw2nhwc.emit.tflite.versions import version_of

SHARING = frozenset({"RESHAPE", "SQUEEZE", "EXPAND_DIMS", "BITCAST"})
"""Operators whose result is their operand's memory."""

OVERWRITING = frozenset({"ADD", "SUB", "MUL", "DIV", "SOFTMAX"})
"""Operators that write over one of their first two operands where they may."""


def keep_apart(subgraph: Subgraph) -> int:
    """Add copies to a subgraph until nothing in it is overwritten before its last reader; returns how many."""
    count = 0
    while True:
        found = _first_conflict(subgraph)
        if found is None:
            return count
        copy_operand(subgraph, *found)
        count += 1


def _first_conflict(subgraph: Subgraph) -> tuple[int, int] | None:
    """An operator, by its place, and which of its operands it would overwrite while somebody else is to read that memory."""
    readers: dict[int, int] = {}
    last: dict[int, int] = {}
    for place, operator in enumerate(subgraph.operators):
        for tensor in operator.inputs:
            readers[tensor] = readers.get(tensor, 0) + 1
            last[tensor] = place
    for tensor in (*subgraph.inputs, *subgraph.outputs):
        readers[tensor] = readers.get(tensor, 0) + 1
    fixed = {*subgraph.inputs, *(k for k, tensor in enumerate(subgraph.tensors) if tensor.buffer or tensor.variable), -1}
    outputs = set(subgraph.outputs)
    memory: dict[int, int] = {}
    sharers: dict[int, list[int]] = {}
    for place, operator in enumerate(subgraph.operators):
        code, result = operator.code, operator.outputs[0]
        if code not in SHARING | OVERWRITING or result in outputs:
            continue
        candidates = range(1 if code in SHARING else min(2, len(operator.inputs)))
        allowed = [k for k in candidates if operator.inputs[k] not in fixed
                   and (code in SHARING or (readers[operator.inputs[k]] == 1 and _same_size(subgraph, operator.inputs[k], result)))]
        if not allowed:
            continue
        first = allowed[0]
        owner = memory.get(operator.inputs[first], operator.inputs[first])
        if code in OVERWRITING and readers[owner] > 1:
            continue
        if code in OVERWRITING and any(last.get(tensor, -1) > place for tensor in (owner, *sharers.get(owner, ()))):
            return place, first
        memory[result] = owner
        sharers.setdefault(owner, []).append(result)
    return None


def _same_size(subgraph: Subgraph, one: int, other: int) -> bool:
    """Whether two tensors may have as many bytes: sizes that are not known may be any."""
    def sizes(tensor: Tensor) -> tuple[int, ...]:
        return tuple(sorted(s for s in tensor.signature or tensor.shape if s != 1))

    a, b = sizes(subgraph.tensors[one]), sizes(subgraph.tensors[other])
    return a == b or -1 in a or -1 in b


def copy_operand(subgraph: Subgraph, place: int, operand: int) -> None:
    """Let an operator read a copy: the maximum of the operand and itself, which there are kernels for wherever there is arithmetic."""
    operator = subgraph.operators[place]
    source = operator.inputs[operand]
    like = subgraph.tensors[source]
    copy = add_tensor(subgraph, like)
    opts = options("MaximumMinimumOptions")
    version = version_of("MAXIMUM", [like, like], [like], opts)
    subgraph.operators[place] = replace(operator, inputs=(*operator.inputs[:operand], copy, *operator.inputs[operand + 1:]))
    subgraph.operators.insert(place, Operator("MAXIMUM", version, (source, source), (copy,), opts, operator.origin))


def add_tensor(subgraph: Subgraph, like: Tensor) -> int:
    """Another tensor, with a name of its own."""
    names = {tensor.name for tensor in subgraph.tensors}
    name = next(n for k in range(len(names) + 1) if (n := f"{like.name}/copy{k or ''}") not in names)
    subgraph.tensors.append(replace(like, name=name))
    return len(subgraph.tensors) - 1
