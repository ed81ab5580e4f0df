"""The images that train.py and accuracy.py share: scikit-learn's handwritten digits, split the same way every time.

scikit-learn ships 1,797 real scans of 8 x 8 pixels with values 0..16. Every fifth image (indices 0, 5, 10, ...: 360 images) is held
out for testing, the other 1,437 are for training.
"""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits


def images(held_out: bool) -> tuple[np.ndarray, np.ndarray]:
    """Images of shape (count, 1, 8, 8), float32 in 0..1, and their labels of shape (count,): the test set or the training set."""
    digits = load_digits()
    pixels = (digits.images[:, None] / 16).astype(np.float32)
    chosen = (np.arange(len(pixels)) % 5 == 0) == held_out
    return pixels[chosen], digits.target[chosen]
