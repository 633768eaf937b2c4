"""What policies learn from in benches: seeds as experiences that are right on all demonstrations of their tasks."""

from __future__ import annotations

from collections.abc import Sequence

from engine.loop.beginning import solutions
from engine.seeds.seed import load_seeds
from engine.tasks import training_tasks
from interpreter.grids import Grid
from replay.rows import Rows


def solved_rows(seeds: str | None) -> tuple[Rows, dict[str, Sequence[Grid]]]:
    """The solutions among seeds (a file, or the embedded ones), and the inputs of their tasks."""
    tasks = training_tasks()
    rows = Rows.of(solutions(load_seeds(seeds, tasks, None), tasks))
    return rows, {task: tasks[task].inputs for task in rows.task_ids()}
