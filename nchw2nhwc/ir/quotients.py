"""Quotients, remainders, minima and maxima of symbolic sizes in a simpler form, so that equal expressions look alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nchw2nhwc.ir.atoms import Call
from nchw2nhwc.ir.bounds import bounds

if TYPE_CHECKING:
    from nchw2nhwc.ir.dim import Dim, Size


def quotient(left: Dim, right: int) -> Size | None:
    """A simpler form of `left // right`; None where there is none."""
    nested = _nested(left)
    if nested is not None:
        return nested[0] // (nested[1] * right)
    whole = _multiples(left, right)
    if whole != 0:
        return whole + (left - whole * right) // right
    above = _to_above(left, right)
    return None if above is None else -(above // right)


def remainder(left: Dim, right: int) -> Size | None:
    """A simpler form of `left % right`; None where there is none. What a size lacks to the next multiple, (-a) % k, is that multiple less
    the size: padding by it then gives a product."""
    inner = {m: c for m, c in left.terms.items() if len(m) == 1 and isinstance(m[0], Call) and m[0].fn == "%" and m[0].args[1] == right}
    if inner:
        return (left + sum(c * (m[0].args[0] - type(left)({m: 1})) for m, c in inner.items() if isinstance(m[0], Call))) % right
    whole = _multiples(left, right)
    if whole != 0:
        return (left - whole * right) % right
    above = _to_above(left, right)
    return None if above is None else left + above // right * right


def _to_above(left: Dim, right: int) -> Size | None:
    """Of what is negative, the size whose quotient is that of `-left` rounded up, as far as it is certain not to be negative itself."""
    above = right - 1 - left
    low = bounds(above)[0] if all(c < 0 for m, c in left.terms.items() if m) else None
    return None if low is None or low < 0 else above


def _multiples(size: Dim, divisor: int) -> Size:
    """The multiples of a number that can be pulled out of a sum: (k*a + b) // k == a + b // k for integers."""
    return sum(c // divisor * type(size)({m: 1}) for m, c in size.terms.items() if not m or c % divisor == 0)


def extremum(fn: str, left: Size, right: Size) -> Size | None:
    """A simpler form of the "min" or "max" of two sizes; None where there is none."""
    sides = ((left, right), (right, left))
    absorbed = next((a for a, b in sides if _is_among(a, b, "max" if fn == "min" else "min")), None)
    if absorbed is not None:
        return absorbed
    contained = next((b for a, b in sides if _is_among(a, b, fn)), None)
    if contained is not None:  # min(a, min(a, b)) is min(a, b)
        return contained
    ahead = _lead(left, right)
    if ahead is not None:
        return left if (ahead >= 0) == (fn == "max") else right
    (low, high), (low_right, high_right) = bounds(left), bounds(right)
    if low_right is not None and high is not None and high <= low_right:
        return left if fn == "min" else right
    if low is not None and high_right is not None and high_right <= low:
        return right if fn == "min" else left
    return None


def _is_among(size: Size, other: Size, fn: str) -> bool:
    """Whether `other` is the larger ("max") or the smaller ("min") one of two sizes of which `size` is one: min(a, max(a, b)) is a."""
    atoms = [m[0] for m, c in other.terms.items() if len(m) == 1 and c == 1] if not isinstance(other, int) and len(other.terms) == 1 else []
    return any(isinstance(a, Call) and a.fn == fn and size in a.args for a in atoms)


def _nested(size: Dim) -> tuple[Size, int] | None:
    """`(p, q)` if `size` is p // q, so that a quotient of it is one of p: (a//b + c)//d == (a + b*c)//(b*d) for b, d > 0."""
    quotients = [(a.args, c) for m, c in size.terms.items() for a in m if isinstance(a, Call) and a.fn == "//"]
    if len(size.terms) > 1 + (() in size.terms) or len(quotients) != 1 or quotients[0][1] != 1 or len(next(iter(size.terms))) != 1:
        return None
    inner, divisor = quotients[0][0]
    rest = size.terms.get((), 0)
    return (inner + divisor * rest, divisor) if isinstance(divisor, int) and divisor > 0 else None


def _lead(left: Size, right: Size) -> int | None:
    """A number whose sign says which of two sizes is never below the other (positive: the left one); None if that depends."""
    (a, divisor), (b, other) = _over(left), _over(right)
    difference = a - b if divisor == other else left - right
    return difference if isinstance(difference, int) else None


def _over(size: Size) -> tuple[Size, int]:
    """`(a, k)` with size == a // k: k is 1 for what is no floor division by a number plus whole sizes."""
    if isinstance(size, int):
        return size, 1
    for monomial, coefficient in size.terms.items():
        atom = monomial[0] if len(monomial) == 1 else ""
        if coefficient == 1 and isinstance(atom, Call) and atom.fn == "//" and isinstance(atom.args[1], int):
            return atom.args[0] + (size - type(size)({monomial: 1})) * atom.args[1], atom.args[1]
    return size, 1
