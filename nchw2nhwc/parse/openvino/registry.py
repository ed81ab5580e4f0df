"""Which layers are understood: one small function for each type and range of opsets, found by what the layer says of itself.

A mapping function's signature is its schema: a `Builder` and the operands (with defaults where optional, `*xs` for any number), then
keyword-only parameters, which are the layer's attributes. It adds nodes and returns the layer's results; None stands for a result that
cannot be expressed, which is an error only when something reads it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias, TypeVar

from nchw2nhwc.errors import SourceError
from nchw2nhwc.ir import Value
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.openvino.attributes import read_attributes
from nchw2nhwc.parse.openvino.document import Layer
from nchw2nhwc.wording import counted

Results: TypeAlias = Value | tuple[Value | None, ...]
_Function = TypeVar("_Function", bound=Callable[..., Results])

NEWEST_OPSET = 17
"""The last opset whose ops are known: a layer of a newer one may mean something else by the same name."""

_OPSET = re.compile(r"opset([1-9][0-9]?)")


@dataclass(frozen=True)
class Mapping:
    """One entry: layers called `type` from opset `since` on, until the next entry of that type."""

    type: str
    since: int
    function: Callable[..., Results]


_MAPPINGS: dict[str, list[Mapping]] = {}


def mapping(type: str, *since: int) -> Callable[[_Function], _Function]:
    """Register a function for layers of a type. `since` are the opsets that introduced the type or changed it, as far as the function
    serves them all."""
    def register(function: _Function) -> _Function:
        add_mapping(type, since, function)
        return function
    return register


def add_mapping(type: str, since: Sequence[int], function: Callable[..., Results]) -> None:
    """`mapping` for a function that is made on the spot, as for the families of ops that differ in a class alone."""
    entries = _MAPPINGS.setdefault(type.lower(), [])
    entries.extend(Mapping(type, opset, function) for opset in since)
    entries.sort(key=lambda m: m.since)
    assert len({m.since for m in entries}) == len(entries), f"{type} is mapped twice"


def mappings() -> tuple[Mapping, ...]:
    """Every entry by type and opset: the table of what is supported."""
    return tuple(sorted((m for entries in _MAPPINGS.values() for m in entries), key=lambda m: (m.type, m.since)))


def find(type: str, version: str) -> Mapping | None:
    """The entry for a layer's type and version ("opset8"), as OpenVINO resolves them: letters of either case, and the newest op that
    is not newer than the version. None for an op or an opset ("extension", "experimental", a future one) that is not known."""
    match = _OPSET.fullmatch(version)
    if match is None or int(match[1]) > NEWEST_OPSET:
        return None
    opset = int(match[1])
    found = [m for m in _MAPPINGS.get(type.lower(), ()) if m.since <= opset]
    return found[-1] if found else None


def apply(found: Mapping, builder: Builder, layer: Layer, operands: Sequence[Value]) -> tuple[Value | None, ...]:
    """The results of a layer. Raises SourceError where operands or attributes do not fit the signature, and what the function raises."""
    least, most = _arity(found.function)
    if len(operands) < least or (most is not None and len(operands) > most):
        wanted = f"at least {least}" if most is None else str(least) if least == most else f"{least} to {most}"
        raise SourceError(f"it has {counted(len(operands), 'operand')}, but takes {wanted}")
    results = found.function(builder, *operands, **read_attributes(found.function, layer.data))
    return results if isinstance(results, tuple) else (results,)


@cache
def _arity(function: Callable[..., Results]) -> tuple[int, int | None]:
    """How many operands a mapping function takes, at least and at most (None: any number)."""
    parameters = list(inspect.signature(function).parameters.values())[1:]
    positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    least = sum(p.default is p.empty for p in positional)
    variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    return least, None if variadic else len(positional)
