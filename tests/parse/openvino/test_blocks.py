"""Rearrangements between channels, space and batch against OpenVINO."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino.opset1 as op1
import openvino.opset2 as op2
import openvino.opset3 as op3
import pytest

from tests.parse.openvino.harness import Case, agree, case


def i64(*values: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.asarray(values, np.int64)


CASES = [
    *(case(f"DepthToSpace {mode}", lambda x, mode=mode: op1.depth_to_space(x, mode, 2), (2, 12, 3, 5), ops="DepthToSpace")
      for mode in ("blocks_first", "depth_first")),
    case("DepthToSpace 3D", lambda x: op1.depth_to_space(x, "depth_first", 2), (1, 16, 2, 3, 2), ops="DepthToSpace"),
    *(case(f"SpaceToDepth {mode}", lambda x, mode=mode: op1.space_to_depth(x, mode, 3), (2, 2, 3, 6), ops="SpaceToDepth")
      for mode in ("blocks_first", "depth_first")),
    case("ShuffleChannels", lambda x: op3.shuffle_channels(x, 1, 3), (2, 12, 3, 2), ops="Reshape Transpose Reshape"),
    case("ShuffleChannels from the end", lambda x: op3.shuffle_channels(x, -1, 2), (2, 3, 2, 6), ops="Reshape Transpose Reshape"),
    case("ShuffleChannels of one group", lambda x: op3.shuffle_channels(x, 1, 1), (2, 3, 2, 6), ops="Identity"),
    case("SpaceToBatch", lambda x: op2.space_to_batch(x, i64(1, 1, 2, 3), i64(0, 0, 1, 0), i64(0, 0, 0, 2)), (2, 3, 5, 4),
         ops="Pad Reshape Transpose Reshape"),
    case("SpaceToBatch without padding", lambda x: op2.space_to_batch(x, i64(1, 1, 2, 1), i64(0, 0, 0, 0), i64(0, 0, 0, 0)), (2, 3, 4, 4),
         ops="Reshape Transpose Reshape"),
    case("BatchToSpace", lambda x: op2.batch_to_space(x, i64(1, 1, 2, 3), i64(0, 0, 1, 0), i64(0, 0, 0, 2)), (12, 3, 3, 2),
         ops="Reshape Transpose Reshape Slice"),
    case("BatchToSpace of channels too", lambda x: op2.batch_to_space(x, i64(1, 2, 2, 1), i64(0, 0, 0, 0), i64(0, 0, 0, 0)), (8, 3, 3, 2),
         ops="Reshape Transpose Reshape"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees_with_openvino(case: Case, tmp_path: Path) -> None:
    agree(case, tmp_path)
