"""Matrix products: batch factors first, in one order for all; rows, columns and the contracted axis as runs at the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice, product

from nchw2nhwc.layout.families.base import AxisTie, Family, Placement, Signature, View, reshapes, source_placement, source_signature
from nchw2nhwc.layout.prices import ADJOINT_COST, SLIGHT_COST, SPREAD_COST
from nchw2nhwc.layout.tensor import Factor, Frame, Layout, Tensor, axis_of, on_axis, refine, rename, run_of, shift
from nchw2nhwc.ops.matmul import FullyConnected, MatMul
from nchw2nhwc.ops.rules import Contraction

_ORDERS = 4
"""How many inner orders of one axis are combined; a product of more has not paid in any network seen."""


def _without(layout: Layout, *axes: int) -> Layout:
    return tuple(f for f in layout if axis_of(f) not in axes)


class ContractionFamily(Family[Contraction]):
    """FullyConnected (constant weights, whose rows and columns follow) and MatMul."""

    def ties(self, view: View[Contraction]) -> Iterator[AxisTie]:
        x, w, out = view.ins[0], view.ins[1], view.out
        if isinstance(view.op, FullyConnected):
            if not view.op.keep_num_dims:
                return
            yield (x, x.rank - 1), (w, 1)
            yield from (((out, out.rank - 1), (t, 0)) for t in view.ins[1:])
            yield from (((x, a), (out, a)) for a in range(x.rank - 1))
            return
        m = _Axes(view)
        yield (x, m.a_rows), (out, out.rank - 2)
        yield (x, m.a_inner), (w, m.b_inner)
        yield (w, m.b_columns), (out, out.rank - 1)
        for operand in (x, w):
            for a in range(operand.rank - 2):
                if operand.shape[a] == out.shape[a + out.rank - operand.rank]:
                    yield (operand, a), (out, a + out.rank - operand.rank)

    def signatures(self, view: View[Contraction]) -> Iterable[Signature]:
        if isinstance(view.op, FullyConnected):
            return self._fully_connected(view) if view.op.keep_num_dims else (source_signature(view),)
        return self._matmul(view)

    def _fully_connected(self, view: View[Contraction]) -> Iterator[Signature]:
        x, w, out = view.ins[0], view.ins[1], view.out
        k, m = x.rank - 1, out.rank - 1
        seen = [(_without(la, k), run_of(la, k), out.axis(m)) for la in x.candidates]
        seen += [(_without(la, m), x.axis(k), run_of(la, m)) for la in out.candidates]
        leads, inners, lasts = ({s[i]: None for s in seen} for i in range(3))
        for lead, inner, last in product(leads, islice(inners, _ORDERS), islice(lasts, _ORDERS)):
            weights = (*(on_axis(f, 0) for f in last), *(on_axis(f, 1) for f in inner))
            bias = tuple(tuple(on_axis(f, 0) for f in last) for _ in view.ins[2:])
            yield Signature((lead + inner, weights, *bias), (lead + last,))
        assert w.fixed, "fully connected weights are constant"

    def _matmul(self, view: View[Contraction]) -> Iterator[Signature]:
        a, b, out, m = view.ins[0], view.ins[1], view.out, _Axes(view)
        rows, columns = out.rank - 2, out.rank - 1
        batches: dict[Layout, None] = {}
        for tensor in (a, b, out):
            d = out.rank - tensor.rank
            for layout in () if tensor.fixed else tensor.candidates:
                lifted = tuple(shift(f, d) for f in layout if axis_of(f) < tensor.rank - 2)
                if len(lifted) == sum(len(out.axis(k)) for k in range(rows)):
                    batches[lifted] = None
        heads_first = out.order([*range(rows)[-1:], *range(rows)[:-1]])
        for order in (heads_first, out.order(range(rows))):
            batches.setdefault(order)

        def orders(*places: tuple[Tensor, int]) -> Iterable[tuple[int, ...]]:
            found = {tuple(f & 255 for f in run_of(la, axis)): None for t, axis in places if not t.fixed for la in t.candidates}
            found.setdefault(tuple(range(len(places[0][0].axis(places[0][1])))))
            return islice(found, _ORDERS)

        def run(axis: int, order: tuple[int, ...]) -> Layout:
            return tuple(axis << 8 | k for k in order)

        inner, lines = orders((a, m.a_inner), (b, m.b_inner)), orders((a, m.a_rows), (out, rows))
        for batch, ks, ms, ns in product(batches, inner, lines, orders((b, m.b_columns), (out, columns))):
            ba, bb = (_restricted(batch, out, t) for t in (a, b))
            spread = SPREAD_COST * (batch != heads_first)
            am, ak, bk, bn = run(m.a_rows, ms), run(m.a_inner, ks), run(m.b_inner, ks), run(m.b_columns, ns)
            om, on = run(rows, ms), run(columns, ns)
            # The result transposed is the product of the transposed operands in the other order.
            for la, lb in product((am + ak, ak + am), (bk + bn, bn + bk)):
                cost = self._cost(view, adjoint_a=bool(am and ak and la == ak + am), adjoint_b=bool(bk and bn and lb == bn + bk))
                yield Signature((ba + la, bb + lb), (batch + om + on,), cost + spread)
                if om and on:
                    cost = self._cost(view, adjoint_a=bool(bk and bn and lb == bk + bn), adjoint_b=bool(am and ak and la == am + ak))
                    yield Signature((ba + la, bb + lb), (batch + on + om,), cost + spread)

    @staticmethod
    def _cost(view: View[Contraction], *, adjoint_a: bool, adjoint_b: bool) -> float:
        """Price of adjoint flags; the right operand's is what kernels support best."""
        weight = view.numbers.weight
        size = 1
        for d in view.ins[0].shape:
            size *= weight(d)
        return size * ADJOINT_COST * adjoint_a + SLIGHT_COST * adjoint_b

    # ---- on stored tensors -------------------------------------------------------------------------------------------
    def place(self, view: View[Contraction], signature: Signature, actual: Sequence[Frame | None],
              wish: Sequence[Frame | None]) -> Placement:
        if isinstance(view.op, FullyConnected):
            if not view.op.keep_num_dims:  # its operand is flattened in the source's order
                return source_placement(view, view.op)
            return self._place_fully_connected(view, view.op, signature, actual, wish)
        return self._place_matmul(view, signature, actual, wish)

    @staticmethod
    def _place_fully_connected(view: View[Contraction], op: FullyConnected, signature: Signature, actual: Sequence[Frame | None],
                               wish: Sequence[Frame | None]) -> Placement:
        x, out = view.x, view.out
        inner = set(x.axis(x.rank - 1))
        last = run_of(signature.outs[0], out.rank - 1)
        frame = refine(actual[0] or x.plain_frame(signature.ins[0]), inner)
        split = next((k for k, g in enumerate(frame) if g and g[0] in inner), len(frame))
        lead, rest = frame[:split], frame[split:]
        if not rest and inner == set():
            lead, rest = (lead[:-1], lead[-1:]) if lead and not lead[-1] else (lead, ((),))
            frame = (*lead, *rest)
        if actual[0] is None:
            rest = (tuple(f for g in rest for f in g),)
            frame = (*lead, *rest)
        flat_result: Frame = (tuple(f for g in lead for f in g), last)
        kept_result: Frame = (*lead, last)
        shape = None if wish[0] is None else out.stored_shape(wish[0])
        keep = len(rest) == 1 and len(lead) >= 1 and (shape is None or shape != out.stored_shape(flat_result) or len(kept_result) == 2)
        weights: Frame = (run_of(signature.ins[1], 0), run_of(signature.ins[1], 1))
        bias = tuple((la,) for la in signature.ins[2:])
        return Placement(replace(op, keep_num_dims=keep), (frame, weights, *bias), (kept_result if keep else flat_result,))

    def _place_matmul(self, view: View[Contraction], signature: Signature, actual: Sequence[Frame | None],
                      wish: Sequence[Frame | None]) -> Placement:
        a, b, out, m = view.ins[0], view.ins[1], view.out, _Axes(view)
        rows, columns = out.rank - 2, out.rank - 1
        (la, lb), lo = signature.ins[:2], signature.outs[0]
        flipped = bool(run_of(lo, rows) and run_of(lo, columns)) and axis_of(lo[-1]) == rows
        adjoint_a = _swapped(la, m.a_rows, m.a_inner)
        adjoint_b = _swapped(lb, m.b_inner, m.b_columns)
        parts = ((a, run_of(la, m.a_inner), run_of(la, m.a_rows)) if adjoint_a else (a, run_of(la, m.a_rows), run_of(la, m.a_inner)),
                 (b, run_of(lb, m.b_columns), run_of(lb, m.b_inner)) if adjoint_b else (b, run_of(lb, m.b_inner), run_of(lb, m.b_columns)))
        result = (run_of(lo, columns), run_of(lo, rows)) if flipped else (run_of(lo, rows), run_of(lo, columns))
        batch = self._batch(view, signature, actual, wish)
        frames = tuple((*_batch_frame(batch, out, t), *tail) for t, *tail in parts)
        op = MatMul(adjoint_a, adjoint_b)
        if flipped:
            # (A B)^T = B^T A^T: the operands change places and both flags turn around.
            return Placement(MatMul(not adjoint_b, not adjoint_a), frames, ((*batch, *result),), operands=(1, 0))
        return Placement(op, frames, ((*batch, *result),))

    @staticmethod
    def _batch(view: View[Contraction], signature: Signature, actual: Sequence[Frame | None], wish: Sequence[Frame | None]) -> Frame:
        """The stored batch axes of the result, in its factor names: what suits most of what is given."""
        out = view.out
        rows = out.rank - 2
        whole = tuple(f for f in signature.outs[0] if axis_of(f) < rows)
        names = [{f: shift(f, t.rank - out.rank) for f in _restricted_factors(out, t)} for t in view.ins[:2]]
        options: list[Frame] = []
        for t, known, have in zip(view.ins, names, actual):
            if have is not None and len(known) == len(whole):
                options.append(rename(_leading(have, t.rank - 2), {v: k for k, v in known.items()}))
        if wish[0] is not None:
            options.append(_leading(wish[0], rows))
        options += [tuple(out.axis(k) for k in range(rows)) if out.order(range(rows)) == whole else (whole,), (whole,) if whole else ()]
        for known in names:
            options = [refine(o, known.keys()) for o in options]
        options = [o for o in options if tuple(f for g in o for f in g) == whole]

        def price(batch: Frame) -> int:
            leads = [_batch_frame(batch, out, t) for t in view.ins[:2]]
            have = [None if h is None else _leading(h, t.rank - 2) for t, h in zip(view.ins, actual)]
            return reshapes(view.ins[:2], leads, have) + max(0, len(batch) - 3)

        return min(options, key=price)


