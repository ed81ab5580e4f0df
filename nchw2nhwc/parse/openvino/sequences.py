"""Ops on sequences: what a network's classes spell, and the paths of a beam search."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.errors import SourceError
from nchw2nhwc.ir import DType, TensorType, Value
from nchw2nhwc.ops.base import require_shape, static
from nchw2nhwc.ops.control import Loop
from nchw2nhwc.ops.reduce import ArgMax, CumSum
from nchw2nhwc.parse.body import INT64, Body, add_loop, turned
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.formula import Formula
from nchw2nhwc.parse.openvino.common import one_int
from nchw2nhwc.parse.openvino.registry import Results, mapping

I32 = np.dtype(np.int32)


# ---- connectionist temporal classification --------------------------------------------------------------------------------
@mapping("CTCGreedyDecoder", 1)
def ctc_greedy_decoder(b: Builder, scores: Value, mask: Value, *, ctc_merge_repeated: bool = True) -> Results:
    """The best class of each step of (steps, N, classes) without blanks, the last class, as (N, steps, 1, 1), then -1. A sequence ends
    where its mask (steps, N) is 0 for the first time."""
    reason = f"scores {scores.type} and mask {mask.type} are not those of sequences"
    if scores.rank != 3:
        raise SourceError(reason)
    require_shape(reason, mask.shape, scores.shape[:2])
    steps, batch, classes = scores.shape
    ended = Formula(b, mask).equals(0).cast(I32).apply(CumSum(0))
    best = Formula(b, scores).apply(ArgMax(2, False, dtype=I32)).transpose(1, 0)
    found, _ = _spelled(best, ended.equals(0).transpose(1, 0), static(classes, "the number of classes") - 1, ctc_merge_repeated)
    return found.cast(scores.type.dtype).reshape(batch, steps, 1, 1).value


@mapping("CTCGreedyDecoderSeqLen", 6)
def ctc_greedy_decoder_seq_len(b: Builder, scores: Value, lengths: Value, blank_index: Value | None = None, *, merge_repeated: bool = True,
                               classes_index_type: DType = I32, sequence_length_type: DType = I32) -> Results:
    """The same of (N, steps, classes), as (N, steps), with the lengths of the sequences given, and those of the results."""
    reason = f"scores {scores.type} and lengths {lengths.type} are not those of sequences"
    if scores.rank != 3:
        raise SourceError(reason)
    require_shape(reason, lengths.shape, scores.shape[:1])
    batch, steps, classes = scores.shape
    blank = static(classes, "the number of classes") - 1 if blank_index is None else one_int(b, blank_index, "the index of the blank")
    count = static(steps, "the number of steps")
    used = Formula(b, lengths).reshape(batch, 1) > np.arange(count)
    found, kept = _spelled(Formula(b, scores).apply(ArgMax(2, False, dtype=I32)), used, blank, merge_repeated)
    return found.cast(classes_index_type).value, kept.cast(I32).sum(1).cast(sequence_length_type).value


def _spelled(best: Formula, used: Formula, blank: int, merge: bool) -> tuple[Formula, Formula]:
    """Classes (N, steps) that count, in front, then -1; and which ones count."""
    count = static(best.shape[1], "the number of steps")
    kept = used & best.differs(blank)
    if merge:
        before = best.take(np.maximum(np.arange(count) - 1, 0), 1)
        first = np.arange(count)[None] == 0
        repeated = best.equals(before) & Formula(best.b, best.b.const(~first))
        kept = kept & ~repeated
    return in_front(kept, best, -1), kept


def in_front(kept: Formula, x: Formula, otherwise: float) -> Formula:
    """The elements of each row (N, steps) that are kept, in their order, and then `otherwise`."""
    count = static(x.shape[1], "the number of elements of a row")
    keys = kept.choose(Formula(x.b, x.b.const(np.arange(count)[None], I32)), count)
    places, order = keys.top(count, 1, largest=False)
    return (places < count).choose(x.take_along(order, 1), otherwise)


# ---- beam search ------------------------------------------------------------------------------------------------------------
@mapping("GatherTree", 1)
def gather_tree(b: Builder, step_ids: Value, parent_ids: Value, max_seq_len: Value, end_token: Value) -> Results:
    """What each beam of (steps, N, beams) spells, followed back from its last step through the beams that it came from; the end token
    from its first one on."""
    if step_ids.rank != 3 or parent_ids.type != step_ids.type or max_seq_len.shape != step_ids.shape[1:2]:
        raise SourceError(f"steps {step_ids.type}, parents {parent_ids.type} and lengths {max_seq_len.type} are not those of beams")
    steps, batch, beams = (static(s, "the number of steps, of batch elements and of beams") for s in step_ids.shape)
    end = Formula(b, end_token).reshape(1, 1, 1)
    body = Body(b.graph.unique_name("steps"), b.graph.source)
    inner = Builder(body.graph)
    inner.origin = b.origin
    number = Formula(inner, body.graph.add_input("number", TensorType(INT64)))
    beam = Formula(inner, body.graph.add_input("beam", TensorType(I32, (batch, beams))))
    step = steps - 1 - number
    words, parents, lengths, ends = (Formula(inner, body.take(v)) for v in (step_ids, parent_ids, max_seq_len, end.value))
    reached = lengths.cast(I32).reshape(batch, 1) > step.cast(I32)
    word = reached.choose(words.take(step).take_along(beam, 1), ends.reshape(1, 1))
    parent = reached.choose(parents.take(step).take_along(beam, 1).cast(I32), beam)
    body.returns([parent.value, word.reshape(1, batch, beams).value])
    first = b.const(np.tile(np.arange(beams), (batch, 1)), I32)
    _, backwards = add_loop(b, body, Loop(body.graph, 1, steps, (0,)), [first])
    found = Formula(b, turned(b, backwards, 0))
    ended = found.equals(end).cast(I32).apply(CumSum(0)) > 0
    return ended.choose(end, found).value
