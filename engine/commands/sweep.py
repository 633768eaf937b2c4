"""What the verb `sweep` does: check all configurations, say how long it takes, run what is not done, and compare."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from pkgutil import resolve_name

from engine.commands.options.sweep import SweepOptions
from engine.errors import UsageError
from engine.files import lock_folder, new_folder, timed_folder, write_json, write_text
from engine.progress import Display, compile_interpreter
from engine.sweep.estimate import estimate, in_words
from engine.sweep.plan import Sweep, read_sweep
from engine.sweep.results import results, tables
from engine.sweep.running import Ended, Place, check_folders, check_is_sweep, run_all
from interpreter.machine.pool import default_workers


def sweep(options: SweepOptions) -> None:
    """Run a sweep, or what is left of it."""
    asked = read_sweep(options.file)
    if options.resume and options.out is None:
        raise UsageError("--resume needs --out: the folder of the sweep to go on with")
    processors = default_workers()
    if options.parallel > processors:
        raise UsageError(f"--parallel {options.parallel} is more than the {processors} processors of this machine")
    folder = options.out or timed_folder(f"sweep-{asked.name}")
    places = [Place(run, folder, options.seeds) for run in asked.runs]
    display = Display()
    if options.plan:
        _tell(display, asked, places, options.parallel)
        return
    if options.resume:
        check_is_sweep(folder)
    else:
        new_folder(folder, "--out")
    with lock_folder(folder):
        check_folders(places)
        display.say(f"the sweep's folder: {folder}")
        _tell(display, asked, places, options.parallel)
        if not all(place.is_done() for place in places):
            compile_interpreter(search=True, learning=True)  # once, not in each of several runs
        failed = _run(display, places, options)
        _write(asked, places, folder)
    display.say(f"written to {folder}")
    if failed:
        first = failed[0]
        raise UsageError(
            f"{len(failed)} of {len(places)} runs failed, {first.place.run.name} with status {first.status}: "
            f"{first.last_words} (all of it: {first.place.log}); go on with --out {folder} --resume"
        )


def _run(display: Display, places: Sequence[Place], options: SweepOptions) -> list[Ended]:
    """Run what is left; those that failed."""
    failed: list[Ended] = []

    def tell(one: Ended) -> None:
        if one.status:
            failed.append(one)
        what = f"failed with status {one.status}: {one.last_words}" if one.status else "done"
        left = [place for place in places if not place.is_done() and place not in [other.place for other in failed]]
        display.overall("runs", len(places) - len(left), len(places))
        display.say(f"{one.place.run.name} {what}, {in_words(one.seconds)}; {_left(places, left, options.parallel)}")

    with display:
        display.overall("runs", sum(place.is_done() for place in places), len(places))
        try:
            run_all(places, options.parallel, tell)
        except KeyboardInterrupt:
            display.say(f"the sweep goes on with --out {places[0].sweep} --resume")
            raise
    return failed


def _tell(display: Display, asked: Sweep, places: Sequence[Place], parallel: int) -> None:
    """Say what runs, and how long it takes."""
    left = [place for place in places if not place.is_done()]
    names = ", ".join(one.name for one in asked.file.configurations)
    display.say(f"{len(places)} runs, {len(places) - len(left)} of them done: {names}; seeds {asked.file.seeds}")
    if left:
        display.say(_left(places, left, parallel))


def _left(places: Sequence[Place], left: Sequence[Place], parallel: int) -> str:
    """What is left, and for how long."""
    if not left:
        return "nothing is left"
    done: dict[str, list[float]] = {}
    for place in places:
        if place.is_done():
            done.setdefault(place.run.configuration, []).append(place.seconds())
    found = estimate([place.run for place in left], done, parallel, [place.run for place in places])
    if found.seconds is None:
        return f"{len(left)} to go, nobody knows for how long: {found.rests_on}"
    return f"{len(left)} to go, about {in_words(found.seconds)} at {parallel} a time, by {found.rests_on}"


def _write(asked: Sweep, places: Sequence[Place], folder: Path) -> None:
    """Write and print what the runs came to. The figure is made by a package that is found by name, since it stands on
    this one."""
    found = results(asked, places)
    if not found["configurations"]:
        return
    write_json(folder / "sweep.json", found)
    text = tables(found)
    write_text(folder / "sweep.txt", text)
    write_text(folder / "sweep.svg", resolve_name("report.figures.comparison:comparison_figure")(found))
    sys.stdout.write(text)
