"""`codeit search`: check everything that can be wrong first, then search."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engine.errors import UsageError
from engine.evaluation import verdict
from engine.progress import Display, compile_interpreter
from engine.search.driver import Search, SearchSettings
from engine.search.folder import SearchFolder
from engine.search.sources import METHODS
from engine.seeds.seed import load_seeds
from engine.tasks import load_tasks
from interpreter.language.vocabulary import VARIABLES, has_tokens
from interpreter.machine.screening import MAX_FUEL
from interpreter.mutation.mutator import Rates

TRAINING_TASKS = "arc1-train"
DEFAULT_TASKS, DEFAULT_PROGRAMS, DEFAULT_FUEL = "arc1-eval", 150_000, 200_000
# What decides the outcome is kept in the folder; a continued search cannot change it.
FIXED = ("seeds", "tasks", "task_ids", "limit", "seed", "exhaustive", "fuel", "keep_repeats", "rates")


def search(
    method: str | None,
    programs: int | None,
    budget: float | None,
    out: Path | None,
    resume: bool,
    workers: int | None,
    **fixed: Any,
) -> dict[str, Any]:
    """Start a search, or continue one; the content of its `summary.json`."""
    method = method or "mutate"
    if method not in METHODS:
        raise UsageError(f"unknown method {method!r}: one of {', '.join(METHODS)}")
    given = [name for name in FIXED if fixed.get(name) not in (None, False)]
    if resume and out is None:
        raise UsageError("--resume needs --out: the folder of the search to continue")
    if resume and given:
        raise UsageError(f"--{given[0].replace('_', '-')} cannot change in a continued search: leave it out")
    if not resume and method != "mutate":
        raise UsageError(f"{method} starts from what a search has found: continue one with --out DIR --resume")
    folder = SearchFolder.open(out) if resume else None
    settings = _read_settings(folder) if folder else _settings(**fixed)
    training_tasks = {task.id: task for task in load_tasks(TRAINING_TASKS)}
    seeds = load_seeds(str(folder.seeds) if folder else fixed.get("seeds"), training_tasks)
    tasks = load_tasks(settings.tasks, settings.task_ids, settings.limit)
    if programs is None and budget is None:
        programs = DEFAULT_PROGRAMS
    done = folder.progress().get("programs", 0) if folder else 0
    if programs is not None and done >= programs:
        raise UsageError(
            f"{out}: nothing to resume, {done:,} programs ran already (more: --programs N or --budget MIN)"
        )
    compile_interpreter()
    if folder is None:
        out = out or Path("runs") / f"search-{time.strftime('%Y%m%d-%H%M%S')}"
        folder = SearchFolder.create(out, settings.as_json(), [seed.row for seed in seeds])
    with Display() as display:
        display.say(f"{folder.path}: {method}, {len(tasks)} tasks of {settings.tasks}, {len(seeds)} seeds")
        longer = sum(not has_tokens(seed.program) for seed in seeds)
        if longer:
            display.say(
                f"{longer} of the seeds have more than {len(VARIABLES)} variables: they are tried, without mutants"
            )
        with Search(settings, folder, tasks, training_tasks, seeds, display, workers) as searching:
            seconds = None if budget is None else 60 * budget
            summary = searching.run(method, programs, seconds)
            counts = searching.counts
        display.say(", ".join(f"{name} {count:,}" for name, count in counts.items()))
        display.say(verdict(summary))
        display.say(f"written to {folder.path}")
    folder.close()
    return summary


def _settings(
    tasks: str | None,
    task_ids: Sequence[str] | None,
    limit: int | None,
    seed: int | None,
    exhaustive: bool,
    fuel: int | None,
    keep_repeats: bool,
    rates: str | None,
    seeds: str | None,
) -> SearchSettings:
    if (fuel or 0) > MAX_FUEL:
        raise UsageError(f"--fuel must be at most {MAX_FUEL:,}, not {fuel:,}")
    return SearchSettings(
        tasks or DEFAULT_TASKS, task_ids or (), limit, seed or 0, exhaustive, fuel or DEFAULT_FUEL, keep_repeats,
        asdict(_rates(rates)),
    )  # fmt: skip


def _read_settings(folder: SearchFolder) -> SearchSettings:
    return SearchSettings(**folder.settings())


def _rates(text: str | None) -> Rates:
    """The rates that `argument=0.3,cut=0.1` says; those it does not name are 0, but for `new_line`."""
    if text is None:
        return SEARCH_RATES
    known = asdict(Rates())
    values = dict.fromkeys(known, 0.0) | {"new_line": known["new_line"]}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        name = name.strip().replace("-", "_")
        if name not in known or not equals:
            raise UsageError(f"--rates {part.strip()!r}: right is NAME=NUMBER with one of {', '.join(known)}")
        try:
            values[name] = float(value)
        except ValueError:
            raise UsageError(f"--rates {part.strip()!r}: {value!r} is no number") from None
    try:
        rates = Rates(**values)
        rates.weights()
    except ValueError as error:
        raise UsageError(f"--rates: {error}") from None
    return rates


SEARCH_RATES = Rates()
