"""Errors as tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TextIO

from nchw2nhwc.checking.compare import TensorError
from nchw2nhwc.checking.layers import LayerError, LayerErrors
from nchw2nhwc.debug.check import Comparison
from nchw2nhwc.tables import aligned
from nchw2nhwc.wording import RANDOM_INPUTS

_ERRORS = ("max abs", "max rel", "rms", "cosine")
_SMALLEST = -8
"""Power of ten of a relative error that gets no bar; every higher one makes it longer by a sign."""


def print_comparison(found: Comparison, stream: TextIO, *, random_inputs: bool) -> None:
    """The errors of all outputs, those of the tensors inside, and the verdict."""
    print(*output_rows(found.outputs), sep="\n", file=stream)
    if found.layers is not None:
        print(*layer_rows(found.layers), sep="\n", file=stream)
    samples = f" over {found.samples} samples" if found.samples > 1 else ""
    if found.rankings is not None:
        print(f"\nthe result {found.rankings}", file=stream)
    if found.rounding is not None:
        print(f"\nthe result {found.rounding.of(found.relative, found.tolerance)}", file=stream)
    worst = f"worst error {_number(found.max_rel_error)} ({found.tolerance:g} allowed){samples}"
    if found.min_sqnr is not None:
        worst += f", SQNR {found.sqnr:.1f} dB (or {found.min_sqnr:g} needed)"
    print(f"\ncheck {'passed' if found.passed else 'FAILED'}, {worst}", file=stream)
    if random_inputs and not found.passed:
        print(RANDOM_INPUTS, file=stream)


def output_rows(outputs: Mapping[str, TensorError]) -> list[str]:
    """A line for each output."""
    rows = [("output", *_ERRORS, "worst element")]
    rows += [(name, _number(e.max_abs), _number(e.max_rel), _number(e.rms), f"{e.cosine:.9f}", _index(e.worst))
             for name, e in outputs.items()]
    return aligned(rows)


def layer_rows(errors: LayerErrors) -> list[str]:
    """A line for each tensor inside, with a bar for its relative error, then where the error begins."""
    rows = [("", "tensor", "layer", *_ERRORS, "")]
    rows += [("" if e.max_rel <= errors.tolerance else "!", e.tensor, layer_text(e), _number(e.max_abs), _number(e.max_rel), _number(e.rms),
              f"{e.cosine:.9f}", _bar(e.max_rel)) for e in errors.layers]
    return ["", *aligned(rows), "", _verdict(errors)]


def layer_text(error: LayerError) -> str:
    """The layer of a tensor, with its type."""
    return f"{error.type} '{error.layer}'" if error.layer else error.type


def _verdict(errors: LayerErrors) -> str:
    off: Sequence[LayerError] = errors.off
    if not off:
        return f"all {len(errors.layers)} tensors that both sides have agree"
    if errors.culprit is None:
        return f"the error grows little by little; the first tensor above tolerance is '{off[0].tensor}' of {layer_text(off[0])}"
    return f"the error begins with {layer_text(errors.culprit)}: '{errors.culprit.tensor}' is off, what it is computed from agrees"


def _number(value: float) -> str:
    return f"{value:.1e}" if math.isfinite(value) else "not finite"


def _index(index: tuple[int, ...] | None) -> str:
    return "" if index is None else f"[{', '.join(map(str, index))}]"


def _bar(error: float) -> str:
    power = math.log10(error) if 0 < error < math.inf else -math.inf if error == 0 else 2.0
    return "#" * max(0, min(round(power) - _SMALLEST, 10)) if power > -math.inf else ""
