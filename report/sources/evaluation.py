"""The folder of an evaluation: `tasks/*.json` with grids and attempts, and `summary.json`; see `engine.evaluation`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import UsageError
from engine.files import data_files, read_json, read_optional
from engine.ranking import Method
from interpreter.grids import Grid, as_grid
from report.model import Attempt, Limits, Puzzle, Result, Source

BOARD = "cumulative"  # all that was evaluated
_ORIGINS = {"mutated": "mutation"}


def is_evaluation(path: Path) -> bool:
    """Whether a folder is of an evaluation, done or not."""
    return (path / "evaluation.json").is_file() or ((path / "tasks").is_dir() and (path / "summary.json").is_file())


def read_evaluation(path: Path) -> Source:
    """What an evaluation says. Raises `UsageError` for a file that is damaged."""
    files = data_files(path / "tasks", ".json") if (path / "tasks").is_dir() else []
    summary = read_optional(path / "summary.json")
    limits = [Limits(source["fuel"]) if "fuel" in source else Limits() for source in summary.get("sources", ())]
    puzzles, results = [], {}
    for file in files:
        try:
            puzzle, result = _read_task(read_json(file), limits)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise UsageError(f"{file}: no task of an evaluation ({error}); evaluate again, to another --out") from None
        puzzles.append(puzzle)
        if result is not None:
            results[puzzle.id] = result
    return Source(
        name=path.resolve().name,
        path=path,
        kind="evaluation",
        task_set=str(summary.get("task_set", "")),
        puzzles=sorted(puzzles, key=lambda puzzle: puzzle.id),
        results=results,
        summary=summary,
        notes=() if summary else ("This evaluation is not done: figures and tasks are incomplete.",),
        facts=_facts(summary),
    )


def _facts(summary: Mapping[str, Any]) -> dict[str, str]:
    facts = {}
    for source in summary.get("sources", ()):
        sampled = ", sampled anew" if source.get("policy") else ""
        facts[f"source {len(facts) + 1}"] = f"{source.get('kind')} {source.get('path')}{sampled}"
    if "programs" in summary:
        facts["programs"] = f"{summary['programs']:,}"
    if "seconds" in summary:
        facts["minutes"] = f"{summary['seconds'] / 60:,.1f}"
    return facts


def _read_task(record: Mapping[str, Any], limits: Sequence[Limits]) -> tuple[Puzzle, Result | None]:
    train, test = record["train"], record["test"]
    puzzle = Puzzle(
        record["task"],
        tuple(as_grid(pair["input"]) for pair in train),
        tuple(as_grid(pair["output"]) for pair in train),
        tuple(as_grid(pair["input"]) for pair in test),
        tuple(_optional(pair.get("output")) for pair in test),
        record.get("concept"),
    )
    board = record.get(BOARD)
    if not board or not board["programs"]:
        return puzzle, None
    attempts = {Method(name): tuple(_attempts(rows, puzzle, limits)) for name, rows in board["attempts"].items()}
    is_right = any(attempt.right for rows in attempts.values() for attempt in rows)
    is_found = bool(board.get("right_found", is_right))  # an older evaluation says it of its attempts alone
    return puzzle, Result(board["programs"], attempts, is_found=is_found)


def _attempts(rows: Sequence[Mapping[str, Any]], puzzle: Puzzle, limits: Sequence[Limits]) -> Iterator[Attempt]:
    """Attempts as they were scored; `limits` are those of each source, as far as that is known.

    Raises ValueError for one that has not a grid, or null, for each pair.
    """
    for row in rows:
        for name, inputs in (("outputs", puzzle.inputs), ("predictions", puzzle.test_inputs)):
            if len(row[name]) != len(inputs):
                raise ValueError(f"an attempt has {len(row[name])} {name} for {len(inputs)} inputs")
        origin = row.get("origin", "")
        yield Attempt(
            row["program"],
            row["demonstration_performance"],
            row["votes"],
            row["right"],
            _ORIGINS.get(origin, origin),
            row.get("meta_iteration"),
            tuple(_optional(rows) for rows in (*row["outputs"], *row["predictions"])),
            dict(enumerate(limits)).get(row.get("source")),
        )


def _optional(rows: Any) -> Grid | None:
    return None if rows is None else np.asarray(as_grid(rows))
