"""What is certain of symbolic sizes: numbers that they are not below and not above, and which of two is not the larger one."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from nchw2nhwc.ir.atoms import Atom, Call, Monomial, Name

if TYPE_CHECKING:
    from nchw2nhwc.ir.dim import Dim, Size

Bounds: TypeAlias = tuple[int | None, int | None]


def bounds(size: Size) -> Bounds:
    """Numbers that a size is certain not to be below, and not above; None where there is none. Quotients are of sizes that are not
    negative."""
    if isinstance(size, int):
        return size, size
    low, high = _bounds_of_sum(size)
    if low is None:  # k * (a // k) is at least a - k + 1, and at most a: what is padded to a multiple is not below 0
        low = _bounds_of_sum(_without_quotients(size, 1))[0]
    if high is None:
        high = _bounds_of_sum(_without_quotients(size, -1))[1]
    return low, high


def _without_quotients(size: Dim, sign: int) -> Size:
    """A size that `size` is not below (`sign` 1) or not above (-1), with fewer quotients."""
    result: Size = size
    for monomial, coefficient in size.terms.items():
        atom = monomial[0] if len(monomial) == 1 else ""
        divisor = atom.args[1] if isinstance(atom, Call) and atom.fn == "//" else None
        if not isinstance(atom, Call) or not isinstance(divisor, int) or divisor < 1:
            continue
        if coefficient % divisor == 0:
            times, block = coefficient // divisor, divisor
        elif divisor % coefficient == 0:  # k * (a // (k * d)) is at least a // d - k + 1, and at most a // d
            times, block = (1 if coefficient > 0 else -1), abs(coefficient)
        else:
            continue
        inner = atom.args[0] // (divisor // block)
        result = result - type(size)({monomial: coefficient}) + times * (inner - (block - 1 if times * sign > 0 else 0))
    return result


def _bounds_of_sum(size: Size) -> Bounds:
    if isinstance(size, int):
        return size, size
    low: int | None = 0
    high: int | None = 0
    for monomial, coefficient in size.terms.items():
        least, most = _bounds_of_product(monomial)
        if coefficient < 0:
            least, most = most, least
        low = None if low is None or least is None else low + coefficient * least
        high = None if high is None or most is None else high + coefficient * most
    return low, high


def _bounds_of_product(atoms: Monomial) -> Bounds:
    least, most = 1, 1
    unbound = False
    for atom in atoms:
        low, high = _bounds_of(atom)
        if low is None or low < 0:
            return None, None
        least = least * low
        unbound |= high is None
        most = most * (high or 0)
    return least, None if unbound else most


def _bounds_of(atom: Atom) -> Bounds:
    if isinstance(atom, str):
        return (atom.least, atom.most) if isinstance(atom, Name) else (1, None)
    (low, high), (low_right, high_right) = map(bounds, atom.args)
    if atom.fn in ("max", "min"):
        known = [[b for b in side if b is not None] for side in ((low, low_right), (high, high_right))]
        if atom.fn == "max":
            return max(known[0], default=None), max(known[1]) if len(known[1]) == 2 else None
        return min(known[0]) if len(known[0]) == 2 else None, min(known[1], default=None)
    if low_right is None or low_right < 1:
        return None, None
    if atom.fn == "%":  # of a negative number too: it has the sign of the divisor
        return 0, None if high_right is None else high_right - 1
    if low is None or low < 0:
        return None, None
    return 0 if high_right is None else low // high_right, None if high is None else high // low_right


def is_at_most(left: Size, right: Size) -> bool:
    """Whether `left` is certain not to be larger than `right`."""
    low = bounds(right - left)[0]
    if low is not None and low >= 0:
        return True
    atoms = [m[0] for m, c in left.terms.items() if len(m) == 1 and c == 1] if not isinstance(left, int) and len(left.terms) == 1 else []
    for a in atoms:  # p // q <= r where p < q * (r + 1)
        if isinstance(a, Call) and a.fn == "//" and isinstance(a.args[1], int) and a.args[1] > 0:
            return is_at_most(a.args[0], right * a.args[1] + a.args[1] - 1)
    return any(isinstance(a, Call) and a.fn == "min" and any(is_at_most(arg, right) for arg in a.args) for a in atoms)
