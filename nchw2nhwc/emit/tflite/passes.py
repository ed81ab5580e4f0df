"""What is done to a stored graph, whose layouts are fixed, before it becomes TFLite."""

from __future__ import annotations

from nchw2nhwc.emit.tflite.batches import CHOOSE_BATCHES
from nchw2nhwc.emit.tflite.constants import Pool
from nchw2nhwc.emit.tflite.rows_in_blocks import ROWS_IN_BLOCKS
from nchw2nhwc.emit.tflite.rules_activation import ACTIVATION
from nchw2nhwc.emit.tflite.rules_between_views import BETWEEN_VIEWS
from nchw2nhwc.emit.tflite.rules_blocks import BLOCKS
from nchw2nhwc.emit.tflite.rules_chains import CHAINS
from nchw2nhwc.emit.tflite.rules_masks import MASKS
from nchw2nhwc.emit.tflite.rules_merging import MERGING
from nchw2nhwc.emit.tflite.rules_moves import MOVES
from nchw2nhwc.emit.tflite.rules_padding import PADDING
from nchw2nhwc.emit.tflite.rules_parts import PARTS_ALIKE
from nchw2nhwc.emit.tflite.rules_picked_layers import PICKED_LAYERS
from nchw2nhwc.emit.tflite.rules_picks import PICKS
from nchw2nhwc.emit.tflite.rules_quantized import QUANTIZED
from nchw2nhwc.emit.tflite.rules_rank import RANK
from nchw2nhwc.emit.tflite.rules_rolls import ROLLS
from nchw2nhwc.emit.tflite.rules_views import VIEWS
from nchw2nhwc.ir import DType, Graph, Shape, Value
from nchw2nhwc.ops.movement import Concat
from nchw2nhwc.passes import Pass
from nchw2nhwc.passes.constants import MERGE_EQUAL
from nchw2nhwc.passes.movement import MOVEMENT
from nchw2nhwc.passes.rewrite import rule_pass


def _share_constants(graph: Graph) -> int:
    pool, first, count = Pool(), dict[tuple[int, DType, Shape], Value](), 0
    for value in [v for v in graph.values() if v.is_const]:
        assert value.const is not None
        same = first.setdefault((pool.add(value.const), value.type.dtype, value.shape), value)
        if same is not value and not graph.is_output(value):
            graph.replace_uses(value, same)
            count += 1
    return count


SHARE_CONSTANTS = Pass("share_constants", _share_constants)
"""Constants of one type and content become one."""


def _nest_concats(graph: Graph) -> int:
    made: dict[tuple[int, tuple[Value | None, ...]], Value] = {}
    count = 0
    for node in graph.nodes:
        if not isinstance(node.op, Concat):
            continue
        axis, parts = node.op.axis, node.inputs
        known = next((n for n in range(len(parts) - 1, 1, -1) if (axis, parts[:n]) in made), 0)
        if known:
            node.set_inputs((made[axis, parts[:known]], *parts[known:]))
            count += 1
        made[axis, parts] = node.output
    return count


NEST_CONCATS = Pass("nest_concats", _nest_concats)
"""A Concat that starts with all that another one has put together takes that one's result instead: XNNPACK takes at most 5 operands."""


def target_passes(*, blocks: bool = True, gathers: bool = True) -> tuple[Pass, ...]:
    """The passes for a stored graph, in their order. `blocks`: the device has both kernels that move blocks of images. `gathers`: GATHER,
    of any indices, is among its kernels, and as fast as others that move data."""
    moves = [BLOCKS, MERGING] if blocks else []
    gathered = [ROLLS, CHAINS, PICKED_LAYERS] if gathers else []
    return (rule_pass("tidy", MOVEMENT), rule_pass("exact_masks", MASKS), rule_pass("fuse_activations", ACTIVATION),
            rule_pass("explicit_padding", PADDING), rule_pass("move_blocks", *moves, MOVEMENT), rule_pass("lower_rank", RANK),
            rule_pass("join_views", VIEWS, BETWEEN_VIEWS, PICKS, MOVEMENT), ROWS_IN_BLOCKS, CHOOSE_BATCHES,
            rule_pass("join_views_again", VIEWS, MOVES, MOVEMENT, PARTS_ALIKE, *gathered),
            SHARE_CONSTANTS, MERGE_EQUAL, rule_pass("lift_quantization", QUANTIZED), MERGE_EQUAL,
            rule_pass("lift_quantization_again", QUANTIZED), MERGE_EQUAL, NEST_CONCATS)
