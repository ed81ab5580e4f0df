"""Integer programs with 0/1 variables, solved to proven optimality by HiGHS. Knows nothing of graphs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import highspy

_OPTIONS: dict[str, bool | int | float] = {"output_flag": False, "mip_rel_gap": 0.0, "mip_abs_gap": 1e-9, "threads": 1, "random_seed": 0}


@dataclass(frozen=True)
class Solution:
    """`chosen[i]` says whether variable i is 1; `gap` is the relative distance to the proven bound, 0.0 at a proven optimum."""

    chosen: list[bool]
    cost: float
    gap: float


class Program:
    """minimize cost . x subject to lower <= A x <= upper, x in {0, 1}."""

    def __init__(self) -> None:
        self._cost: list[float] = []
        self._starts: list[int] = []
        self._columns: list[int] = []
        self._values: list[float] = []
        self._lower: list[float] = []
        self._upper: list[float] = []

    def variable(self, cost: float) -> int:
        """A new variable; returns its number."""
        self._cost.append(cost)
        return len(self._cost) - 1

    def constrain(self, terms: Iterable[tuple[int, float]], lower: float, upper: float) -> None:
        """lower <= sum of value * variable <= upper."""
        self._starts.append(len(self._columns))
        for column, value in terms:
            self._columns.append(column)
            self._values.append(value)
        self._lower.append(lower)
        self._upper.append(upper)

    @property
    def size(self) -> tuple[int, int]:
        """Numbers of variables and constraints."""
        return len(self._cost), len(self._lower)

    def minimize(self, seconds: float, start: Sequence[bool]) -> Solution:
        """Solve within `seconds` of wall time, from the feasible solution `start`. The best solution found is returned with its gap."""
        import highspy

        columns = len(self._cost)
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = columns, len(self._lower)
        lp.col_cost_ = np.array(self._cost, np.float64)
        lp.col_lower_, lp.col_upper_ = np.zeros(columns), np.ones(columns)
        lp.row_lower_, lp.row_upper_ = np.array(self._lower, np.float64), np.array(self._upper, np.float64)
        lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        lp.a_matrix_.start_ = np.array([*self._starts, len(self._columns)], np.int32)
        lp.a_matrix_.index_ = np.array(self._columns, np.int32)
        lp.a_matrix_.value_ = np.array(self._values, np.float64)
        lp.integrality_ = [highspy.HighsVarType.kInteger] * columns
        solver = _silent_solver()
        for option, value in _OPTIONS.items():
            solver.setOptionValue(option, value)
        solver.setOptionValue("time_limit", seconds)
        solver.passModel(lp)
        known = highspy.HighsSolution()
        known.col_value = list(map(float, start))
        solver.setSolution(known)
        solver.run()
        info = solver.getInfo()
        chosen = [v > 0.5 for v in solver.getSolution().col_value]
        proven = solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
        return Solution(chosen, info.objective_function_value, 0.0 if proven else max(info.mip_gap, 1e-9))


def _silent_solver() -> highspy.Highs:
    """A solver that has printed nothing. From 1.16 on highspy's constructor calls `enableCallbacks`, and the first call prints who made
    HiGHS, so that `output_flag` would come too late behind it."""
    import highspy

    class Silent(highspy.Highs):
        def enableCallbacks(self) -> None:
            self.setOptionValue("output_flag", False)
            super().enableCallbacks()  # type: ignore[no-untyped-call]

    return Silent()  # type: ignore[no-untyped-call]
