"""The verb `macros`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from engine.commands.options.declaration import Argument, Needs, NewFile, Options, Positive


class MacrosOptions(Options):
    """What programs have in common.

    Functions from a grid to a grid that stand in solving programs, with slots for colours: where they come from, and
    how many lines it would save to call each by a name.
    """

    verb: ClassVar[str] = "macros"
    does: ClassVar[str] = "engine.commands.macros:macros"
    needs: ClassVar[tuple[Needs, ...]] = (Needs("new", ("search",), "lists what a search found and no seed has"),)

    tasks: Annotated[str, Argument("SET")] = "arc1-train"
    """task set of the seeds: a name, or a file or folder of tasks; beside it that of --search"""
    seeds: Annotated[str | None, Argument("PATH")] = None
    """what `seeds import` reads (default: those that the search started with, or the embedded seeds)"""
    search: Annotated[Path | None, Argument("DIR")] = None
    """a search's folder: what it found right on all demonstrations is mined, too"""
    new: bool = False
    """only those that no seed has (with --search)"""
    n: Positive = 30
    """how many"""
    out: NewFile | None = None
    """all of them as JSON lines"""
    as_json: Annotated[bool, Field(alias="json", description="a JSON array instead of a table")] = False
