"""`codeit seeds`: programs of other people's files as seeds, seeds by search alone, and what seeds cover."""

from __future__ import annotations

import sys

from engine.commands.options.seeds import CheckOptions, DiscoverOptions, ImportOptions
from engine.progress import compile_interpreter
from engine.search.seed_search import discover
from engine.seeds import imports
from engine.seeds.check import check_seeds
from engine.seeds.seed import load_seeds
from engine.tasks import load_tasks
from engine.tasks.task_set import lasting
from interpreter.machine.machine import Machine
from interpreter.machine.pool import default_workers


def import_seeds(options: ImportOptions) -> None:
    """Say which programs solve their task, and write those."""
    tasks = {task.id: task for task in load_tasks(options.tasks)}
    compile_interpreter()
    findings = imports.examine(options.path, tasks, Machine(options.fuel), options.task)
    sys.stdout.write(imports.report(findings))
    if options.out is not None:
        written = imports.write_seeds(findings, options.out, options.keep_failing)
        sys.stdout.write(f"written: {options.out}, {written} seeds\n")


def discover_seeds(options: DiscoverOptions) -> None:
    """Search for programs until the budget is spent."""
    tasks = load_tasks(options.tasks, options.task_ids, options.limit)
    out = options.out / "discovered.jsonl" if options.out.is_dir() else options.out
    compile_interpreter(search=True)
    workers = default_workers() if options.workers is None else options.workers
    source, chosen = lasting(options.tasks), {"task_ids": list(options.task_ids or ()), "limit": options.limit}
    solved = discover(source, tasks, out, options.seed, options.budget, workers, options.resume, **chosen)
    sys.stdout.write(f"written: {out}, {solved} of {len(tasks)} tasks solved\n")


def check(options: CheckOptions) -> int:
    """Write what seeds cover; exit status 1 where one does not solve its task."""
    tasks = {task.id: task for task in load_tasks(options.tasks)}
    seeds = load_seeds(options.seeds, tasks)
    compile_interpreter()
    result = check_seeds(seeds, tasks, Machine())
    sys.stdout.write(result.as_json() if options.as_json else result.as_text())
    return int(bool(result.failing))
