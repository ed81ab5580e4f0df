"""SAME and VALID are chosen when, and only when, they give the windows that the source asks for."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nchw2nhwc.emit.tflite.padding import Padding, Window, padding_of
from nchw2nhwc.ir import Dim

H = Dim.symbol("H")


def starts(window: Window) -> list[int]:
    """Where every window begins, by the definition of the source ops (sizes are rounded down); -1 is one element before the data."""
    assert isinstance(window.size, int)
    return list(range(-window.begin, window.size + window.end - window.reach + 1, window.stride))


def tflite_starts(padding: Padding, size: int, reach: int, stride: int) -> list[int]:
    """The same by TFLite's definition."""
    if padding is Padding.VALID:
        return list(range(0, size - reach + 1, stride))
    count = -(-size // stride)
    total = max((count - 1) * stride + reach - size, 0)
    return [k * stride - total // 2 for k in range(count)]


@st.composite
def axes(draw: st.DrawFn) -> Window:
    reach = draw(st.integers(1, 7))
    size = draw(st.integers(1, 20))
    begin, end = draw(st.integers(0, reach - 1)), draw(st.integers(0, reach - 1))
    if size + begin + end < reach:
        size = reach
    return Window(size, reach, draw(st.integers(1, 4)), begin, end)


@settings(max_examples=600)
@given(axes())
def test_choice_gives_the_same_windows(window: Window) -> None:
    assert isinstance(window.size, int)
    wanted = starts(window)
    assert len(wanted) == window.count
    chosen = padding_of([window])
    fitting = [p for p in Padding if tflite_starts(p, window.size, window.reach, window.stride) == wanted]
    if chosen is not None:
        assert chosen in fitting
    assert (chosen is None) == (not fitting), "a padding that fits is not used"


@settings(max_examples=300)
@given(axes())
def test_explicit_zeros_give_the_same_windows(window: Window) -> None:
    begin, end = window.explicit()
    assert isinstance(window.size, int)
    padded = tflite_starts(Padding.VALID, window.size + begin + end, window.reach, window.stride)
    assert [start - begin for start in padded] == starts(window)


@pytest.mark.parametrize(("window", "padding"), [
    (Window(224, 3, 2, 1, 1), None),  # the second pad is never read; SAME would pad behind only
    (Window(224, 3, 2, 0, 1), Padding.SAME),
    (Window(225, 3, 2, 1, 1), Padding.SAME),
    (Window(112, 3, 1, 1, 1), Padding.SAME),
    (Window(112, 1, 2, 0, 0), Padding.VALID),
    (Window(7, 7, 1, 0, 0), Padding.VALID),
    (Window(8, 3, 2, 0, 0), Padding.VALID),  # the last element is never read
    (Window(H, 3, 1, 1, 1), Padding.SAME),
    (Window(H, 4, 1, 1, 2), Padding.SAME),
    (Window(H, 4, 1, 2, 1), None),
    (Window(H, 3, 2, 1, 1), None),  # depends on whether H is even
    (Window(H, 2, 2, 0, 0), Padding.VALID),
    (Window(5, 2, 2, 0, 0, ceil=True), Padding.SAME),
    (Window(6, 2, 2, 0, 0, ceil=True), Padding.VALID),
    (Window(H, 2, 2, 0, 0, ceil=True), Padding.SAME),  # one element is added behind odd sizes
    (Window(H, 3, 2, 0, 0, ceil=True), None),
    (Window(H, 1, 2, 0, 0, ceil=True), Padding.VALID),  # the last window that starts in the data is full
])
def test_known_cases(window: Window, padding: Padding | None) -> None:
    assert padding_of([window]) is padding


def test_all_axes_have_to_agree() -> None:
    same, valid, either = Window(5, 3, 1, 1, 1), Window(5, 3, 1, 0, 0), Window(5, 1, 1, 0, 0)
    assert padding_of([same, valid]) is None
    assert padding_of([same, either]) is Padding.SAME
    assert padding_of([valid, either]) is Padding.VALID
