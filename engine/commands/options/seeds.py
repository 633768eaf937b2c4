"""The verbs below `seeds`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from engine.commands.options.declaration import (
    DEFAULT_FUEL,
    Argument,
    AsJson,
    Fuel,
    Limit,
    Minutes,
    Natural,
    NewFile,
    Options,
    Seeds,
    TaskIds,
    TaskSet,
    Workers,
)
from engine.errors import UsageError


class ImportOptions(Options):
    """Programs from elsewhere.

    Read programs, never running them as Python; try each on all pairs of its task, say which fail and how, and write
    the others as seeds. PATH: a checkout of arc-dsl or its solvers.py, CodeIt's data/training or one of its JSON files,
    or JSONL with `task` and `program`.
    """

    verb: ClassVar[str] = "import"

    path: Annotated[Path, Argument("PATH", is_positional=True)]
    out: Annotated[NewFile, Argument("SEEDS.jsonl")] | None = None
    """default: only check"""
    keep_failing: bool = False
    """write programs that do not solve their task, too"""
    tasks: TaskSet = "arc1-train"
    fuel: Fuel = DEFAULT_FUEL

    def execute(self) -> int:
        if self.keep_failing and self.out is None:
            raise UsageError("--keep-failing says what is written: it needs --out")
        from engine.commands.seeds import import_seeds

        import_seeds(self)
        return 0


class DiscoverOptions(Options):
    """Programs by search alone, from none.

    Enumerate programs for training tasks in order of cost, then try mutants of what was found; what solves all pairs of
    its task is written as it is found.
    """

    verb: ClassVar[str] = "discover"
    epilog: ClassVar[str] = "OUT.progress.jsonl, beside the seeds, is what --resume goes on from."

    tasks: TaskSet = "arc1-train"
    task_ids: TaskIds = None
    limit: Limit = None
    budget: Minutes = 30
    """minutes"""
    seed: Natural = 0
    """of the mutants"""
    workers: Workers = None
    out: Annotated[Path, Argument("OUT.jsonl")] = Path("discovered.jsonl")
    """seeds; in a folder: discovered.jsonl there"""
    resume: bool = False
    """go on with --out"""

    def execute(self) -> int:
        from engine.commands.seeds import discover_seeds

        discover_seeds(self)
        return 0


class CheckOptions(Options):
    """What seeds cover, and whether they solve their tasks.

    Run every seed on its task; coverage, lengths, primitives used. Exit status 1 where an embedded seed fails.
    """

    verb: ClassVar[str] = "check"

    seeds: Seeds = None
    tasks: TaskSet = "arc1-train"
    as_json: AsJson = False

    def execute(self) -> int:
        from engine.commands.seeds import check

        is_right = check(self)
        return 0 if is_right or self.seeds is not None else 1
