"""The named sizes of a model's inputs, and the axes that have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import TypeAlias

from nchw2nhwc.ir.bounds import bounds
from nchw2nhwc.ir.dim import Dim, Shape, Size

Shapes: TypeAlias = Mapping[str, Shape]


class Axes:
    """The open sizes of inputs of the given `shapes` by name; `declared` are the shapes that the source itself gives them."""

    def __init__(self, shapes: Shapes, declared: Shapes) -> None:
        self.shapes, self._declared = shapes, declared
        self.names = list(dict.fromkeys(n for shape in shapes.values() for s in shape if isinstance(s, Dim) for n in sorted(s.symbols)))
        self._units: dict[str, tuple[str, int]] = {}
        """Of a name that was made here: the one that it is a part of, and which part."""

    def base(self, name: str) -> str:
        """The name that `name` is a part of, or that it is."""
        return self._units.get(name, (name, 1))[0]

    def rank(self, name: str) -> int:
        """The place of a name in the order of the inputs."""
        base = self.base(name)
        return self.names.index(base) if base in self.names else len(self.names)

    def multiple(self, name: str, step: int) -> Size:
        """What a size is that has to be a multiple of a number: that many times a new one."""
        base, unit = self._units.get(name, (name, 1))
        part = f"{base}/{unit * step}"
        self._units[part] = base, unit * step
        return step * Dim.symbol(part)

    def in_words(self, name: str, size: Size) -> str:
        """What a size has to be, as part of a sentence."""
        base, unit = self._units.get(name, (name, 1))
        if isinstance(size, int):
            return f"{self.of({base})} to be {size * unit}"
        if len(size.symbols) == 1:
            (part,) = size.symbols
            same, step = self._units.get(part, (part, 1))
            least, most = bounds(size)
            if part == name:
                ends = [f"at least {least * unit}"] if least is not None and least > 1 else []
                ends += [f"at most {most * unit}"] if most is not None else []
                return f"{self.of({base})} to be {' and '.join(ends)}"
            if same == base and step > unit:
                return f"{self.of({base})} to be a multiple of {step}"
        return f"{self.of({base})} to be {size}"

    def of(self, names: Set[str]) -> str:
        """The axes whose sizes have these names, in words."""
        found = [f"axis {axis} of '{name}'" for name, shape in self.shapes.items() for axis, s in enumerate(shape)
                 if isinstance(s, Dim) and s.symbols & names]
        return " and ".join(found) or f"size {', '.join(sorted(names))}"

    def own(self, names: Sequence[str]) -> dict[str, int]:
        """The numbers that the source declares for the axes that these names are parts of."""
        found: dict[str, int] = {}
        for name in names:
            base, unit = self._units.get(name, (name, 1))
            for key, shape in self.shapes.items():
                for size, own in zip(shape, self._declared.get(key, ())):
                    if isinstance(size, Dim) and str(size) == base and isinstance(own, int) and own % unit == 0:
                        found[name] = own // unit
        return found


def open_names(shapes: Shapes) -> frozenset[str]:
    """The names of the sizes that shapes leave open."""
    return frozenset(n for shape in shapes.values() for s in shape if isinstance(s, Dim) for n in s.symbols)
