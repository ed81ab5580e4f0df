"""What bisecting finds."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from nchw2nhwc.checking.compare import Rankings, Rounding, TensorError, agree
from nchw2nhwc.checking.layers import LayerErrors

LOADING, EMITTING, DELEGATE = "load", "emit", "XNNPACK"
"""Stages besides the steps of a conversion: the result in LiteRT before it runs, what its operators compute, the same with XNNPACK."""


@dataclass(frozen=True)
class Finding:
    """Where a result begins to differ.

    `stage` is "read" (the parsed graph is wrong already), the name of a pass, "layout", "emit" (the graph is right, the result is not),
    "XNNPACK" (the operators are right, with XNNPACK they are not), "convert" (the graph cannot be converted) or "load" (LiteRT does not
    load or run the result). `op` is the op in the graph of that stage, `layer` and `type` the source's layer that it comes from, `tensor`
    the value that is off, by its name in that graph, and `error` by how much; `reason` says what failed where nothing could be compared.
    """

    stage: str
    op: str
    layer: str
    type: str
    tensor: str = ""
    error: TensorError | None = None
    reason: str = ""


@dataclass(frozen=True)
class Bisection:
    """What bisecting has shown: the errors of the outputs and of the tensors inside, as far as the result runs; where it begins to differ,
    None where it does not or no single op is to blame; the region's fixture, if one was written, and whether the fixture alone shows the
    difference; where nearly equal numbers rank in another order, what rankings read (see `checking.rankings`); and where outputs are off by
    no more than rounding, how much that is (see `checking.rounding`)."""

    outputs: Mapping[str, TensorError]
    layers: LayerErrors | None
    tolerance: float
    finding: Finding | None
    fixture: Path | None = None
    reproduced: bool = False
    rankings: Rankings | None = None
    rounding: Rounding | None = None

    @property
    def relative(self) -> dict[str, float]:
        """The relative error of every output."""
        return {name: error.max_rel for name, error in self.outputs.items()}

    @property
    def passed(self) -> bool:
        """Whether the result loads, runs and agrees."""
        loads = self.finding is None or bool(self.outputs)
        return loads and agree(self.relative, self.tolerance, self.rankings, self.rounding)

    def to_json(self) -> bytes:
        """All but the errors of layers, as UTF-8 JSON; null for what is not finite."""
        finding = None if self.finding is None else asdict(self.finding)
        content = {"passed": self.passed, "tolerance": self.tolerance, "outputs": {n: asdict(e) for n, e in self.outputs.items()},
                   "rankings": None if self.rankings is None else asdict(self.rankings),
                   "rounding": None if self.rounding is None else asdict(self.rounding),
                   "finding": finding, "fixture": None if self.fixture is None else str(self.fixture), "reproduced": self.reproduced}
        return (json.dumps(_plain(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
