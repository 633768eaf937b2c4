"""Tasks in a terminal: grids, what programs give, and the value of every line, in colours where there are some."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.style import Style
from rich.text import Text

from engine.commands.options.report import ShowOptions
from engine.errors import UsageError
from engine.files import read_bytes
from engine.progress import compile_interpreter
from engine.seeds.solver_source import SourceError, read_program
from engine.tasks import TASK_SETS, load_tasks
from interpreter.grids import Grid
from interpreter.language.program import Program, ProgramError
from interpreter.runtime.outcome import Outcome
from report.detail import Given, Runner, outputs_of
from report.model import HEADLINE, Attempt, Limits, Puzzle, Source
from report.sources.reading import read_source
from report.values import grid_text

COLORS = (
    "#000000", "#0074d9", "#ff4136", "#2ecc40", "#ffdc00", "#aaaaaa", "#f012be", "#ff851b", "#7fdbff", "#870c25",
)  # fmt: skip
_DARK_INK = {3, 4, 5, 7, 8}
_ABSENT = Style(color="#777777", dim=True)
_WIDTH = 200  # of what is no terminal: three grids of 30 columns
_MAX_PROGRAM = 100_000  # bytes of a file with a program


def show_task(options: ShowOptions) -> None:
    """Draw a task, and what programs give on it, on standard output. Raises `UsageError`."""
    source = read_source(options.run) if options.run is not None else None
    puzzle = _puzzle(options, source)
    console = Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else _WIDTH)
    console.print(Text(_plain(puzzle.id), "bold"), Text(_plain(puzzle.concept or "")))
    attempts = _attempts(options, puzzle, source)
    if not attempts:
        console.print(_pairs(puzzle, None))
        return
    chosen = _chosen(options, puzzle)
    compile_interpreter()
    limits = source.limits if source is not None else Limits(options.fuel)
    inputs, runners = (*puzzle.inputs, *puzzle.test_inputs), cache(Runner)
    for shown in attempts:
        runner = runners(shown.limits or limits)
        console.print(Text(f"\n{shown.heading}", "bold"))
        console.print(_pairs(puzzle, outputs_of(shown.given, shown.program, inputs, runner)))
        console.print(Text(f"\nvalues on {options.input_name(len(puzzle.inputs))}", "bold"))
        for line in _lines(shown.program, runner, chosen):
            console.print(line)


def _chosen(options: ShowOptions, puzzle: Puzzle) -> Grid:
    inputs = (*puzzle.inputs, *puzzle.test_inputs)
    if options.input > len(inputs):
        raise UsageError(f"--input {options.input}: {puzzle.id} has {len(inputs)} inputs, tests included")
    return inputs[options.input - 1]


def _puzzle(options: ShowOptions, source: Source | None) -> Puzzle:
    """The task: of the folder, of the set that is named, of a file, or of any set that has it."""
    if source is not None:
        return _named(options.task, source.puzzles, f"{source.path}")
    if options.tasks is not None:
        return _named(options.task, [Puzzle.of(task) for task in load_tasks(options.tasks)], options.tasks)
    if _is_file(options.task):
        tasks = load_tasks(options.task)
        if len(tasks) > 1:
            raise UsageError(f"{options.task} has {len(tasks)} tasks: name one, with --tasks {options.task}")
        return Puzzle.of(tasks[0])
    for name in TASK_SETS:
        found = [task for task in load_tasks(name) if task.id == options.task]
        if found:
            return Puzzle.of(found[0])
    raise UsageError(
        f"task {options.task!r} is in none of {', '.join(TASK_SETS)}: name its set or folder with --tasks, or its file"
    )


def _is_file(text: str) -> bool:
    """Whether a text is the name of a file: what is too long for one is none."""
    try:
        return Path(text).is_file()
    except OSError:
        return False


def _named(task: str, puzzles: Sequence[Puzzle], where: str) -> Puzzle:
    for puzzle in puzzles:
        if puzzle.id == task:
            return puzzle
    raise UsageError(f"task {task!r} is not in {where} ({len(puzzles)} tasks)")


@dataclass(frozen=True)
class _Shown:
    """A program under its heading; of an attempt, what is known of its outputs and its limits."""

    heading: str
    program: Program
    given: Sequence[Grid | None] = ()
    limits: Limits | None = None


def _attempts(options: ShowOptions, puzzle: Puzzle, source: Source | None) -> list[_Shown]:
    if options.program is not None:
        return [_Shown("program", _program(options.program))]
    if source is None:
        return []
    result = source.results.get(puzzle.id)
    if result is None:
        raise UsageError(f"{source.path} has no program for {puzzle.id}")
    return [
        _Shown(_heading(k, attempt), _program(attempt.program), attempt.given, attempt.limits)
        for k, attempt in enumerate(result.attempts.get(HEADLINE, ())[: options.attempts], 1)
    ]


def _plain(text: str) -> str:
    """A name without what would steer the terminal."""
    return "".join(mark if mark.isprintable() else "?" for mark in text)


def _heading(k: int, attempt: Attempt) -> str:
    verdict = {True: "right", False: "wrong", None: "not scored"}[attempt.right]
    origin = f", {attempt.origin}" if attempt.origin else ""
    return f"attempt {k} ({HEADLINE}): {verdict}, {attempt.performance:.0%} of the demonstrations{origin}"


def _program(given: str) -> Program:
    """A program from a file, or as it stands on the command line, lines parted by ";" or line ends."""
    is_file = "=" not in given and _is_file(given)
    text = read_bytes(Path(given))[:_MAX_PROGRAM].decode("utf-8", "replace") if is_file else given.replace(";", "\n")
    try:
        return read_program(text)
    except (ProgramError, SourceError) as error:
        where = given if is_file else "the program"
        raise UsageError(f"{where}: {error} (right is a file, or a text such as 'O = hmirror(I)')") from None


# ------------------------------------------------------------------------------------------------ drawing


def _pairs(puzzle: Puzzle, given: Sequence[Given] | None) -> RenderableType:
    wanted = (*puzzle.outputs, *puzzle.test_outputs)
    rows = []
    for k, grid in enumerate((*puzzle.inputs, *puzzle.test_inputs)):
        number = k - len(puzzle.inputs)
        name = f"demonstration {k + 1}" if number < 0 else f"test {number + 1}"
        drawn = [_titled(name, draw(grid)), _titled("output", _wanted(wanted[k]))]
        if given is not None:
            drawn.append(_given(given[k], wanted[k]))
        rows.append(Padding(Columns(drawn, padding=(0, 3)), (1, 0, 0, 0)))
    return Group(*rows)


def _wanted(grid: Grid | None) -> Text:
    return Text("not known", _ABSENT) if grid is None else draw(grid)


def _given(output: Given, wanted: Grid | None) -> RenderableType:
    if output is None:
        return _titled("program gives", Text("no grid", "bold red"))
    if isinstance(output, Outcome):
        return _titled("program gives", Text(output.label, "bold red"))
    if wanted is None:
        return _titled("program gives", draw(output))
    if output.shape != wanted.shape:
        shapes = " instead of ".join(f"{grid.shape[0]}x{grid.shape[1]}" for grid in (output, wanted))
        return _titled(f"program gives: {shapes}", draw(output))
    wrong = output != wanted
    verdict = f"{int(wrong.sum())} wrong" if wrong.any() else "right"
    return _titled(f"program gives: {verdict}", draw(output, wrong))


def _titled(title: str, body: RenderableType) -> Group:
    return Group(Text(title, "bold"), body)


def draw(grid: Grid, wrong: np.ndarray | None = None) -> Text:
    """A grid, two characters a cell: digits on their colours; wrong cells have an `x` beside the digit."""
    marks = np.zeros(grid.shape, bool) if wrong is None else wrong
    return _rows(grid_text(grid), marks)


def _rows(text: str, wrong: np.ndarray | None = None) -> Text:
    drawn = Text(no_wrap=True)
    for i, row in enumerate(text.split("/")):
        if i:
            drawn.append("\n")
        for j, mark in enumerate(row):
            is_wrong = wrong is not None and wrong[i, j]
            drawn.append(f"{mark}{'x' if is_wrong else ' '}", _style(mark))
    return drawn


def _style(mark: str) -> Style:
    if not mark.isdigit():
        return Style(reverse=True) if mark == "#" else _ABSENT
    return Style(color="black" if int(mark) in _DARK_INK else "white", bgcolor=COLORS[int(mark)])


def _lines(program: Program, runner: Runner, grid: Grid) -> Iterator[RenderableType]:
    """Each line with the picture of its value."""
    drawn = runner.trace(program, grid)
    for k, line in enumerate(program.text.split("\n")):
        yield Text(line, "cyan")
        yield Padding(_value(drawn[k]) if k < len(drawn) else Text("not reached", _ABSENT), (0, 0, 0, 4))


def _value(picture: dict[str, Any]) -> RenderableType:
    if "f" in picture:
        return Text(picture["f"], "bold red")
    for key in ("g", "p", "x"):
        if key in picture:
            return Group(Text(picture["t"], "dim"), _rows(picture[key]))
    if "l" in picture:
        return Group(Text(picture["t"], "dim"), Columns([_value(item) for item in picture["l"]], padding=(0, 3)))
    return Text(picture["t"])
