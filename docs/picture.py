"""Draw docs/picture.svg: what happens to the layouts of a small network.

    python docs/picture.py
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

WIDTH, LEFT, TOP, LANE, STEP, HEIGHT = 1000, 28, 76, 92, 91, 38
INK, FAINT, PAPER = "#1f2933", "#67727e", "#ffffff"
FILLS = {"op": ("#e8eef7", "#5b7db1"), "move": ("#fde8e4", "#cf4a36"), "free": ("#e6f4ea", "#3c8d5a"), "end": ("#f3f4f6", "#9aa5b1")}
FONT = "font-family=\"'Helvetica Neue', Helvetica, Arial, 'Liberation Sans', sans-serif\""


@dataclass(frozen=True)
class Box:
    """One op of a lane: the columns it spans (0 to 9), its text, a smaller second line, and what kind it is (a key of FILLS)."""

    column: float
    span: float
    text: str
    note: str = ""
    kind: str = "op"


LANES = (
    ("Source", "channels-first: every tensor is n c h w", (
        Box(0, 1, "image", "n c h w", "end"), Box(1, 1, "Conv"), Box(2, 1, "BatchNorm"), Box(3, 1, "ReLU"), Box(4, 1, "Concat", "axis 1"),
        Box(5, 1, "Conv"), Box(6, 1, "Softmax", "axis 1"), Box(7, 1, "Flatten", "c · h · w"), Box(8, 1, "Gemm"),
        Box(9, 1, "logits", "n k", "end"))),
    ("One op at a time", "every op that has to be channels-last is wrapped in transposes of its own", (
        Box(0, 0.8, "image", "n c h w", "end"), Box(0.8, 0.45, "T", "", "move"), Box(1.25, 1.5, "Conv", "BatchNorm, ReLU folded"),
        Box(2.75, 0.45, "T", "", "move"), Box(3.2, 0.8, "Concat", "axis 1"), Box(4, 0.45, "T", "", "move"), Box(4.45, 0.7, "Conv"),
        Box(5.15, 0.45, "T", "", "move"), Box(5.6, 0.45, "T", "", "move"), Box(6.05, 0.9, "Softmax", "axis 3"),
        Box(6.95, 0.45, "T", "", "move"), Box(7.4, 0.85, "Flatten", "c · h · w"), Box(8.25, 0.75, "Gemm"),
        Box(9, 1, "logits", "n k", "end"))),
    ("nchw2nhwc", "one order for every tensor, solved for over the whole graph: nothing moves", (
        Box(0, 1, "image", "n h w c", "end"), Box(1, 3, "Conv", "BatchNorm, ReLU folded"), Box(4, 1, "Concat", "axis 3", "free"),
        Box(5, 1, "Conv"), Box(6, 1, "Softmax", "axis 3", "free"),
        Box(7, 1, "Flatten", "h · w · c", "free"), Box(8, 1, "Gemm", "rows reordered", "free"),
        Box(9, 1, "logits", "n k", "end"))),
)


def text(x: float, y: float, content: str, size: int, color: str = INK, weight: int = 400, anchor: str = "middle") -> str:
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{color}" font-weight="{weight}" text-anchor="{anchor}">{content}</text>'


def box(b: Box, y: float) -> list[str]:
    """The rectangle, its text, and the line to the next column."""
    fill, edge = FILLS[b.kind]
    x, width = LEFT + b.column * (STEP + 4), b.span * (STEP + 4) - 12
    middle = x + width / 2
    lines = [f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{HEIGHT}" rx="6" fill="{fill}" stroke="{edge}" stroke-width="1.4"/>',
             text(middle, y + (17 if b.note else 24), b.text, 13, FILLS["move"][1] if b.kind == "move" else INK, 600)]
    if b.note:
        lines.append(text(middle, y + 31, b.note, 9 if len(b.note) > 12 else 10, FAINT))
    if b.column + b.span < 10:
        lines.append(f'<path d="M{x + width + 1:g} {y + HEIGHT / 2:g} h10" stroke="{FAINT}" stroke-width="1.4"/>')
    return lines


_LABEL = "A channels-first network; the same converted one op at a time, with transposes; converted by nchw2nhwc, with none"


def draw() -> str:
    """The whole picture as SVG."""
    height = TOP + LANE * len(LANES) - 16
    parts = [(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" {FONT} '
             f'role="img" aria-label="{_LABEL}">'),
             f'<rect width="{WIDTH}" height="{height}" rx="10" fill="{PAPER}"/>',
             text(LEFT, 34, "Where the data has to move", 18, INK, 700, "start")]
    x, (fill, edge) = WIDTH - LEFT - 12, FILLS["move"]
    parts += [text(x, 34, "a transpose: the whole tensor is copied", 12, FAINT, anchor="end"),
              f'<rect x="{x - 250}" y="20" width="24" height="20" rx="5" fill="{fill}" stroke="{edge}" stroke-width="1.4"/>',
              text(x - 238, 34.5, "T", 12, edge, 600)]
    for k, (title, note, boxes) in enumerate(LANES):
        y = TOP + LANE * k
        parts += [text(LEFT, y, title, 14, INK, 700, "start"), text(LEFT + 140, y, note, 12, FAINT, anchor="start")]
        for b in boxes:
            parts += box(b, y + 13)
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    Path(__file__).with_suffix(".svg").write_text(draw(), encoding="utf-8")
