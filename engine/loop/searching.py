"""The search inside a run: the engine of `codeit search` in the run's folder, for a while in each meta-iteration.

It sees no test output: its tasks come without them, and the run scores what it found with its own boards. What the
policy wrote and is right on a demonstration goes into it first, as a batch of the method `policy`.

The folder `search/` is one of `codeit search`, which goes on after every batch. It can be ahead of the run's progress
record after a kill: the meta-iteration that begins again then gives it no program twice, and spends what is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, replace
from types import TracebackType

from engine.config import Config
from engine.kept_tasks import hash_of
from engine.loop.rollout import Update, Work
from engine.progress import Display
from engine.run_folder import RunFolder
from engine.search.folder import open_search
from engine.search.limits import Limits, Spent
from engine.search.ranked import POLICY, RankedSearch, SearchSettings
from engine.search.workers import OpenWorkers, Workers
from engine.seeds.seed import Seed
from engine.tasks import Task
from interpreter.language.program import parse
from interpreter.language.vocabulary import has_tokens
from interpreter.machine.screening import DEFAULT_FUEL
from interpreter.mutation.mutator import Rates

PARTS = 1000  # of the bar of a meta-iteration's search


class Searching:
    """The search of one run, from wherever its folder says it is. A context manager."""

    def __init__(
        self,
        config: Config,
        folder: RunFolder,
        tasks: Sequence[Task],
        training_tasks: Mapping[str, Task],
        seeds: Sequence[Seed],
        display: Display,
        open_workers: OpenWorkers = Workers,
    ) -> None:
        self._options = config.search
        settings, workers = replace(settings_of(config), tasks_hash=hash_of(tasks)), config.interpreter.workers
        hidden = [replace(task, test_outputs=(None,) * len(task.test_outputs)) for task in tasks]
        with ExitStack() as stack:
            rows = [seed.row for seed in seeds]
            self._folder = stack.enter_context(closing(open_search(folder.search, settings.as_json(), rows)))
            self._search = stack.enter_context(
                _Shown(settings, self._folder, hidden, training_tasks, seeds, display, workers, open_workers)
            )
            self._open = stack.pop_all()

    def __enter__(self) -> Searching:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._open.close()

    @property
    def spent(self) -> Spent:
        """What it has cost so far."""
        return self._search.spent

    def step(self, number: int, start: Spent, given: Sequence[Work], update: Update) -> list[Work]:
        """The search of a meta-iteration, which was at `start` when that began, from what the policy wrote in it.

        Returns what search found in it and a policy could write, in order of task and text.
        """
        options = self._options
        seconds = start.seconds + 60 * options.minutes if options.minutes else None
        limits = Limits(runs=start.runs + options.runs if options.runs else None, seconds=seconds)
        self._search.show(update, start, limits)
        if self._search.batches(POLICY) < number:
            self._search.learn(given)
        self._search.run(options.method, limits)
        self._search.ended()
        return sorted(self._found(start), key=lambda work: (work[0], work[1].text))

    def _found(self, start: Spent) -> list[Work]:
        """What search itself found since `start`."""
        rows = (row for row in self._folder.rows() if row["number"] >= start.programs and row["method"] != POLICY)
        work = ((row["task"], parse(row["program"])) for row in rows)
        return [one for one in work if has_tokens(one[1])]


def settings_of(config: Config) -> SearchSettings:
    """What decides the outcome of a run's search."""
    tasks = config.tasks
    return SearchSettings(
        tasks.search, tasks.task_ids, tasks.limit, config.loop.seed, exhaustive=False, fuel=DEFAULT_FUEL,
        keep_repeats=False, rates=asdict(Rates()), leave_own_out=config.search.leave_own_out,
    )  # fmt: skip


class _Shown(RankedSearch):
    """A search that shows itself as a phase of a run. What it counts are tasks that are right on all demonstrations."""

    def show(self, update: Update, start: Spent, limits: Limits) -> None:
        """Show further batches by `update`, as the way from `start` to `limits`."""
        self._update, self._first, self._limits, self._told = update, start, limits, -1

    def shown(self, limits: Limits) -> None:
        self._update(round(PARTS * (limits.share(self._first, self.spent) or 0.0)), PARTS, self._state())

    def ended(self) -> None:
        """Say what it has come to, unless that was said just now."""
        if self._told != self.search.programs:
            self.said(self.search.programs, {})

    def said(self, programs: int, solved: Mapping[str, Mapping[str, int]]) -> None:
        self._told = programs
        self.display.say(f"search, {programs:,} programs: {self._state()}")

    def _state(self) -> str:
        fitting = f"{len(self.search.state.population.solved)} of {len(self.tasks)} tasks right on all demonstrations"
        left = "" if self._limits.are_reached(self.spent) else self._limits.left(self._first, self.spent)
        return f"{fitting}, {left}" if left else fitting
