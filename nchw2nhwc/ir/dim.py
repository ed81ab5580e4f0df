"""Symbolic sizes: small integer polynomials over named dimensions.

A `Size` is an `int`, or a `Dim` where the size is known only by name: `N`, `N*C`, `(H + 1)//2`. Arithmetic keeps a canonical
form, so equal expressions compare equal, and collapses to `int` as soon as nothing symbolic is left. Named dimensions stand for
sizes of at least 1, unless they say otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias, Union

from nchw2nhwc.ir.atoms import Call, Monomial, Name, key
from nchw2nhwc.ir.quotients import extremum, quotient, remainder

Size: TypeAlias = Union[int, "Dim"]
Shape: TypeAlias = tuple[Size, ...]


class Dim:
    """A size that is not known yet. Make one with `Dim.symbol`; every other one comes from arithmetic on those."""

    __slots__ = ("_terms",)

    def __init__(self, terms: Mapping[Monomial, int]) -> None:
        self._terms: dict[Monomial, int] = dict(sorted(terms.items(), key=lambda kv: (-len(kv[0]), tuple(map(key, kv[0])))))

    @staticmethod
    def symbol(name: str, most: int | None = None, least: int = 1) -> Dim:
        """The dimension called `name`, from `least` to `most` (None: any size)."""
        return Dim({(name if most is None and least == 1 else Name(name, least, most),): 1})

    # ---- inspection ------------------------------------------------------------------------------------------------
    @property
    def is_symbol(self) -> bool:
        """Whether this is one named dimension by itself."""
        return len(self._terms) == 1 and all(len(m) == 1 and c == 1 and isinstance(m[0], str) for m, c in self._terms.items())

    @property
    def symbols(self) -> frozenset[str]:
        """The names of all dimensions this expression depends on."""
        found: set[str] = set()
        for monomial in self._terms:
            for atom in monomial:
                if isinstance(atom, str):
                    found.add(atom)
                else:
                    found |= {s for a in atom.args if isinstance(a, Dim) for s in a.symbols}
        return frozenset(found)

    def named(self, name: str) -> Dim:
        """The dimension of that name, which this expression depends on."""
        for atom in (a for monomial in self._terms for a in monomial):
            if isinstance(atom, str) and atom == name:
                return Dim({(atom,): 1})
            inside = [a for a in atom.args if isinstance(a, Dim) and name in a.symbols] if isinstance(atom, Call) else []
            if inside:
                return inside[0].named(name)
        raise KeyError(name)

    @property
    def terms(self) -> Mapping[Monomial, int]:
        """The products this expression is the sum of, as their factors, with the coefficient of each."""
        return self._terms

    def monomial(self) -> tuple[int, tuple[str, ...]] | None:
        """`(coefficient, factors)` when this is a plain product such as `4*N*C`; factors in text form. None for a sum."""
        if len(self._terms) != 1:
            return None
        ((atoms, coefficient),) = self._terms.items()
        return coefficient, tuple(map(key, atoms))

    def linear(self) -> tuple[int, str, int] | None:
        """`(factor, name, rest)` when this is `factor*name + rest` of one named dimension; None for anything else."""
        found = [(c, m[0]) for m, c in self._terms.items() if len(m) == 1]
        if len(found) != 1 or len(self._terms) > 1 + (() in self._terms) or not isinstance(found[0][1], str):
            return None
        return found[0][0], found[0][1], self._terms.get((), 0)

    def evaluate(self, bindings: Mapping[str, int]) -> int:
        """The value with every named dimension replaced. Raises KeyError for a name that `bindings` lacks."""
        total = 0
        for monomial, coefficient in self._terms.items():
            for atom in monomial:
                coefficient *= bindings[atom] if isinstance(atom, str) else atom.evaluate(bindings)
            total += coefficient
        return total

    def substitute(self, bindings: Mapping[str, Size]) -> Size:
        """The same expression with some named dimensions replaced by sizes."""
        total: Size = 0
        for monomial, coefficient in self._terms.items():
            product: Size = coefficient
            for atom in monomial:
                if isinstance(atom, str):
                    product = product * bindings.get(atom, Dim({(atom,): 1}))
                else:
                    product = product * _call(atom.fn, *(substitute(a, bindings) for a in atom.args))
            total = total + product
        return total

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Dim) and self._terms == other._terms

    def __hash__(self) -> int:
        return hash(frozenset(self._terms.items()))

    def __str__(self) -> str:
        text = ""
        for monomial, coefficient in self._terms.items():
            parts = [str(a) for a in monomial]
            if abs(coefficient) != 1 or not parts:
                parts.insert(0, str(abs(coefficient)))
            sign = "-" if coefficient < 0 else "+"
            text += (f" {sign} " if text else ("-" if coefficient < 0 else "")) + "*".join(parts)
        return text

    __repr__ = __str__

    # ---- arithmetic ------------------------------------------------------------------------------------------------
    def __add__(self, other: Size) -> Size:
        terms = dict(self._terms)
        for monomial, coefficient in _terms_of(other).items():
            terms[monomial] = terms.get(monomial, 0) + coefficient
        return _collapse(terms)

    __radd__ = __add__

    def __neg__(self) -> Size:
        return self * -1

    def __sub__(self, other: Size) -> Size:
        return self + -other

    def __rsub__(self, other: Size) -> Size:
        return -self + other

    def __mul__(self, other: Size) -> Size:
        terms: dict[Monomial, int] = {}
        for m, c in self._terms.items():
            for n, d in _terms_of(other).items():
                monomial = tuple(sorted(m + n, key=key))
                terms[monomial] = terms.get(monomial, 0) + c * d
        return _collapse(terms)

    __rmul__ = __mul__

    def __floordiv__(self, other: Size) -> Size:
        return _call("//", self, other)

    def __rfloordiv__(self, other: Size) -> Size:
        return _call("//", other, self)

    def __mod__(self, other: Size) -> Size:
        return _call("%", self, other)

    def __rmod__(self, other: Size) -> Size:
        return _call("%", other, self)


def _terms_of(size: Size) -> Mapping[Monomial, int]:
    return size._terms if isinstance(size, Dim) else {(): int(size)}


def _collapse(terms: dict[Monomial, int]) -> Size:
    terms = {m: c for m, c in terms.items() if c}
    if not terms:
        return 0
    return terms[()] if terms.keys() == {()} else Dim(terms)


def _call(fn: str, left: Size, right: Size) -> Size:
    if isinstance(left, int) and isinstance(right, int):
        return Call(fn, (left, right)).evaluate({})
    if fn in ("//", "%"):
        exact = exact_div(left, right)
        if exact is not None:
            return exact if fn == "//" else 0
        if isinstance(left, Dim) and isinstance(right, int) and right > 0:
            found = (quotient if fn == "//" else remainder)(left, right)
            if found is not None:
                return found
    else:
        found = extremum(fn, left, right)
        if found is not None:
            return found
        left, right = sorted((left, right), key=lambda size: (isinstance(size, int), str(size)))  # so that equal sizes are one
    return Dim({(Call(fn, (left, right)),): 1})


def size_max(left: Size, right: Size) -> Size:
    """The larger of two sizes, symbolic where it has to be."""
    return _call("max", left, right)


def size_min(left: Size, right: Size) -> Size:
    """The smaller of two sizes, symbolic where it has to be."""
    return _call("min", left, right)


def exact_div(left: Size, right: Size) -> Size | None:
    """`left / right` when that is exact for every value of the named dimensions, else None (also for a zero divisor)."""
    if right == 0:
        return None
    if isinstance(left, int) and isinstance(right, int):
        return left // right if left % right == 0 else None
    if left == 0:
        return 0
    divisor = _terms_of(right)
    if len(divisor) != 1:
        if left == right:
            return 1
        return _divide_by_sum(left, right)
    ((atoms, coefficient),) = divisor.items()
    terms: dict[Monomial, int] = {}
    for monomial, c in _terms_of(left).items():
        rest = list(monomial)
        for atom in atoms:
            if atom not in rest:
                return None
            rest.remove(atom)
        if c % coefficient:
            return None
        terms[tuple(rest)] = c // coefficient
    return _collapse(terms)


def _divide_by_sum(left: Size, right: Size) -> Size | None:
    """Exact division by a sum, for the case that matters in shape arithmetic: `k * m * (sum)` by `(sum)` with a common factor."""
    a, b = _terms_of(left), _terms_of(right)
    if len(a) != len(b):
        return None
    lead, base = next(iter(a.items())), next(iter(b.items()))
    scale = exact_div(_collapse({lead[0]: lead[1]}), _collapse({base[0]: base[1]}))
    return scale if scale is not None and scale * right == left else None


def evaluate(size: Size, bindings: Mapping[str, int]) -> int:
    """`size` as a number. Raises KeyError for a named dimension that `bindings` lacks."""
    return size.evaluate(bindings) if isinstance(size, Dim) else int(size)


def substitute(size: Size, bindings: Mapping[str, Size]) -> Size:
    """`size` with some named dimensions replaced."""
    return size.substitute(bindings) if isinstance(size, Dim) else size


def product(sizes: Iterable[Size]) -> Size:
    """The product of sizes; 1 for none."""
    total: Size = 1
    for s in sizes:
        total = total * s
    return total


def is_static(shape: Iterable[Size]) -> bool:
    """Whether every size is a number."""
    return all(isinstance(s, int) for s in shape)
