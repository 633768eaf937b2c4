"""What is analysed: the folder of a run, of a search or of an evaluation, read in one form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from engine.errors import UsageError
from engine.evaluation.evaluator import Evaluator
from engine.evaluation.folder import SETTINGS, EvaluationFolder, Row, evaluated_tasks
from engine.evaluation.sources import FOUND, POLICY, RUN, SEARCH, Source, find_source
from engine.execution import digest
from engine.files import read_lines
from engine.progress import Display
from engine.run_folder import RunFolder
from engine.search.folder import found_rows, searched_tasks
from engine.tasks import Task
from interpreter.machine.pool import default_workers

EVALUATION = "evaluation"
META_ITERATION, PROGRAMS = "meta_iteration", "programs"


@dataclass(frozen=True)
class Judged:
    """A program on a task. `step` is the meta-iteration that found it, of a search or an evaluation its number among
    the programs; `right` is whether its predictions are right, None where a test output is not known."""

    task: str
    program: str
    performance: float
    prediction: bytes
    step: int
    found: int
    origin: str
    right: bool | None

    @property
    def is_fitting(self) -> bool:
        """Whether it is right on all demonstrations."""
        return self.performance == 1.0


class Subject:
    """One folder."""

    def __init__(self, path: Path) -> None:
        """Raises `UsageError` where the folder is none of these."""
        self.path = path
        if (path / SETTINGS).is_file():
            self.kind, self.source = EVALUATION, None
        else:
            self.source: Source | None = find_source(path)
            self.kind = self.source.kind
        if self.kind not in (RUN, SEARCH, EVALUATION):
            raise UsageError(f"{path}: a {self.kind}; right is the folder of a run, a search or an evaluation")

    @property
    def unit(self) -> str:
        """What a step is."""
        return META_ITERATION if self.kind == RUN else PROGRAMS

    def run(self, question: str) -> RunFolder:
        """The run's folder. Raises `UsageError` where it is no run, naming the question that only runs answer."""
        if self.kind != RUN:
            raise UsageError(f"{self.path}: {question} is a question about runs, and this is of a {self.kind}")
        return RunFolder(self.path)

    @cached_property
    def tasks(self) -> dict[str, Task]:
        """Its tasks by id. Raises `UsageError` where they are not there as they were."""
        if self.kind == RUN:
            tasks = RunFolder(self.path).search_tasks()
        else:
            tasks = searched_tasks(self.path) if self.kind == SEARCH else evaluated_tasks(self.path)
        return {task.id: task for task in tasks}

    @cached_property
    def seeds(self) -> list[str]:
        """The programs that it started with; none in an evaluation."""
        return [row["program"] for row in read_lines(self.path / "seeds.jsonl", "program")]

    def programs(self) -> Iterator[Judged]:
        """What it found on its tasks and gave a grid, in order, a program of a task once. Those of a run run again."""
        seen: set[tuple[str, str]] = set()
        right = {id_: digest(task.test_outputs) for id_, task in self.tasks.items() if task.is_scored}
        for row in self._rows():
            if (row.task, row.program) in seen:  # found by several, or in several sources
                continue
            seen.add((row.task, row.program))
            prediction = bytes.fromhex(row.prediction)
            step = row.meta_iteration if self.unit == META_ITERATION else row.found
            is_right = prediction == right[row.task] if row.task in right else None
            yield Judged(
                row.task, row.program, row.performance, prediction, step, row.found, row.origin, is_right
            )  # fmt: skip

    def _rows(self) -> Iterator[Row]:
        if self.kind == SEARCH:
            for row in found_rows(self.path):
                yield Row(
                    row["number"], row["task"], row["program"], row["demonstration_performance"], row["prediction"], 0,
                    POLICY if row.get("method") == POLICY else FOUND, None,
                )  # fmt: skip
            return
        if self.kind == EVALUATION:
            yield from EvaluationFolder(self.path).rows()
            return
        with TemporaryDirectory() as name, Display() as display:
            folder = EvaluationFolder.create(Path(name) / "evaluation", {})
            Evaluator(list(self.tasks.values()), [self.source], folder, display, default_workers()).run()
            yield from folder.rows()
            folder.close()
