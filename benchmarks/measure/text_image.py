"""Pictures with text, for networks that look for it: on noise a text detector answers almost 0 everywhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

GLYPHS = {
    "A": "01110 10001 10001 11111 10001 10001 10001", "E": "11111 10000 10000 11110 10000 10000 11111",
    "H": "10001 10001 10001 11111 10001 10001 10001", "L": "10000 10000 10000 10000 10000 10000 11111",
    "N": "10001 11001 10101 10011 10001 10001 10001", "O": "01110 10001 10001 10001 10001 10001 01110",
    "S": "01111 10000 10000 01110 00001 00001 11110", "T": "11111 00100 00100 00100 00100 00100 00100",
    " ": "00000 00000 00000 00000 00000 00000 00000",
}
"""Letters of 5 x 7 dots, row by row."""

TEXT = "THE LAST SOLO NOTES AT NOON  HALE LESS THAN TEN  "
SCALE = 4
"""Pixels per dot."""


def text_images(shape: Sequence[int], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Dark lines of text on a light page with a little noise, of shape (N, C, H, W), values about -1 (black) to 1 (white); every picture
    starts elsewhere in the text."""
    count, channels, height, width = shape
    pages = np.ones((count, 1, height, width), np.float32)
    rows = max(1, height // (12 * SCALE))
    for k in range(count):
        for row in range(rows):
            start = (7 * k + 11 * row) % len(TEXT)
            line = np.kron(_line(TEXT[start:] + TEXT[:start]), np.ones((SCALE, SCALE)))[:, :width - 4 * SCALE]
            top = row * height // rows + (height // rows - line.shape[0]) // 2
            pages[k, 0, top:top + line.shape[0], 2 * SCALE:2 * SCALE + line.shape[1]] -= 2 * line
    return np.repeat(pages, channels, axis=1) + rng.normal(0, 0.02, shape).astype(np.float32)


def _line(text: str) -> npt.NDArray[np.float64]:
    """A line of text as dots, one empty column after each letter."""
    return np.concatenate([np.array([[int(dot) for dot in row] + [0] for row in GLYPHS[letter].split()], float) for letter in text], axis=1)
