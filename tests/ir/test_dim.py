"""Symbolic sizes: ring laws, canonical form, division, agreement with integers under any binding."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from nchw2nhwc.ir.bounds import bounds, is_at_most
from nchw2nhwc.ir.dim import (
    Dim,
    Size,
    evaluate,
    exact_div,
    is_static,
    product,
    size_max,
    size_min,
    substitute,
)

N, C, H = (Dim.symbol(name) for name in "NCH")
SYMBOLS = ("N", "C", "H")


def _grown(smaller: SearchStrategy[Size]) -> SearchStrategy[Size]:
    pairs, divisor = st.tuples(smaller, smaller), st.integers(1, 5)
    return st.one_of(
        pairs.map(lambda p: p[0] + p[1]), pairs.map(lambda p: p[0] - p[1]), pairs.map(lambda p: p[0] * p[1]),
        st.tuples(smaller, divisor).map(lambda p: p[0] // p[1]), st.tuples(smaller, divisor).map(lambda p: p[0] % p[1]),
        pairs.map(lambda p: size_max(*p)), pairs.map(lambda p: size_min(*p)),
    )


sizes: SearchStrategy[Size] = st.recursive(st.one_of(st.integers(-4, 6), st.sampled_from([N, C, H])), _grown, max_leaves=6)
bindings = st.fixed_dictionaries({name: st.integers(1, 12) for name in SYMBOLS})


# ---- laws ------------------------------------------------------------------------------------------------------------
@given(a=sizes, b=sizes, at=bindings)
def test_arithmetic_is_that_of_integers_under_any_binding(a: Size, b: Size, at: dict[str, int]) -> None:
    x, y = evaluate(a, at), evaluate(b, at)
    assert evaluate(a + b, at) == x + y
    assert evaluate(a - b, at) == x - y
    assert evaluate(a * b, at) == x * y
    assert evaluate(size_max(a, b), at) == max(x, y)
    assert evaluate(size_min(a, b), at) == min(x, y)
    if y:
        assert evaluate(a // b, at) == x // y
        assert evaluate(a % b, at) == x % y


@given(a=sizes, b=sizes, at=bindings)
def test_bounds_hold_under_any_binding(a: Size, b: Size, at: dict[str, int]) -> None:
    low, high = bounds(a)
    assert low is None or low <= evaluate(a, at)
    assert high is None or high >= evaluate(a, at)
    assert not is_at_most(a, b) or evaluate(a, at) <= evaluate(b, at)


@given(a=sizes, b=st.integers(1, 9), c=st.integers(-9, 9), d=st.integers(1, 9), at=bindings)
def test_quotients_of_quotients(a: Size, b: int, c: int, d: int, at: dict[str, int]) -> None:
    assert evaluate((a // b + c) // d, at) == (evaluate(a, at) // b + c) // d


def test_names_with_limits() -> None:
    length, kept = Dim.symbol("L", most=80), Dim.symbol("kept", most=300, least=0)
    assert length == Dim.symbol("L")
    assert (size_min(length, 80), size_min(length, 79), size_max(length, 1)) == (length, size_min(length, 79), length)
    assert size_min(kept, 300) == kept
    assert (size_min(7, kept), size_max(length, kept)) == (size_min(kept, 7), size_max(kept, length)), "of whichever order"
    assert size_max(kept, 1) != kept
    assert is_at_most(size_min(kept, 7), kept)
    assert not is_at_most(1, kept)
    assert (2 * length - 1).linear() == (2, "L", -1)
    assert (length * kept).linear() is None
    assert str((((N + 1) // 2 + 1) // 2 + 1) // 2) == "((N + 7)//8)"


@given(a=sizes, b=sizes, c=sizes)
def test_equal_polynomials_compare_equal(a: Size, b: Size, c: Size) -> None:
    for left, right in ((a + b, b + a), (a * b, b * a), ((a + b) + c, a + (b + c)), (a * (b + c), a * b + a * c), (a - a, 0), (a + 0, a)):
        assert left == right
        assert hash(left) == hash(right)
        assert str(left) == str(right)


@given(a=sizes, values=bindings)
def test_substitution_by_numbers_is_evaluation(a: Size, values: dict[str, int]) -> None:
    named: dict[str, Size] = dict(values)
    assert substitute(a, named) == evaluate(a, values)


@given(a=sizes, at=bindings)
def test_substitution_composes_with_evaluation(a: Size, at: dict[str, int]) -> None:
    inside: dict[str, Size] = {"N": N * 2 + C, "H": N}
    outer = {name: evaluate(inside.get(name, Dim.symbol(name)), at) for name in SYMBOLS}
    assert evaluate(substitute(a, inside), at) == evaluate(a, outer)


@given(a=sizes, b=sizes, at=bindings)
def test_exact_division_is_exact(a: Size, b: Size, at: dict[str, int]) -> None:
    quotient = exact_div(a, b)
    if quotient is not None and evaluate(b, at):
        assert evaluate(quotient, at) * evaluate(b, at) == evaluate(a, at)


# ---- form ------------------------------------------------------------------------------------------------------------
def test_nothing_symbolic_left_is_an_int() -> None:
    assert type(N - N + 3) is int
    assert type(N * 0) is int
    assert type(N // N) is int
    assert N % N == 0


@pytest.mark.parametrize(("size", "text"), [
    (N, "N"), (2 * N * C, "2*C*N"), (N + 1, "N + 1"), (1 - N, "-N + 1"), (N * C - 4 * H, "C*N - 4*H"), ((H + 1) // 2, "((H + 1)//2)"),
    (H // 2 * C, "(H//2)*C"), (size_max(N, 3), "max(N, 3)"), (size_min(N - 1, C), "min(C, N - 1)"), (7 % N, "(7%N)"), (7 // N, "(7//N)"),
], ids=str)
def test_text(size: Size, text: str) -> None:
    assert str(size) == text


def test_whole_multiples_leave_a_floor_division() -> None:
    assert (4 * N + H) // 2 == 2 * N + H // 2
    assert (H + 5) // 2 == (H + 1) // 2 + 2
    assert (H - 1) // 2 == (H + 1) // 2 - 1
    assert (4 * N + H) % 2 == H % 2
    assert bounds((-(H // 4)) % 4) == (0, 3)
    assert (8 - H % 8) % 8 + H == (-H) % 8 + H == (H + 7) // 8 * 8


def test_quotients_of_what_is_negative_are_rounded_up() -> None:
    """In one form, so that equal sizes look alike."""
    n, m = Dim.symbol("n"), Dim.symbol("m")
    assert -(-n // 2) == (n + 1) // 2
    assert -((3 - n * m) // 4) == n * m // 4


def test_the_smaller_one_again() -> None:
    a, b = Dim.symbol("a") + Dim.symbol("c"), Dim.symbol("b")
    assert size_min(a, size_min(a, b)) == size_min(size_min(a, b), b) == size_min(a, b)
    assert size_max(size_max(b, a), a) == size_max(b, a)


def test_bounds_of_sizes_that_differ_by_a_number() -> None:
    """Also below one divisor, as in the sizes of pools that round up."""
    assert size_max(N, N + 2) == N + 2
    assert size_min((N + 1) // 3 + 1, (N + 2) // 3) == (N + 2) // 3
    assert size_max((N + 1) // 3 + 1, (N + 2) // 3) == (N + 4) // 3
    assert size_min((2 * N + C) // 2, N + C // 2 - 1) == N + C // 2 - 1
    assert str(size_min(N // 2, N // 3)) == "min((N//2), (N//3))"


@pytest.mark.parametrize(("left", "right", "quotient"), [
    (6, 3, 2), (7, 3, None), (6, 0, None), (N, 0, None), (0, N, 0), (4 * N * C, 2 * N, 2 * C), (4 * N * C, 3, None), (N, C, None),
    (N * C + N, N, C + 1), (N * (C + 1), C + 1, N), (2 * (N + C), N + C, 2), (N + C, N + C, 1), (N + C, N + H, None), (N * N, N, N),
    (6, N, None), (2 * N + 3, 2, None),
], ids=str)
def test_exact_division(left: Size, right: Size, quotient: Size | None) -> None:
    assert exact_div(left, right) == quotient


# ---- questions -------------------------------------------------------------------------------------------------------
def test_symbols_monomials_and_factors() -> None:
    assert N.is_symbol
    assert not any(isinstance(d, Dim) and d.is_symbol for d in (2 * N, N + 1, N // 2, N * N))
    size = (H + N) // 2 * C
    assert isinstance(size, Dim)
    assert size.symbols == {"H", "N", "C"}
    scaled, added = 4 * N * C, N + 1
    assert isinstance(scaled, Dim)
    assert isinstance(added, Dim)
    assert scaled.monomial() == (4, ("C", "N"))
    assert added.monomial() is None


def test_products_and_static_shapes() -> None:
    assert product([]) == 1
    assert product([2, N, C]) == 2 * N * C
    assert is_static((1, 2))
    assert not is_static((1, N))


def test_a_name_without_a_number() -> None:
    with pytest.raises(KeyError, match="C"):
        evaluate(N * C, {"N": 2})
