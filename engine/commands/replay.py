"""`codeit replay`: what a replay store holds, read without its run.

A row, in JSON and in files:

    {"key": hex, "task": id, "program": text, "pairs": [demonstration, ...], "outputs": [grid, ...], "origin": text,
     "priority": 0..1, "meta_iteration": number, "policy_version": number, "finders": {origin: meta-iteration}}
"""

from __future__ import annotations

import heapq
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from engine.commands.launch import mistakes
from engine.commands.options.replay import ExportOptions, StatsOptions, StoredOptions, TopOptions, VerifyOptions
from engine.errors import UsageError, printable
from engine.files import write_new
from engine.run_folder import open_replay
from engine.tables import as_text, two_columns
from interpreter.grids import Grid
from replay.experience import Experience
from replay.store import ReplayStore

SHOWN = 12  # digits of a key in a table
MANY = 20  # experiences that `show` writes for people


@mistakes()
def stats(options: StatsOptions) -> None:
    """Write the statistics of a store as a table, or as one JSON object."""
    with open_replay(options.path) as store:
        values = store.stats()
    sys.stdout.write(json.dumps(values) + "\n" if options.as_json else two_columns(values))


@mistakes()
def top(options: TopOptions) -> None:
    """Write the first experiences by priority, then shortness, then age."""
    with open_replay(options.path) as store:
        some = heapq.nsmallest(
            options.n, _chosen(store, options.task, options.origin), key=lambda e: (-e.priority, len(e.program))
        )
    if options.as_json:
        sys.stdout.writelines(json.dumps(row_of(experience)) + "\n" for experience in some)
    else:
        sys.stdout.write(as_text(_table(some)))


@mistakes()
def show(options: StoredOptions) -> None:
    """Write the experiences of a key or a task."""
    with open_replay(options.path) as store:
        found = [experience for experience in store if _is(experience, options.what)]
        if not found:
            raise UsageError(
                f"{options.path}: no experience whose key begins with {options.what!r}, nor a task of that id"
            )
        for experience in found if options.as_json else found[:MANY]:
            row = row_of(experience)
            sys.stdout.write(json.dumps(row) + "\n" if options.as_json else _text(row, store.inputs(experience.task)))
    if len(found) > MANY and not options.as_json:
        sys.stdout.write(f"... and {len(found) - MANY:,} more\n")


@mistakes()
def verify(options: VerifyOptions) -> int:
    """Write what is wrong with a store; exit status 1 where something is."""
    with open_replay(options.path) as store:
        report = store.verify()
    values = {"tasks": report.tasks, "experiences": report.experiences, "problems": list(report.problems)}
    if options.as_json:
        sys.stdout.write(json.dumps(values) + "\n")
    else:
        sys.stdout.writelines(printable(f"{problem}\n") for problem in report.problems)
        verdict = "nothing is wrong" if report.ok else f"{len(report.problems):,} problems"
        sys.stdout.write(f"{report.tasks:,} tasks, {report.experiences:,} experiences: {verdict}\n")
    return int(not report.ok)


@mistakes()
def export(options: ExportOptions) -> None:
    """Write all experiences, as they are read."""
    suffix = options.out.suffix
    if suffix not in (".jsonl", ".parquet"):
        raise UsageError(f"--out {options.out}: right is a name that ends in .jsonl or .parquet")
    counts: Counter[str] = Counter()
    with open_replay(options.path) as store:
        rows = _rows(_chosen(store, options.task, options.origin), counts)
        if suffix == ".jsonl":
            write_new(options.out, (json.dumps(row) + "\n" for row in rows))
        else:
            _write_parquet(options.out, rows)
    sys.stdout.write(f"written: {options.out}, {counts.total():,} experiences\n")


def _rows(experiences: Iterable[Experience], counts: Counter[str]) -> Iterator[dict[str, Any]]:
    """The rows of experiences, counted by origin as they go."""
    for experience in experiences:
        counts[experience.origin.value] += 1
        yield row_of(experience)


def _write_parquet(file: Path, rows: Iterable[dict[str, Any]]) -> None:
    import pyarrow as pa  # deferred: slow to import

    from engine.parquet import ParquetTable

    grid = pa.list_(pa.list_(pa.int8()))
    columns = {
        "key": pa.string(), "task": pa.string(), "program": pa.string(), "pairs": pa.list_(pa.int32()),
        "outputs": pa.list_(grid), "origin": pa.string(), "priority": pa.float64(), "meta_iteration": pa.int64(),
        "policy_version": pa.int64(), "finders": pa.map_(pa.string(), pa.int64()),
    }  # fmt: skip
    with ParquetTable(file, pa.schema(list(columns.items()))) as table:
        table.add({**row, "finders": list(row["finders"].items())} for row in rows)


def row_of(experience: Experience) -> dict[str, Any]:
    """An experience as JSON has it."""
    return {
        "key": experience.key.hex(),
        "task": experience.task,
        "program": experience.program,
        "pairs": list(experience.pairs),
        "outputs": [output.tolist() for output in experience.outputs],
        "origin": experience.origin.value,
        "priority": experience.priority,
        "meta_iteration": experience.meta_iteration,
        "policy_version": experience.policy_version,
        "finders": dict(experience.finders),
    }


def _chosen(store: ReplayStore, task: str | None, origin: str | None) -> Iterator[Experience]:
    for experience in store.in_order():
        if task in (None, experience.task) and origin in (None, experience.origin.value):
            yield experience


def _is(experience: Experience, what: str) -> bool:
    return experience.task == what or (bool(what) and experience.key.hex().startswith(what.lower()))


def _table(experiences: Iterable[Experience]) -> Any:
    from rich.table import Table

    table = Table("key", "task", "priority", "origin", "meta-iteration", "program")
    for one in experiences:
        table.add_row(
            one.key.hex()[:SHOWN], printable(one.task)[:40], f"{one.priority:.2f}", one.origin.value,
            str(one.meta_iteration), one.program,
        )  # fmt: skip
    return table


def _text(row: dict[str, Any], inputs: list[Grid]) -> str:
    """All of an experience, for people."""
    finders = ", ".join(f"{origin} in meta-iteration {number}" for origin, number in row["finders"].items())
    lines = [
        f"{row['key']}  task {row['task']}  priority {row['priority']:.2f}  {row['origin']} (found by {finders})",
        *(f"    {line}" for line in row["program"].split("\n")),
    ]
    for pair, output in zip(row["pairs"], row["outputs"], strict=True):
        lines += [f"  demonstration {pair}: input, and what the program gives", *_beside(inputs[pair].tolist(), output)]
    return printable("\n".join(lines) + "\n\n")


def _beside(left: list[list[int]], right: list[list[int]]) -> list[str]:
    """Two grids side by side, a dot for 0."""
    texts = [["".join("." if cell == 0 else str(cell) for cell in row) for row in grid] for grid in (left, right)]
    height, width = max(map(len, texts)), len(left[0])
    first, second = (text + [""] * (height - len(text)) for text in texts)
    return [f"    {a:<{width}}   {b}".rstrip() for a, b in zip(first, second, strict=True)]
