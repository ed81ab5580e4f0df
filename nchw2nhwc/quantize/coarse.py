"""Operators that stay in float32 because integers are too coarse for what they compute."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from nchw2nhwc.ir import Array
from nchw2nhwc.quantize.flatfile import FLOAT32, Part
from nchw2nhwc.quantize.islands import KEPT, MOVES
from nchw2nhwc.quantize.ranges import size
from nchw2nhwc.quantize.weighted import CODES

if TYPE_CHECKING:
    from ai_edge_litert.schema_py_generated import ModelT, OperatorT

_STEEP: Mapping[str, int] = {"LOG": 0, "SQRT": 0, "RSQRT": 0, "POW": 0, "DIV": 1}
"""Operators, with the operand, of which small values matter as much as large ones; equal steps, as integers have, make them 0."""
PICKED = ("CONCATENATION", "PACK", *KEPT)
"""Operators whose results are values of their operands: those that a logarithm reads are followed through them too, and on to the layer
that computes them, whose small results an integer kernel would round to 0."""
_THROUGH = ("SUM", "MEAN", "SQRT", "RSQRT", "POW", "SQUARED_DIFFERENCE", "ABS", "EXP", "RESHAPE")
_PAIRED = ("ADD", "SUB", "MUL", "DIV", "MAXIMUM")
_SQUASHED: Mapping[str, float] = {"SOFTMAX": 1 / 4, "LOGISTIC": 1 / 4, "TANH": 1 / 2}
"""Operators whose int8 kernels have steps of 1/256 (TANH: 1/128) whatever the results are, and what results have to reach in size for
enough of these steps."""
_WRONG = 2.0**-8
"""Relative error of a softmax."""


def steep(model: ModelT) -> list[str]:
    """The tensors, by name, whose makers have to stay in float32 for a logarithm, root, power or quotient to make sense: what these read is
    followed back through sums, squares and arithmetic with constants."""
    found: dict[str, None] = {}
    for graph in model.subgraphs:
        part = Part(model, graph)
        for op in graph.operators:
            place = _STEEP.get(part.code(op))
            if place is None or part.graph.tensors[op.outputs[0]].type != FLOAT32:
                continue
            found[graph.tensors[op.outputs[0]].name.decode()] = None
            found |= dict.fromkeys(_read_by(part, op.inputs[place], layers=part.code(op) == "LOG"))
            if part.code(op) == "RSQRT":
                found |= dict.fromkeys(_scaled_by(part, op.outputs[0]))
    return list(found)


def _read_by(part: Part, tensor: int, *, layers: bool) -> Iterator[str]:
    """The tensors, by name, whose small values matter because those of one do, from that back; `layers`: to what layers make."""
    pending, seen = [tensor], set[int]()
    while pending:
        tensor = pending.pop()
        maker = part.maker.get(tensor)
        if maker is None or tensor in seen:
            continue
        seen.add(tensor)
        code, mean = part.code(maker), part.made_by(maker.inputs[1], "MEAN") if len(maker.inputs) > 1 else None
        if code == "SUB" and mean is not None and mean.inputs[0] == maker.inputs[0]:
            yield part.graph.tensors[mean.outputs[0]].name.decode()
        elif follows(part, maker) or (layers and code in PICKED):
            operands = maker.inputs if code in PICKED else maker.inputs[:2]
            pending += [i for i in dict.fromkeys(operands) if i >= 0 and part.constant(i) is None]
        elif not (layers and code in CODES):
            continue
        yield part.graph.tensors[tensor].name.decode()


def _scaled_by(part: Part, root: int) -> Iterator[str]:
    """The tensors, by name, that are a product with a normalization's reciprocal root, and what constants then make of that."""
    pending = [op for op in part.readers[root] if part.code(op) == "MUL"]
    while pending:
        op = pending.pop()
        result = op.outputs[0]
        yield part.graph.tensors[result].name.decode()
        pending += [each for each in part.readers[result] if len(part.readers[result]) == 1 and part.code(each) in ("ADD", "MUL")
                    and any(part.constant(i) is not None for i in each.inputs)]


def follows(part: Part, op: OperatorT) -> bool:
    """Whether precision that is asked of a result is asked of the operands too: of arithmetic with a constant, or with itself."""
    code = part.code(op)
    alone = len({i for i in op.inputs if part.constant(i) is None}) == 1
    return code in _THROUGH or (code in _PAIRED and alone)


