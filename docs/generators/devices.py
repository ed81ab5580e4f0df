"""What devices run, from the tables that files are judged by."""

from __future__ import annotations

from docs.generators.markdown import cell, code, table
from nchw2nhwc.targets import TABLES, Target
from nchw2nhwc.targets.table import Row


def devices() -> str:
    """All devices with their sources."""
    return table(("`--target`", "device", "what it does not run", "source"),
                 [(code(t.name), cell(t.title), cell(t.without), cell("; ".join(t.sources))) for t in TABLES.values()])


def rows(name: str) -> str:
    """What one device runs."""
    target = TABLES[name]
    lines = [(", ".join(map(code, codes)), cell(versions), cell(types), cell(needs), cell(source))
             for (versions, types, needs, source), codes in _grouped(target).items()]
    general = "; ".join(need.text for need in target.needs)
    text = f"All of it: {general}.\n\n" if general else ""
    return f"{target.notes}\n\n{text}" + table(("operators", "versions", "computed elements", "needs", "source"), lines)


def _grouped(target: Target) -> dict[tuple[str, str, str, str], list[str]]:
    """Operators by what is said of them."""
    found: dict[tuple[str, str, str, str], list[str]] = {}
    for row in target.rows.values():
        found.setdefault(_said(target, row), []).append(row.code)
    return found


def _said(target: Target, row: Row) -> tuple[str, str, str, str]:
    return (f"up to {row.version}" if row.version else "all", ", ".join(row.types or target.types),
            "; ".join(need.text for need in row.needs), row.source)
