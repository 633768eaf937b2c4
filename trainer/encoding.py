"""Experiences as examples: compiled for compact policies, by the readable codec for all others.

What the compiled pass cannot write, because a text is not canonical or a grid is none, is left to the readable codec,
so that the examples, and what is raised, are always the latter's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from interpreter.encoding.examples import (
    LEFT_TO_READABLE,
    Inputs,
    Room,
    Written,
    write_examples,
    write_inputs,
)
from interpreter.encoding.examples import Rows as Places
from interpreter.encoding.grids import COLORS, MAX_GRID_TOKENS
from interpreter.encoding.programs import names
from interpreter.grids import Grid, GridTable
from interpreter.language.program import ProgramError
from replay.experience import Experience, stored_program
from replay.rows import Rows
from trainer.codec import Codec, CompactCodec
from trainer.errors import PromptTooLong
from trainer.examples import Example, Examples

TOKENS_AT_FIRST = 320  # an example, for which there is room before it is known

EVERY = 1 << 16  # demonstrations: more than a task has

Weights = npt.NDArray[np.float64]
TaskInputs = Mapping[str, Sequence[Grid]]
"""Demonstration inputs by task."""


def encode(rows: Rows, inputs: TaskInputs, codec: Codec, max_tokens: int, weights: Weights | None = None) -> Examples:
    """The examples of experiences, in order; `weights` (rows,) are those of their losses.

    Those whose prompt does not fit the codec, or whose program has more than `max_tokens`, are left out. Raises
    `CodecError` for an invalid grid, `ReplayError` for a program that is none of this version.
    """
    if isinstance(codec, CompactCodec):
        return _encode_compiled(rows, inputs, codec, max_tokens, weights)
    return encode_readable(rows, inputs, codec, max_tokens, weights)


def encode_readable(
    experiences: Iterable[Experience],
    inputs: TaskInputs,
    codec: Codec,
    max_tokens: int,
    weights: Weights | None = None,
) -> Examples:
    """As `encode`, by the codec's own functions, one experience after the other."""
    made = [
        (row, example)
        for row, experience in enumerate(experiences)
        if (example := _example(experience, inputs[experience.task], codec, max_tokens)) is not None
    ]
    examples = Examples.of([example for _, example in made])
    return examples.weighted(None if weights is None else weights[[row for row, _ in made]])


def _example(experience: Experience, grids: Sequence[Grid], codec: Codec, max_tokens: int) -> Example | None:
    pairs = [(grids[k], output) for k, output in zip(experience.pairs, experience.outputs, strict=True)]
    try:
        example = codec.example(pairs, experience.program)
    except PromptTooLong:
        return None
    except ProgramError:
        stored_program(experience.task, experience.program)  # says what is wrong
        raise
    return example if len(example.program) <= max_tokens else None


def _encode_compiled(
    rows: Rows, inputs: TaskInputs, codec: CompactCodec, max_tokens: int, weights: Weights | None
) -> Examples:
    numbers, tasks = np.unique(rows.ranks["task"], return_inverse=True)
    written = Written.of(len(rows), 1 + TOKENS_AT_FIRST * len(rows))
    places = _places(rows, tasks)
    packed = _pack_inputs([inputs[rows.tasks[number]] for number in numbers.tolist()], codec)
    room = Room.of(max(1, int(places.counts.max(initial=1))))
    row = examples = 0
    while True:
        row, examples = write_examples.compiled()(
            places, packed, codec.grid_tokens, names(), codec.max_prompt_tokens, codec.demonstrations or EVERY,
            max_tokens, room, written, row, examples,
        )  # fmt: skip
        if row == len(rows):
            break
        written = written.with_room()
    starts = written.starts[: examples + 1]
    made_of = written.rows[:examples]
    made = Examples(written.tokens[: starts[-1]], starts, written.prompts[:examples])
    made = made.weighted(None if weights is None else weights[made_of])
    left = np.flatnonzero(written.outcomes == LEFT_TO_READABLE)
    return _with_left(made, made_of, rows, left, inputs, codec, max_tokens, weights) if len(left) else made


def _with_left(
    made: Examples,
    made_of: np.ndarray,
    rows: Rows,
    left: np.ndarray,
    inputs: TaskInputs,
    codec: CompactCodec,
    max_tokens: int,
    weights: Weights | None,
) -> Examples:
    """With the examples of the rows that are left to the readable codec, in order of row."""
    parts, done = [], 0
    for row in left.tolist():
        before = int(np.searchsorted(made_of, row))
        own = None if weights is None else weights[row : row + 1]
        parts += [made[done:before], encode_readable([rows.experience(row)], inputs, codec, max_tokens, own)]
        done = before
    return Examples.concatenate([*parts, made[done:]])


def _places(rows: Rows, tasks: np.ndarray) -> Places:
    parts = rows.parts
    texts = rows.texts
    pairs = texts + parts["program"]
    counts, ends = parts["pairs"].astype(np.int64), rows.ends - parts["finders"]
    buffer = rows.buffer.view()
    buffer.setflags(write=False)  # as compiled code takes it
    return Places(buffer, texts, pairs, pairs, counts, ends, tasks.astype(np.int64))


def _pack_inputs(tasks: Sequence[Sequence[Grid]], codec: CompactCodec) -> Inputs:
    """The inputs of tasks with their tokens."""
    table = GridTable.pack([grid for grids in tasks for grid in grids])
    tokens = np.empty(MAX_GRID_TOKENS * len(table) + 1, np.int32)
    starts = np.zeros(len(table) + 1, np.int64)
    write_inputs.compiled()(
        table.cells, table.starts, table.shapes, codec.grid_tokens, np.empty(COLORS, np.int64), tokens, starts
    )
    first = np.cumsum([0, *map(len, tasks)])
    return Inputs(first, table.cells, table.starts, table.shapes, tokens[: starts[-1]].copy(), starts)
