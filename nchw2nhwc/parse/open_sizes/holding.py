"""What the open sizes of a model have to be so that two sizes are equal whatever those are: multiples, not too large, not too small."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Mapping, Set
from math import lcm

from nchw2nhwc.ir.atoms import Call
from nchw2nhwc.ir.bounds import bounds
from nchw2nhwc.ir.dim import Dim, Size, size_max, size_min, substitute
from nchw2nhwc.parse.open_sizes.equations import granularity, subtracted

COARSEST = 1 << 12
"""No size has to be a multiple of a larger number."""

LARGEST = 1 << 31
"""No size that is held to a smaller one is as large as this."""


def steps_between(left: Size, right: Size, names: Set[str]) -> dict[str, int]:
    """The coarsest steps of the open sizes `names` for which both are equal whatever those are, made as small as possible; none if there
    are none."""
    involved = sorted({n for s in (left, right) if isinstance(s, Dim) for n in s.symbols})
    if not set(involved) <= names:
        return {}
    steps = {name: lcm(granularity(left, name), granularity(right, name)) for name in involved}
    if not all(1 <= step <= COARSEST for step in steps.values()) or not _equal(left, right, steps):
        return {}
    for name in involved:
        smaller = (d for d in range(1, steps[name]) if steps[name] % d == 0)
        steps[name] = next((d for d in smaller if _equal(left, right, {**steps, name: d})), steps[name])
    return {name: step for name, step in steps.items() if step > 1}


def _equal(left: Size, right: Size, steps: Mapping[str, int]) -> bool:
    parts: dict[str, Size] = {name: step * Dim.symbol(name) for name, step in steps.items()}
    return substitute(left, parts) == substitute(right, parts)


def bounded(left: Size, right: Size, names: Set[str]) -> dict[str, Size]:
    """The largest number for one of the open sizes `names` that is cut to one where it would be larger; the smallest for one that is raised
    to a number."""
    for a, b in ((left, right), (right, left)):
        cuts = [arg for m in b.terms for atom in m if isinstance(atom, Call) for arg in atom.args] if isinstance(b, Dim) else []
        most = next((k for k in cuts if isinstance(k, int) and b == size_min(a, k)), None)
        if isinstance(a, Dim) and most is not None and (shorter := _short_enough(a, most, names)):
            return shorter
        raised = next((k for k in (0, 2) if isinstance(a, Dim) and b == size_max(a, k)), None)
        if isinstance(a, Dim) and raised is not None:
            return _long_enough(a, raised, names)
    for a, b in (sides := subtracted(left, right), sides[::-1]):  # min(n, 2) is 2 where n is at least 2
        ((product, factor),) = a.terms.items() if isinstance(a, Dim) and len(a.terms) == 1 else (((), 0),)
        atom = product[0] if len(product) == 1 else None
        if isinstance(atom, Call) and atom.fn == "min" and isinstance(b, int):
            least = next((arg for arg in atom.args if isinstance(arg, int)), 0)
            longer = next((arg for arg in atom.args if isinstance(arg, Dim)), None)
            if longer is not None and least and factor * least == b:
                return _long_enough(longer, least, names)
    cut = [arg for side in (left, right) if isinstance(side, Dim) for monomial in side.terms for atom in monomial
           if isinstance(atom, Call) and atom.fn == "max" and 0 in atom.args for arg in atom.args if isinstance(arg, Dim)]
    return _long_enough(cut[0], 0, names) if cut else {}


def _short_enough(size: Dim, most_size: int, names: Set[str]) -> dict[str, Size]:
    """The largest number for the open size that `size` depends on with which that is certain not to be above `most_size`."""
    if not size.symbols <= names or len(size.symbols) > 1:
        return {}
    (name,) = size.symbols
    least = bounds(size.named(name))[0] or 1

    def fits(most: int) -> bool:
        high = bounds(substitute(size, {name: Dim.symbol(name, most, least)}))[1]
        return high is not None and high <= most_size

    if not fits(least) or fits(LARGEST):
        return {}
    return {name: Dim.symbol(name, least + bisect(range(least, LARGEST), False, key=lambda most: not fits(most)) - 1, least)}


def _long_enough(size: Dim, least_size: int, names: Set[str]) -> dict[str, Size]:
    """The smallest number for the open size that `size` depends on with which that is certain not to be below `least_size`; the largest
    one where that is what is taken from another number."""
    if not size.symbols <= names or len(size.symbols) > 1:
        return {}
    (name,) = size.symbols
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


def limited(left: Size, right: Size, known: Set[str]) -> dict[str, int]:
    """The most that a size which data decides may be, which is none of those that are `known`, where it is taken from a number and what is
    left must not be below 0."""
    for a, b in ((left, right), (right, left)):
        linear = a.linear() if isinstance(a, Dim) and b == size_max(a, 0) else None
        if linear is not None and linear[0] < 0 and linear[1] not in known:
            return {linear[1]: linear[2] // -linear[0]}
    return {}
