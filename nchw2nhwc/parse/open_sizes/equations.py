"""Two sizes that an op needs to be equal, as equations: what both have in common is left out, what is linear is solved."""

from __future__ import annotations

from collections.abc import Mapping
from math import gcd, lcm

from nchw2nhwc.ir.atoms import Call
from nchw2nhwc.ir.dim import Dim, Size, evaluate, exact_div


def cancelled(left: Size, right: Size) -> tuple[Size, Size]:
    """Two products without what is a factor of both; sizes are not 0, but 0 can be what a remainder has to be."""
    if 0 in (left, right):
        return left, right
    for factor in (Dim({(atom,): 1}) for s in (left, right) if isinstance(s, Dim) and len(s.terms) == 1 for m in s.terms for atom in m):
        a, b = exact_div(left, factor), exact_div(right, factor)
        if a is not None and b is not None:
            left, right = a, b
    number = gcd(*(c for s in (left, right) for c in (s.terms.values() if isinstance(s, Dim) else (s,))))
    return (left, right) if number < 2 else (exact_div(left, number) or left, exact_div(right, number) or right)


def subtracted(left: Size, right: Size) -> tuple[Size, Size]:
    """Two sums without the addends of both."""
    difference = left - right
    if isinstance(difference, int):
        return left, right
    terms = difference.terms.items()
    return sum(c * Dim({m: 1}) for m, c in terms if c > 0), sum(-c * Dim({m: 1}) for m, c in terms if c < 0)


def solved(left: Size, right: Size) -> dict[str, int]:
    """The only number of at least 1 for a size with which both are equal, if they are linear in that size alone; else nothing."""
    difference = left - right
    linear = difference.linear() if isinstance(difference, Dim) else None
    if linear is None or linear[2] % linear[0] or -linear[2] // linear[0] < 1:
        return {}
    return {linear[1]: -linear[2] // linear[0]}


def granularity(size: Size, name: str) -> int:
    """A number by multiples of which `name` has to grow for every quotient in `size` to grow by whole numbers."""
    result = 1
    if isinstance(size, Dim):
        for monomial in size.terms:
            for atom in monomial:
                if isinstance(atom, Call) and name in Dim({(atom,): 1}).symbols:
                    inner = lcm(*(granularity(a, name) for a in atom.args))
                    divisor = atom.args[1]
                    result = lcm(result, inner * divisor if atom.fn in ("//", "%") and isinstance(divisor, int) and divisor > 0 else inner)
    return result


def evaluated(size: Size, numbers: Mapping[str, int]) -> int | None:
    """`size` as a number; None where it divides by zero."""
    try:
        return evaluate(size, numbers)
    except ZeroDivisionError:
        return None
