"""Loading a finished file in LiteRT, with XNNPACK and without: what is written has to run."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace

from nchw2nhwc.emit.tflite.model import Model
from nchw2nhwc.emit.tflite.scales import bad_scale
from nchw2nhwc.emit.tflite.writer import FlatBuffer
from nchw2nhwc.errors import Location, TargetError

_NODE = re.compile(r"Node number (\d+) \((\w+)\)")
_ADVICE = "This is a defect of nchw2nhwc: please report it with the model, or cut the model before this layer with --outputs."

_SCALES = "Leave this layer in float32: --keep-float for --quantize, --dequantize for a source that is quantized."


def validate(result: str | os.PathLike[str] | bytes, made: FlatBuffer | None = None, *, xnnpack: bool = True) -> None:
    """Load a file (a path, which is memory-mapped, or its content) and allocate its tensors, without XNNPACK and then with it.

    Loading with XNNPACK packs all weights and takes the memory of a whole run; `xnnpack=False` leaves it out.
    Raises TargetError when LiteRT refuses it, or might not survive its scales; `made`, which the file was written from, lets the error name
    the layer.
    """
    bad = bad_scale(result)
    if bad is not None:
        where = Location() if made is None else made.model.subgraphs[bad.subgraph].operators[bad.operator].origin
        raise TargetError(f"LiteRT cannot compute with a scale of the result: {bad.reason}", where, _SCALES)
    for delegate in (False, True) if xnnpack else (False,):
        message = _refusal(result, delegate)
        if message:
            where, detail = _blame(message, made, delegate)
            raise TargetError(f"LiteRT {'with' if delegate else 'without'} XNNPACK refuses the result: {detail}", where, _ADVICE)


def _refusal(result: str | os.PathLike[str] | bytes, xnnpack: bool) -> str:
    """What LiteRT says against a file; "" if it loads."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    kind = OpResolverType.AUTO if xnnpack else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    try:
        if isinstance(result, bytes):
            Interpreter(model_content=result, experimental_op_resolver_type=kind).allocate_tensors()
        else:
            Interpreter(model_path=os.fspath(result), experimental_op_resolver_type=kind).allocate_tensors()
    except (ValueError, RuntimeError) as error:
        return str(error) or type(error).__name__
    return ""


def _blame(message: str, made: FlatBuffer | None, xnnpack: bool) -> tuple[Location, str]:
    """The layer that a message is about, and the message in one line.

    Behind a delegate LiteRT names the delegate's node, which stands for many operators; the first of them with which the file is refused is
    then found by halving.
    """
    named = _NODE.search(message)
    text = " ".join(message.split())
    if made is None or named is None:
        return Location(), text
    operators = made.model.subgraphs[0].operators
    index = int(named[1])
    if index >= len(operators):
        index = _first(len(operators), lambda count: bool(_refusal(FlatBuffer(_prefix(made.model, count)).tobytes(), xnnpack)))
    return operators[index].origin, f"{operators[index].code}: {text}"


def _first(count: int, refused: Callable[[int], bool]) -> int:
    """The index of the first operator with which a prefix is refused; the last one if no shorter prefix is."""
    low, high = 0, count
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (low, middle) if refused(middle) else (middle, high)
    return low


def _prefix(model: Model, count: int) -> Model:
    """The first `count` operators of a model as a model of its own, whose outputs are all results that none of them reads."""
    graph = model.subgraphs[0]
    operators = graph.operators[:count]
    read = {i for op in operators for i in op.inputs}
    outputs = [i for op in operators for i in op.outputs if i not in read]
    names = [graph.tensors[i].name for i in outputs]
    first = replace(graph, operators=operators, outputs=outputs, output_names=names)
    return replace(model, subgraphs=[first, *model.subgraphs[1:]])
