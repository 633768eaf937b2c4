"""`codeit seeds import`: programs from elsewhere, each tried on all pairs of its task, written as seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from engine.errors import UsageError, printable
from engine.files import write_lines
from engine.seeds.files import Entry, read_entries
from engine.seeds.seed import Seed
from engine.tasks import Task
from engine.verification import Trial, try_programs
from interpreter.machine.machine import Machine


class Verdict(Enum):
    """What an entry of a file turned out to be, with its name in the counts."""

    SOLVES = "solve their task"
    FAILS = "fail"
    NOT_A_PROGRAM = "no program"
    UNKNOWN_TASK = "unknown task"
    REPEATED = "repeated"


@dataclass(frozen=True)
class Finding:
    """An entry's verdict: `detail` says why, `seed` is the program where it can run on its task."""

    entry: Entry
    verdict: Verdict
    detail: str = ""
    seed: Seed | None = None

    def __str__(self) -> str:
        task = f" ({self.entry.task})" if self.entry.task else ""
        return f"{self.entry.where}{task}: {self.detail}"


def examine(path: Path, tasks: Mapping[str, Task], machine: Machine, task: str | None = None) -> list[Finding]:
    """The finding of each program of a file or folder, in order; `task` is the one of a file's only program.

    Raises `UsageError` where nothing there is a program.
    """
    entries = read_entries(path, task)
    if not any(_is_program(entry) for entry in entries):
        first = f"; {entries[0].where}: {entries[0].program}" if entries else ""
        raise UsageError(f"{path}: no program to import{first}")
    seeds = dict.fromkeys(_seed(entry) for entry in entries if _is_program(entry) and entry.task in tasks)
    trials = try_programs([(tasks[seed.task], seed.program) for seed in seeds], machine)
    return list(_findings(entries, tasks, dict(zip(seeds, trials, strict=True))))


def report(findings: Sequence[Finding]) -> str:
    """A line for each program that cannot be a seed, then the counts."""
    lines = [str(finding) for finding in findings if finding.verdict not in (Verdict.SOLVES, Verdict.REPEATED)]
    counts = Counter(finding.verdict for finding in findings)
    summary = ", ".join(f"{verdict.value} {counts[verdict]}" for verdict in Verdict)
    return printable("\n".join([*lines, f"programs {len(findings)}: {summary}"]) + "\n")


def write_seeds(findings: Sequence[Finding], out: Path, keep_failing: bool) -> int:
    """Write those that solve their task as JSONL; with `keep_failing` those that do not, too. Returns their number."""
    kept = (Verdict.SOLVES, Verdict.FAILS) if keep_failing else (Verdict.SOLVES,)
    rows = [finding.seed.row for finding in findings if finding.verdict in kept]
    write_lines(out, rows)
    return len(rows)


def _is_program(entry: Entry) -> bool:
    return not isinstance(entry.program, str)


def _seed(entry: Entry) -> Seed:
    return Seed(entry.task, entry.program, "import")


def _findings(entries: Sequence[Entry], tasks: Mapping[str, Task], trials: Mapping[Seed, Trial]) -> Iterator[Finding]:
    seen: set[Seed] = set()
    for entry in entries:
        if not _is_program(entry):
            yield Finding(entry, Verdict.NOT_A_PROGRAM, entry.program)
        elif entry.task not in tasks:
            yield Finding(entry, Verdict.UNKNOWN_TASK, f"no such task among the {len(tasks)}")
        elif (seed := _seed(entry)) in seen:
            yield Finding(entry, Verdict.REPEATED)
        else:
            seen.add(seed)
            trial = trials[seed]
            yield Finding(entry, Verdict.SOLVES if trial.solves else Verdict.FAILS, str(trial), seed)
