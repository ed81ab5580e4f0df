"""How long the HTML report takes: to make, and for a browser to draw.

    python benchmarks/html_report.py [--ops N] [--json FILE]

Converts a network of N ops (default 1500) twice, with layers named by module and with flat names, writes the page and opens it in headless
Chromium (Debian's chromium and chromium-driver). Prints per network: ops of source and result, seconds to make the page, its size,
milliseconds from the start of the navigation until both graphs are drawn, and milliseconds to open all modules of both graphs and lay them
out anew. Exit status 1 when drawing takes 3 seconds or more.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import TypedDict

from measure.browser import Browser, browser
from measure.deep import deep_network

from nchw2nhwc import convert

LIMIT_MS = 3000

_OPEN_ALL = """
const buttons = [...document.querySelectorAll('.pane .buttons button')].filter((button) => button.textContent === 'Open');
const start = performance.now();
buttons.forEach((button) => button.click());
document.body.getBoundingClientRect();
return [performance.now() - start, document.querySelectorAll('.node.op').length];
"""


class Row(TypedDict):
    """What was measured for one network."""

    names: str
    source_ops: int
    result_ops: int
    page_seconds: float
    page_bytes: int
    drawn_ms: int
    opened_ms: int
    opened_ops: int


def measured(window: Browser, ops: int, *, modules: bool) -> Row:
    """Convert, write and draw one network."""
    converted = convert(deep_network(ops, modules=modules).SerializeToString())
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        converted.save_html(page)
        window.open(page)
        drawn = window.run("return Number(document.documentElement.dataset.ready)")
        opened = window.run(_OPEN_ALL)
        size = page.stat().st_size
    assert isinstance(drawn, (int, float)), "the page has not been drawn"
    assert isinstance(opened, list)
    report = converted.report
    return {"names": "modules" if modules else "flat", "source_ops": report["ops"]["source"], "result_ops": report["ops"]["result"],
            "page_seconds": report["seconds"]["html"], "page_bytes": size, "drawn_ms": round(drawn), "opened_ms": round(opened[0]),
            "opened_ops": opened[1]}


def main() -> int:
    """Measure both networks."""
    parser = argparse.ArgumentParser(description="How long the HTML report takes.")
    parser.add_argument("--ops", type=int, default=1500)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with browser() as window:
        window.show(1440, 900)
        rows = [measured(window, arguments.ops, modules=modules) for modules in (True, False)]
    for row in rows:
        print(f"{row['names']:8} {row['source_ops']} ops -> {row['result_ops']}; page made in {row['page_seconds']:.2f} s, "
              f"{row['page_bytes'] / 1e6:.2f} MB; drawn after {row['drawn_ms']} ms; "
              f"all {row['opened_ops']} ops opened in {row['opened_ms']} ms")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")
    return int(any(row["drawn_ms"] >= LIMIT_MS for row in rows))


if __name__ == "__main__":
    sys.exit(main())
