"""Classes that networks spell, beam searches and the loss of sequences against OpenVINO."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino.opset1 as op1
import openvino.opset4 as op4
import openvino.opset6 as op6
import pytest

from tests.parse.openvino.harness import Build, Case, Input, agree, case, given

SCORES = Input((7, 2, 4))
MASK = given([[1, 1], [1, 1], [1, 1], [1, 1], [1, 0], [0, 0], [0, 0]], np.float32)
ROWS = Input((3, 8, 4))
LENGTHS = given([8, 5, 1])
LOGITS = Input((2, 6, 5))


def decoded(**attributes: object) -> Build:
    return lambda x, length: op6.ctc_greedy_decoder_seq_len(x, length, **attributes).outputs()  # type: ignore[arg-type]


def tree(dtype: type[np.generic]) -> tuple[Input, Input, Input, Input]:
    """Steps, parents, lengths and the end token of two batch elements of three beams."""
    rng = np.random.default_rng(5)
    steps, parents = rng.integers(0, 6, (5, 2, 3)), rng.integers(0, 3, (5, 2, 3))
    return given(steps, dtype), given(parents, dtype), given([5, 3], dtype), given(0, dtype)


def loss(**attributes: object) -> Build:
    return lambda x, n, labels, m: op4.ctc_loss(x, n, labels, m, np.int32(4), **attributes)  # type: ignore[arg-type]


LABELS, COUNTS = given([[1, 2, 2, 0, 0, 0], [3, 0, 3, 0, 0, 0]]), given([3, 4])

CASES = [
    case("CTCGreedyDecoder", op1.ctc_greedy_decoder, SCORES, MASK),
    case("CTCGreedyDecoder with repetitions", lambda x, m: op1.ctc_greedy_decoder(x, m, False), SCORES, MASK),
    case("CTCGreedyDecoder of one step", op1.ctc_greedy_decoder, (1, 3, 4), given([[1, 1, 0]], np.float32)),
    case("CTCGreedyDecoder of whole sequences", op1.ctc_greedy_decoder, (12, 1, 5), given(np.ones((12, 1)), np.float32)),
    case("CTCGreedyDecoderSeqLen", decoded(), ROWS, LENGTHS),
    case("CTCGreedyDecoderSeqLen with repetitions", decoded(merge_repeated=False), ROWS, LENGTHS),
    case("CTCGreedyDecoderSeqLen with another blank", decoded(blank_index=np.int32(1)), ROWS, LENGTHS),
    case("CTCGreedyDecoderSeqLen of 64 bits", decoded(classes_index_type="i64", sequence_length_type="i64"), ROWS, LENGTHS),
    case("CTCGreedyDecoderSeqLen of mixed types", decoded(classes_index_type="i64", merge_repeated=False), ROWS, LENGTHS),
    case("GatherTree", op1.gather_tree, *tree(np.int32)),
    case("GatherTree of floats", op1.gather_tree, *tree(np.float32)),
    case("GatherTree of one step", op1.gather_tree, given([[[3, 1]]]), given([[[1, 0]]]), given([1]), given(9)),
    case("CTCLoss", loss(), LOGITS, given([6, 5]), LABELS, COUNTS, tolerance=1e-5),
    case("CTCLoss without merging", loss(ctc_merge_repeated=False), LOGITS, given([6, 5]), LABELS, COUNTS, tolerance=1e-5),
    case("CTCLoss of collapsed labels", loss(preprocess_collapse_repeated=True), LOGITS, given([6, 6]), LABELS, COUNTS, tolerance=1e-5),
    case("CTCLoss of unique labels", loss(unique=True), LOGITS, given([6, 6]), LABELS, COUNTS, tolerance=1e-5),
    case("CTCLoss of one step", loss(), (2, 1, 5), given([1, 1]), given([[2], [0]]), given([1, 1]), tolerance=1e-5),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees_with_openvino(case: Case, tmp_path: Path) -> None:
    agree(case, tmp_path)
