"""The OpenVINO cases of all families of ops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.parse.openvino import (
    test_activations,
    test_arithmetic,
    test_blocks,
    test_colors,
    test_control,
    test_convolution,
    test_detection,
    test_detectron,
    test_embedding,
    test_indexing,
    test_matmul,
    test_movement,
    test_multiclass,
    test_narrow,
    test_normalization,
    test_pooling,
    test_positions,
    test_proposals,
    test_recurrent,
    test_reduction,
    test_regions,
    test_resize,
    test_rotated,
    test_sampling,
    test_sequences,
    test_shapes,
    test_signal,
    test_slicing,
)
from tests.parse.openvino.harness import Case

FAMILIES: Mapping[str, Sequence[Case]] = {
    module.__name__.rpartition(".test_")[2]: module.CASES
    for module in (test_activations, test_arithmetic, test_blocks, test_colors, test_control, test_convolution, test_detection,
                   test_detectron, test_embedding, test_indexing, test_matmul, test_movement, test_multiclass, test_narrow,
                   test_normalization, test_pooling, test_positions, test_proposals, test_recurrent, test_reduction, test_regions,
                   test_resize, test_rotated, test_sampling, test_sequences, test_shapes, test_signal, test_slicing)
}
"""What the test files of this folder compare with OpenVINO, by their names."""
