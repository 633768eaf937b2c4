"""The verbs `report` and `show`. The package that does them is found by name, since it stands on this one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from engine.commands.options.declaration import DEFAULT_FUEL, Argument, Folder, Fuel, Needs, OneOf, Options, Positive


class ReportOptions(Options):
    """The report of runs, searches, evaluations and profiles as one HTML file.

    Figures with intervals, curves, and a gallery of all tasks with grids, attempts and the value of every program line,
    for one folder or several side by side; of one profile or two, where the time goes. The file needs no network;
    DIR/report/index.html, in the first folder.
    """

    verb: ClassVar[str] = "report"
    does: ClassVar[str] = "report.commands:report"
    exclusive: ClassVar[tuple[OneOf, ...]] = (OneOf(("out", "watch")),)
    needs: ClassVar[tuple[Needs, ...]] = (Needs("port", ("watch",), "says where the page is served"),)

    folders: Annotated[tuple[Path, ...], Argument("DIR", is_positional=True, is_many=True)] = ()
    """folder of a run, a search, an evaluation or a profile"""
    out: Folder | None = None
    """folder of the file (default: report/ in the first DIR)"""
    watch: bool = False
    """serve the page on loopback and refresh it while a run goes on, until Ctrl-C"""
    port: Annotated[int, Field(ge=0, le=65535), Argument("N")] = 0
    """of --watch; 0 takes a free one"""


class ShowOptions(Options):
    """A task in the terminal: grids, what programs give, and the value of every line.

    Draw a task; with --program what that gives, with --run the best attempts of a run, a search or an evaluation.
    Wrong cells are marked with an x.
    """

    verb: ClassVar[str] = "show"
    does: ClassVar[str] = "report.commands:show"
    exclusive: ClassVar[tuple[OneOf, ...]] = (OneOf(("program", "run")), OneOf(("tasks", "run")))
    needs: ClassVar[tuple[Needs, ...]] = (
        Needs("attempts", ("run",), "says how many are shown of a folder"),
        Needs("input", ("program", "run"), "says what the values of lines are of"),
        Needs("fuel", ("program",), "is of a program that is given, a folder's run with its own"),
    )

    task: Annotated[str, Argument("TASK", is_positional=True)]
    """id of a task, or its file"""
    tasks: Annotated[str | None, Argument("SET")] = None
    """where it is (default: any set that has it)"""
    program: Annotated[str | None, Argument("P")] = None
    """a file with a program, or its text, lines parted by ;"""
    run: Folder | None = None
    """folder of a run, a search or an evaluation"""
    attempts: Positive = 1
    """how many of its attempts, 3 at most"""
    input: Positive = 1
    """the input that values of lines are of, tests counted after demonstrations"""
    fuel: Fuel = DEFAULT_FUEL

    def input_name(self, demonstrations: int) -> str:
        """The chosen input in words."""
        number = self.input - demonstrations
        return f"demonstration {self.input}" if number < 1 else f"test {number}"
