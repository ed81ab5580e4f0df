"""Sizes that a model leaves open, held to what its ops need.

A model adds a tensor of `(H + 1)//2` rows to one of `H//2`: it runs where H is even, so an input with an open H says so, and H becomes
`2*(H/2)` with the new name `H/2`. All sizes behind it are then plain products, as the layout problem needs them. Two inputs whose open
sizes meet are given one name. A size that the source leaves open, but that can be one number only, is that number: such as the columns of
what is multiplied by a constant matrix. What else only certain numbers satisfy, or one that is open on demand, is an error that names the
axes, the layer, and the flag that fixes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nchw2nhwc.errors import Location
from nchw2nhwc.ir.dim import Dim, Shape, Size, size_min, substitute
from nchw2nhwc.ir.graph import Graph
from nchw2nhwc.ops.base import UnequalSizesError
from nchw2nhwc.parse.open_sizes.axes import Axes, Shapes, open_names
from nchw2nhwc.parse.open_sizes.equations import cancelled, solved, subtracted
from nchw2nhwc.parse.open_sizes.fitting import Fitting
from nchw2nhwc.parse.open_sizes.holding import bounded, limited, steps_between


class OpenSizes:
    """What has been found out about the open sizes of a model's inputs, of the given `shapes` by name.

    `declared` are the shapes that the source itself gives them.
    """

    def __init__(self, shapes: Shapes, declared: Shapes) -> None:
        self._axes = Axes(shapes, declared)
        self.sizes: dict[str, Size] = {}
        """What every open size has turned out to be."""
        self.limits: dict[str, int] = {}
        """The most that sizes which data decides may be, by name."""
        self.counts: dict[str, int] = {}
        """The only numbers that sizes which data decides can be, by name."""
        self.notes: list[str] = []

    def shape(self, name: str) -> Shape:
        """The shape of an input as far as it is known by now."""
        return tuple(substitute(s, self.sizes) for s in self._axes.shapes[name])

    @property
    def names(self) -> frozenset[str]:
        """The names of the sizes that are still open."""
        return open_names(self._shapes)

    @property
    def _shapes(self) -> Shapes:
        return {name: self.shape(name) for name in self._axes.shapes}

    @property
    def numbers(self) -> list[str]:
        """The sizes that the source leaves open and that can be one number only, in words."""
        found = {name: substitute(Dim.symbol(name), self.sizes) for name in self._axes.names}
        fixed = [(self._axes.of({name}), size) for name, size in found.items() if isinstance(size, int)]
        return [f"{axes} {'are' if ' and ' in axes else 'is'} {size}, the only size that fits" for axes, size in fixed]

    def learn(self, error: UnequalSizesError) -> None:
        """Hold the open sizes to what an op needs. Raises ShapeError where that leaves none open."""
        found: dict[str, Size] = {}
        limits: dict[str, int] = {}
        counts: dict[str, int] = {}
        impossible: list[tuple[Size, Size]] = []
        for a, b in error.pairs:
            known = found | counts
            left, right = cancelled(substitute(a, known), substitute(b, known))
            if left == right:
                continue
            more = (self._unified(left, right) or self._unified(*subtracted(left, right)) or self._alike(left, right)
                    or self._multiples(left, right)
                    or bounded(left, right, self.names) or ({} if error.otherwise else self._undeclared(solved(left, right))))
            limit = {} if more or error.otherwise else limited(left, right, self.names | self.limits.keys())
            count = {} if more or limit else self._decided(error, solved(left, right))
            if not more and not limit and not count:
                impossible.append((left, right))
            limits |= limit
            counts |= count
            found = {name: substitute(size, more) for name, size in found.items()} | more
        if impossible:
            raise Fitting(self._axes, self._shapes).error(error, impossible)
        if not found and not limits and not counts:
            raise error
        self.notes += [f"{_where(error.where)} needs {self._axes.in_words(name, size)}" for name, size in found.items()]
        self.notes += [f"{_where(error.where)} needs '{name}', which data decides, to be at most {most}" for name, most in limits.items()]
        self.notes += [f"{_where(error.where)} needs '{name}', which data decides, to be {number}" for name, number in counts.items()]
        self.limits |= limits
        self.counts |= counts
        self.sizes = {name: substitute(size, found) for name, size in self.sizes.items()} | found

    # ---- inside ----------------------------------------------------------------------------------------------------
    def _unified(self, left: Size, right: Size) -> dict[str, Size]:
        """A size that has a name of its own is what it has to be equal to; of two such the later one."""
        sides = [(a, b) for a, b in ((left, right), (right, left), *self._cut(left, right), *self._cut(right, left))
                 if isinstance(a, Dim) and a.is_symbol and str(a) in self.names and isinstance(b, Dim) and not a.symbols & b.symbols]
        sides.sort(key=lambda pair: -self._axes.rank(str(pair[0])))
        return {str(a): b for a, b in sides[:1] if b.symbols <= self.names}

    def _cut(self, left: Size, right: Size) -> list[tuple[Size, Size]]:
        """`left` and the open size that it must not be larger than, where `right` is the smaller of both, as of a mask that is cut to the
        length of what it hides."""
        limits = [right.named(name) for name in sorted(right.symbols)] if isinstance(right, Dim) else []
        return [(limit, left) for limit in limits if right == size_min(left, limit)]

    def _alike(self, left: Size, right: Size) -> dict[str, Size]:
        """The sizes of one side for those of the other, where these are all that tells the sides apart: what is computed of both in one way
        is equal where they are."""
        if not isinstance(left, Dim) or not isinstance(right, Dim) or left.symbols & right.symbols:
            return {}
        (first, names), (other, others) = sorted(((side, sorted(side.symbols, key=self._axes.rank)) for side in (left, right)),
                                                 key=lambda pair: self._axes.rank(pair[1][0]))
        found: dict[str, Size] = {later: first.named(name) for name, later in zip(names, others)}
        return found if {*names, *others} <= self.names and substitute(other, found) == first else {}

    def _undeclared(self, found: Mapping[str, int]) -> dict[str, Size]:
        """The only number that a size can be, if the source has none for it: an error where another one was declared, and was opened."""
        return {name: number for name, number in found.items() if name in self.names and not self._axes.own([name])}

    def _decided(self, error: UnequalSizesError, found: Mapping[str, int]) -> dict[str, int]:
        """The only number that a size can be which data decides, wherever it is found out."""
        return {name: number for name, number in found.items() if name not in self.names and name not in self.counts
                and (name in error.inner or not error.otherwise)}

    def _multiples(self, left: Size, right: Size) -> dict[str, Size]:
        return {name: self._axes.multiple(name, step) for name, step in steps_between(left, right, self.names).items()}


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
            graph.fixed_sizes += [f"'{name}', which data decides, is {number}, the only size that fits"
                                  for name, number in sizes.counts.items()]
            return graph


def _where(where: Location) -> str:
    return f"'{where.layer}' ({where.type})" if where.type else f"'{where.layer}'"
