"""`codeit profile`: where the interpreter's time, fuel and memory go, for the programs of a file, a run, a task set.

In, what `engine.profiling.work` finds. Out, a folder:

    profile.json              totals; `primitives` by own time; `programs` by time; `tree`, the calls of all programs
    profile.speedscope.json   the tree as flame graphs of time, fuel and memory
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from engine.commands.launch import mistakes
from engine.commands.options.profile import ProfileOptions
from engine.commands.speedscope import flame_graphs
from engine.errors import UsageError
from engine.files import check_ours, make_folder, write_json, write_text
from engine.profiling.comparison import compare, read_profile
from engine.profiling.listing import comparison_listings, profile_listings, totals
from engine.profiling.work import FOLDER, TASKS, Work, find_work, kind_of
from engine.progress import compile_interpreter, console
from interpreter.grids import GridTable
from interpreter.language.bytecode import Code
from interpreter.language.program import Program
from interpreter.machine.profile import Node, ProfiledMachine
from interpreter.primitives import PRIMITIVES
from interpreter.runtime.outcome import Outcome

MEASURES = ("seconds", "fuel", "words")


@dataclass(frozen=True)
class Profiled:
    """What one program was spent on: `tree` over all `repeats`, `seconds` of each run of all of its inputs."""

    line: int
    task: str | None
    program: Program
    outcomes: dict[str, int]
    runs: int
    seconds: list[float]
    tree: Node

    def summary(self) -> dict[str, Any]:
        """Its row of `programs`; fuel and words are those of one run, in the mean."""
        runs = self.runs * len(self.seconds)
        return {
            "line": self.line,
            **({"task": self.task} if self.task else {}),
            "program": self.program.text,
            "runs": self.runs,
            "us_per_run": 1e6 * median(self.seconds) / self.runs,
            "fuel_per_run": self.tree.fuel / runs,
            "words_per_run": self.tree.words / runs,
            "outcomes": self.outcomes,
        }


@mistakes()
def profile(options: ProfileOptions) -> None:
    """Profile, or compare two profiles: tables on the terminal, the rest into the folder."""
    if options.compare:
        _compare(options)
        return
    if len(options.what) > 1:
        raise UsageError("one WHAT at a time; to see two profiles side by side: codeit profile --compare A B")
    if (options.folder / "profile.json").exists():
        raise UsageError(f"{options.folder} holds a profile already: choose another --out")
    if options.folder.exists() and not options.folder.is_dir():
        raise UsageError(f"{options.folder} is no folder: choose another --out")
    (what,) = options.what
    kind = kind_of(what)
    for name, of in (("programs", FOLDER), ("seeds", TASKS)):
        if name in options.model_fields_set and kind != of:
            raise UsageError(f"--{name} is about {of}, and {what} is {kind}: leave it out")
    errors, work = _parted(what, find_work(what, options.programs, options.seeds))
    make_folder(options.folder)  # what cannot be written is said before the work is done
    compile_interpreter()
    result, tree = profile_work(what, work, errors, ProfiledMachine(options.fuel), options.repeats)
    written = write(result, tree, options.folder)
    for listing in profile_listings(result):
        console.print(listing.table(options.top))
    for error in result["errors"]:
        console.print(f"left out: {error}")
    where = " and ".join(map(str, written))
    console.print(f"written: {where} (for https://www.speedscope.app)", soft_wrap=True)


def _compare(options: ProfileOptions) -> None:
    if len(options.what) != 2:
        raise UsageError(f"--compare takes two profiles, not {len(options.what)}: codeit profile --compare A B")
    first, second = (read_profile(Path(name)) for name in options.what)
    result = compare(first, second, options.what)
    for listing in comparison_listings(result):
        console.print(listing.table(options.top))
    if options.out is not None:
        make_folder(options.out)
        check_ours(options.out / "comparison.json", '"profiles":')
        write_json(options.out / "comparison.json", result)
        console.print(f"written: {options.out / 'comparison.json'}", soft_wrap=True)


def _parted(name: str, found: Iterable[Work | str]) -> tuple[list[str], list[Work]]:
    """What of a source cannot be run, and what can. Raises `UsageError` where nothing can."""
    errors, work = [], []
    for one in found:
        if isinstance(one, str):
            errors.append(one)
        elif one.inputs:
            work.append(one)
    if not work:
        raise UsageError(f"{name}: no line with a program to run{'; ' + errors[0] if errors else ''}")
    return errors, work


def profile_work(
    name: str, work: Iterable[Work], errors: list[str], machine: ProfiledMachine, repeats: int
) -> tuple[dict[str, Any], Node]:
    """Profile programs, each `repeats` times; what `profile.json` holds, `errors` included, and the merged tree."""
    profiled = [_profile(one, machine, repeats) for one in work]
    tree = Node("all")
    for one in profiled:
        tree.add(one.tree)
    return {
        "file": name,
        "programs": sorted((one.summary() for one in profiled), key=lambda row: -row["us_per_run"] * row["runs"]),
        "errors": errors,
        "runs": sum(one.runs for one in profiled),
        "repeats": repeats,
        "seconds": sum(median(one.seconds) for one in profiled),
        "overhead_ns_per_call": {"inside": 1e9 * machine.inside, "around": 1e9 * machine.around},
        "primitives": primitive_rows(tree),
        "tree": _nested(tree),
    }, tree


def _profile(work: Work, machine: ProfiledMachine, repeats: int) -> Profiled:
    code, grids = Code.assemble([work.program]), GridTable.pack(work.inputs)
    count = len(work.inputs)
    jobs = np.stack([np.zeros(count, np.int32), np.arange(count, dtype=np.int32)], axis=1)
    tree = Node("all")
    seconds = []
    for _ in range(repeats):
        runs, one = machine.profile(code, grids, jobs)
        tree.add(one)
        seconds.append(one.seconds)
    outcomes = dict(Counter(Outcome(outcome).label for outcome in runs.outcomes))
    return Profiled(work.line, work.task, work.program, outcomes, count, seconds, tree)


def primitive_rows(tree: Node) -> list[dict[str, Any]]:
    """Calls, own and total measures of each primitive, by own time; a total counts a call within itself once."""
    rows: dict[str, dict[str, Any]] = {}
    for node, above in tree.walk():
        row = rows.setdefault(
            node.name,
            {"name": node.name, "module": module_of(node.name), "calls": 0}
            | {f"{kind}_{measure}": 0 for measure in MEASURES for kind in ("own", "total")},
        )
        row["calls"] += node.calls
        for measure in MEASURES:
            row[f"own_{measure}"] += node.own(measure)
            row[f"total_{measure}"] += getattr(node, measure) if node.name not in above else 0
    return sorted(rows.values(), key=lambda row: -row["own_seconds"])


def module_of(name: str) -> str:
    """The part of the language that a primitive belongs to: `objects`, `painting`, ..."""
    return PRIMITIVES[name].source.__module__.rsplit(".", 1)[-1]


def _nested(node: Node) -> dict[str, Any]:
    return {
        "name": node.name,
        "calls": node.calls,
        **{measure: getattr(node, measure) for measure in MEASURES},
        "children": [_nested(child) for child in node.children.values()],
    }


def write(result: dict[str, Any], tree: Node, out: Path) -> list[Path]:
    """Write both files, `profile.json` last; the paths of both."""
    title = f"{result['file']}: {totals(result)}"
    graphs = flame_graphs(tree, {name: module_of(name) for name in PRIMITIVES}, title)
    for name, content in (("profile.speedscope.json", graphs), ("profile.json", result)):
        write_text(out / name, json.dumps(content) + "\n")
    return [out / "profile.json", out / "profile.speedscope.json"]
