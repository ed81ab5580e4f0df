"""What products of symbolic sizes are made of: named dimensions, and functions of sizes that are no polynomials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias, Union

if TYPE_CHECKING:
    from nchw2nhwc.ir.dim import Size

Atom: TypeAlias = Union[str, "Call"]
Monomial: TypeAlias = tuple[Atom, ...]


class Name(str):
    """A named dimension of at least `least` and at most `most` (None: any size). It equals others of that name."""

    __slots__ = ("least", "most")
    least: int
    most: int | None

    def __new__(cls, name: str, least: int, most: int | None) -> Name:
        self = super().__new__(cls, name)
        self.least, self.most = least, most
        return self


class Call:
    """An integer function that is no polynomial (`//`, `%`, `max`, `min`) of other sizes, kept as one indivisible factor."""

    __slots__ = ("args", "fn")

    def __init__(self, fn: str, args: tuple[Size, ...]) -> None:
        self.fn, self.args = fn, args

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Call) and (self.fn, self.args) == (other.fn, other.args)

    def __hash__(self) -> int:
        return hash((self.fn, self.args))

    def __str__(self) -> str:
        if self.fn in ("//", "%"):
            left, right = (str(a) if isinstance(a, int) or a.is_symbol else f"({a})" for a in self.args)
            return f"({left}{self.fn}{right})"
        return f"{self.fn}({', '.join(map(str, self.args))})"

    def evaluate(self, bindings: Mapping[str, int]) -> int:
        """The value with every named dimension replaced. Raises KeyError for a name that `bindings` lacks."""
        left, right = (a if isinstance(a, int) else a.evaluate(bindings) for a in self.args)
        match self.fn:
            case "//":
                return left // right
            case "%":
                return left % right
            case "max":
                return max(left, right)
            case _:
                return min(left, right)


def key(atom: Atom) -> str:
    """What the factors of a product are ordered by."""
    return str(atom)
