"""The loss of connectionist temporal classification."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.errors import SourceError
from nchw2nhwc.ir import DType, TensorType, Value
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.control import Loop
from nchw2nhwc.ops.elementwise import Log
from nchw2nhwc.ops.movement import Concat, Pad
from nchw2nhwc.ops.reduce import LogSoftmax
from nchw2nhwc.parse.body import INT64, Body, add_loop
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.formula import Formula
from nchw2nhwc.parse.openvino.common import one_int
from nchw2nhwc.parse.openvino.registry import Results, mapping
from nchw2nhwc.parse.openvino.sequences import in_front

I32: DType = np.dtype(np.int32)
NEVER = -1e30
"""The logarithm of a probability of 0: far below all that occur, and finite, so that differences of it are."""


@mapping("CTCLoss", 4)
def ctc_loss(b: Builder, logits: Value, logit_length: Value, labels: Value, label_length: Value, blank_index: Value | None = None, *,
             preprocess_collapse_repeated: bool = False, ctc_merge_repeated: bool = True, unique: bool = False) -> Results:
    """-log of the probability of `labels` (N, steps) under `logits` (N, steps, classes), over all paths that spell them.

    The forward algorithm (A. Graves et al., "Connectionist Temporal Classification", 2006, section 4.1) in logarithms: the states of a
    path are the labels with blanks before, between and behind them."""
    if logits.rank != 3 or labels.shape != logits.shape[:2] or not logit_length.shape == label_length.shape == logits.shape[:1]:
        raise SourceError(f"logits {logits.type} and labels {labels.type} do not fit together")
    batch, steps, classes = (static(s, "the number of sequences, of steps and of classes") for s in logits.shape)
    blank = classes - 1 if blank_index is None else one_int(b, blank_index, "the index of the blank")
    words, count = _targets(Formula(b, labels).cast(I32), Formula(b, label_length).cast(I32).reshape(batch, 1),
                            unique, preprocess_collapse_repeated)
    blanks = Formula(b, b.const(np.full((batch, steps), blank), I32))
    states = 2 * steps + 1
    spelled = Formula(b, b.add1(Pad((0, 0), (0, 1), value=blank), _between(blanks, words).value))
    chances = Formula(b, logits).apply(LogSoftmax(2)).take_along(spelled.reshape(batch, 1, states).expand(batch, steps, states), 2)
    of_step = chances.transpose(1, 0, 2)
    start = (Formula(b, b.const(np.arange(states)[None] < 2))).choose(of_step.take(0), NEVER)
    last = start
    if steps > 1:
        last = _followed(b, of_step, start, spelled, blank, Formula(b, logit_length).cast(I32).reshape(batch, 1), ctc_merge_repeated)
    end = count * 2
    ends = [last.take_along(end, 1), (count > 0).choose(last.take_along((end - 1).at_least(0), 1), NEVER)]
    total = _sum(ends)
    return (total < NEVER / 2).choose(Formula(b, b.const(np.inf, logits.type.dtype)), total * -1).reshape(batch).value


def _between(blanks: Formula, words: Formula) -> Formula:
    """Each word with a blank before it, (N, 2 * words)."""
    batch, steps = (static(s, "the number of steps") for s in words.shape)
    pairs = blanks.b.add1(Concat(2), blanks.reshape(batch, steps, 1).value, words.reshape(batch, steps, 1).value)
    return Formula(blanks.b, pairs).reshape(batch, 2 * steps)


def _targets(labels: Formula, length: Formula, unique: bool, collapse: bool) -> tuple[Formula, Formula]:
    """The labels that are to be spelled, then 0, and their number (N, 1): each one once, or without repetitions."""
    b, steps = labels.b, static(labels.shape[1], "the number of labels")
    places = Formula(b, b.const(np.arange(steps)[None], I32))
    used = places < length
    if unique:
        earlier = labels.reshape(labels.shape[0], steps, 1).equals(labels.reshape(labels.shape[0], 1, steps))
        known = (earlier & Formula(b, b.const(np.tri(steps, k=-1, dtype=np.bool_)[None]))).cast(I32).sum(2) > 0
        used = used & ~known
    elif collapse:
        same = labels.equals(labels.take(np.maximum(np.arange(steps) - 1, 0), 1)) & Formula(b, b.const(np.arange(steps)[None] > 0))
        used = used & ~same
    return in_front(used, labels, 0), used.cast(I32).sum(1, keepdims=True)


def _followed(b: Builder, of_step: Formula, start: Formula, spelled: Formula, blank: int, length: Formula, merge: bool) -> Formula:
    """The logarithms of the probabilities of all states after the last step."""
    steps, _, states = (static(s, "a size") for s in of_step.shape)
    label = Formula(b, b.const(np.arange(states)[None] % 2 == 1))
    # A label may follow the one before it without a blank between if it is another one, or if repetitions are not merged.
    two_back = spelled.take(np.maximum(np.arange(states) - 2, 0), 1)
    skips = label & (spelled.differs(two_back) if merge else spelled.equals(spelled))
    stays = spelled.equals(spelled) if merge else ~label & spelled.equals(spelled)
    body = Body(b.graph.unique_name("steps"), b.graph.source)
    inner = Builder(body.graph)
    inner.origin = b.origin
    number = Formula(inner, body.graph.add_input("number", TensorType(INT64)))
    before = Formula(inner, body.graph.add_input("before", start.value.type))
    chances, skip, stay, end = (Formula(inner, body.take(f.value)) for f in (of_step, skips, stays, length))
    step = number + 1
    one, two = (Formula(inner, inner.add1(Pad((0, k), (0, 0), value=NEVER), before.part(1, 0, states - k).value)) for k in (1, 2))
    after = _sum([stay.choose(before, NEVER), one, skip.choose(two, NEVER)]) + chances.take(step)
    body.returns([(end > step.cast(I32)).choose(after.at_least(NEVER), before).value])
    (last,) = add_loop(b, body, Loop(body.graph, 1, steps - 1), [start.value])
    return Formula(b, last)


def _sum(terms: list[Formula]) -> Formula:
    """log(sum(exp(terms)))."""
    top = terms[0]
    for term in terms[1:]:
        top = top.at_least(term)
    total = (terms[0] - top).exp()
    for term in terms[1:]:
        total = total + (term - top).exp()
    return top + total.apply(Log())
