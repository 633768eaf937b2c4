"""The loop: fill, then draw -> train -> publish -> swap -> sample -> execute -> (search) -> evaluate -> store, again.

With `loop.max_staleness` 1 the last weights sample while the next ones are trained, in a process of its own; nothing
else differs, and a run is as repeatable.

A meta-iteration is complete when its experiences and its progress record are committed, in one transaction; a
run that is killed continues after its last complete meta-iteration. Everything random derives from the run's
seed, the meta-iteration and what it is for, so that a resumed run does what the uninterrupted one would have.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from types import TracebackType
from typing import Any

import numpy as np

from engine.cluster.session import Session, opening, pooling
from engine.config import Config
from engine.errors import UsageError
from engine.evaluation import Scoreboard
from engine.execution import Execution, Executor
from engine.loop.beginning import Beginning
from engine.loop.boards import Boards
from engine.loop.components import new_codec, new_sampler, new_trainer
from engine.loop.drawing import draw
from engine.loop.examples import to_examples
from engine.loop.fill import fill
from engine.loop.metrics import EventWriter, replay_counts
from engine.loop.phases import Phases
from engine.loop.rollout import (
    Rollout,
    Running,
    chunks,
    encode_prompts,
    request_seed,
    sample_programs,
    stored_executions,
)
from engine.loop.searching import Searching
from engine.progress import Display
from engine.run_folder import RunFolder
from engine.sampler import Sampler
from engine.search.limits import Spent
from engine.tasks.task_set import short_name
from interpreter.language.vocabulary import VARIABLES
from replay.experience import Experience, Origin, demonstration_performance, relabel
from replay.rows import Rows
from replay.store import ReplayStore
from trainer.encoding import Weights
from trainer.examples import Examples
from trainer.training import TrainResult


class Loop:
    """A run in its folder, from wherever its progress record says it is. A context manager."""

    def __init__(
        self,
        config: Config,
        folder: RunFolder,
        beginning: Beginning,
        display: Display,
        cluster: Session | None = None,
    ) -> None:
        search_tasks = beginning.search_tasks
        self.config = config
        self._cluster = cluster
        self.folder = folder
        self.beginning = beginning
        self.tasks = {task.id: task for task in search_tasks}
        self.display = display
        self.codec = new_codec(config)
        self.prompts = encode_prompts(search_tasks, self.codec)
        self.boards = Boards(search_tasks, config.search.is_on)
        self.known_programs: set[str] = set()
        self.heldout_programs: set[str] = set()
        self.heldout: dict[str, Examples] = {}
        self.search: Searching | None = None
        self.spent = Spent()
        self._sampler: Sampler | None = None
        self._open = ExitStack()
        with ExitStack() as stack:  # closes what is open if a later step fails
            stalled = 60 * config.loop.stall_minutes
            self.phases = stack.enter_context(Phases(display, stalled, folder.path / "stalled.txt"))
            self.store = stack.enter_context(ReplayStore(folder.replay, config.replay.capacity))
            self.heldout_store = stack.enter_context(ReplayStore(folder.heldout))
            self.executor = stack.enter_context(Executor(search_tasks, config.interpreter, pooling(cluster)))
            with self.phases.watched("start the trainer"):
                self.trainer = new_trainer(config, self.codec)
            stack.callback(self.trainer.close)
            if config.search.is_on:
                parts = config, folder, search_tasks, beginning.training_tasks, beginning.seeds, display
                self.search = stack.enter_context(Searching(*parts, opening(cluster)))
            self._open = stack.pop_all()

    def __enter__(self) -> Loop:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._open.close()

    def run(self) -> dict[str, Any]:
        """Run all meta-iterations that are left; the content of `summary.json`."""
        start = time.perf_counter()
        progress = self.store.progress()
        if progress is None:
            progress = self._fill(start)
        else:
            start -= progress["seconds"]  # as if the earlier parts of the run had just ended
        done = progress["meta_iteration"]
        if done:
            self._restore(progress)
        self.known_programs = {experience.program for experience in self.store}
        heldout = list(self.heldout_store)
        self.heldout_programs = {experience.program for experience in heldout}
        self.heldout = {
            "heldout_loss": self._examples(heldout, self.heldout_store),
            "heldout_tasks_loss": self._examples(self._kept(), self.store),
        }
        total = self.config.loop.meta_iterations
        note = f"{len(self.tasks)} tasks"
        events = EventWriter(self.folder.tensorboard, next(reversed(self.folder.metrics()), None))
        try:
            for number in range(done + 1, total + 1):
                self.display.overall("meta-iterations", number - 1, total, note)
                row, summary = self._meta_iteration(number, lambda: time.perf_counter() - start)
                events.add(row)
                self.folder.append_metrics(row, summary)
                self.folder.keep_checkpoints(number, self.config.trainer.keep_checkpoints)
                self.display.say(_line(row, total))
                note = f"{row['solved_cumulative']}/{len(self.tasks)} tasks solved"
        finally:
            events.close()
        return summary

    # ------------------------------------------------------------------------------------- beginning

    def _fill(self, start: float) -> dict[str, Any]:
        """Fill replay, meta-iteration 0. Its progress record comes last: without it a fill starts over."""
        filled = fill(self.beginning, self.config, self.store, self.heldout_store, self.display, self.phases.watched)
        self.store.put_tasks({task.id: task.inputs for task in self.tasks.values()})
        progress = progress_of(0, time.perf_counter() - start)
        self.store.commit((), progress)
        self.display.say(
            f"replay filled: {filled.experiences} experiences of {len(self.beginning.seeds)} seed programs and of "
            f"{filled.made} made of them, {filled.heldout} held out"
        )
        return progress

    def _kept(self) -> list[Experience]:
        """What was kept from training and a policy is judged by; says how much is not."""
        kept, seeds = self.beginning.kept, len(self.beginning.kept_seeds)
        if len(kept) < seeds:
            self.display.say(
                f"{seeds - len(kept)} of {seeds} seeds kept from training are left out of heldout_tasks_loss: they are "
                f"not right on all demonstrations, or have more than {len(VARIABLES)} variables"
            )
        return kept

    def _restore(self, progress: Mapping[str, Any]) -> None:
        """Continue after the meta-iteration of a progress record."""
        self.trainer.resume(self.folder.published(progress["policy_version"]))
        for execution, origin in stored_executions(self.store, self.executor, self.tasks):
            self.boards.add(execution, origin)
        self.spent = Spent(**progress.get("search", {}))
        self.display.say(
            f"resumed after meta-iteration {progress['meta_iteration']}: "
            f"{self.boards.cumulative.programs} programs so far"
        )

    # ----------------------------------------------------------------------------- one meta-iteration

    def _meta_iteration(self, number: int, elapsed: Callable[[], float]) -> tuple[dict[str, Any], dict[str, Any]]:
        self.phases.restart()
        examples, drawn = self._draw(number)
        if self.config.loop.max_staleness and number > 1:
            (trained, losses), (rollout, found) = self._train_and_sample(number, examples)
        else:
            trained, losses = self._train(examples)
            self._publish_and_swap(number)
            rollout, found = self._sample_and_search(number)
        policy = self._evaluate(number, rollout, found)
        seconds = elapsed()
        name = short_name(self.config.tasks.search)
        summary = self.boards.summary(name, len(self.tasks), policy, self.spent, seconds)
        performances = policy.performances()
        judged = {"demonstration_performance": round(float(np.mean([*performances.values()])), 4)}
        row = self._metrics(number, trained, losses | drawn | judged, rollout, summary)
        best = {task: round(one, 4) for task, one in performances.items() if one}
        solved = {"meta_iteration": number, "policy": policy.solved(), **self.boards.solved(), "performance": best}
        progress = progress_of(number, seconds, self.spent)
        self._store(rollout, found, {**progress, "metrics": row, "summary": summary, "solved": solved})
        self.folder.append_solved(solved)
        return row | replay_counts(self.store) | self._times(rollout), summary

    def _train_and_sample(
        self, number: int, examples: Examples
    ) -> tuple[tuple[TrainResult, dict[str, Any]], tuple[Rollout, list[Execution]]]:
        """Sample with the weights of the meta-iteration before while the next ones are trained, and swap these in."""
        if self._sampler is None:
            self._open_sampler(number - 1)
        with ThreadPoolExecutor(1, "train") as thread:
            training = thread.submit(self._train, examples)
            try:
                sampled = self._sample_and_search(number)
                trained = training.result()
            except BaseException:
                self.trainer.close()  # ends the training that the thread waits for
                raise
        self._publish_and_swap(number)
        return trained, sampled

    def _sample_and_search(self, number: int) -> tuple[Rollout, list[Execution]]:
        rollout = self._sample_and_execute(number)
        return rollout, self._search(number, rollout) if self.search else []

    def _draw(self, number: int) -> tuple[Examples, dict[str, Any]]:
        """What is learned from, and the columns of the metrics that say what was drawn."""
        with self.phases.phase("draw"):
            generator = np.random.default_rng([self.config.loop.seed, number])
            drawn = draw(self.store, generator, self.config.replay, self.heldout_programs)
            examples = self._examples(drawn.rows, self.store, drawn.weights)
            if not len(examples):
                what = f"nothing to learn from in meta-iteration {number}: none of {len(drawn.rows):,} experiences"
                raise UsageError(f"{what} drawn fits trainer.max-prompt-tokens and sampler.max-tokens")
            return examples, drawn.columns()

    def _examples(
        self, experiences: Sequence[Experience] | Rows, store: ReplayStore, weights: Weights | None = None
    ) -> Examples:
        return to_examples(experiences, store, self.codec, self.config.sampler.max_tokens, weights)

    def _train(self, examples: Examples) -> tuple[TrainResult, dict[str, Any]]:
        """What training came to, and the losses on what never trains, by column of the metrics."""
        size, epochs = len(examples), self.config.trainer.epochs
        with self.phases.phase("train", size * epochs) as update:
            for start in range(0, size * epochs, size):
                trained = self.trainer.train(examples, progress=lambda done, _, start=start: update(start + done))
            return trained, {
                name: round(self.trainer.heldout_loss(some), 4) if len(some) else None
                for name, some in self.heldout.items()
            }

    def _publish_and_swap(self, version: int) -> None:
        checkpoint = self.folder.checkpoint(version)
        with self.phases.phase("publish"):
            self.trainer.publish(checkpoint, version, later=True)
        if self._sampler is None:
            self._open_sampler(version)
        else:
            with self.phases.phase("swap"):
                self._sampler.swap(checkpoint)

    def _open_sampler(self, version: int) -> None:
        with self.phases.watched("start the sampler"):
            checkpoint = self.folder.checkpoint(version)
            self._sampler = self._open.enter_context(new_sampler(self.config, checkpoint, self.trainer, self._cluster))

    def _sample_and_execute(self, number: int) -> Rollout:
        """The phase `execute` is what is left to run after the last sample."""
        with Running(self.executor) as running:
            with self.phases.phase("sample") as update:
                samples = sample_programs(
                    self.prompts,
                    self.codec,
                    self._sampler,
                    self.config.sampler.n_samples,
                    lambda task: request_seed(self.config.loop.seed, number, task),
                    update,
                    running.add,
                )
            with self.phases.phase("execute"):
                return running.rollout(samples)

    def _search(self, number: int, rollout: Rollout) -> list[Execution]:
        """Search from what is known and from what the policy wrote; what it found, run on the pool."""
        with self.phases.phase("search") as update:
            pairs = zip(rollout.samples.counts, rollout.executions, strict=True)
            given = [work for work, execution in pairs if self._performance(execution) > 0]
            found = self.search.step(number, self.spent, given, update)
            self.spent = self.search.spent
            return [execution for some in chunks(found) for execution in self.executor.run(some)]

    def _evaluate(self, number: int, rollout: Rollout, found: Sequence[Execution]) -> Scoreboard:
        with self.phases.phase("evaluate"):
            policy = Scoreboard(list(self.tasks.values()))
            for execution in rollout.executions:
                policy.add(execution)
            for execution, origin in _all(rollout, found):
                entry = self.boards.add(execution, origin)
                if entry is not None and entry.performance == 1.0:
                    where = {"task": execution.task, "program": execution.program, "meta_iteration": number}
                    self.folder.append_solution({**where, "origin": str(origin)})
            return policy

    def _store(self, rollout: Rollout, found: Sequence[Execution], progress: dict[str, Any]) -> None:
        with self.phases.phase("publish"):
            self.trainer.settle()  # a run that is resumed goes on from it
        with self.phases.phase("store"):
            experiences = [
                experience
                for execution, origin in _all(rollout, found)
                if (experience := self._relabel(execution, origin, rollout, progress["meta_iteration"]))
            ]
            self.store.commit(experiences, progress)
            if self.store.is_full:  # others have gone
                self.known_programs.clear()
                experiences = self.store
            self.known_programs.update(experience.program for experience in experiences)

    def _relabel(self, execution: Execution, origin: Origin, rollout: Rollout, number: int) -> Experience | None:
        return relabel(
            execution.task, execution.program, execution.outputs, self.tasks[execution.task].outputs,
            origin, meta_iteration=number, policy_version=rollout.samples.policy_version,
        )  # fmt: skip

    # ----------------------------------------------------------------------------------------- helpers

    def _is_right(self, execution: Execution) -> bool:
        """Whether a program is right on all demonstrations of its task."""
        return self._performance(execution) == 1.0

    def _performance(self, execution: Execution) -> float:
        return demonstration_performance(execution.outputs, self.tasks[execution.task].outputs)

    def _metrics(
        self,
        number: int,
        trained: TrainResult,
        found: Mapping[str, Any],
        rollout: Rollout,
        summary: Mapping[str, Any],
    ) -> dict[str, Any]:
        samples = rollout.samples
        new = samples.programs - self.known_programs
        return {
            "meta_iteration": number,
            "policy_version": rollout.samples.policy_version,
            "examples": trained.examples,
            "loss": round(trained.loss, 4),
            "heldout_loss": found["heldout_loss"],
            "heldout_tasks_loss": found["heldout_tasks_loss"],
            "drawn_matching": found["drawn_matching"],
            "drawn_distinct": found["drawn_distinct"],
            "padding_share": round(trained.padding_share, 4),
            "valid_share": round(rollout.valid_share, 4),
            "right_share": round(rollout.share(self._is_right), 4),
            "demonstration_performance": found["demonstration_performance"],
            "unique_share": round(len(new) / max(samples.total, 1), 4),
            "samples": samples.total,
            "dropped": samples.dropped,
            "samples_per_s": round(samples.total / max(samples.seconds, 1e-9), 2),
            "runs_per_s": round(rollout.runs / max(rollout.seconds, 1e-9), 1),
            **self.boards.columns(summary),
            "swap_s": round(self.phases.seconds["swap"], 4) if "swap" in self.phases.seconds else None,
            **self._times(rollout),
        }

    def _times(self, rollout: Rollout) -> dict[str, Any]:
        """The columns of a meta-iteration that say where its time went."""
        phases, seconds = self.phases.seconds, self.phases.elapsed()
        working = {
            "trainer": phases.get("train", 0.0),
            "sampler": rollout.samples.seconds,
            "pool": rollout.seconds,
            "writer": phases.get("store", 0.0),
        }
        busy = {f"busy_{name}": round(worked / seconds, 4) for name, worked in working.items()}
        return {"seconds": round(seconds, 3), "phase_s": self.phases.rounded(), **busy}


def _all(rollout: Rollout, found: Sequence[Execution]) -> Iterator[tuple[Execution, Origin]]:
    """What a meta-iteration found: the policy's samples, then what search found."""
    yield from ((execution, Origin.POLICY) for execution in rollout.executions)
    yield from ((execution, Origin.SEARCH) for execution in found)


def progress_of(number: int, seconds: float, spent: Spent | None = None) -> dict[str, Any]:
    """The progress record after a meta-iteration: `seconds` is how long the run has taken, over all its parts, and
    `spent` what its search has."""
    record = {"meta_iteration": number, "policy_version": number, "seconds": seconds}
    return record if not spent or spent == Spent() else {**record, "search": asdict(spent)}


def _line(row: Mapping[str, Any], total: int) -> str:
    """A meta-iteration in one line, for people."""
    swap = "-" if row["swap_s"] is None else f"{row['swap_s']:.2f} s"
    heldout = "-" if row["heldout_loss"] is None else f"{row['heldout_loss']:.3f}"
    apart = f", search {row['solved_search']}" if row["solved_search"] is not None else ""
    return (
        f"meta-iteration {row['meta_iteration']}/{total}: loss {row['loss']:.3f}, held out {heldout}, "
        f"valid {row['valid_share']:.0%}, new {row['unique_share']:.0%}, {row['samples_per_s']:.0f} samples/s, "
        f"{row['runs_per_s']:,.0f} runs/s, swap {swap}, solved {row['solved_policy']} "
        f"(cumulative {row['solved_cumulative']}{apart}), {row['seconds']:.0f} s"
    )
