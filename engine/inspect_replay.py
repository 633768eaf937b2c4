"""`codeit replay stats`: what a replay store holds."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from engine.launch import mistakes, open_replay


@mistakes()
def stats(path: Path, as_json: bool) -> str:
    """The statistics of a store as a table, or as one JSON object."""
    with open_replay(path) as store:
        values = store.stats()
    return json.dumps(values) + "\n" if as_json else _table(values)


def _table(values: dict[str, Any]) -> str:
    table = Table(show_header=False)
    for name, value in values.items():
        rows = value.items() if isinstance(value, dict) else [("", value)]
        for key, number in rows:
            label = f"{name} {key}".strip().replace("_", " ")
            table.add_row(label, f"{number:,.1f}" if isinstance(number, float) else f"{number}")
    out = io.StringIO()
    Console(file=out, width=100).print(table)
    return out.getvalue()
