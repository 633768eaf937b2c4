"""The verbs below `replay`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, ClassVar

from engine.commands.options.declaration import Argument, AsJson, Options


class StatsOptions(Options):
    """What a store holds.

    Counts of a replay store.
    """

    verb: ClassVar[str] = "stats"

    path: Annotated[Path, Argument("DIR", is_positional=True)]
    """a run's folder, or its replay folder"""
    as_json: AsJson = False

    def execute(self) -> int:
        from engine.commands.replay import stats

        sys.stdout.write(stats(self.path, self.as_json))
        return 0
