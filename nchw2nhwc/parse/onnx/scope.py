"""What the names in ONNX graphs and functions stand for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from onnx import AttributeProto

from nchw2nhwc.ir.graph import Value


@dataclass(frozen=True)
class Unavailable:
    """A tensor that cannot be had: the reason, or "" where the op that makes it is among the missing ones."""

    reason: str = ""


@dataclass(frozen=True)
class Tensors:
    """A sequence of tensors."""

    values: tuple[Value, ...]


@dataclass(frozen=True)
class Absent:
    """An optional that has no element."""


Entry: TypeAlias = Value | Unavailable | Tensors | Absent | None
"""What a name stands for; None is an absent optional operand of a function."""


@dataclass
class Scope:
    """The names of one graph or function body, and what is fixed around it."""

    opsets: Mapping[str, int]
    prefix: str = ""
    attributes: Mapping[str, AttributeProto] = field(default_factory=dict)
    parent: Scope | None = None
    entries: dict[str, Entry] = field(default_factory=dict)
    take: Callable[[Value], Value] | None = None
    """What a value from around becomes here, where this is the body of an op with a graph of its own."""

    def holds(self, name: str) -> bool:
        """Whether a name is defined here or around."""
        return name in self.entries or (self.parent is not None and self.parent.holds(name))

    def get(self, name: str) -> Entry:
        """What a name that is defined stands for."""
        if self.parent is None or name in self.entries:
            return self.entries[name]
        entry = self.parent.get(name)
        if self.take is None or not isinstance(entry, (Value, Tensors)):
            return entry
        return self.take(entry) if isinstance(entry, Value) else Tensors(tuple(map(self.take, entry.values)))
