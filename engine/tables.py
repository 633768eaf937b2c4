"""Figures as tables of text."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table


def two_columns(values: Mapping[str, Any]) -> str:
    """A table of names and figures; a figure that is a mapping takes a row for each of its own."""
    table = Table(show_header=False)
    for name, value in values.items():
        rows = value.items() if isinstance(value, Mapping) else [("", value)]
        for key, number in rows:
            label = f"{name} {key}".strip().replace("_", " ")
            table.add_row(label, f"{number:,.1f}" if isinstance(number, float) else f"{number}")
    return as_text(table)


def as_text(table: Table, width: int = 100) -> str:
    """A table as lines of at most `width` characters."""
    out = io.StringIO()
    Console(file=out, width=width, markup=False, emoji=False).print(table)
    return out.getvalue()
