"""The `codeit` command.

Verbs import what they need when they run, so that `codeit --help` answers at once. A mistake of the user is one
line on stderr and exit status 2; nothing is overwritten.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from engine.commands.arguments import Parser, Verbs, fuel, minutes, names, natural, positive, settings
from engine.commands.bench import add_bench
from engine.errors import UsageError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb; the exit status."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        options, overrides = _parser().parse_known_args(arguments)
        if overrides and not options.configurable:
            verb = f"{options.verb} {options.action}".rstrip()
            raise UsageError(f"unrecognized argument {overrides[0]!r} (see codeit {verb} --help)")
        return options.run(options, overrides)
    except UsageError as error:
        sys.stderr.write(f"codeit: {error}\n")
        return 2
    except KeyboardInterrupt as interrupt:
        sys.stderr.write("\ncodeit: interrupted; a run continues with --resume\n")
        return 128 + (signal.SIGTERM if isinstance(interrupt, _Terminated) else signal.SIGINT)
    finally:
        signal.signal(signal.SIGTERM, before)


class _Terminated(KeyboardInterrupt):
    """SIGTERM, of a scheduler or `docker stop`: what is open is closed as it is after Ctrl-C."""


def _terminate(_number: int, _frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one does not disturb the closing
    raise _Terminated


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="codeit",
        description="Self-improving program synthesis on ARC: a language model writes programs in a grid language, "
        "a compiled virtual machine runs them, every valid run becomes training data.",
    )
    parser.set_defaults(action="", configurable=False)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for add in (_add_run, _add_eval, _add_search, _add_exec, _add_profile, _add_seeds, _add_replay, add_bench):
        add(verbs)
    return parser


def _add_run(verbs: Verbs) -> None:
    run = verbs.add_parser(
        "run", help="the self-improving loop", description="Fill replay from seed programs, then repeat: draw, "
        "train, publish, swap, sample, execute, evaluate, store.",
        epilog="Any option of the configuration can be set as --section.field value; list them with --options.",
    )  # fmt: skip
    run.add_argument("--preset", help="smoke, cpu (default), paper, paper-codet5 or sizes")
    run.add_argument("--config", type=Path, metavar="FILE", help="TOML file whose values go before the preset's")
    run.add_argument("--seeds", metavar="PATH", help="what `seeds import` reads (default: the embedded seeds)")
    run.add_argument("--run-dir", type=Path, metavar="DIR", help="the run's folder (default: runs/<preset>-<time>)")
    run.add_argument("--resume", action="store_true", help="continue the run in --run-dir after its last "
                     "complete meta-iteration")  # fmt: skip
    run.add_argument("--options", action="store_true", help="list all --section.field options, with their defaults")
    run.set_defaults(run=_run, configurable=True)


def _run(options: argparse.Namespace, overrides: list[str]) -> int:
    if options.options:
        return _print_options()
    from engine.commands import launch

    launch.run(
        preset=options.preset,
        file=options.config,
        overrides=overrides,
        seeds=options.seeds,
        run_dir=options.run_dir,
        resume=options.resume,
    )
    return 0


def _print_options() -> int:
    from engine.config import fields

    for name, field in fields():
        kind = getattr(field.annotation, "__name__", None) or str(field.annotation).removeprefix("typing.")
        default = f"default {field.default}" if field.default not in (None, []) else ""
        sys.stdout.write(f"--{name} {kind}  {default}\n    {field.description or ''}\n")
    return 0


def _add_eval(verbs: Verbs) -> None:
    evaluate = verbs.add_parser(
        "eval", help="evaluate a run or a checkpoint on a task set",
        description="Sample programs with the last policy of a run (or with a checkpoint), rank them by both "
        "rankings, and score pass@1, 2 and 3.",
        epilog="Sampler and interpreter options can be set as --section.field value.",
    )  # fmt: skip
    source = evaluate.add_mutually_exclusive_group(required=True)
    source.add_argument("--run-dir", type=Path, metavar="DIR", help="a run's folder")
    source.add_argument("--model", type=Path, metavar="DIR", help="a published checkpoint")
    _add_tasks(evaluate, None, "the run's, or arc1-eval")
    how = evaluate.add_mutually_exclusive_group()
    how.add_argument("--samples", type=positive, metavar="N", help="programs sampled a task (default: the run's, 24)")
    how.add_argument("--stored", action="store_true", help="score what the run found, without sampling")
    evaluate.add_argument("--out", type=Path, metavar="DIR", help="default: <run or model>/eval/<set>")
    evaluate.set_defaults(run=_evaluate, configurable=True)


def _evaluate(options: argparse.Namespace, overrides: list[str]) -> int:
    from engine.commands import launch

    launch.evaluate(
        run_dir=options.run_dir,
        model=options.model,
        task_set=options.tasks,
        task_ids=options.task_ids,
        limit=options.limit,
        samples=options.samples,
        stored=options.stored,
        out=options.out,
        overrides=overrides,
    )
    return 0


def _add_search(verbs: Verbs) -> None:
    search = verbs.add_parser(
        "search", help="program search without a model",
        description="Mutate seed programs, run those that give a grid on their own task on every search task, and rank "
        "what matches. Writes search.jsonl as it goes; goes on where it stopped.",
    )  # fmt: skip
    search.add_argument("--seeds", metavar="PATH", help="what `seeds import` reads (default: the embedded seeds)")
    _add_tasks(search, None, "arc1-eval")
    search.add_argument("--programs", type=positive, metavar="N", help="distinct executed programs, in all (default: "
                        "150,000)")  # fmt: skip
    search.add_argument("--budget", type=minutes, metavar="MIN", help="minutes; it ends with whatever comes first")
    search.add_argument("--seed", type=natural, metavar="S", help="everything random follows from it (default: 0)")
    search.add_argument("--method", metavar="NAME", help="mutate (default); with --resume also remutate, "
                        "recombine, enumerate")  # fmt: skip
    search.add_argument("--exhaustive", action="store_true", help="run all demonstrations of every task, not only "
                        "those after a first one that matches")  # fmt: skip
    search.add_argument("--keep-repeats", action="store_true", help="run also programs that do nothing new on their "
                        "own task, as the paper does")  # fmt: skip
    search.add_argument("--rates", metavar="R", help="how often to mutate what, e.g. argument=0.3,function=0.3,cut=0.1")
    search.add_argument("--fuel", type=positive, metavar="N", help="work a run may do (default: 200,000)")
    search.add_argument("--workers", type=positive, metavar="N", help="threads (default: one a processor)")
    search.add_argument("--out", type=Path, metavar="DIR", help="the search's folder (default: runs/search-<time>)")
    search.add_argument("--resume", action="store_true", help="continue the search in --out")
    search.set_defaults(run=_search)


def _search(options: argparse.Namespace, _overrides: list[str]) -> int:
    from engine.commands.search import search

    search(**settings(options))
    return 0


def _add_exec(verbs: Verbs) -> None:
    execute = verbs.add_parser(
        "exec", help="run programs on grids",
        description='Run each line {"program": "...", "inputs": [grid, ...]} of a JSONL file; write {"outputs": '
        '[grid or null, ...], "status": ["ok", ...], "fuel": [int, ...]} in the same order.',
    )  # fmt: skip
    execute.add_argument("file", type=Path, metavar="FILE.jsonl")
    execute.add_argument("--out", type=Path, metavar="OUT.jsonl", help="default: standard output")
    execute.add_argument("--fuel", type=fuel, metavar="N", help="work a run may do (default: 4,000,000)")
    execute.set_defaults(run=_execute)


def _execute(options: argparse.Namespace, _overrides: list[str]) -> int:
    if not options.file.exists() or options.file.is_dir():  # a pipe is welcome
        raise UsageError(f"{options.file}: no such file")
    _check_new_file(options.out)
    from engine.commands.execute import execute_lines, write_results
    from engine.progress import compile_interpreter
    from interpreter.machine.machine import DEFAULT_FUEL, Machine

    compile_interpreter()
    machine = Machine(options.fuel or DEFAULT_FUEL)
    with options.file.open("rb") as lines:
        write_results(execute_lines(lines, machine), options.out)
    return 0


def _add_profile(verbs: Verbs) -> None:
    profile = verbs.add_parser(
        "profile", help="where the interpreter's time, fuel and memory go",
        description='Profile the programs of a JSONL file, lines {"program": "...", "inputs": [grid, ...]} or {"task": '
        '"...", "program": "..."}: tables here, profile.json and flame graphs (profile.svg) in a folder.',
    )  # fmt: skip
    profile.add_argument("file", type=Path, metavar="FILE.jsonl")
    profile.add_argument("--out", type=Path, metavar="DIR", help="default: <FILE>-profile")
    profile.add_argument("--repeats", type=positive, default=20, metavar="N", help="runs of each program (default: 20)")
    profile.add_argument("--top", type=positive, default=15, metavar="N", help="rows of the tables (default: 15)")
    profile.add_argument("--fuel", type=fuel, metavar="N", help="work a run may do (default: 4,000,000)")
    profile.set_defaults(run=_profile)


def _profile(options: argparse.Namespace, _overrides: list[str]) -> int:
    if not options.file.is_file():
        raise UsageError(f"{options.file}: no such file")
    out = options.out or Path(f"{options.file.stem}-profile")
    if (out / "profile.json").exists():
        raise UsageError(f"{out} holds a profile already: choose another --out")
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is no folder: choose another --out")
    from engine.commands import profile as profile_file
    from engine.progress import compile_interpreter, console
    from interpreter.machine.machine import DEFAULT_FUEL
    from interpreter.machine.profile import ProfiledMachine

    compile_interpreter()
    result, tree = profile_file.profile(options.file, ProfiledMachine(options.fuel or DEFAULT_FUEL), options.repeats)
    profile_file.write(result, tree, out)
    for table in profile_file.tables(result, options.top):
        console.print(table)
    for error in result["errors"]:
        console.print(f"left out: {error}", markup=False)
    console.print(f"written: {out / 'profile.json'} and {out / 'profile.svg'}", markup=False)
    return 0


def _add_seeds(verbs: Verbs) -> None:
    seeds = verbs.add_parser("seeds", help="seed programs: import, discover, check").add_subparsers(
        dest="action", metavar="ACTION", required=True
    )
    import_ = seeds.add_parser(
        "import", help="programs from elsewhere", description="Read programs, never running them as Python; try each "
        "on all pairs of its task, say which fail and how, and write the others as seeds. PATH: a checkout of arc-dsl "
        "or re-arc, its solvers.py or verifiers.py, CodeIt's data/training or one of its JSON files, files <task>.py "
        "with one function each, or JSONL with `task` and `program`.",
    )  # fmt: skip
    import_.add_argument("path", type=Path, metavar="PATH")
    import_.add_argument("--out", type=Path, metavar="SEEDS.jsonl", help="default: only check")
    import_.add_argument("--keep-failing", action="store_true", help="write programs that do not solve their task, too")
    import_.add_argument("--tasks", default="arc1-train", metavar="SET", help="default: arc1-train")
    import_.add_argument("--task", metavar="ID", help="the task of PATH's only program, whatever its name")
    import_.add_argument("--fuel", type=fuel, metavar="N", help="work a run may do (default: 4,000,000)")
    import_.set_defaults(run=_seeds_import)
    discover = seeds.add_parser(
        "discover", help="programs by search alone, from none", description="Enumerate programs for training tasks in "
        "order of cost, then try mutants of what was found; what solves all pairs of its task is written as it is "
        "found.", epilog="OUT.progress.jsonl, beside the seeds, is what --resume goes on from.",
    )  # fmt: skip
    _add_tasks(discover, "arc1-train", "arc1-train")
    discover.add_argument("--budget", type=minutes, default=30, metavar="MIN", help="minutes (default: 30)")
    discover.add_argument("--seed", type=natural, default=0, metavar="S", help="of the mutants (default: 0)")
    discover.add_argument("--workers", type=positive, metavar="N", help="threads (default: one a processor)")
    discover.add_argument("--out", type=Path, default=Path("discovered.jsonl"), metavar="OUT.jsonl",
                          help="seeds (default: discovered.jsonl); in a folder: discovered.jsonl there")  # fmt: skip
    discover.add_argument("--resume", action="store_true", help="go on with --out")
    discover.set_defaults(run=_seeds_discover)
    check = seeds.add_parser(
        "check", help="what seeds cover, and whether they solve their tasks", description="Run every seed on its task; "
        "coverage, lengths, primitives used. Exit status 1 where an embedded seed fails.",
    )  # fmt: skip
    check.add_argument("--seeds", metavar="PATH", help="what `seeds import` reads (default: the embedded seeds)")
    check.add_argument("--tasks", default="arc1-train", metavar="SET", help="default: arc1-train")
    check.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    check.set_defaults(run=_seeds_check)


def _seeds_import(options: argparse.Namespace, _overrides: list[str]) -> int:
    _check_new_file(options.out)
    if options.keep_failing and options.out is None:
        raise UsageError("--keep-failing says what is written: it needs --out")
    from engine.progress import compile_interpreter
    from engine.seeds import imports as seed_import
    from engine.tasks import load_tasks
    from interpreter.machine.machine import DEFAULT_FUEL, Machine

    tasks = {task.id: task for task in load_tasks(options.tasks)}
    compile_interpreter()
    findings = seed_import.examine(options.path, tasks, Machine(options.fuel or DEFAULT_FUEL), options.task)
    sys.stdout.write(seed_import.report(findings))
    if options.out is not None:
        written = seed_import.write_seeds(findings, options.out, options.keep_failing)
        sys.stdout.write(f"written: {options.out}, {written} seeds\n")
    return 0


def _seeds_discover(options: argparse.Namespace, _overrides: list[str]) -> int:
    from engine.progress import compile_interpreter
    from engine.search.discover import discover
    from engine.tasks import load_tasks
    from interpreter.machine.pool import default_workers

    tasks = load_tasks(options.tasks, options.task_ids, options.limit)
    out = options.out / "discovered.jsonl" if options.out.is_dir() else options.out
    compile_interpreter()
    workers = options.workers or default_workers()
    solved = discover(options.tasks, tasks, out, options.seed, options.budget, workers, options.resume)
    sys.stdout.write(f"written: {out}, {solved} of {len(tasks)} tasks solved\n")
    return 0


def _seeds_check(options: argparse.Namespace, _overrides: list[str]) -> int:
    from engine.progress import compile_interpreter
    from engine.seeds.check import check_seeds
    from engine.seeds.seed import load_seeds
    from engine.tasks import load_tasks
    from interpreter.machine.machine import Machine

    tasks = {task.id: task for task in load_tasks(options.tasks)}
    seeds = load_seeds(options.seeds, tasks)
    compile_interpreter()
    result = check_seeds(seeds, tasks, Machine())
    sys.stdout.write(result.as_json() if options.json else result.as_text())
    return 1 if result.failing and options.seeds is None else 0


def _add_replay(verbs: Verbs) -> None:
    replay = verbs.add_parser("replay", help="look into a replay store").add_subparsers(
        dest="action", metavar="ACTION", required=True
    )
    stats = replay.add_parser("stats", help="what a store holds", description="Counts of a replay store.")
    stats.add_argument("path", type=Path, metavar="DIR", help="a run's folder, or its replay folder")
    stats.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    stats.set_defaults(run=_replay_stats)


def _replay_stats(options: argparse.Namespace, _overrides: list[str]) -> int:
    from engine.commands import replay as inspect_replay

    sys.stdout.write(inspect_replay.stats(options.path, as_json=options.json))
    return 0


def _add_tasks(parser: argparse.ArgumentParser, default: str | None, which: str) -> None:
    parser.add_argument("--tasks", default=default, metavar="SET", help=f"task set (default: {which})")
    parser.add_argument("--task-ids", type=names, metavar="ID,ID", help="only these tasks")
    parser.add_argument("--limit", type=positive, metavar="N", help="only the first N tasks")


def _check_new_file(out: Path | None) -> None:
    if out is not None and out.exists():
        raise UsageError(f"{out} exists already: choose another --out")
    if out is not None and not out.parent.is_dir():
        raise UsageError(f"{out.parent}: no such folder")


if __name__ == "__main__":
    sys.exit(main())
