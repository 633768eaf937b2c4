"""An experience: a program, and the task that it did solve.

Hindsight relabelling keeps the demonstration inputs of a task but replaces their targets with the outputs
that the program really produced, so that every program with a valid output is a correct example of something.

Bytes of a record: one byte of schema version, then msgpack. A task is an array of grids; a grid is a byte string:
height, width, then one byte a cell, row by row. Experiences are stored otherwise (`replay.rows`), but for those of
schema version 1, which are records: a map of their fields by name and their insertion number.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, TypeVar

import msgpack
import numpy as np

from interpreter.grids import Grid, is_valid
from interpreter.language.program import Program, ProgramError, parse

SCHEMA_VERSION = 3
FIRST_VERSION = 1
KEY_BYTES = 16


class ReplayError(ValueError):
    """Something wrong with a replay store or a record; the message is one line and says what would be right."""


class Origin(StrEnum):
    """Where a program came from: the policy's samples, mutation (seed programs included), or search on the task."""

    POLICY = "policy"
    MUTATED = "mutated"
    SEARCH = "search"


@dataclass(frozen=True, eq=False)
class Experience:
    """One training example: `program` maps the inputs `pairs` of `task` to `outputs`.

    Two experiences are equal when all their fields are. Raises `ReplayError` for fields that do not fit together.
    """

    task: str
    """id of the parent task"""
    program: str
    """canonical text"""
    pairs: tuple[int, ...]
    """indices of the task's demonstration inputs that are kept, ascending"""
    outputs: tuple[Grid, ...]
    """for each of `pairs`, the output that the program really produced"""
    origin: Origin
    priority: float
    """demonstration performance: share of the task's demonstrations that the program matches exactly, 0..1"""
    meta_iteration: int
    policy_version: int
    finders: Mapping[str, int] = field(default_factory=dict)
    """all that found the program for this task, by origin, each with its first meta-iteration; `origin` is the class
    that it is drawn in"""

    def __post_init__(self) -> None:
        if not self.finders:
            object.__setattr__(self, "finders", {self.origin.value: self.meta_iteration})
        if not self.pairs or len(self.pairs) != len(self.outputs):
            raise ReplayError(
                f"task {self.task}: {len(self.pairs)} pairs with {len(self.outputs)} outputs (one output for each, "
                "at least one)"
            )
        if self.pairs[0] < 0 or any(a >= b for a, b in zip(self.pairs, self.pairs[1:], strict=False)):
            raise ReplayError(f"task {self.task}: pairs must be distinct indices in ascending order, not {self.pairs}")
        if not 0.0 <= self.priority <= 1.0:
            raise ReplayError(f"task {self.task}: priority must be within 0..1, not {self.priority}")

    @property
    def key(self) -> bytes:
        """What the experience is stored under, see `experience_key`."""
        return experience_key(self.task, self.program)

    @property
    def discovered(self) -> tuple[int, Origin] | None:
        """When the policy or search found it first, and which of them; None for seeds and mutants. Of a meta-iteration
        samples come before search."""
        return next(iter(sorted(self.discoveries, key=lambda found: found[0])), None)

    @property
    def discoveries(self) -> list[tuple[int, Origin]]:
        """Each of policy and search that found it, with the first meta-iteration."""
        return [(self.finders[origin], origin) for origin in (Origin.POLICY, Origin.SEARCH) if origin in self.finders]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Experience):
            return NotImplemented
        same = all(getattr(self, name) == getattr(other, name) for name in _FIELDS if name != "outputs")
        return (
            same and len(self.outputs) == len(other.outputs) and all(map(np.array_equal, self.outputs, other.outputs))
        )

    def __hash__(self) -> int:
        return hash(self.key)


def experience_key(task: str, program: str) -> bytes:
    """Hash of a parent task and a canonical program, 16 bytes: one record for each such pair."""
    # Canonical text holds no NUL, so the last NUL parts the two.
    return hashlib.blake2b(f"{task}\0{program}".encode(), digest_size=KEY_BYTES).digest()


