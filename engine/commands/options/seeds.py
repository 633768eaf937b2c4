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
    Needs,
    NewFile,
    Options,
    Seeds,
    TaskIds,
    TaskSet,
    Workers,
)


class ImportOptions(Options):
    """Programs from elsewhere.

    Read programs, never running them as Python; try each on all pairs of its task, say which fail and how, and write
    the others as seeds. PATH: a checkout of arc-dsl or re-arc, its solvers.py or verifiers.py, CodeIt's data/training
    or one of its JSON files, files <task>.py with one function each, or JSONL with `task` and `program`.
    """

    verb: ClassVar[str] = "import"
    does: ClassVar[str] = "engine.commands.seeds:import_seeds"
    needs: ClassVar[tuple[Needs, ...]] = (Needs("keep_failing", ("out",), "says what is written"),)

    path: Annotated[Path, Argument("PATH", is_positional=True)]
    out: Annotated[NewFile, Argument("SEEDS.jsonl")] | None = None
    """default: only check"""
    keep_failing: bool = False
    """write programs that do not solve their task, too"""
    tasks: TaskSet = "arc1-train"
    task: Annotated[str | None, Argument("ID")] = None
    """the task of PATH's only program, whatever its name"""
    fuel: Fuel = DEFAULT_FUEL


class DiscoverOptions(Options):
    """Programs by search alone, from none.

    Enumerate programs for training tasks in order of cost, compose functions of what was found, try mutants of it; what
    solves all pairs of its task is written as it is found.
    """

    verb: ClassVar[str] = "discover"
    does: ClassVar[str] = "engine.commands.seeds:discover_seeds"
    epilog: ClassVar[str] = "OUT.progress.jsonl, beside the seeds, is what --resume goes on from."

    tasks: TaskSet = "arc1-train"
    task_ids: TaskIds = None
    limit: Limit = None
    budget: Minutes = 30
    """minutes"""
    seed: Natural = 0
    """of mutants and compositions"""
    workers: Workers = None
    out: Annotated[Path, Argument("OUT.jsonl")] = Path("discovered.jsonl")
    """seeds; in a folder: discovered.jsonl there"""
    resume: bool = False
    """go on with --out"""


class CheckOptions(Options):
    """What seeds cover, and whether they solve their tasks.

    Run every seed on its task; coverage, lengths, primitives used. Exit status 1 where a seed fails.
    """

    verb: ClassVar[str] = "check"
    does: ClassVar[str] = "engine.commands.seeds:check"

    seeds: Seeds = None
    tasks: TaskSet = "arc1-train"
    as_json: AsJson = False