def polynomials(model: ModelT) -> list[str]:
    """The results, by name, of polynomials, where a constant is added to a product with a variable and the sum multiplied with that again
    (the error function is the tanh of one): their terms cancel out, and what they grow to where the variable is large has the scale. The
    powers of the variable and the tanh are among them."""
    found: dict[str, None] = {}
    for graph in model.subgraphs:
        part = Part(model, graph)
        for op in graph.operators:
            for before, variable in (op.inputs, op.inputs[::-1]) if part.code(op) == "MUL" else ():
                product = _plus_constant(part, before)
                if product is not None and variable in product.inputs:
                    power, add = part.maker.get(variable), part.maker[before]
                    powers = [power] if power is not None and part.code(power) == "MUL" and len(set(power.inputs)) == 1 else []
                    made = [*powers, product, add, *_behind(part, op, {variable, *(i for each in powers for i in each.inputs)})]
                    found |= dict.fromkeys(graph.tensors[each.outputs[0]].name.decode() for each in made)
    return list(found)


def _plus_constant(part: Part, tensor: int) -> OperatorT | None:
    """The product to which a constant is added."""
    add = part.made_by(tensor, "ADD")
    products = [] if add is None or all(part.constant(i) is None for i in add.inputs) else [part.made_by(i, "MUL") for i in add.inputs]
    return next((each for each in products if each is not None), None)


def _behind(part: Part, op: OperatorT, variables: Collection[int]) -> Iterator[OperatorT]:
    """A product, and what is made of that with constants and the variables, up to a tanh."""
    pending = [op]
    while pending:
        op = pending.pop()
        yield op
        for reader in part.readers[op.outputs[0]]:
            alone = all(i == op.outputs[0] or i in variables or part.constant(i) is not None for i in reader.inputs)
            if part.code(reader) in ("ADD", "MUL", "TANH") and alone:
                pending.append(reader)


def spread_out(model: ModelT, found: Mapping[str, Mapping[str, Array]]) -> list[str]:
    """The results, by name, of softmaxes and the like that are nowhere large: int8 kernels have the same steps for all."""
    names = [(graph.tensors[op.outputs[0]].name.decode(), _SQUASHED[part.code(op)]) for graph in model.subgraphs
             for part in (Part(model, graph),) for op in graph.operators if part.code(op) in _SQUASHED]
    return [name for name, least in names if name in found and size(found[name]) < least]


def flat(model: ModelT) -> list[str]:
    """The results, by name, of softmaxes over so many elements that int16 kernels are wrong about them: these take exp(-10) for everything
    below, and what that adds up to is more than `_WRONG` of the sum."""
    found = []
    for graph in model.subgraphs:
        part = Part(model, graph)
        for op in graph.operators:
            result = graph.tensors[op.outputs[0]]
            if part.code(op) == "SOFTMAX" and not 0 <= result.shape[-1] * math.exp(-10) <= _WRONG:
                found.append(result.name.decode())
    return found


def last(model: ModelT, outputs: Collection[str]) -> list[str]:
    """The results, by name, of softmaxes and the like that nothing but these outputs of the signature is made of, and what moves them
    there: their integers would have 256 levels, and are floats in the end anyway."""
    graph = model.subgraphs[0]
    part = Part(model, graph)
    found: list[str] = []
    for entry in (entry for entry in model.signatureDefs[0].outputs if entry.name.decode() in outputs):
        tensor, path = int(entry.tensorIndex), list[str]()
        while (maker := part.maker.get(tensor)) is not None and not part.readers[tensor][1 if path else 0:]:
            path.append(graph.tensors[tensor].name.decode())
            if part.code(maker) in _SQUASHED:
                found += path
            if part.code(maker) not in MOVES:
                break
            tensor = maker.inputs[0]
    return found


def made_by_softmax(model: ModelT) -> set[str]:
    """The outputs of the signature, by name, that are the result of a softmax over their last axis."""
    part = Part(model, model.subgraphs[0])
    found = set()
    for entry in model.signatureDefs[0].outputs:
        tensor = int(entry.tensorIndex)
        size = part.graph.tensors[tensor].shape[-1:]
        while (maker := part.made_by(tensor, "RESHAPE")) is not None and list(part.graph.tensors[maker.inputs[0]].shape[-1:]) == list(size):
            tensor = maker.inputs[0]
        if part.made_by(tensor, "SOFTMAX") is not None:
            found.add(entry.name.decode())
    return found
