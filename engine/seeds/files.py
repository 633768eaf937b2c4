"""Files of programs for tasks, in the forms that `--seeds` and `codeit seeds import` read.

    FILE.py         functions `solve_<task>(I)`, as in arc-dsl's solvers.py (see `solver_source`)
    FILE.jsonl      a line: {"task": "...", "program": "..."}, with "origin" if it is known
    FILE.json       one task of the CodeIt data set, {"task_key": "...", "program": "...", ...}, or an object of them
    a folder        its solvers.py (a checkout of arc-dsl), or all of its .json files (CodeIt's data/training)

What another file holds shows in its text. A `program` is text of the language or one function `solve_<task>`; null,
in CodeIt's files, is no program. Nothing that is read is run as Python.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import UsageError
from engine.seeds.solver_source import SourceError, read_signatures, read_solvers
from interpreter.language.program import Program, ProgramError, parse

RECORD = 'right is {"task": "...", "program": "..."}'


@dataclass(frozen=True)
class Entry:
    """One program of a file: pruned, or what is wrong with it, as a text."""

    where: str
    task: str
    program: Program | str
    origin: str = "import"


def read_entries(path: Path) -> list[Entry]:
    """The programs of a file or folder, in order. Raises `UsageError` where it cannot be read at all."""
    return list(_read_folder(path) if path.is_dir() else _read_file(path))


def read_rows(text: str, where: str) -> Iterator[Entry]:
    """The programs of a JSONL text."""
    for number, row in enumerate(text.split("\n"), 1):
        if row.strip():
            yield _read_row(row, f"{where}, line {number}")


def _read_folder(folder: Path) -> Iterator[Entry]:
    if (folder / "solvers.py").is_file():
        yield from _read_file(folder / "solvers.py")
        return
    files = sorted(folder.glob("*.json"))
    if not files:
        raise UsageError(
            f"{folder}: no solvers.py and no .json file in this folder; right is a checkout of arc-dsl, or CodeIt's "
            "data/training"
        )
    for file in files:
        yield from _read_file(file)


def _read_file(file: Path) -> Iterator[Entry]:
    text = _text(file)
    start = text.lstrip()[:1]
    if not start:
        raise UsageError(f"{file}: an empty file")
    if file.suffix == ".jsonl":
        return read_rows(text, str(file))
    if file.suffix == ".json":
        return _read_json(text, file)
    if file.suffix == ".py" or start != "{":
        return _read_python(text, file)
    return read_rows(text, str(file)) if _json(text) is None else _read_json(text, file)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"cannot read seeds from {file}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"cannot read seeds from {file}: no UTF-8: {error.reason} at byte {error.start}") from None


def _json(text: str) -> Any:
    """The value of a JSON text, None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _read_python(text: str, file: Path) -> Iterator[Entry]:
    beside = file.with_name("dsl.py")
    try:
        signatures = read_signatures(_text(beside)) if beside.is_file() else None
    except SourceError as error:
        raise UsageError(f"{beside}, {error}") from None
    try:
        solvers = list(read_solvers(text, signatures))
    except SourceError as error:
        raise UsageError(f"{file}, {error}") from None
    if not solvers:
        raise UsageError(f"{file}: no function solve_<task>(I) in this source")
    for task, line, program in solvers:
        yield _entry(f"{file}, line {line}", task, program)


def _read_json(text: str, file: Path) -> Iterator[Entry]:
    value = _json(text)
    if not isinstance(value, dict):
        yield Entry(str(file), "", f"no JSON object; {RECORD}, or an object of such tasks")
        return
    if "program" in value:
        yield from _read_record(value, str(file), file.stem)
        return
    for key, record in value.items():
        yield from _read_record(record, f"{file}, {key!r}", key)


def _read_row(row: str, where: str) -> Entry:
    entries = list(_read_record(_json(row), where, None))
    return entries[0] if entries else Entry(where, "", RECORD)


def _read_record(record: Any, where: str, key: str | None) -> Iterator[Entry]:
    """The program of a JSON object, if it has one. `key` names the task where the object does not.

    CodeIt's mutated tasks have a key of their own; `parent_key` is the task whose inputs they take.
    """
    if not isinstance(record, dict) or "program" not in record:
        yield Entry(where, "", RECORD)
        return
    if record["program"] is None:
        return
    task = record.get("task") or record.get("parent_key") or record.get("task_key") or key
    origin = record.get("origin", "import")
    if not all(isinstance(value, str) for value in (task, record["program"], origin)):
        yield Entry(where, "", RECORD)
        return
    yield _entry(where, task, _read_program(record["program"]), origin)


def _read_program(text: str) -> Program | str:
    try:
        if not text.lstrip().startswith("def "):
            return parse(text)
        solvers = list(read_solvers(text))
    except (ProgramError, SourceError) as error:
        return str(error)
    if len(solvers) != 1:
        return f"right is one function solve_<task>(I), not {len(solvers)}"
    return solvers[0][2]


def _entry(where: str, task: str, program: Program | str, origin: str = "import") -> Entry:
    problem = isinstance(program, str)
    return Entry(where, task, f"in the program, {program}" if problem else program.pruned(), origin)
