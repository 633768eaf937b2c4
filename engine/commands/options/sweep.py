"""The verb `sweep`."""

from __future__ import annotations

from typing import Annotated, ClassVar

from engine.commands.options.declaration import Argument, Folder, Options, Positive, Seeds


class SweepOptions(Options):
    """Several configurations and seeds of the loop, compared.

    Run what FILE.toml asks for, each run in a process of its own, and compare: means and ranges over seeds, differences
    to a baseline with intervals, as tables, JSON and a figure. It says beforehand how long it will take. FILE.toml may
    be the name of a sweep that comes with codeit: ablations, ablations-small, examples-small, sizes-small.
    """

    verb: ClassVar[str] = "sweep"
    does: ClassVar[str] = "engine.commands.sweep:sweep"
    epilog: ClassVar[str] = "engine/sweep/plan.py says what a file has in it."

    file: Annotated[str, Argument("FILE.toml", is_positional=True)]
    seeds: Seeds = None
    parallel: Annotated[Positive, Argument("N")] = 1
    """runs at the same time; each has its share of the processors"""
    out: Folder | None = None
    """the sweep's folder (default: runs/sweep-<name>-<time>)"""
    resume: bool = False
    """go on with the sweep in --out: what is done is left alone, what has begun goes on"""
    plan: bool = False
    """only say what would run, and how long it would take"""
