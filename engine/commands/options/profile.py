"""The verb `profile`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from engine.commands.options.declaration import DEFAULT_FUEL, Argument, Folder, Fuel, InputFile, Options, Positive
from engine.errors import UsageError


class ProfileOptions(Options):
    """Where the interpreter's time, fuel and memory go.

    Profile the programs of a JSONL file, lines {"program": "...", "inputs": [grid, ...]} or {"task": "...", "program":
    "..."}: tables here, profile.json and flame graphs (profile.speedscope.json, for https://www.speedscope.app) in a
    folder.
    """

    verb: ClassVar[str] = "profile"

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

    def execute(self) -> int:
        if (self.folder / "profile.json").exists():
            raise UsageError(f"{self.folder} holds a profile already: choose another --out")
        if self.folder.exists() and not self.folder.is_dir():
            raise UsageError(f"{self.folder} is no folder: choose another --out")
        from engine.commands.profile import profile

        profile(self)
        return 0
