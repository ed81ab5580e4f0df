"""Draw the pictures of docs/layout.md: docs/layout_*.svg.

    python docs/layout_pictures.py

Colours are variables, so that a picture is readable on a light page and on a dark one: by itself it follows the system's setting, as part
of a page the page's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

LIGHT = {"paper": "#ffffff",
         "ink": "#1f2933", "faint": "#5b6672", "line": "#8b96a3", "n": "#e5e7eb", "c": "#fde3c8", "h": "#d3e5fb", "w": "#d5f0dc",
         "move": "#cf4a36", "moved": "#fde8e4", "good": "#2f7d4f", "goods": "#e6f4ea", "plain": "#f3f4f6"}
DARK = {"paper": "#131416",
        "ink": "#e8ebef", "faint": "#a9b4c0", "line": "#74808d", "n": "#454c55", "c": "#7a4a17", "h": "#1f4e85", "w": "#1f6136",
        "move": "#ff8a75", "moved": "#5a2a22", "good": "#7ed3a0", "goods": "#1f4430", "plain": "#2b3138"}
FONT = "system-ui, 'Helvetica Neue', Arial, 'Liberation Sans', sans-serif"
CELL = 46


def _style() -> str:
    """The palette for light and dark, and a class for every colour as filling (f-) and as line (s-)."""
    def variables(palette: Mapping[str, str]) -> str:
        return "".join(f"--p-{name}:{color};" for name, color in palette.items())

    classes = "".join(f".f-{name}{{fill:var(--p-{name})}}.s-{name}{{stroke:var(--p-{name});fill:none}}" for name in LIGHT)
    return (f"svg.layout{{{variables(LIGHT)}}}@media (prefers-color-scheme:dark){{svg.layout{{{variables(DARK)}}}}}"
            f"body[data-theme=light] svg.layout{{{variables(LIGHT)}}}body[data-theme=dark] svg.layout{{{variables(DARK)}}}"
            f"svg.layout text{{font-family:{FONT}}}{classes}")


def picture(label: str, width: int, height: int, parts: Iterable[str]) -> str:
    """A whole picture with its text for those who cannot see it."""
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" class="layout" viewBox="0 0 {width} {height}" role="img" aria-label="{label}">'
    paper = f'<rect width="{width}" height="{height}" rx="10" class="f-paper"/>'
    return "\n".join([opening, f"<style>{_style()}</style>", paper, *parts, "</svg>", ""])


def text(x: float, y: float, content: str, size: int = 14, color: str = "ink", weight: int = 400, anchor: str = "middle") -> str:
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" class="f-{color}" font-weight="{weight}" text-anchor="{anchor}">{content}</text>'


def box(x: float, y: float, width: float, height: float, fill: str, edge: str = "line", dashed: bool = False) -> str:
    dash = ' stroke-dasharray="4 3"' if dashed else ""
    return (f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6" class="f-{fill}" '
            f'style="stroke:var(--p-{edge})" stroke-width="1.4"{dash}/>')


def arrow(x1: float, y1: float, x2: float, y2: float, color: str = "line", width: float = 1.6) -> str:
    """A line whose end has a head, which points to the right or down."""
    head = "l-7 -4.5 m7 4.5 l-7 4.5" if abs(x2 - x1) >= abs(y2 - y1) else "l-4.5 -7 m4.5 7 l4.5 -7"
    return f'<path d="M{x1:g} {y1:g} L{x2:g} {y2:g} {head}" class="s-{color}" stroke-width="{width:g}" stroke-linecap="round"/>'


# ---- factors ---------------------------------------------------------------------------------------------------------------
def factor_row(x: float, y: float, axes: Sequence[Sequence[str]]) -> tuple[list[str], float]:
    """Boxes of factors, those of one axis joined by a frame; returns the parts and where the row ends."""
    parts = []
    for axis in axes:
        width = CELL * len(axis) + 8
        parts.append(box(x, y, width, 44, "plain", dashed=len(axis) > 1))
        for k, factor in enumerate(axis):
            left = x + 4 + k * CELL
            parts += [box(left, y + 5, CELL - 2, 34, factor[0]), text(left + CELL / 2 - 1, y + 27, factor, 15, weight=600)]
        x += width + 8
    return parts, x


def rows(lines: Sequence[tuple[str, str, Sequence[Sequence[str]]]], note_x: int) -> list[str]:
    """A row of factors for each line: what happened, the shape or a note, and the axes."""
    parts = []
    for k, (title, note, axes) in enumerate(lines):
        y = 16 + 70 * k
        row, _ = factor_row(190, y, axes)
        parts += [text(174, y + 20, title, 14, weight=600, anchor="end"), *row, text(note_x, y + 27, note, 13, "faint", anchor="start")]
        if title.startswith("stored"):
            parts[-len(row) - 2] = text(174, y + 20, title, 14, "good", 600, "end")
        if k:
            parts.append(arrow(174 - 30, y - 20, 174 - 30, y - 1))
    return parts


def factors() -> str:
    """A flatten under both orders."""
    lines = (("image features", "[1, 8, 16, 16] in the source: NCHW", [["n"], ["c"], ["h"], ["w"]]),
             ("Flatten", "[1, 2048]: axis 1 is c·h·w", [["n"], ["c", "h", "w"]]),
             ("stored NHWC", "the layout n h w c", [["n"], ["h"], ["w"], ["c"]]),
             ("stored, flat", "the same bytes; axis 1 has the inner order h w c", [["n"], ["h", "w", "c"]]))
    return picture("The axes n, c, h, w of a tensor as factors; flattened they become one axis of three factors; stored channels-last both "
                   "have the order n h w c", 800, 300, rows(lines, 450))


def windows() -> str:
    """A window partition: two views, nothing moved."""
    lines = (("features", "NCHW: h = h1·h2, w = w1·w2", [["n"], ["c"], ["h1", "h2"], ["w1", "w2"]]),
             ("Reshape", "every factor an axis", [["n"], ["c"], ["h1"], ["h2"], ["w1"], ["w2"]]),
             ("Transpose", "the same factors in another order", [["n"], ["h1"], ["w1"], ["h2"], ["w2"], ["c"]]),
             ("Reshape", "windows, tokens, channels", [["n", "h1", "w1"], ["h2", "w2"], ["c"]]),
             ("stored", "n h1 h2 w1 w2 c: what the convolution made", [["n"], ["h1", "h2"], ["w1", "w2"], ["c"]]))
    return picture("A window partition by Reshape, Transpose, Reshape only renames the factors h1, h2, w1, w2; the tensor may stay stored "
                   "channels-last", 930, 370, rows(lines, 590))


# ---- the program -----------------------------------------------------------------------------------------------------------
def _choice(x: float, y: float, layout: str, kind: str) -> list[str]:
    """A layout that a value may have: produced, made by a transpose, or unused."""
    fill, edge, color = {"made": ("goods", "good", "ink"), "moved": ("moved", "move", "ink"), "unused": ("plain", "line", "faint")}[kind]
    return [box(x, y, 96, 32, fill, edge, dashed=kind == "unused"), text(x + 48, y + 21, layout, 14, color, 600)]


def _op(x: float, y: float, title: str, *signatures: str) -> list[str]:
    parts = [box(x, y, 150, 40 + 21 * len(signatures), "plain"), text(x + 75, y + 24, title, 15, weight=700)]
    return parts + [text(x + 75, y + 47 + 21 * k, s, 12.5, "good" if s.endswith("✓") else "faint") for k, s in enumerate(signatures)]  # type: ignore[arg-type]


def program() -> str:
    """Conv, then a softmax along the last axis: the candidates, and what is chosen."""
    parts = [text(84, 26, "x", 15, weight=700), text(388, 26, "a", 15, weight=700), text(742, 26, "y", 15, weight=700),
             *_choice(36, 42, "n h w c", "made"), *_choice(340, 42, "n h w c", "made"), *_choice(340, 160, "n c h w", "moved"),
             *_choice(694, 42, "n h w c", "unused"), *_choice(694, 160, "n c h w", "made"),
             *_op(162, 38, "Conv", "nhwc → nhwc ✓"),
             *_op(494, 130, "Softmax, axis 3", "n c h w → n c h w ✓", "h c n w → h c n w"),
             arrow(134, 58, 160, 58, "good"), arrow(314, 58, 338, 58, "good"), arrow(438, 176, 492, 176, "good"),
             arrow(646, 176, 692, 176, "good"), arrow(388, 76, 388, 158, "move", 2.6),
             text(402, 106, "t[a, nchw] = 1", 13, "move", 600, "start"), text(402, 123, "one Transpose, 32 kB", 13, "move", 400, "start"),
             text(36, 240, "Softmax needs its axis w last, the convolution makes c last: their signatures have no layout of a in common.",
                  13, "faint", anchor="start")]
    return picture("The values x, a and y with their candidate layouts; the convolution produces a as n h w c, the softmax reads it as "
                   "n c h w, so one transpose of a is chosen", 840, 256, parts)


PICTURES = {"layout_factors.svg": factors, "layout_windows.svg": windows, "layout_program.svg": program}

if __name__ == "__main__":
    for name, draw in PICTURES.items():
        (Path(__file__).parent / name).write_text(draw(), encoding="utf-8")
