"""The verb `profile`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from engine.commands.options.declaration import DEFAULT_FUEL, Argument, Folder, Fuel, OneOf, Options, Positive, Seeds


class ProfileOptions(Options):
    """Where the interpreter's time, fuel and memory go.

    Profile the programs of a JSONL file, lines {"program": "...", "inputs": [grid, ...]} or {"task": "...", "program":
    "..."}, those that a run, a search or an evaluation holds, or seeds on a task set: tables here, profile.json and
    flame graphs (profile.speedscope.json, for https://www.speedscope.app) in a folder. With --compare, show two such
    folders side by side.
    """

    verb: ClassVar[str] = "profile"
    does: ClassVar[str] = "engine.commands.profile:profile"
    exclusive: ClassVar[tuple[OneOf, ...]] = tuple(
        OneOf(("compare", name)) for name in ("repeats", "programs", "seeds", "fuel")
    )

    what: Annotated[tuple[str, ...], Argument("WHAT", is_positional=True, is_many=True)]
    """a JSONL file, the folder of a run, a search or an evaluation, or a task set; with --compare two profiles"""
    compare: bool = False
    """compare two profiles, A B, by primitive and by program; with --out, comparison.json goes there"""
    out: Folder | None = None
    """default: <WHAT>-profile"""
    repeats: Positive = 20
    """runs of each program"""
    programs: Positive = 500
    """of a run, a search or an evaluation, programs that are drawn"""
    seeds: Seeds = None
    top: Positive = 15
    """rows of the tables"""
    fuel: Fuel = DEFAULT_FUEL

    @property
    def folder(self) -> Path:
        """Where the profile goes."""
        return Path(f"{Path(self.what[0]).stem or 'profile'}-profile") if self.out is None else self.out
