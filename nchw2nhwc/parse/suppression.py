"""Where non-maximum suppression begins in a source: what a conversion that leaves it out ends before."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from nchw2nhwc.errors import OptionError

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True)
class Part(Generic[Name]):
    """A layer: what it reads and writes, whether it suppresses boxes, and whether it looks at the shapes of its operands alone."""

    reads: Sequence[Name]
    writes: Sequence[Name]
    suppresses: bool = False
    measures: bool = False


def ends_with(parts: Iterable[Part[Name]], outputs: Sequence[Name]) -> tuple[list[Name], list[Name]]:
    """Of `parts`, operands first, the outputs that no suppression is needed for, and the results of the suppression itself."""
    behind: set[Name] = set()
    results: list[Name] = []
    for part in parts:
        if part.suppresses and behind.isdisjoint(part.reads):
            results += part.writes
        if part.suppresses or not behind.isdisjoint(part.reads):
            behind.update(part.writes)
    return [name for name in outputs if name not in behind], results


def ends_before(parts: Iterable[Part[Name]], inputs: Iterable[Name], outputs: Sequence[Name]) -> list[Name]:
    """Of `parts`, operands first, the outputs that no suppression is needed for, and then everything computed from the inputs that the
    suppression and what is behind it read. Raises OptionError when nothing suppresses boxes."""
    given = set(inputs)
    computed: set[Name] = set()
    behind: set[Name] = set()
    ends: dict[Name, None] = {}
    for part in parts:
        if part.suppresses or not behind.isdisjoint(part.reads):
            behind.update(part.writes)
            ends.update(dict.fromkeys(name for name in part.reads if name in computed))
        elif not part.measures and any(name in given or name in computed for name in part.reads):
            computed.update(part.writes)
    if not behind:
        raise OptionError("no layer that the outputs need suppresses boxes, so there is nothing to cut the model before",
                          advice="Leave out --nms cut, or name the tensors to end at with --outputs.")
    return list(dict.fromkeys([*(name for name in outputs if name not in behind), *ends]))
