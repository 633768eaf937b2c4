"""`codeit replay stats`: what a replay store holds."""

from __future__ import annotations

import json
from pathlib import Path

from engine.commands.launch import mistakes, open_replay
from engine.tables import two_columns


@mistakes()
def stats(path: Path, as_json: bool) -> str:
    """The statistics of a store as a table, or as one JSON object."""
    with open_replay(path) as store:
        values = store.stats()
    return json.dumps(values) + "\n" if as_json else two_columns(values)
