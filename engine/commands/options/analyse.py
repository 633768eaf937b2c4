"""The verb `analyse`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from engine.commands.options.declaration import Argument, Folder, OneOf, Options

NAMES = ("forgetting", "refinement", "length", "relabelling", "abstractions", "failures")


class AnalyseOptions(Options):
    """Questions about runs and searches, answered with data.

    forgetting: tasks solved, lost and solved again over meta-iterations. refinement: how solving programs become
    shorter. length: whether programs right on the demonstrations are right on the tests. relabelling: how many programs
    there is something to learn from. abstractions: recurring sub-programs that no seed has. failures: what is not
    solved, by its known solver. Writes DIR/analysis/NAME.json for each folder.
    """

    verb: ClassVar[str] = "analyse"
    does: ClassVar[str] = "engine.commands.analyse:analyse"
    exclusive: ClassVar[tuple[OneOf, ...]] = (OneOf(("out", "as_json")),)

    name: Annotated[Literal[NAMES], Argument("NAME", is_positional=True)]
    """one of these: forgetting, refinement, length, relabelling, abstractions, failures"""
    paths: Annotated[tuple[Path, ...], Argument("DIR", is_positional=True, is_many=True)]
    """folders of runs, searches or evaluations"""
    solvers: Annotated[str | None, Argument("PATH")] = None
    """known programs for `failures`, and for `abstractions` of an evaluation, in any form that `seeds import` reads
    (default: the embedded seeds)"""
    out: Folder | None = None
    """write to this folder instead: NAME.json with all of them"""
    as_json: Annotated[bool, Field(alias="json")] = False
    """one JSON object a folder on standard output, and no file"""
