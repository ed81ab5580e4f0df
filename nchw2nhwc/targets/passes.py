"""The passes of a conversion that is for a device: what they add to those of TFLite."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nchw2nhwc.emit.tflite.rules_chains import CHAINS
from nchw2nhwc.emit.tflite.rules_picked_layers import PICKED_LAYERS
from nchw2nhwc.ir.graph import Node
from nchw2nhwc.ir.types import DType
from nchw2nhwc.passes import Pass
from nchw2nhwc.passes.constants import MERGE_EQUAL
from nchw2nhwc.passes.match import require
from nchw2nhwc.passes.movement import MOVEMENT
from nchw2nhwc.passes.rewrite import RuleSet, rule_pass
from nchw2nhwc.targets import TABLES
from nchw2nhwc.targets.rewrites import APPROXIMATE, EXPAND_AS_TILE, EXTREMES, REWRITES, TILE_AS_EXPAND, lacking
from nchw2nhwc.targets.rules_rank import EQUAL_RANKS, POINTWISE, lower_ranks, require_reshaped

_BEFORE: Mapping[str, RuleSet] = {"edgetpu": RuleSet(APPROXIMATE, REWRITES)}
_MOST = 4
_AFTER: Mapping[str, RuleSet] = {"gpu": EQUAL_RANKS, "edgetpu": POINTWISE}
"""Rules for a stored graph besides those for fewer axes, for what the device reshapes."""
_INNER: Mapping[str, int] = {"edgetpu": 3}
"""How many of the innermost axes may be larger than 1. Chains of moves with others are one GATHER, which is less that is not run."""


def rules_before(target: str) -> RuleSet:
    """What is said in other ops, before the decompositions of all targets."""
    rules = _BEFORE.get(target, REWRITES)
    return rules if "ARG_MAX" in TABLES[target].rows else RuleSet(rules, EXTREMES)


def native_on(target: str, native: Callable[[Node], bool]) -> Callable[[Node], bool]:
    """Whether a node that TFLite expresses is written as it is for a device: not if the device lacks it and there is another way."""
    lacks = lacking(TABLES[target])
    return lambda node: native(node) and not lacks(node)


def moves_blocks(target: str) -> bool:
    """Whether a device has the kernels that move blocks of images."""
    return {"SPACE_TO_DEPTH", "DEPTH_TO_SPACE"} <= TABLES[target].rows.keys()


def stored_passes(target: str) -> tuple[Pass, ...]:
    """The passes for a stored graph, after those of TFLite."""
    def reshapes(dtype: DType) -> bool:
        return TABLES[target].computes("RESHAPE", dtype)

    inner = _INNER.get(target)

    def refused(node: Node) -> None:
        outer = [] if inner is None else [size for v in (node.input(0), node.output) for size in v.shape[:-inner]]
        require(any(size != 1 for size in outer), "{!r} is no move that only the CPU makes", node)

    other = _AFTER.get(target, RuleSet()).guarded(lambda node: require_reshaped(node, reshapes))
    return (rule_pass(f"gather_for_{target}", CHAINS.guarded(refused), PICKED_LAYERS),
            rule_pass(f"for_{target}", other, lower_ranks(_MOST, reshapes, inner)),
            rule_pass(f"tidy_for_{target}", MOVEMENT), MERGE_EQUAL,
            rule_pass(f"repeat_for_{target}", _repeats(target)))


def _repeats(target: str) -> RuleSet:
    """The one of Tile and Expand that the device has for the one that it lacks."""
    has_expand, has_tile = (code in TABLES[target].rows for code in ("BROADCAST_TO", "TILE"))
    if has_expand == has_tile:
        return RuleSet()
    return EXPAND_AS_TILE if has_tile else TILE_AS_EXPAND
