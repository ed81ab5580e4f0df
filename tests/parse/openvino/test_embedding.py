"""Rows put together by bag and by segment against OpenVINO."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino.opset3 as op3
import openvino.opset15 as op15
import openvino.opset16 as op16
import pytest

from tests.parse.openvino.harness import Case, Input, agree, case, given, i32

TABLE = Input((6, 3))
BAGS = given([[0, 2, 5], [3, 3, 1]])
ROWS, OFFSETS = given([0, 2, 3, 4, 1]), given([0, 2, 2, 4])
WEIGHTS, OF_BAGS = Input((5,), low=0.1), Input((2, 3), low=0.1)
SEGMENTS = given([0, 0, 2, 2, 3])


def i32_of(number: int) -> object:
    return op3.constant(np.int32(number))


CASES = [
    case("EmbeddingBagPackedSum", op3.embedding_bag_packed_sum, TABLE, BAGS),
    case("EmbeddingBagPackedSum with weights", op3.embedding_bag_packed_sum, TABLE, BAGS, OF_BAGS),
    case("EmbeddingBagPackedSum of matrices", op3.embedding_bag_packed_sum, (6, 3, 2), BAGS, OF_BAGS),
    case("EmbeddingBagPacked sum", op15.embedding_bag_packed, TABLE, BAGS),
    case("EmbeddingBagPacked sum with weights", op15.embedding_bag_packed, TABLE, BAGS, OF_BAGS),
    case("EmbeddingBagPacked mean", lambda t, i: op15.embedding_bag_packed(t, i, reduction="mean"), TABLE, BAGS),
    case("EmbeddingBagOffsetsSum", op3.embedding_bag_offsets_sum, TABLE, ROWS, OFFSETS),
    case("EmbeddingBagOffsetsSum with a default", lambda t, i, o: op3.embedding_bag_offsets_sum(t, i, o, i32_of(1)), TABLE, ROWS, OFFSETS),
    case("EmbeddingBagOffsetsSum without a default", lambda t, i, o, w: op3.embedding_bag_offsets_sum(t, i, o, i32_of(-1), w), TABLE, ROWS,
         OFFSETS, WEIGHTS),
    case("EmbeddingBagOffsetsSum with weights", lambda t, i, o, w: op3.embedding_bag_offsets_sum(t, i, o, i32_of(0), w), TABLE, ROWS,
         OFFSETS, WEIGHTS),
    case("EmbeddingBagOffsetsSum of matrices", op3.embedding_bag_offsets_sum, (6, 3, 2), ROWS, OFFSETS),
    case("EmbeddingBagOffsets sum", op15.embedding_bag_offsets, TABLE, ROWS, OFFSETS),
    case("EmbeddingBagOffsets mean", lambda t, i, o: op15.embedding_bag_offsets(t, i, o, reduction="mean"), TABLE, ROWS, OFFSETS),
    case("EmbeddingBagOffsets mean with a default",
         lambda t, i, o: op15.embedding_bag_offsets(t, i, o, np.int32(2), reduction="mean"), TABLE,
         ROWS, OFFSETS),
    case("EmbeddingBagOffsets sum with weights", lambda t, i, o, w: op15.embedding_bag_offsets(t, i, o, np.int32(-1), w), TABLE, ROWS,
         OFFSETS, WEIGHTS),
    case("EmbeddingSegmentsSum", lambda t, i, s: op3.embedding_segments_sum(t, i, s, np.int32(5)), TABLE, ROWS, SEGMENTS),
    case("EmbeddingSegmentsSum with a default", lambda t, i, s: op3.embedding_segments_sum(t, i, s, np.int32(4), np.int32(2)), TABLE, ROWS,
         SEGMENTS),
    case("EmbeddingSegmentsSum with weights", lambda t, i, s, w: op3.embedding_segments_sum(t, i, s, np.int32(4), np.int32(0), w), TABLE,
         ROWS, SEGMENTS, WEIGHTS),
    case("EmbeddingSegmentsSum of matrices", lambda t, i, s: op3.embedding_segments_sum(t, i, s, np.int32(4)), (6, 3, 2), ROWS, SEGMENTS),
    case("SegmentMax of zeros", lambda x, s: op16.segment_max(x, s, np.int64(5), fill_mode="ZERO"), (5, 3), SEGMENTS),
    case("SegmentMax of the lowest", lambda x, s: op16.segment_max(x, s, np.int64(5), fill_mode="LOWEST"), (5, 3), SEGMENTS),
    case("SegmentMax of integers", lambda x, s: op16.segment_max(x, s, np.int64(4), fill_mode="ZERO"), i32(5), SEGMENTS),
    case("SegmentMax of known segments", lambda x: op16.segment_max(x, np.array([0, 1, 1, 3]), fill_mode="LOWEST"), (4, 2, 3)),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees_with_openvino(case: Case, tmp_path: Path) -> None:
    agree(case, tmp_path)
