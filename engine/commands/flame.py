"""Flame graphs as SVG: a call tree, each box as wide as what it stands for and below its caller.

Three graphs under one another, for time, fuel and words. A box has its figures as a tooltip, and the colour of its
primitive's part of the language. Boxes too narrow to see are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape

from interpreter.machine.profile import Node

WIDTH, ROW, MARGIN = 1400, 20, 16
NARROWEST = 1.0  # pixels of a box that is drawn
LETTER = 6.6  # pixels of a letter of a label
PANELS = {
    "seconds": ("time", lambda value: f"{1e3 * value:,.3f} ms"),
    "fuel": ("fuel", lambda value: f"{value:,} units"),
    "words": ("words of memory", lambda value: f"{value:,} words"),
}
COLORS = ("#8dd3c7", "#e6d96b", "#bebada", "#fb8072", "#80b1d3", "#fdb462", "#b3de69", "#fccde5", "#d0b49f", "#bc80bd")
OTHER = "#d9d9d9"


def draw(tree: Node, families: Mapping[str, str], title: str) -> str:
    """The picture of a tree; `families` tells the colour group of each name."""
    palette = dict(zip(sorted(set(families.values())), COLORS, strict=False))
    colors = {name: palette.get(family, OTHER) for name, family in families.items()}
    parts = [_text(MARGIN, 26, title, size=15, weight="bold"), *_legend(palette)]
    top = 70
    for measure, (name, unit) in PANELS.items():
        total = getattr(tree, measure)
        parts.append(_text(MARGIN, top + 14, f"{name}: {unit(total)}", size=13, weight="bold"))
        top += 24
        boxes, depth = _boxes(tree, measure, colors, unit, MARGIN, top, (WIDTH - 2 * MARGIN) / total if total else 0)
        parts += boxes
        top += depth * ROW + 24
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top}" viewBox="0 0 {WIDTH} {top}" '
        f'font-family="Helvetica, Arial, sans-serif">\n<rect width="100%" height="100%" fill="white"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _legend(palette: Mapping[str, str]) -> list[str]:
    parts = []
    left = float(MARGIN)
    for family, color in palette.items():
        parts.append(f'<rect x="{left:.1f}" y="40" width="12" height="12" rx="2" fill="{color}"/>')
        parts.append(_text(left + 17, 50, family, size=12))
        left += 17 + LETTER * len(family) + 22
    return parts


def _boxes(
    node: Node,
    measure: str,
    colors: Mapping[str, str],
    unit: Callable[[float], str],
    left: float,
    top: int,
    scale: float,
) -> tuple[list[str], int]:
    """The boxes of a node and of what is below it, and how many rows they take. Large children come first."""
    value = getattr(node, measure)
    width = value * scale
    if width < NARROWEST:
        return [], 0
    parts = [_box(node, f"{node.name}: {unit(value)}, {node.calls:,} calls", colors, left, top, width)]
    rows = 0
    for child in sorted(node.children.values(), key=lambda child: -getattr(child, measure)):
        boxes, below = _boxes(child, measure, colors, unit, left, top + ROW, scale)
        parts += boxes
        rows = max(rows, below)
        left += getattr(child, measure) * scale
    return parts, rows + 1


def _box(node: Node, tooltip: str, colors: Mapping[str, str], left: float, top: int, width: float) -> str:
    letters = int((width - 6) / LETTER)
    label = node.name if len(node.name) <= letters else f"{node.name[: letters - 1]}…" if letters > 2 else ""
    color = colors.get(node.name, OTHER)
    text = _text(left + 4, top + 14, label, size=12) if label else ""
    return (
        f'<g><title>{escape(tooltip)}</title><rect x="{left:.2f}" y="{top}" width="{width:.2f}" height="{ROW - 1}" '
        f'fill="{color}" stroke="white" stroke-width="0.5"/>{text}</g>'
    )


def _text(left: float, base: float, text: str, size: int, weight: str = "normal") -> str:
    return f'<text x="{left:.1f}" y="{base}" font-size="{size}" font-weight="{weight}">{escape(text)}</text>'
