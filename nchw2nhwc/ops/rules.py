"""What an op does to layouts, as data. `nchw2nhwc.layout` gives these their meaning; an op only says which one it obeys.

A *layout* of a value is an order of its axes' factors (see docs). A rule offers, for one op instance, the combinations of operand and
result layouts under which the op can be carried out by moving no data.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """Base of all rules."""


@dataclass(frozen=True)
class Elementwise(Rule):
    """Any number of operands with numpy broadcasting: one layout for all, each operand's is the restriction to what it has."""


@dataclass(frozen=True)
class Spatial(Rule):
    """Windowed ops over (N, C, spatial...): data is stored channels-last with every axis whole.

    `operands[i]` says how operand i is stored: "data" (N, spatial..., C), "filter" ((O, I, spatial...) as (O, spatial..., I)),
    "filter_transposed" ((I, O, spatial...) as (O, spatial..., I)) or "same" (as in the source). Operands past the end are "same".
    The op has a `channels_last: bool` attribute that says which of the two forms it is in.
    """

    operands: tuple[str, ...] = ("data",)


@dataclass(frozen=True)
class Along(Rule):
    """Ops that treat some axes specially (`Op.special_axes`): those are stored whole and in order, all others in any order, the
    same one for all data operands and results. `data` is how many leading operands are data (None: all); others are "same".
    `last`: the axis, of which there is one, is stored last.
    """

    data: int | None = 1
    last: bool = False


@dataclass(frozen=True)
class Reduction(Rule):
    """Ops that reduce `axes` of operand 0 away (attributes `axes` and `keepdims`): any layout in, what is left comes out.

    `whole`: the reduced axes are stored whole and in order, because positions along them matter (argmax).
    """

    whole: bool = False


@dataclass(frozen=True)
class Normalization(Rule):
    """Ops that normalise operand 0 over its `axes`: any layout, the same one in and out."""


@dataclass(frozen=True)
class Last(Rule):
    """Ops along one `axis` that must be stored last, its factors in any inner order (softmax)."""


@dataclass(frozen=True)
class Rename(Rule):
    """Reshape and Transpose: move nothing, only rename factors."""


@dataclass(frozen=True)
class Broadcast(Rule):
    """Expand: axes that the operand lacks may be stored at any position."""


@dataclass(frozen=True)
class Contraction(Rule):
    """MatMul: batch factors first, in one order for all; M, K and N runs last; adjoint flags swap the last two."""


@dataclass(frozen=True)
class GatherAxis(Rule):
    """Gather along `axis`: the axis whole, the rest in any order; a single index may take its axis from any position."""


@dataclass(frozen=True)
class Recurrence(Rule):
    """Recurrent layers: steps and batch in either order (attribute `batch_first`), the batch's and the features' factors each in any inner
    order (the weights' columns follow the features); units whole and in order.

    Operands are the sequence, its weights (gates, features), the recurrent weights, the biases, and initial states (batch, units); results
    the sequence of hidden states, and states.
    """


@dataclass(frozen=True)
class SourceOrder(Rule):
    """No better signature is known: operands and results as in the source."""