class _Axes:
    """Which axes of a MatMul's operands are rows, columns and the contracted one."""

    def __init__(self, view: View[Contraction]) -> None:
        op = view.op
        assert isinstance(op, MatMul)
        a, b = view.ins[0].rank, view.ins[1].rank
        self.a_rows, self.a_inner = (a - 1, a - 2) if op.adjoint_a else (a - 2, a - 1)
        self.b_inner, self.b_columns = (b - 1, b - 2) if op.adjoint_b else (b - 2, b - 1)


def _swapped(layout: Layout, first: int, second: int) -> bool:
    """Whether the run of axis `second` is stored before that of `first`."""
    tail = [axis_of(f) for f in layout if axis_of(f) in (first, second)]
    return len(set(tail)) == 2 and tail[0] == second


def _restricted_factors(out: Tensor, operand: Tensor) -> set[Factor]:
    """Batch factors of the result that the operand has too."""
    d = out.rank - operand.rank
    return {f for k in range(d, out.rank - 2) if operand.shape[k - d] != 1 for f in out.axis(k)}


def _restricted(batch: Layout, out: Tensor, operand: Tensor) -> Layout:
    known = _restricted_factors(out, operand)
    return tuple(shift(f, operand.rank - out.rank) for f in batch if f in known)


def _batch_frame(batch: Frame, out: Tensor, operand: Tensor) -> Frame:
    known = _restricted_factors(out, operand)
    return rename(batch, {f: shift(f, operand.rank - out.rank) for f in known})


def _leading(frame: Frame, axes: int) -> Frame:
    """The stored axes of a frame that hold only axes below `axes`, without trailing ones of size 1 that belong to the matrix."""
    lead = refine(frame, {f for g in frame for f in g if axis_of(f) < axes})
    last = max((k for k, g in enumerate(lead) if g and axis_of(g[0]) < axes), default=-1)
    return tuple(g for g in lead[: last + 1] if not g or axis_of(g[0]) < axes)
