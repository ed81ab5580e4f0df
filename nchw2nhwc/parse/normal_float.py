"""The 4-bit type NormalFloat, which both formats store weights in and numpy has no type for."""

from __future__ import annotations

import numpy as np

NF4 = np.array([-1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
                -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
                0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1], np.float32)
"""What each of its 16 numbers stands for: appendix E of https://arxiv.org/abs/2305.14314."""
