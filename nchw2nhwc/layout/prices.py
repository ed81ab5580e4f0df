"""What the integer program pays."""

from __future__ import annotations

BYTE_COST = 1e-3
"""Moving one byte."""

MOVE_COST = 4.0
"""One Transpose, whatever its size."""

ADJOINT_COST = 1e-6
"""An adjoint left operand, for each of its elements: kernels copy it, but that is no operator of its own. At a quarter of the price of
moving it, maxvit_t has 88 Transposes instead of 44."""

TIE_COST = 1e-3
"""The second choice of an input's or output's layout where two cost the same."""

SPREAD_COST = 1e-4
"""A batch of a product whose last axis, the heads of attention, is not stored first: less than any other difference that matters. With
heads first, axes that a layer before has brought together stay together in the move to the product, which has fewer axes for it."""

ORDER_COST = 1e-5
"""How far the choices of one op, and all Transposes, are apart at the most, so that every version of the solver finds the same among equal
solutions."""

SLIGHT_COST = 1e-6
"""An adjoint right operand, and steps before the batch, which cost nothing in most kernels. It decides where ORDER_COST does not."""
