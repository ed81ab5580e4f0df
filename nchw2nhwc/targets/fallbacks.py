"""Which operators of a file a device does not run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from nchw2nhwc.emit.tflite.model import Model, Operator
from nchw2nhwc.targets.site import Site
from nchw2nhwc.targets.table import Target


@dataclass(frozen=True)
class Fallback:
    """An operator that the device does not run: its kind by the TFLite schema's name, the source's layer that it comes from with its type,
    and the reason."""

    op: str
    layer: str
    type: str
    reason: str


@dataclass(frozen=True)
class Judged:
    """What a device runs of a file: the file's kind ("float32" or a mode of quantization), its number of operators, and those that the
    device does not run."""

    file: str
    ops: int
    fallbacks: tuple[Fallback, ...]


def judge(target: Target, plain: Model, quantized: Model | None, mode: str, *, integers: bool) -> Judged:
    """What a device runs of the file that was `quantized` for it, by `mode`, else of the float32 file `plain`. A device of integers takes
    that one as what quantization would make of it, unless it computes with `integers` because the source does."""
    exact = replace(target, quantized=target.quantized and quantized is None and not integers)
    model = plain if quantized is None else quantized
    return Judged("float32" if quantized is None else mode, sum(len(part.operators) for part in model.subgraphs), fallbacks(model, exact))


def fallbacks(model: Model, target: Target) -> tuple[Fallback, ...]:
    """All operators of a file, those of its subgraphs included, that `target` does not run, in the file's order."""
    return tuple(Fallback(site.operator.code, site.operator.origin.layer, site.operator.origin.type, reason)
                 for site in sites(model) if (reason := target.refusal(site)))


def sites(model: Model) -> Iterator[Site]:
    """All operators of a file with what is around them."""
    for subgraph in model.subgraphs:
        readers: dict[int, list[Operator]] = {}
        for operator in subgraph.operators:
            for tensor in dict.fromkeys(operator.inputs):
                readers.setdefault(tensor, []).append(operator)
        yield from (Site(model, subgraph, operator, readers) for operator in subgraph.operators)
