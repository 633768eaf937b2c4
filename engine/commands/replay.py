"""`codeit replay stats`: what a replay store holds."""

from __future__ import annotations

import json
import sys

from engine.commands.launch import mistakes
from engine.commands.options.replay import StatsOptions
from engine.run_folder import open_replay
from engine.tables import two_columns


@mistakes()
def stats(options: StatsOptions) -> None:
    """Write the statistics of a store as a table, or as one JSON object."""
    with open_replay(options.path) as store:
        values = store.stats()
    sys.stdout.write(json.dumps(values) + "\n" if options.as_json else two_columns(values))
