"""Sizes that a model leaves open, held to what its ops need.

A model adds a tensor of `(H + 1)//2` rows to one of `H//2`: it runs where H is even, so an input with an open H says so, and H becomes
`2*(H/2)` with the new name `H/2`. All sizes behind it are then plain products, as the layout problem needs them. Two inputs whose open
sizes meet are given one name. A size that the source leaves open, but that can be one number only, is that number: such as the columns of
what is multiplied by a constant matrix. What else only certain numbers satisfy, or one that is open on demand, is an error that names the
axes, the layer, and the flag that fixes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product as every
from math import gcd, lcm

from nchw2nhwc.errors import Location, ShapeError
from nchw2nhwc.ir.atoms import Call
from nchw2nhwc.ir.bounds import bounds
from nchw2nhwc.ir.dim import Dim, Shape, Size, evaluate, exact_div, size_max, substitute
from nchw2nhwc.ir.graph import Graph
from nchw2nhwc.ops.base import UnequalSizesError

COARSEST = 1 << 12
"""No size has to be a multiple of a larger number."""

LARGEST = 1 << 10
"""Numbers that are tried, when it is asked which sizes an op could have."""
_CHOICES = sorted(range(1, LARGEST), key=lambda k: (k % 16 != 0, k == 1, k))
"""These numbers, round ones first, and 1, of which windows and differences leave nothing, last."""

Shapes = Mapping[str, Shape]


class OpenSizes:
    """What has been found out about the open sizes of a model's inputs, of the given `shapes` by name.

    `declared` are the shapes that the source itself gives them.
    """

    def __init__(self, shapes: Shapes, declared: Shapes) -> None:
        self._first, self._declared = shapes, declared
        self._names = list(dict.fromkeys(n for shape in shapes.values() for s in shape if isinstance(s, Dim) for n in sorted(s.symbols)))
        self._units: dict[str, tuple[str, int]] = {}
        """Of a name that was made here: the one that it is a part of, and which part."""
        self.sizes: dict[str, Size] = {}
        """What every open size has turned out to be."""
        self.limits: dict[str, int] = {}
        """The most that sizes which data decides may be, by name."""
        self.notes: list[str] = []

    def shape(self, name: str) -> Shape:
        """The shape of an input as far as it is known by now."""
        return tuple(substitute(s, self.sizes) for s in self._first[name])

    @property
    def names(self) -> frozenset[str]:
        """The names of the sizes that are still open."""
        return frozenset(n for shape in map(self.shape, self._first) for s in shape if isinstance(s, Dim) for n in s.symbols)

    @property
    def numbers(self) -> list[str]:
        """The sizes that the source leaves open and that can be one number only, in words."""
        found = {name: substitute(Dim.symbol(name), self.sizes) for name in self._names}
        fixed = [(self._axes({name}), size) for name, size in found.items() if isinstance(size, int)]
        return [f"{axes} {'are' if ' and ' in axes else 'is'} {size}, the only size that fits" for axes, size in fixed]

    def learn(self, error: UnequalSizesError) -> None:
        """Hold the open sizes to what an op needs. Raises ShapeError where that leaves none open."""
        found: dict[str, Size] = {}
        limits: dict[str, int] = {}
        impossible: list[tuple[Size, Size]] = []
        for a, b in error.pairs:
            left, right = _cancelled(substitute(a, found), substitute(b, found))
            if left == right:
                continue
            more = (self._unified(left, right) or self._unified(*_subtracted(left, right)) or self._multiples(left, right)
                    or self._bounded(left, right) or ({} if error.otherwise else self._undeclared(_solved(left, right))))
            limit = {} if more or error.otherwise else self._limit(left, right)
            if not more and not limit:
                impossible.append((left, right))
            limits |= limit
            found = {name: substitute(size, more) for name, size in found.items()} | more
        if impossible:
            raise self._must_be_fixed(error, impossible)
        if not found and not limits:
            raise error
        self.notes += [f"{_where(error.where)} needs {self._in_words(name, size)}" for name, size in found.items()]
        self.notes += [f"{_where(error.where)} needs '{name}', which data decides, to be at most {most}" for name, most in limits.items()]
        self.limits |= limits
        self.sizes = {name: substitute(size, found) for name, size in self.sizes.items()} | found

    # ---- inside ----------------------------------------------------------------------------------------------------
    def _unified(self, left: Size, right: Size) -> dict[str, Size]:
        """A size that has a name of its own is what it has to be equal to; of two such the later one."""
        sides = [(a, b) for a, b in ((left, right), (right, left))
                 if isinstance(a, Dim) and a.is_symbol and str(a) in self.names and isinstance(b, Dim) and not a.symbols & b.symbols]
        sides.sort(key=lambda pair: -self._rank(str(pair[0])))
        return {str(a): b for a, b in sides[:1] if b.symbols <= self.names}

    def _undeclared(self, found: Mapping[str, int]) -> dict[str, Size]:
        """The only number that a size can be, if the source has none for it: an error where another one was declared, and was opened."""
        return {name: number for name, number in found.items() if name in self.names and not self._own([name])}

    def _rank(self, name: str) -> int:
        base = self._units.get(name, (name, 1))[0]
        return self._names.index(base) if base in self._names else len(self._names)

    def _multiples(self, left: Size, right: Size) -> dict[str, Size]:
        """The coarsest steps of the open sizes for which both are equal whatever those are, made as small as possible; none if there are
        none."""
        involved = sorted({n for s in (left, right) if isinstance(s, Dim) for n in s.symbols})
        if not set(involved) <= self.names:
            return {}
        steps = {name: lcm(_granularity(left, name), _granularity(right, name)) for name in involved}
        if not all(1 <= step <= COARSEST for step in steps.values()) or not self._equal(left, right, steps):
            return {}
        for name in involved:
            smaller = (d for d in range(1, steps[name]) if steps[name] % d == 0)
            steps[name] = next((d for d in smaller if self._equal(left, right, {**steps, name: d})), steps[name])
        return {name: self._multiple(name, step) for name, step in steps.items() if step > 1}

    def _bounded(self, left: Size, right: Size) -> dict[str, Size]:
        """The largest number for a size that is cut to one where it would be larger; the smallest for one that is raised to a number."""
        for a, b in ((left, right), (right, left)):
            linear = a.linear() if isinstance(a, Dim) else None
            atoms = [m[0] for m in b.terms] if isinstance(b, Dim) and b.terms and len(b.terms) == 1 else []
            if linear is not None and linear[0] > 0 and linear[1] in self.names and len(atoms) == 1 and isinstance(atoms[0], Call):
                most = next((s for s in atoms[0].args if isinstance(s, int)), 0)
                if atoms[0].fn == "min" and a in atoms[0].args and most >= linear[0] + linear[2]:
                    return {linear[1]: Dim.symbol(linear[1], (most - linear[2]) // linear[0])}
            raised = next((k for k in (0, 2) if isinstance(a, Dim) and b == size_max(a, k)), None)
            if isinstance(a, Dim) and raised is not None:
                return self._long_enough(a, raised)
        cut = [arg for side in (left, right) if isinstance(side, Dim) for monomial in side.terms for atom in monomial
               if isinstance(atom, Call) and atom.fn == "max" and 0 in atom.args for arg in atom.args if isinstance(arg, Dim)]
        return self._long_enough(cut[0], 0) if cut else {}

    def _long_enough(self, size: Dim, least_size: int) -> dict[str, Size]:
        """The smallest number for the open size that `size` depends on with which that is certain not to be below `least_size`; the largest
        one where that is what is taken from another number."""
        names = size.symbols & self.names
        if len(names) != len(size.symbols) or len(names) > 1:
            return {}
        (name,) = names
        linear = size.linear()
        if linear is not None and linear[0] < 0:
            most = (linear[2] - least_size) // -linear[0]
            return {name: Dim.symbol(name, most, bounds(size.named(name))[0] or 1)} if most > 1 else {}
        for least in range(2, COARSEST):
            longer = Dim.symbol(name, bounds(size.named(name))[1], least)
            low = bounds(substitute(size, {name: longer}))[0]
            if low is not None and low >= least_size:
                return {name: longer}
        return {}

    def _limit(self, left: Size, right: Size) -> dict[str, int]:
        """The most that a size which data decides may be, where it is taken from a number and what is left must not be below 0."""
        for a, b in ((left, right), (right, left)):
            linear = a.linear() if isinstance(a, Dim) and b == size_max(a, 0) else None
            if linear is not None and linear[0] < 0 and linear[1] not in self.names and linear[1] not in self.limits:
                return {linear[1]: linear[2] // -linear[0]}
        return {}

    def _equal(self, left: Size, right: Size, steps: Mapping[str, int]) -> bool:
        parts: dict[str, Size] = {name: step * Dim.symbol(name) for name, step in steps.items()}
        return substitute(left, parts) == substitute(right, parts)

    def _multiple(self, name: str, step: int) -> Size:
        base, unit = self._units.get(name, (name, 1))
        part = f"{base}/{unit * step}"
        self._units[part] = base, unit * step
        return step * Dim.symbol(part)

    def _in_words(self, name: str, size: Size) -> str:
        base, unit = self._units.get(name, (name, 1))
        if isinstance(size, int):
            return f"{self._axes({base})} to be {size * unit}"
        if len(size.symbols) == 1:
            (part,) = size.symbols
            same, step = self._units.get(part, (part, 1))
            least, most = bounds(size)
            if part == name:
                ends = [f"at least {least * unit}"] if least is not None and least > 1 else []
                ends += [f"at most {most * unit}"] if most is not None else []
                return f"{self._axes({base})} to be {' and '.join(ends)}"
            if same == base and step > unit:
                return f"{self._axes({base})} to be a multiple of {step}"
        return f"{self._axes({base})} to be {size}"

    def _axes(self, names: set[str]) -> str:
        found = [f"axis {axis} of '{name}'" for name, shape in self._first.items() for axis, s in enumerate(shape)
                 if isinstance(s, Dim) and s.symbols & names]
        return " and ".join(found) or f"size {', '.join(sorted(names))}"

    def _must_be_fixed(self, error: UnequalSizesError, pairs: Sequence[tuple[Size, Size]]) -> ShapeError:
        """The error for sizes that can be equal for certain numbers only, or never."""
        symbols = {n for pair in pairs for s in pair if isinstance(s, Dim) for n in s.symbols}
        if not symbols <= self.names:
            return error
        bases = {self._units.get(n, (n, 1))[0] for n in symbols}
        needs = " and ".join(f"{left} has to be {'at least 2' if right == size_max(left, 2) else right}" for left, right in pairs)
        reason = f"{error.reason}: {self._axes(bases)} cannot be of any size, because {needs}"
        fitting: dict[str, int] | None = {}
        for left, right in pairs:
            names = {n for s in (left, right) if isinstance(s, Dim) for n in s.symbols}
            known: Mapping[str, Size] = fitting or {}
            sides, rest = (substitute(left, known), substitute(right, known)), sorted(names - known.keys())
            more = self._one_fitting(*sides, rest) or self._fitting(*sides, rest)
            fitting = None if fitting is None or more is None else fitting | more
        if fitting is None:
            return ShapeError(reason, error.where, error.advice)
        flags = " ".join(f"--input-shape {name}={','.join(map(str, sizes))}" for name, sizes in self._flags(bases, fitting))
        advice = f"Fix it, for instance with {flags}"
        return ShapeError(reason, error.where, f"{advice}. {error.otherwise}" if error.otherwise else advice)

    def _flags(self, bases: set[str], fitting: Mapping[str, int]) -> Iterator[tuple[str, list[int]]]:
        for name, shape in self._first.items():
            if any(isinstance(s, Dim) and s.symbols & bases for s in shape):
                now = self.shape(name)
                yield name, [evaluate(s, fitting) if isinstance(s, Dim) and s.symbols <= fitting.keys() else s if isinstance(s, int) else -1
                             for s in now]

    def _one_fitting(self, left: Size, right: Size, names: Sequence[str]) -> dict[str, int]:
        """A number for one of several sizes, the last one if possible, with which both are equal whatever the others are; nothing if there
        is none, or the source declares all."""
        if len(names) < 2 or len(self._own(names)) == len(names):
            return {}
        for name, number in every(sorted(names, key=self._rank, reverse=True), _CHOICES):
            sides = substitute(left, {name: number}), substitute(right, {name: number})
            if sides[0] == sides[1] or self._bounded(*sides):
                return {name: number}
        return {}

    def _fitting(self, left: Size, right: Size, names: Sequence[str]) -> dict[str, int] | None:
        """Numbers for which both are equal: those that the source declares if they are, else equal ones, else any; None for none."""
        declared = self._own(names)
        if len(declared) == len(names) and evaluate(left, declared) == evaluate(right, declared):
            return declared
        solved = _solved(left, right)
        if solved.keys() == set(names):
            return solved
        choices = ((k,) * len(names) for k in _CHOICES)
        small = every(range(1, 33), repeat=len(names)) if 1 < len(names) < 4 else iter(())
        for numbers in (*choices, *small):
            chosen = dict(zip(names, numbers))
            if _evaluated(left, chosen) == _evaluated(right, chosen):
                return chosen
        return None

    def _own(self, names: Sequence[str]) -> dict[str, int]:
        """The numbers that the source declares for the axes that these names are parts of."""
        found: dict[str, int] = {}
        for name in names:
            base, unit = self._units.get(name, (name, 1))
            for key, shape in self._first.items():
                for size, own in zip(shape, self._declared.get(key, ())):
                    if isinstance(size, Dim) and str(size) == base and isinstance(own, int) and own % unit == 0:
                        found[name] = own // unit
        return found


def read_with_open_sizes(sizes: OpenSizes, read: Callable[[OpenSizes], Graph]) -> Graph:
    """`read` again and again, until all sizes are as its ops need them. Every time fewer are open, or in coarser steps, so that ends.

    Raises what `read` raises, and ShapeError for sizes that have to be fixed.
    """
    while True:
        try:
            graph = read(sizes)
        except UnequalSizesError as error:
            sizes.learn(error)
        else:
            graph.notes += sizes.notes
            graph.fixed_sizes += sizes.numbers
            graph.fixed_sizes += [f"'{name}', which data decides, is at most {most}" for name, most in sizes.limits.items()]
            return graph


def _cancelled(left: Size, right: Size) -> tuple[Size, Size]:
    """Two products without what is a factor of both; sizes are not 0, but 0 can be what a remainder has to be."""
    if 0 in (left, right):
        return left, right
    for factor in (Dim({(atom,): 1}) for s in (left, right) if isinstance(s, Dim) and len(s.terms) == 1 for m in s.terms for atom in m):
        a, b = exact_div(left, factor), exact_div(right, factor)
        if a is not None and b is not None:
            left, right = a, b
    number = gcd(*(c for s in (left, right) for c in (s.terms.values() if isinstance(s, Dim) else (s,))))
    return (left, right) if number < 2 else (exact_div(left, number) or left, exact_div(right, number) or right)


def _subtracted(left: Size, right: Size) -> tuple[Size, Size]:
    """Two sums without the addends of both."""
    difference = left - right
    if isinstance(difference, int):
        return left, right
    terms = difference.terms.items()
    return sum(c * Dim({m: 1}) for m, c in terms if c > 0), sum(-c * Dim({m: 1}) for m, c in terms if c < 0)


def _solved(left: Size, right: Size) -> dict[str, int]:
    """The only number of at least 1 for a size with which both are equal, if they are linear in that size alone; else nothing."""
    difference = left - right
    linear = difference.linear() if isinstance(difference, Dim) else None
    if linear is None or linear[2] % linear[0] or -linear[2] // linear[0] < 1:
        return {}
    return {linear[1]: -linear[2] // linear[0]}


def _where(where: Location) -> str:
    return f"'{where.layer}' ({where.type})" if where.type else f"'{where.layer}'"


def _granularity(size: Size, name: str) -> int:
    """A number by multiples of which `name` has to grow for every quotient in `size` to grow by whole numbers."""
    result = 1
    if isinstance(size, Dim):
        for monomial in size.terms:
            for atom in monomial:
                if isinstance(atom, Call) and name in Dim({(atom,): 1}).symbols:
                    inner = lcm(*(_granularity(a, name) for a in atom.args))
                    divisor = atom.args[1]
                    result = lcm(result, inner * divisor if atom.fn in ("//", "%") and isinstance(divisor, int) and divisor > 0 else inner)
    return result


def _evaluated(size: Size, numbers: Mapping[str, int]) -> int | None:
    """`size` as a number; None where it divides by zero."""
    try:
        return evaluate(size, numbers)
    except ZeroDivisionError:
        return None
