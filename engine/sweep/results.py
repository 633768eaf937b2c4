"""What the runs of a sweep came to, and how they differ from a baseline.

    {"about", "baseline", "compare", "after": seconds, "seeds", "measures": {measure: what it is},
     "configurations": {name: {"runs": [{"seed", "meta_iteration", "seconds", measure: value, ...}, ...],
                               measure: {"mean", "low", "high"}, ...}},
     "differences": {name: {measure: {"mean", "interval": [low, high], "over": "tasks" or "seeds", "pairs": n}, ...}}}

With `compare = "time"` runs are compared as they were `after` as many seconds as the meta-iterations of the shortest
took, without what comes before them: one that had none by then has number 0 and no values. Else `after` is null, and
they are as they ended.

A difference is that of two runs with the same seed, averaged over seeds. Its interval is a 95% bootstrap interval
(`engine.evaluation.figures`): over tasks where each task has a value of its own, each the mean over seeds, else over
seeds; of three seeds that is little more than the range. Intervals over tasks say nothing of other seeds, and those
over seeds nothing of other tasks. null: a run has no such value, or there is one seed alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import mean
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.table import Table

from engine.evaluation.figures import bootstrap
from engine.files import read_object
from engine.loop.boards import HEADLINE
from engine.loop.metrics import COLUMNS
from engine.run_folder import RunFolder
from engine.sweep.plan import Sweep
from engine.sweep.running import Place
from engine.tables import as_text

Values = dict[str, float]


@dataclass(frozen=True)
class Measure:
    """A column of the metrics that is compared; `by_task` says where the values of single tasks stand in the run's
    `solved.jsonl`."""

    title: str
    digits: int
    by_task: str | None = None

    def of_tasks(self, solved: Mapping[str, Any]) -> Values | None:
        """The value of each task that has one, the others having 0; None where the run did not note them."""
        found = None if self.by_task is None else solved.get(self.by_task)
        if found is None or self.by_task == "performance":
            return found
        return dict.fromkeys(found[HEADLINE[0]], 1.0)


MEASURES = {
    "heldout_loss": Measure("loss, mutants", 3),
    "heldout_tasks_loss": Measure("loss, kept tasks", 3),
    "valid_share": Measure("valid", 3),
    "demonstration_performance": Measure("demonstrations", 3, "performance"),
    "solved_policy": Measure("solved by the last samples", 1, "policy"),
    "solved_cumulative": Measure("solved so far", 1, "cumulative"),
}


@dataclass(frozen=True)
class Outcome:
    """A run at the meta-iteration where it is compared; without a row where it had none by then."""

    configuration: str
    seed: int
    row: Mapping[str, Any]
    solved: Mapping[str, Any]
    seconds: float
    tasks: int
    """that are searched, those included whose prompt does not fit"""

    def record(self) -> dict[str, Any]:
        values = {name: self.row.get(name) for name in (*MEASURES, "drawn_matching", "drawn_distinct")}
        about = {"seed": self.seed, "meta_iteration": self.row.get("meta_iteration", 0)}
        about["seconds"] = round(self.seconds, 1)
        return about | values


def results(sweep: Sweep, places: Sequence[Place]) -> dict[str, Any]:
    """Of the runs that are done."""
    rows = {place: RunFolder(place.folder).metrics() for place in places if place.is_done()}
    after = None
    if sweep.file.compare == "time":
        after = min((_ends(some)[-1] for some in rows.values()), default=0.0)
    outcomes = [_outcome(place, some, after) for place, some in rows.items()]
    by_name: dict[str, dict[int, Outcome]] = {one.name: {} for one in sweep.file.configurations}
    for outcome in outcomes:
        by_name[outcome.configuration][outcome.seed] = outcome
    by_name = {name: some for name, some in by_name.items() if some}
    base = by_name.get(sweep.baseline, {})
    return {
        "about": sweep.file.about,
        "baseline": sweep.baseline,
        "compare": sweep.file.compare,
        "after": None if after is None else round(after, 1),
        "seeds": sweep.file.seeds,
        "measures": {name: COLUMNS[name] for name in MEASURES},
        "configurations": {
            name: {"runs": [one.record() for one in some.values()]}
            | {measure: _spread([one.row.get(measure) for one in some.values()]) for measure in MEASURES}
            for name, some in by_name.items()
        },
        "differences": {
            name: {measure: difference(base, some, measure) for measure in MEASURES}
            for name, some in by_name.items()
            if name != sweep.baseline and base.keys() & some.keys()
        },
    }


def _outcome(place: Place, rows: Sequence[Mapping[str, Any]], after: float | None) -> Outcome:
    """A run as it was after so many seconds, or as it ended."""
    ends = _ends(rows)
    done = len(rows) if after is None else sum(end <= after for end in ends)
    row, seconds = (rows[done - 1], ends[done - 1]) if done else ({}, 0.0)
    solved = {one["meta_iteration"]: one for one in RunFolder(place.folder).solved()}
    at = solved.get(row.get("meta_iteration"), {})
    tasks = read_object(place.folder / "summary.json", "tasks")["tasks"]
    return Outcome(place.run.configuration, place.run.seed, row, at, seconds, tasks)


def _ends(rows: Sequence[Mapping[str, Any]]) -> list[float]:
    """The seconds after which each meta-iteration of a run was done, from the beginning of the first."""
    return list(accumulate(row["seconds"] for row in rows))


def _spread(values: Sequence[float | None]) -> dict[str, float] | None:
    known = [value for value in values if value is not None]
    return {"mean": round(mean(known), 4), "low": min(known), "high": max(known)} if known else None


def difference(base: Mapping[int, Outcome], other: Mapping[int, Outcome], measure: str) -> dict[str, Any] | None:
    """How a measure of runs differs from those of the baseline with the same seeds; None without any pair."""
    pairs = [
        (base[seed], other[seed])
        for seed in base
        if seed in other and base[seed].row.get(measure) is not None and other[seed].row.get(measure) is not None
    ]
    if not pairs:
        return None
    differences = np.array([[b.row[measure] - a.row[measure]] for a, b in pairs], np.float64)
    by_task = _task_differences(pairs, MEASURES[measure])
    sample, total = (differences, 1.0) if by_task is None else by_task
    interval = None
    if len(sample) > 1:
        low, high = bootstrap(sample, np.ones(len(sample)))
        interval = [round(float(bound[0]) * total / len(sample), 4) for bound in (low, high)]
    over = "seeds" if by_task is None else "tasks"
    return {"mean": round(float(differences.mean()), 4), "interval": interval, "over": over, "pairs": len(pairs)}


def _task_differences(
    pairs: Sequence[tuple[Outcome, Outcome]], measure: Measure
) -> tuple[npt.NDArray[np.float64], float] | None:
    """The difference of each task, (tasks, 1), the mean over seeds, and what the measure makes of their mean: a number
    of tasks, or a share; None where single tasks have no values."""
    totals: dict[str, float] = {}
    for a, b in pairs:
        ours, theirs = measure.of_tasks(b.solved), measure.of_tasks(a.solved)
        if ours is None or theirs is None:
            return None
        for task in sorted(ours.keys() | theirs.keys()):  # in one order: the bootstrap draws by place
            totals[task] = totals.get(task, 0.0) + (ours.get(task, 0.0) - theirs.get(task, 0.0)) / len(pairs)
    tasks = max(a.tasks for a, _ in pairs)
    values = np.zeros((max(tasks, len(totals)), 1))
    values[: len(totals), 0] = list(totals.values())
    return values, 1.0 if measure.by_task == "performance" else float(len(values))


def tables(found: Mapping[str, Any]) -> str:
    """The results as two tables: what there is, and how it differs."""
    text = as_text(_values_table(found), WIDTH)
    return text + (as_text(_differences_table(found), WIDTH) if found["differences"] else "")


WIDTH = 140


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("configuration")
    for measure in MEASURES.values():
        table.add_column(measure.title, justify="right")
    return table


def _values_table(found: Mapping[str, Any]) -> Table:
    after = found["after"]
    at = "as they end" if after is None else f"after {after:,.1f} s, all that the shortest took (-: nothing by then)"
    table = _table(f"mean of the seeds (least to most), runs {at}")
    for name, some in found["configurations"].items():
        runs = len(some["runs"])
        cells = [_spread_text(some[key], measure.digits) for key, measure in MEASURES.items()]
        table.add_row(f"{name}, {runs} {'seed' if runs == 1 else 'seeds'}", *cells)
    return table


def _spread_text(spread: Mapping[str, float] | None, digits: int) -> str:
    if spread is None:
        return "-"
    return f"{spread['mean']:.{digits}f} ({spread['low']:.{digits}f} to {spread['high']:.{digits}f})"


def _differences_table(found: Mapping[str, Any]) -> Table:
    table = _table(f"difference to {found['baseline']}, same seeds (95% interval; t over tasks, s over seeds)")
    for name, some in found["differences"].items():
        table.add_row(name, *(_difference_text(some[key], measure.digits) for key, measure in MEASURES.items()))
    return table


def _difference_text(one: Mapping[str, Any] | None, digits: int) -> str:
    if one is None:
        return "-"
    text = f"{one['mean']:+.{digits}f}"
    if one["interval"] is None:
        return text
    low, high = one["interval"]
    return f"{text} ({low:+.{digits}f} to {high:+.{digits}f}, {one['over'][0]})"