def demonstration_performance(outputs: Sequence[Grid | None], targets: Sequence[Grid]) -> float:
    """The share of `targets`, at least one, that the output in the same place equals exactly; None equals nothing."""
    pairs = zip(outputs, targets, strict=True)
    return sum(output is not None and np.array_equal(output, target) for output, target in pairs) / len(targets)


def relabel(
    task: str,
    program: str,
    outputs: Sequence[Grid | None],
    targets: Sequence[Grid],
    origin: Origin,
    meta_iteration: int,
    policy_version: int,
) -> Experience | None:
    """The experience of a program that ran on all demonstrations of `task`, or None if no pair is left.

    `outputs` and `targets` have one entry for each demonstration, in order. Pairs whose output is None or no
    valid grid are dropped. Priority is the share of all demonstrations, dropped ones included, whose output
    equals its target. Outputs are copied, so they may be views of a buffer that is reused.
    """
    if not targets or len(outputs) != len(targets):
        raise ReplayError(f"task {task}: {len(outputs)} outputs for {len(targets)} demonstrations (one for each)")
    kept = [(pair, output) for pair, output in enumerate(outputs) if output is not None and is_valid(output)]
    if not kept:
        return None
    return Experience(
        task=task,
        program=program,
        pairs=tuple(pair for pair, _ in kept),
        outputs=tuple(_own(output) for _, output in kept),
        origin=Origin(origin),
        priority=demonstration_performance(outputs, targets),
        meta_iteration=meta_iteration,
        policy_version=policy_version,
    )


def _own(grid: Grid) -> Grid:
    copy = np.array(grid, dtype=np.int8, order="C")
    copy.setflags(write=False)
    return copy


def stored_program(task: str, text: str) -> Program:
    """A program as a store has it. Raises `ReplayError` where it is none of this version's language."""
    try:
        return parse(text)
    except ProgramError as error:
        raise ReplayError(
            f"a stored program of task {task} is none of this version, {error}: use the version that stored it"
        ) from None


def best_by_key(experiences: Iterable[Experience]) -> dict[bytes, Experience]:
    """By key, the experience with the highest priority, the first among equals, with the finders of all."""
    best: dict[bytes, Experience] = {}
    for experience in experiences:
        key = experience.key
        known = best.get(key)
        if known is None:
            best[key] = experience
        else:
            better = experience if experience.priority > known.priority else known
            best[key] = replace(better, finders=merged_finders(known.finders, experience.finders))
    return best


def merged_finders(some: Mapping[str, int], others: Mapping[str, int]) -> dict[str, int]:
    """All finders of both, each with its first meta-iteration."""
    return {**others, **{name: min(number, others.get(name, number)) for name, number in some.items()}}


def check_inputs(task: str, inputs: Sequence[Grid]) -> None:
    """Raise `ReplayError` unless `inputs` can be the demonstration inputs of a task."""
    if not inputs:
        raise ReplayError(f"task {task}: no demonstration inputs (at least one)")
    if not all(is_valid(grid) for grid in inputs):
        raise ReplayError(f"task {task}: an input is no valid grid (1..30 x 1..30 cells, colours 0..9)")


def check_pairs(experience: Experience, inputs: int) -> None:
    """Raise `ReplayError` unless the experience's pairs are among the `inputs` demonstrations of its task."""
    if experience.pairs[-1] >= inputs:
        raise ReplayError(
            f"experience {experience.key.hex()}: pair {experience.pairs[-1]} of task {experience.task}, "
            f"which has {inputs} demonstration inputs"
        )


