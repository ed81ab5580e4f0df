"""Ops that the source spells out in several nodes, found again."""

from __future__ import annotations

from nchw2nhwc.passes.recognise.activations import ACTIVATIONS, ROUNDED
from nchw2nhwc.passes.recognise.blocks import BLOCKS
from nchw2nhwc.passes.recognise.cells import CELLS
from nchw2nhwc.passes.recognise.lengths import LENGTHS
from nchw2nhwc.passes.recognise.norms import NORMS
from nchw2nhwc.passes.recognise.recurrent import LAST_STEP
from nchw2nhwc.passes.recognise.stacks import STACKS

__all__ = ["ACTIVATIONS", "BLOCKS", "CELLS", "LAST_STEP", "LENGTHS", "NORMS", "ROUNDED", "STACKS"]
