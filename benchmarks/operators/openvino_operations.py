"""What random cases of OpenVINO's operations are drawn with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import openvino
import openvino.opset13 as op13

from benchmarks.operators.draw import Drawer, Spec

OPERATIONS: dict[str, Drawer] = {}


def ov(*names: str) -> Callable[[Drawer], Drawer]:
    """Registers how cases of a group of operations are drawn."""

    def register(drawer: Drawer) -> Drawer:
        for name in names:
            OPERATIONS[name] = drawer
        return drawer

    return register


def case(
    inputs: list[np.ndarray],
    build: Callable[..., object],
    about: str,
    shapes: Mapping[int, Sequence[int]],
    *,
    always: frozenset[int] = frozenset(),
    bound: Mapping[int, Sequence[int]] | None = None,
    tolerance: float = 1e-4,
) -> Spec:
    """A case of operands and what makes the operation of their nodes; `about` says in words what that is."""
    return Spec(list(inputs), {}, 1, shapes, tolerance, always=always, build=build, about=about, bound=bound or {})


def const(*v: int) -> openvino.Node:
    return op13.constant(np.array(v, np.int64))