def summarize(experiences: Iterable[Experience]) -> dict[str, Any]:
    """Figures of experiences for people, fit for JSON.

    `priorities` counts by tenths, named by the lower bound ("1.0": every demonstration is matched);
    `meta_iterations` counts by the meta-iteration that found the experience; program length is in characters.
    """
    counts = Counter({origin.value: 0 for origin in Origin})
    tenths: Counter[int] = Counter()
    meta_iterations: Counter[int] = Counter()
    programs: set[bytes] = set()
    characters = 0
    for experience in experiences:
        counts[experience.origin.value] += 1
        tenths[int(experience.priority * 10)] += 1
        meta_iterations[experience.meta_iteration] += 1
        programs.add(experience_key("", experience.program))
        characters += len(experience.program)
    total = counts.total()
    return {
        "experiences": total,
        "counts": dict(counts),
        "distinct_programs": len(programs),
        "priorities": {f"{tenth / 10:.1f}": tenths[tenth] for tenth in range(11)},
        "mean_program_length": characters / total if total else 0.0,
        "meta_iterations": dict(sorted(meta_iterations.items())),
    }


# Records as bytes


T = TypeVar("T")

_FIELDS = tuple(field.name for field in fields(Experience))
_VERSION = bytes((SCHEMA_VERSION,))


def pack(value: object) -> bytes:
    """Schema version and msgpack of `value`; grids may stand anywhere in it. `ReplayError` for an invalid grid."""
    return _VERSION + msgpack.packb(value, default=_pack_grid)


def unpack(raw: bytes, what: str, build: Callable[[Any], T]) -> T:
    """What `build` makes of the value in a record: tuples come back as lists, grids as byte strings.

    Raises `ReplayError`, naming `what`, for a foreign schema version and for anything that cannot be built.
    """
    check_version(raw, what)
    try:
        return build(msgpack.unpackb(raw[1:], strict_map_key=False))
    except (LookupError, TypeError, ValueError) as error:
        raise ReplayError(f"{what}: the record is damaged ({error})") from error


def check_version(raw: bytes | memoryview, what: str, oldest: int = FIRST_VERSION) -> None:
    """Raise `ReplayError`, naming `what`, for bytes that do not begin with a schema version from `oldest` on."""
    version = raw[0] if len(raw) else "none"
    if version not in range(oldest, SCHEMA_VERSION + 1):
        raise ReplayError(
            f"{what}: schema version {version}, but this codeit reads {SCHEMA_VERSION}; use the one that wrote it"
        )


def _pack_grid(grid: object) -> bytes:
    if not isinstance(grid, np.ndarray):
        raise TypeError(f"a replay record cannot hold a {type(grid).__name__}: {grid!r}")
    if not is_valid(grid):
        raise ReplayError(f"not a grid of 1..30 x 1..30 cells with colours 0..9: shape {grid.shape}")
    return bytes(grid.shape) + grid.astype(np.int8).tobytes()


def unpack_grid(raw: bytes) -> Grid:
    """A read-only grid from its bytes. Checks the size, not the colours. Raises ValueError."""
    return np.frombuffer(raw, np.int8, offset=2).reshape(raw[0], raw[1])


def unpack_experience(key: bytes, raw: bytes) -> Experience:
    """The experience in the record `raw` stored under `key`. Raises `ReplayError`."""
    return unpack(raw, f"experience {key.hex()}", _build_experience)


def unpack_insertion(key: bytes, raw: bytes) -> int:
    """The insertion number in the record `raw` stored under `key`. Raises `ReplayError`."""
    return unpack(raw, f"experience {key.hex()}", lambda record: int(record["insertion"]))


def unpack_inputs(task: str, raw: bytes) -> list[Grid]:
    """The demonstration inputs in the record of `task`. Raises `ReplayError`."""
    return unpack(raw, f"task {task}", lambda grids: [unpack_grid(grid) for grid in grids])


def _build_experience(record: dict[str, Any]) -> Experience:
    values = {name: record[name] for name in _FIELDS if name != "finders"}
    values["pairs"] = tuple(values["pairs"])
    values["outputs"] = tuple(unpack_grid(grid) for grid in values["outputs"])
    values["origin"] = Origin(values["origin"])
    return Experience(**values, finders=_build_finders(record))


def _build_finders(record: dict[str, Any]) -> dict[str, int]:
    """Records of earlier versions have one finder, their origin."""
    finders = record.get("finders") or {record["origin"]: record["meta_iteration"]}
    return {str(name): int(number) for name, number in finders.items()}
