"""The table of decompositions: op class to rules that say the op in other ops. They are applied where a target lacks an op, and again to
what they make, so they may use any op as long as there is no circle."""

from __future__ import annotations

from nchw2nhwc.passes.rewrite import RuleSet

DECOMPOSITIONS = RuleSet()
