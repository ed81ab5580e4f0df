"""The passes of a conversion that is for a device: what they add to those of TFLite."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nchw2nhwc.ir.graph import Node
from nchw2nhwc.passes import Pass
from nchw2nhwc.passes.constants import MERGE_EQUAL
from nchw2nhwc.passes.movement import MOVEMENT
from nchw2nhwc.passes.rewrite import RuleSet, rule_pass
from nchw2nhwc.targets import TABLES
from nchw2nhwc.targets.rewrites import APPROXIMATE, REWRITES, lacking
from nchw2nhwc.targets.rules_rank import EQUAL_RANKS, POINTWISE, lower_ranks

_BEFORE: Mapping[str, RuleSet] = {"edgetpu": RuleSet(APPROXIMATE, REWRITES)}
_AFTER: Mapping[str, Callable[[], RuleSet]] = {
    "gpu": lambda: RuleSet(lower_ranks(4), EQUAL_RANKS), "nnapi": lambda: lower_ranks(4), "micro": lambda: lower_ranks(4),
    "edgetpu": lambda: RuleSet(POINTWISE, lower_ranks(4))}


def rules_before(target: str) -> RuleSet:
    """What is said in other ops, before the decompositions of all targets."""
    return _BEFORE.get(target, REWRITES)


def native_on(target: str, native: Callable[[Node], bool]) -> Callable[[Node], bool]:
    """Whether a node that TFLite expresses is written as it is for a device: not if the device lacks it and there is another way."""
    lacks = lacking(TABLES[target])
    return lambda node: native(node) and not lacks(node)


def stored_passes(target: str) -> tuple[Pass, ...]:
    """The passes for a stored graph, after those of TFLite."""
    return (rule_pass(f"for_{target}", _AFTER[target]()), rule_pass(f"tidy_for_{target}", MOVEMENT), MERGE_EQUAL)
