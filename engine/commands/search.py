"""`codeit search`: check everything that can be wrong first, then search."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import asdict, replace
from typing import Any

from engine.cluster.config import ClusterConfig
from engine.cluster.session import opening
from engine.commands.clustered import cluster_of
from engine.commands.ending import end_in_report
from engine.commands.options.search import SearchOptions
from engine.errors import UsageError
from engine.evaluation import verdict
from engine.files import as_settings, timed_folder
from engine.kept_tasks import hash_of
from engine.progress import Display, compile_interpreter
from engine.search.composition.ingredients import Ingredient
from engine.search.folder import SearchFolder, searched_tasks
from engine.search.limits import Limits
from engine.search.ranked import METHODS, RankedSearch, SearchSettings
from engine.seeds.seed import load_seeds
from engine.tasks import TASK_SETS, load_tasks, training_tasks
from engine.tasks.task_set import lasting, short_name
from interpreter.language.vocabulary import VARIABLES, has_tokens
from interpreter.machine.screening import MAX_FUEL
from interpreter.mutation.mutator import Rates


def search(options: SearchOptions) -> dict[str, Any]:
    """Start a search, or continue one; the content of its `summary.json`."""
    _check(options)
    out = options.out
    folder = SearchFolder.open(out) if options.resume else None
    if folder is None:
        settings = _settings(options)
        tasks = load_tasks(settings.tasks, settings.task_ids, settings.limit)
        settings = replace(settings, tasks_hash=hash_of(tasks))
    else:
        tasks, settings = searched_tasks(folder.path), _read_settings(folder)
    seeded = training_tasks()
    if settings.tasks not in TASK_SETS:  # one's own tasks, for which one may have programs
        seeded |= {task.id: task for task in tasks}
    seeds = load_seeds(str(folder.seeds) if folder else options.seeds, seeded)
    progress = folder.progress() if folder else {}
    method, limits = _asked(options, progress)
    for name, said in (("programs", "programs ran"), ("runs", "runs were made"), ("seconds", "seconds were spent")):
        done, most = progress.get(name, 0), getattr(limits, name)
        if folder and most is not None and done >= most:
            raise UsageError(
                f"{out}: nothing to resume, {round(done):,} {said} already (more: --programs N, --runs N, --budget MIN)"
            )
    compile_interpreter(search=True)
    with ExitStack() as stack:
        cluster = stack.enter_context(cluster_of(options.cluster, ClusterConfig(workers=options.workers)))
        if folder is None:
            out = out or timed_folder("search")
            folder = SearchFolder.create(out, settings.as_json(), [seed.row for seed in seeds])
        stack.enter_context(closing(folder))
        display = stack.enter_context(Display())
        display.say(f"{folder.path}: {method}, {len(tasks)} tasks of {short_name(settings.tasks)}, {len(seeds)} seeds")
        longer = sum(not has_tokens(seed.program) for seed in seeds)
        if longer:
            display.say(
                f"{longer} of the seeds have more than {len(VARIABLES)} variables: they are tried, without mutants"
            )
        if cluster:
            display.say(str(cluster))
        parts = settings, folder, tasks, seeded, seeds, display, options.workers, opening(cluster)
        with RankedSearch(*parts) as searching:
            summary = searching.run(method, limits)
            counts = searching.counts
        display.say(", ".join(f"{name} {count:,}" for name, count in counts.items()))
        display.say(verdict(summary))
        display.say(f"written to {folder.path}")
    end_in_report(folder.path)
    return summary


def _check(options: SearchOptions) -> None:
    """Raise `UsageError` for options that do not go together."""
    if options.method not in METHODS:
        raise UsageError(f"unknown method {options.method!r}: one of {', '.join(METHODS)}")
    if options.resume and options.out is None:
        raise UsageError("--resume needs --out: the folder of the search to continue")
    given = [name for name in options.fixed if name in options.model_fields_set]
    if options.resume and given:
        raise UsageError(f"--{given[0].replace('_', '-')} cannot change in a continued search: leave it out")
    if not options.resume and options.method not in ("mutate", "compose", "all"):
        raise UsageError(f"{options.method} starts from what a search has found: continue one with --out DIR --resume")
    unknown = [name for name in options.without if name not in set(Ingredient)]
    if unknown:
        raise UsageError(f"--without {unknown[0]}: it is one of {', '.join(Ingredient)}")
    if options.without and options.method not in ("compose", "all"):
        raise UsageError(f"--without is about composition, and --method {options.method} has none")
    mutants = [name for name in ("rates", "keep_repeats") if name in options.model_fields_set]
    if mutants and options.method == "compose":
        raise UsageError(f"--{mutants[0].replace('_', '-')} is about mutants, and --method compose has none")
    if options.fuel > MAX_FUEL:
        raise UsageError(f"--fuel must be at most {MAX_FUEL:,}, not {options.fuel:,}")


def _settings(options: SearchOptions) -> SearchSettings:
    return SearchSettings(
        lasting(options.tasks), options.task_ids or (), options.limit, options.seed, options.exhaustive, options.fuel,
        options.keep_repeats, asdict(_rates(options.rates)), options.leave_own_out, options.without,
    )  # fmt: skip


def _asked(options: SearchOptions, progress: Mapping[str, Any]) -> tuple[str, Limits]:
    """Method and limits: as they are given; where they are not, as a search that goes on was asked before."""
    given = options.model_fields_set
    if options.resume and "method" in progress and "method" not in given:
        if not given & {"programs", "runs", "budget"}:
            return progress["method"], Limits(**progress["limits"])
        options = options.model_copy(update={"method": progress["method"]})
    spent = progress.get("seconds", 0.0)
    seconds = None if options.minutes is None else spent + 60 * options.minutes
    return options.method, Limits(options.most_programs, options.runs, seconds)


def _read_settings(folder: SearchFolder) -> SearchSettings:
    return as_settings(SearchSettings, folder.settings(), folder.path / "search.json", "a search")


def _rates(text: str | None) -> Rates:
    """The rates that `argument=0.3,cut=0.1` says; those it does not name are 0, but for `new_line`."""
    if text is None:
        return Rates()
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
        return Rates(**values)
    except ValueError as error:
        raise UsageError(f"--rates: {error}") from None
