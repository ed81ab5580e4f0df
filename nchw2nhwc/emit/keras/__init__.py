"""Keras 3: a stored graph as a functional model of standard layers and `keras.ops`, which loads where this package is not installed.

`native` says which nodes need no decomposition, `target_passes` what still has to be done to a stored graph, `emit_keras` makes the model
and `files` writes it. Importing this imports Keras.
"""

from nchw2nhwc.emit.keras.emit import emit_keras
from nchw2nhwc.emit.keras.lowering import native, refusal
from nchw2nhwc.ops.binary import Add
from nchw2nhwc.passes import Pass
from nchw2nhwc.passes.constants import MERGE_EQUAL
from nchw2nhwc.passes.linear import LINEAR
from nchw2nhwc.passes.movement import MOVEMENT
from nchw2nhwc.passes.pipeline import FOLD_AFFINE, source_passes
from nchw2nhwc.passes.rewrite import RuleSet, rule_pass

__all__ = ["emit_keras", "keras_source_passes", "native", "refusal", "target_passes"]


def _bias_rules() -> RuleSet:
    rules = RuleSet()
    for rule in LINEAR.of(Add()):
        rules.on(Add)(rule)
    return rules


FOLD_BIAS = rule_pass("fold_bias", _bias_rules())
"""Added constants go into the convolution or fully connected layer before them; batch norms stay."""


def keras_source_passes(*, trainable: bool = False) -> tuple[Pass, ...]:
    """The passes for a graph in source order; `trainable` keeps batch norms as they are."""
    return tuple(FOLD_BIAS if trainable and each is FOLD_AFFINE else each for each in source_passes(native))


def target_passes() -> tuple[Pass, ...]:
    """The passes for a stored graph, in their order."""
    return (rule_pass("tidy", MOVEMENT), MERGE_EQUAL)
