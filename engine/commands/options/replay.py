"""The verbs below `replay`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from engine.commands.options.declaration import Argument, AsJson, Options


class StatsOptions(Options):
    """What a store holds.

    Counts of a replay store.
    """

    verb: ClassVar[str] = "stats"
    does: ClassVar[str] = "engine.commands.replay:stats"

    path: Annotated[Path, Argument("DIR", is_positional=True)]
    """a run's folder, or its replay folder"""
    as_json: AsJson = False
