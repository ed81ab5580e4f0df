"""The passes that run on a graph in source order, before layout, in the order in which they help one another."""

from __future__ import annotations

from collections.abc import Callable, Collection

from nchw2nhwc.ir.graph import Graph, Node
from nchw2nhwc.passes import Pass
from nchw2nhwc.passes.affine import AFFINE
from nchw2nhwc.passes.alignment import ALIGN_CONCATENATIONS
from nchw2nhwc.passes.as_openvino import as_openvino
from nchw2nhwc.passes.best_of_each import BEST_OF_EACH
from nchw2nhwc.passes.centred import CENTRE
from nchw2nhwc.passes.channel_order import CHANNEL_ORDER
from nchw2nhwc.passes.constants import FOLDING, MERGE_EQUAL
from nchw2nhwc.passes.control import CONTROL
from nchw2nhwc.passes.decompose import decompose
from nchw2nhwc.passes.decompose.elementwise import TRAINING_ONLY
from nchw2nhwc.passes.decompose.quantized import RULES as SPELLED_OUT
from nchw2nhwc.passes.fully_connected import FULLY_CONNECTED
from nchw2nhwc.passes.heads import HEADS
from nchw2nhwc.passes.identities import CANONICAL, IDENTITIES
from nchw2nhwc.passes.indexing import INDEXING
from nchw2nhwc.passes.linear import LINEAR
from nchw2nhwc.passes.movement import MOVEMENT
from nchw2nhwc.passes.parallel import PARALLEL
from nchw2nhwc.passes.parts import PARTS
from nchw2nhwc.passes.promote import PROMOTE_FLOATS
from nchw2nhwc.passes.quantization import QUANTIZATION, REMARK
from nchw2nhwc.passes.recognise import ACTIVATIONS, BLOCKS, CELLS, LAST_STEP, LENGTHS, NORMS, ROUNDED, STACKS
from nchw2nhwc.passes.reversed_channels import REVERSED_CHANNELS
from nchw2nhwc.passes.rewrite import RuleSet, rule_pass
from nchw2nhwc.passes.routing import ROUTE_CHANNELS
from nchw2nhwc.passes.siblings import SIBLINGS
from nchw2nhwc.passes.variance import variances
from nchw2nhwc.passes.wholes import WHOLES

PRUNE = Pass("prune", Graph.prune)
"""Nodes that no output needs go."""

INFERENCE = rule_pass("inference", TRAINING_ONLY)
"""What does nothing but in training goes."""

RECOGNISE_ROUNDED = rule_pass("recognise_rounded", ROUNDED)
"""Activation functions that half precision spells out are found before their constants become single precision."""

SIMPLIFY = rule_pass("simplify", FOLDING, CONTROL, IDENTITIES, WHOLES, CANONICAL, STACKS, MOVEMENT, PARTS, INDEXING)
"""Constants are folded, what changes nothing goes, and what recognition looks for is spelled in one way."""

RECOGNISE = rule_pass("recognise", BLOCKS, ACTIVATIONS, NORMS, LENGTHS, CELLS, LAST_STEP)
"""Ops that the source spells out in several nodes are found again."""

FOLD_AFFINE = rule_pass("fold_affine", LINEAR, PARALLEL, AFFINE)
"""Batch norms, scales and shifts go into the convolutions and fully connected layers around them, or merge with one another."""

MAKE_FULLY_CONNECTED = rule_pass("fully_connected", FULLY_CONNECTED)
"""Products with constant matrices become fully connected layers."""

ORDER_CHANNELS = rule_pass("order_channels", CHANNEL_ORDER, REVERSED_CHANNELS)
"""Pixel shuffles take the order of channels that all targets know, and reversals of channels go, where a convolution can provide it."""

KEEP_QUANTIZATION = rule_pass("keep_quantization", FOLDING, IDENTITIES, QUANTIZATION)
"""What the source quantizes is rounded by an op of its own."""

SPELL_OUT_QUANTIZATION = rule_pass("spell_out_quantization", SPELLED_OUT)
"""What the source quantizes is rounded by arithmetic."""

JOIN_SIBLINGS = rule_pass("join_siblings", SIBLINGS)
"""Convolutions of one tensor with one activation become one."""

JOIN_HEADS = rule_pass("join_heads", HEADS)
"""Layers that bring one tensor to heads of attention become one."""

CLEAN = rule_pass("clean", FOLDING, CONTROL, IDENTITIES, WHOLES, MOVEMENT, PARTS, INDEXING)
"""As `SIMPLIFY`, without undoing what was spelled for a target."""


def source_passes(native: Callable[[Node], bool], first: RuleSet | None = None, *, quantized: bool = False,
                  openvino_layers: Collection[str] = ()) -> tuple[Pass, ...]:
    """The passes for a target that takes the nodes that are `native` as they are; what it lacks is decomposed, by the rules of `first`
    before those of all targets. `quantized`: the target has tensors of small integers for what the source quantizes, and
    `openvino_layers` compute as OpenVINO does."""
    quantization = (*([as_openvino(openvino_layers)] if openvino_layers else []),
                    *((KEEP_QUANTIZATION, REMARK) if quantized else (SPELL_OUT_QUANTIZATION,)))
    return (PRUNE, INFERENCE, RECOGNISE_ROUNDED, PROMOTE_FLOATS, ALIGN_CONCATENATIONS, *quantization, SIMPLIFY, MERGE_EQUAL, RECOGNISE,
            MAKE_FULLY_CONNECTED, FOLD_AFFINE, ORDER_CHANNELS, ROUTE_CHANNELS, JOIN_SIBLINGS, BEST_OF_EACH, decompose(native, first=first),
            CLEAN, FOLD_AFFINE, CLEAN, MERGE_EQUAL, rule_pass("variances", variances(native)), CENTRE, JOIN_HEADS, PRUNE)
