"""The verb `profile`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from engine.commands.options.declaration import DEFAULT_FUEL, Argument, Folder, Fuel, InputFile, Options, Positive


class ProfileOptions(Options):
    """Where the interpreter's time, fuel and memory go.

    Profile the programs of a JSONL file, lines {"program": "...", "inputs": [grid, ...]} or {"task": "...", "program":
    "..."}: tables here, profile.json and flame graphs (profile.speedscope.json, for https://www.speedscope.app) in a
    folder.
    """

    verb: ClassVar[str] = "profile"
    does: ClassVar[str] = "engine.commands.profile:profile"

    file: Annotated[InputFile, Argument("FILE.jsonl", is_positional=True)]
    out: Folder | None = None
    """default: <FILE>-profile"""
    repeats: Positive = 20
    """runs of each program"""
    top: Positive = 15
    """rows of the tables"""
    fuel: Fuel = DEFAULT_FUEL

    @property
    def folder(self) -> Path:
        """Where the profile goes."""
        return Path(f"{self.file.stem}-profile") if self.out is None else self.out
