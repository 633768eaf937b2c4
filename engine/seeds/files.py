"""Files of programs for tasks, in the forms that `--seeds` and `codeit seeds import` read.

    FILE.py         functions `solve_<task>(I)` or `verify_<task>(I)`, as in arc-dsl's solvers.py and re-arc's
                    verifiers.py, or one function of any name for the task that the file is named after
                    (see `solver_source`)
    FILE.jsonl      a line: {"task": "...", "program": "..."}, with "origin" if it is known
    FILE.json       one task of the CodeIt data set, {"task_key": "...", "program": "...", ...}, or an object of them
    a folder        its solvers.py and verifiers.py (a checkout of arc-dsl or re-arc), or the .py files that hold a
                    function `solve` or `solve_<task>`, or all of its .json files (CodeIt's data/training), or the .py
                    files that hold a function of another name

What another file holds shows in its text. A `program` is text of the language or one Python function; null, in
CodeIt's files, is no program. Nothing that is read is run as Python.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.errors import UsageError
from engine.files import data_files
from engine.seeds.function_body import Signatures
from engine.seeds.solver_source import SourceError, read_program, read_signatures, read_solvers
from interpreter.language.program import Program, ProgramError

RECORD = 'right is {"task": "...", "program": "..."}'
COLLECTIONS = ("solvers.py", "verifiers.py")
TASK_KEYS = ("task", "parent_key", "task_key", "task_id")

_SOLVE = re.compile(r"^def (?:solve|verify)(?:_\w+)?\(", re.MULTILINE)
_ANY = re.compile(r"^def ", re.MULTILINE)


@dataclass(frozen=True)
class Entry:
    """One program of a file: pruned, or what is wrong with it, as a text."""

    where: str
    task: str
    program: Program | str
    origin: str = "import"


def read_entries(path: Path, task: str | None = None) -> list[Entry]:
    """The programs of a file or folder, in order; `task` is the one of a file's only program, whatever the file says.

    Raises `UsageError` where it cannot be read at all; a file of a folder that cannot is an entry that says so.
    """
    if task is None:
        return list(_read_folder(path) if path.is_dir() else _read_file(path))
    entries = list(_read_file(path, task))
    if len(entries) != 1:
        raise UsageError(f"{path}: {len(entries)} programs, which cannot all be for task {task!r}")
    return [replace(entries[0], task=task)]


def read_rows(text: str, where: str, task: str | None = None) -> Iterator[Entry]:
    """The programs of a JSONL text; `task` is that of rows that name none."""
    for number, row in enumerate(text.split("\n"), 1):
        if row.strip():
            yield _read_row(row, f"{where}, line {number}", task)


def _read_folder(folder: Path) -> Iterator[Entry]:
    sources = data_files(folder, ".py")
    collected = [file for file in sources if file.name in COLLECTIONS]
    texts: dict[Path, str] = {}
    for file in sources if not collected else ():
        try:
            texts[file] = _text(file)
        except UsageError as error:
            yield Entry(str(folder), "", str(error))
    single = [file for file, text in texts.items() if _SOLVE.search(text)]
    other = [file for file, text in texts.items() if _ANY.search(text)]
    files = collected or single or data_files(folder, ".json") or other
    if not files:
        raise UsageError(
            f"{folder}: no solvers.py and no .json file in this folder; right is a checkout of arc-dsl or re-arc, "
            "CodeIt's data/training, or files <task>.py with a function solve(I)"
        )
    for file in files:
        try:
            yield from _read_file(file)
        except UsageError as error:  # the other files have theirs
            yield Entry(str(folder), "", str(error))


def _read_file(file: Path, task: str | None = None) -> Iterator[Entry]:
    text = _text(file)
    start = text.lstrip()[:1]
    if not start:
        raise UsageError(f"{file}: an empty file")
    if file.suffix == ".jsonl":
        return read_rows(text, str(file), task)
    if file.suffix == ".json":
        return _read_json(text, file)
    if file.suffix == ".py" or start != "{":
        return _read_python(text, file, task)
    return read_rows(text, str(file), task) if _json(text) is None else _read_json(text, file)


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


def _read_python(text: str, file: Path, task: str | None) -> Iterator[Entry]:
    try:
        solvers = list(read_solvers(text, _signatures(file.with_name("dsl.py"))))
    except SourceError as error:
        raise UsageError(f"{file}, {error}") from None
    if solvers:
        for named, line, program in solvers:
            yield _entry(f"{file}, line {line}", named or file.stem, program)
        return
    program = _read_program(text) if task else None  # lines of the language, for a task that is given
    if not isinstance(program, Program):
        raise UsageError(f"{file}: no function solve_<task>(I) in this source{f'; {program}' if program else ''}")
    yield _entry(str(file), file.stem, program)


def _signatures(beside: Path) -> Signatures | None:
    """The names of arguments in the dsl.py beside a source; None where there is none that can be read."""
    try:
        return read_signatures(_text(beside)) if beside.is_file() else None
    except (SourceError, UsageError):
        return None


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


def _read_row(row: str, where: str, task: str | None) -> Entry:
    entries = list(_read_record(_json(row), where, task))
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
    task = next((record[name] for name in TASK_KEYS if record.get(name)), key)
    origin = record.get("origin", "import")
    if not all(isinstance(value, str) for value in (task, record["program"], origin)):
        yield Entry(where, "", RECORD)
        return
    yield _entry(where, task, _read_program(record["program"]), origin)


def _read_program(text: str) -> Program | str:
    try:
        return read_program(text)
    except (ProgramError, SourceError) as error:
        return str(error)


def _entry(where: str, task: str, program: Program | str, origin: str = "import") -> Entry:
    problem = isinstance(program, str)
    return Entry(where, task, f"in the program, {program}" if problem else program.pruned(), origin)
