"""How a size that is known only when a model runs is computed from sizes that tensors show; what all targets share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial, reduce
from typing import TypeVar

from nchw2nhwc.errors import Location, TargetError
from nchw2nhwc.ir import Dim, Size
from nchw2nhwc.ops.movement import FIX_SIZES

_T = TypeVar("_T")


def computed(size: Dim, shown: Iterable[Dim], number: Callable[[Size], _T], apply: Callable[[str, _T, _T], _T], where: Location) -> _T:
    """A size put together from others. `shown` are the sizes that tensors have, `number` makes any size, `apply` computes "+", "*", "//",
    "%", "max" or "min" of two. Raises TargetError for a named dimension that is the size of no axis."""
    terms = [(coefficient, [Dim({(atom,): 1}) for atom in atoms]) for atoms, coefficient in size.terms.items()]
    if terms == [(1, [size])]:
        (((atom,), _),) = size.terms.items()
        if not isinstance(atom, str):
            return apply(atom.fn, number(atom.args[0]), number(atom.args[1]))
        whole, factor, rest = _multiple(shown, atom, where)
        found = apply("+", number(whole), number(-rest)) if rest else number(whole)
        return found if factor == 1 else apply("//", found, number(factor))
    products = []
    for coefficient, factors in terms:
        parts: list[Size] = [*factors, *([] if factors and coefficient == 1 else [coefficient])]
        products.append(reduce(partial(apply, "*"), map(number, parts)))
    return reduce(partial(apply, "+"), products)


def _multiple(shown: Iterable[Dim], name: str, where: Location) -> tuple[Dim, int, int]:
    """The size of some axis that is a multiple of a named dimension and something more, with both numbers."""
    for size in shown:
        linear = size.linear()
        if linear is not None and linear[1] == name:
            return size, linear[0], linear[2]
    raise TargetError(f"the size '{name}' is not the size of any axis of an input", where, FIX_SIZES)
