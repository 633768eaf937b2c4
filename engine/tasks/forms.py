"""The forms of a JSON file of tasks; which one it is shows in its content.

    {"train": [PAIR, ...], "test": [PAIR, ...], ...}       one task, named after its file
    {id: {"train": [...], "test": [...]}, ...}             tasks by id, as ARC Prize's `*_challenges.json`
    [PAIR, ...]                                            generated pairs of one task, as re-arc's and ARC-GEN's files
    {id: [PAIR, ...], ...}                                 the same by id
    {id: [grid, ...], ...}                                 test outputs by id, as ARC Prize's `*_solutions.json`

PAIR is {"input": grid, "output": grid}; a test pair may lack its output, or have null. Of generated pairs the first are
the demonstrations, the rest tests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import UsageError
from engine.files import read_json
from engine.tasks.task import Task
from interpreter.grids import Grid, GridError, as_grid
from interpreter.language.program import quoted

MAX_ID_BYTES = 255  # what a replay store takes
DEMONSTRATIONS = 3  # of generated pairs, where there are more: the median of ARC's training tasks

_PARTS, _SIDES = ("train", "test"), ("input", "output")
_FORM = (
    'right is {"train": [{"input": grid, "output": grid}, ...], "test": [...]}, an object of such tasks by id, or a '
    "list of pairs"
)


@dataclass(frozen=True)
class Choice:
    """How files are read: `demonstrations` and at most `tests` (None: all others) of generated pairs, and the file of
    test outputs (None: the one beside the tasks, if any)."""

    demonstrations: int | None = None
    tests: int | None = None
    solutions: Path | None = None


class _Wrong(ValueError):
    """What is wrong with a task; the file is added by who knows it."""


def read_tasks(file: Path, choice: Choice) -> list[Task]:
    """The tasks of a file, in its order. Raises `UsageError` with the file, the task and what would be right."""
    content = read_json(file)
    try:
        if is_solutions(content):
            raise _Wrong(
                f"not an ARC task but outputs of tasks ({len(content)}), as ARC Prize's solutions; name the file of "
                "the tasks, and this one behind it: TASKS.json,solutions=THIS.json"
            )
        by_id = _by_id(content)
        if by_id is not None:
            solutions = _solutions(file, choice)
            if choice.solutions is not None and not solutions.keys() & by_id.keys():
                raise _Wrong(f"{choice.solutions} has test outputs of other tasks, such as {next(iter(solutions))!r}")
            return [_named(id_, value, choice, solutions) for id_, value in by_id.items()]
        if choice.solutions is not None:
            raise _Wrong("one task: solutions= is for a file of tasks by id")
        return [_task(_checked_id(file.stem), content, choice)]
    except UnicodeEncodeError:
        raise UsageError(f"{file}: the name of the file, which is the task's id, is no UTF-8") from None
    except (_Wrong, GridError) as error:
        where = f"; {hint}" if (hint := _elsewhere(file)) and "right is" in str(error) else ""
        raise UsageError(f"{file}: {error}{where}") from None


def is_pairs(content: Any) -> bool:
    """Whether the content of a file is a list of pairs, the first at least with both grids."""
    return isinstance(content, list) and bool(content) and all(map(_is_pair, content))


def is_solutions(content: Any) -> bool:
    """Whether the content of a file is test outputs by id: lists of lists of rows."""
    return (
        isinstance(content, dict)
        and bool(content)
        and not set(_PARTS) & set(content)
        and all(isinstance(value, list) and value and all(map(_looks_a_grid, value)) for value in content.values())
    )


def solutions_beside(file: Path) -> Path | None:
    """Where the test outputs of a file of tasks are by its name, if there is such a file."""
    if "challenges" not in file.name:
        return None
    beside = file.with_name("solutions".join(file.name.rsplit("challenges", 1)))
    return beside if beside.is_file() else None


def _by_id(content: Any) -> dict[str, Any] | None:
    """Tasks or lists of pairs by id; None where the content is no such object."""
    if not isinstance(content, dict) or not content or set(_PARTS) & set(content):
        return None
    values = content.values()
    are_tasks = all(isinstance(value, dict) and set(_PARTS) & set(value) for value in values)
    return content if are_tasks or all(map(is_pairs, values)) else None


def _named(id_: str, value: Any, choice: Choice, solutions: Mapping[str, Any]) -> Task:
    """A task of a file of many."""
    try:
        return _task(_checked_id(id_), value, choice, solutions.get(id_))
    except UnicodeEncodeError:
        raise _Wrong(f"the id of task {id_!a} is no UTF-8") from None
    except (_Wrong, GridError) as error:
        raise _Wrong(f"task {quoted(id_)}: {error}") from None


def _checked_id(id_: str) -> str:
    """An id, which goes into other files and as a key into replay."""
    if not 1 <= len(id_.encode()) <= MAX_ID_BYTES:
        raise _Wrong(f"a task's id must have 1 to {MAX_ID_BYTES} bytes of UTF-8, not {len(id_.encode())}")
    return id_


def _task(id_: str, content: Any, choice: Choice, outputs: Any = None) -> Task:
    """The task that the content of a file is; `outputs` are those of its tests, from another file."""
    if is_pairs(content):
        content = _split(content, choice)
    elif choice.demonstrations is not None or choice.tests is not None:
        raise _Wrong("an ARC task, which says itself what is a test: demonstrations= and tests= are for lists of pairs")
    _check(content)
    if outputs is not None:
        content = {**content, "test": _with_outputs(content["test"], outputs)}
    inputs, targets = (
        tuple(as_grid(pair[side], f"train {k} {side}") for k, pair in enumerate(content["train"])) for side in _SIDES
    )
    test_inputs = tuple(as_grid(pair["input"], f"test {k} input") for k, pair in enumerate(content["test"]))
    test_outputs = tuple(_optional(pair.get("output"), f"test {k} output") for k, pair in enumerate(content["test"]))
    for part in _PARTS:
        if not content[part]:
            raise _Wrong(f"no pair in {part!r}")
    return Task(id_, inputs, targets, test_inputs, test_outputs)


def _optional(rows: Any, where: str) -> Grid | None:
    return None if rows is None else as_grid(rows, where)


def _check(content: Any) -> None:
    """Raise `_Wrong` where the content of a file is no ARC task, apart from its grids."""
    if not isinstance(content, dict) or not all(isinstance(content.get(part), list) for part in _PARTS):
        raise _Wrong(f"not an ARC task; {_FORM}; found {_found(content)}")
    for part in _PARTS:
        needed = _SIDES if part == "train" else _SIDES[:1]
        for number, pair in enumerate(content[part]):
            lacking = [side for side in needed if not isinstance(pair, dict) or side not in pair]
            if lacking:
                raise _Wrong(f"not an ARC task: {part} {number} has no {lacking[0]}; {_FORM}")


def _split(pairs: Sequence[Any], choice: Choice) -> dict[str, Any]:
    """Generated pairs as a task."""
    count = min(DEMONSTRATIONS, len(pairs) - 1) if choice.demonstrations is None else choice.demonstrations
    if not 1 <= count < len(pairs):
        raise _Wrong(
            f"not an ARC task but a list of {len(pairs)} pairs, as re-arc's, of which the first {max(count, 1)} are to "
            "be demonstrations and the rest, at least one, tests: choose fewer, PATH,demonstrations=K"
        )
    stop = None if choice.tests is None else count + choice.tests
    return {"train": pairs[:count], "test": pairs[count:stop]}


def _with_outputs(tests: Sequence[Any], outputs: Any) -> list[Any]:
    if not isinstance(outputs, list) or len(outputs) != len(tests):
        found = len(outputs) if isinstance(outputs, list) else "no list"
        raise _Wrong(f"{len(tests)} tests, but {found} outputs in the solutions")
    return [{**pair, "output": output} for pair, output in zip(tests, outputs, strict=True)]


def _solutions(file: Path, choice: Choice) -> dict[str, Any]:
    """The test outputs by id that belong to a file of tasks; nothing where there are none."""
    named = choice.solutions if choice.solutions is not None else solutions_beside(file)
    if named is None:
        return {}
    content = read_json(named)
    if not is_solutions(content):
        raise _Wrong(f"{named} has no test outputs; right is {{id: [grid, ...]}}; found {_found(content)}")
    return content


def _is_pair(value: Any) -> bool:
    return isinstance(value, dict) and "input" in value and not set(_PARTS) & set(value)


def _looks_a_grid(value: Any) -> bool:
    return value is None or (isinstance(value, list) and bool(value) and isinstance(value[0], list))


def _elsewhere(file: Path) -> str:
    """Where the tasks may be instead."""
    return f"the tasks may be in {file.parent / 'tasks'}" if (file.parent / "tasks").is_dir() else ""


def _found(content: Any) -> str:
    """What the content of a file is, in a few words."""
    if isinstance(content, dict):
        keys = ", ".join(quoted(key[:20]) for key in list(content)[:4])
        more = ", ..." if len(content) > 4 else ""
        return f"an object with {keys}{more}" if content else "an empty object"
    if isinstance(content, list):
        return f"a list of {len(content)}"
    return "text" if isinstance(content, str) else "null" if content is None else "a number"
