"""The metrics of a meta-iteration: the columns of metrics.jsonl, those that come from the store, TensorBoard events."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from replay.experience import Origin
from replay.store import ReplayStore

COLUMNS: dict[str, str] = {
    "meta_iteration": "number of the meta-iteration, from 1",
    "policy_version": "version of the checkpoint that it sampled from",
    "examples": "examples of its last epoch",
    "loss": "mean loss a program token (nats) of its last epoch, while it learned",
    "heldout_loss": "the same on experiences whose programs never train, after it; null where there are none",
    "heldout_tasks_loss": "the same on seeds of search tasks, which never train (seeds.leave_own_out); null likewise",
    "drawn_matching": "of the policy's experiences that were drawn, those that match a demonstration; null without",
    "drawn_distinct": "distinct programs of what was drawn to learn from, of all of it",
    "padding_share": "padding among the tokens of its batches",
    "valid_share": "samples with at least one valid output grid on a demonstration, of all samples",
    "right_share": "samples that are right on all demonstrations of their task, of all samples",
    "demonstration_performance": "share of demonstrations that the best sample of a task matches, mean of all tasks",
    "unique_share": "distinct canonical programs that were not in replay before, of all samples",
    "samples": "samples of all tasks",
    "dropped": "samples that are no program: their tokens ran out, or do not parse",
    "samples_per_s": "samples a second of the phase `sample`",
    "runs_per_s": "runs of programs a second of the pool's time",
    "solved_policy": "search tasks that its samples solve, by the paper's ranking at pass@3",
    "solved_samples": "the same of all samples of the run so far",
    "solved_search": "the same of what search found so far; null where there is no search",
    "solved_cumulative": "the same of both",
    "search_programs": "programs that search has tried so far, the policy's that it was given included; null likewise",
    "search_runs": "runs of programs that search has made so far; null likewise",
    "swap_s": "seconds of the swap; null where the sampler was started with the new weights",
    "seconds": "how long it took",
    "phase_s": "seconds of each phase; those of phases that overlap count in each",
    "busy_trainer": "share of its seconds in which the trainer worked",
    "busy_sampler": "the same of the sampler",
    "busy_pool": "the same of the pool that runs programs",
    "busy_writer": "the same of what writes replay",
    "replay_policy": "experiences of the policy in replay, after it",
    "replay_mutated": "experiences of seeds and mutants in replay, after it",
    "replay_search": "experiences of search in replay, after it",
}
"""What each column of a row says."""


def replay_counts(store: ReplayStore) -> dict[str, int]:
    """What a store holds, by column of the metrics."""
    counts = store.counts()
    return {f"replay_{origin}": counts[origin] for origin in (Origin.POLICY, Origin.MUTATED, Origin.SEARCH)}


class EventWriter:
    """Writes each number of a metrics row as a scalar; nested ones as `phase_s/train`."""

    def __init__(self, folder: Path, last: Mapping[str, Any] | None) -> None:
        """`last` is the row of the last meta-iteration that is done: a kill can have come before its events."""
        from torch.utils.tensorboard import SummaryWriter  # deferred: slow to import

        # Events from there on are hidden, those of meta-iterations that are run again after a kill among them.
        self._writer = SummaryWriter(str(folder), purge_step=last["meta_iteration"] if last else 1)
        if last:
            self.add(last)

    def add(self, row: Mapping[str, Any]) -> None:
        """Write the row of one meta-iteration."""
        for name, value in row.items():
            values = {f"{name}/{key}": v for key, v in value.items()} if isinstance(value, Mapping) else {name: value}
            for tag, number in values.items():
                if number is not None:
                    self._writer.add_scalar(tag, number, row["meta_iteration"])
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()
