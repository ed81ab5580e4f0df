"""What the table of a device says: which operators it runs, in which versions, for which element types and under which conditions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from nchw2nhwc.ir import DType
from nchw2nhwc.targets.site import Site


@dataclass(frozen=True)
class Need:
    """A condition in words ("at most 4 axes"), and whether an operator meets it."""

    text: str
    met: Callable[[Site], bool]


@dataclass(frozen=True)
class Row:
    """An operator that a device runs. `types`: element types of computed operands and of results (those of the device if empty);
    `version`: the highest version, 0 if that is not looked at; `source`: where this is said."""

    code: str
    types: tuple[str, ...] = ()
    version: int = 0
    needs: tuple[Need, ...] = ()
    source: str = ""


@dataclass(frozen=True)
class Target:
    """A device. `types` and `needs` are those of all its operators, `without` says what becomes of one that it does not run, `sources`
    where its facts are from, with version or date, and `notes` what they hold for. `quantized`: float32 tensors are
    judged as the int8 ones that full quantization makes of them."""

    name: str
    title: str
    types: tuple[str, ...]
    rows: Mapping[str, Row]
    without: str
    sources: tuple[str, ...]
    needs: tuple[Need, ...] = ()
    notes: str = ""
    quantized: bool = False

    def refusal(self, site: Site) -> str:
        """Why the device does not run an operator; "" if it does."""
        row = self.rows.get(site.operator.code)
        if row is None:
            return f"{self.title} has no {site.operator.code}"
        return next(self._reasons(site, row), "")

    def computes(self, code: str, dtype: DType) -> bool:
        """Whether the device has an operator for an element type: float32 on a device of integers is what quantization makes int8."""
        row = self.rows.get(code)
        return row is not None and ("int8" if dtype.name == "float32" and self.quantized else dtype.name) in (row.types or self.types)

    def _reasons(self, site: Site, row: Row) -> Iterator[str]:
        if row.version and site.operator.version > row.version:
            yield f"version {site.operator.version}; {self.title} has {row.code} up to {row.version}"
        allowed = row.types or self.types
        found = {t.dtype.name for t in (*site.computed, *site.results)}
        wrong = sorted({"int8" if name == "float32" and self.quantized else name for name in found} - set(allowed))
        if wrong:
            yield f"it computes {' and '.join(wrong)}; {self.title} has {row.code} of {', '.join(allowed)}"
        yield from (f"{self.title} needs {need.text}" for need in (*self.needs, *row.needs) if not need.met(site))


def rows(codes: str, *, types: str = "", version: int = 0, needs: Sequence[Need] = (), source: str) -> dict[str, Row]:
    """Rows of operators (separated by spaces) that one sentence of a source is about."""
    return {code: Row(code, tuple(types.split()), version, tuple(needs), source) for code in codes.split()}
