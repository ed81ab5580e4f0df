"""The passes of the Keras target, before layout and after it."""

from __future__ import annotations

from nchw2nhwc.emit.keras.lowering import native
from nchw2nhwc.emit.keras.rules_norm import NORM
from nchw2nhwc.ops.binary import Add
from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.passes import Pass
from nchw2nhwc.passes.constants import MERGE_EQUAL
from nchw2nhwc.passes.linear import LINEAR
from nchw2nhwc.passes.movement import MOVEMENT
from nchw2nhwc.passes.pipeline import FOLD_AFFINE, INFERENCE, JOIN_HEADS, JOIN_SIBLINGS, source_passes
from nchw2nhwc.passes.rank import merge_batches
from nchw2nhwc.passes.rewrite import RuleSet, rule_pass


def _bias_rules() -> RuleSet:
    rules = RuleSet()
    for rule in LINEAR.of(Add()):
        rules.on(Add)(rule)
    return rules


RANK = RuleSet()
RANK.on(MatMul)(merge_batches(5))
"""Products of more axes than TensorFlow's own converter to TFLite takes."""

FOLD_BIAS = rule_pass("fold_bias", _bias_rules())
"""Added constants go into the convolution or fully connected layer before them; batch norms stay."""


def keras_source_passes(*, trainable: bool = False) -> tuple[Pass, ...]:
    """The passes for a graph in source order; `trainable` keeps batch norms and dropout as they are, and layers as the source has them."""
    if not trainable:
        return source_passes(native)
    left_out = (INFERENCE, JOIN_HEADS, JOIN_SIBLINGS)
    return tuple(FOLD_BIAS if each is FOLD_AFFINE else each for each in source_passes(native) if each not in left_out)


def target_passes() -> tuple[Pass, ...]:
    """The passes for a stored graph, in their order."""
    return (rule_pass("tidy", MOVEMENT), MERGE_EQUAL, rule_pass("join_norms", NORM), rule_pass("lower_rank", RANK),
            rule_pass("tidy_again", MOVEMENT))
