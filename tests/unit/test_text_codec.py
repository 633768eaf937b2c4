"""The text codec: grids and programs as text, with tokenizers of the kinds that pretrained policies have."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tiny_models import TOKENIZERS, roberta_tokenizer, texts

from interpreter.language.program import ProgramError
from trainer.errors import CodecError, PromptTooLong
from trainer.text.codec import TextCodec, read_grid, write_grid

GRIDS = st.tuples(st.integers(1, 30), st.integers(1, 30)).flatmap(
    lambda shape: arrays(np.int8, shape, elements=st.integers(0, 9), fill=st.integers(0, 9))
)


def make_codec(name: str = "roberta", max_prompt_tokens: int = 1024) -> TextCodec:
    return TextCodec(TOKENIZERS[name](), max_prompt_tokens, is_seq2seq=name == "roberta")


def make_pairs(*sides: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Demonstrations of square grids with about three coloured cells a row."""
    generator = np.random.default_rng(sum(sides))
    grids = [generator.choice(10, (side, side), p=[0.91, *[0.01] * 9]).astype(np.int8) for side in sides]
    return [(grid, grid.T) for grid in grids]


def assert_same(found: list[Any], wanted: list[Any]) -> None:
    assert len(found) == len(wanted)
    for pair, other in zip(found, wanted, strict=True):
        assert all(np.array_equal(grid, expected) for grid, expected in zip(pair, other, strict=True))


def test_a_grid_is_its_size_its_background_and_the_cells_of_every_other_colour() -> None:
    grid = np.array([[0, 4, 0], [0, 1, 0], [4, 0, 1]], np.int8)
    assert write_grid(grid) == "3x3 background=0 1=1,1 2,2 4=0,1 2,0"
    assert write_grid(np.full((2, 12), 7, np.int8)) == "2x12 background=7"


@given(GRIDS)
@settings(max_examples=150)
def test_grids_come_back_exactly(grid: np.ndarray) -> None:
    assert np.array_equal(read_grid(write_grid(grid)), grid)


@pytest.mark.parametrize("name", TOKENIZERS)
def test_prompts_come_back_exactly(name: str) -> None:
    codec, pairs = make_codec(name, 100_000), make_pairs(1, 3, 30, 12)
    assert_same(codec.decode_prompt(codec.encode_prompt(pairs)), pairs)


def test_a_prompt_is_a_line_of_inputs_and_one_of_outputs() -> None:
    codec, pairs = make_codec(), [(np.zeros((1, 2), np.int8), np.ones((2, 1), np.int8))] * 2
    ids = codec.encode_prompt(pairs)
    assert codec.text_of(ids) == "1x2 background=0|1x2 background=0\n2x1 background=1|2x1 background=1"
    assert ids[0] == codec.tokens.index("<s>")  # as the paper: what the tokenizer puts in front, and no end
    assert codec.eos not in ids
    decoder_only = make_codec("qwen")
    assert decoder_only.text_of(decoder_only.encode_prompt(pairs[:1])) == "1x2 background=0\n2x1 background=1\n"


def test_the_largest_demonstrations_leave_whole_until_the_rest_fits() -> None:
    pairs = make_pairs(6, 20, 10, 25, 2)
    whole = make_codec(max_prompt_tokens=100_000)
    for kept in ([0, 1, 2, 4], [0, 2, 4], [0, 4], [4]):
        chosen = [pairs[index] for index in kept]
        limit = len(whole.encode_prompt(chosen))
        shortened = make_codec(max_prompt_tokens=limit).encode_prompt(pairs)
        assert len(shortened) == limit
        assert_same(whole.decode_prompt(shortened), chosen)
    with pytest.raises(PromptTooLong, match=rf"takes {limit} tokens, the prompt has {limit - 1}"):
        make_codec(max_prompt_tokens=limit - 1).encode_prompt(pairs)


@pytest.mark.parametrize("pairs", [[], [(np.zeros((2, 2), np.int8), np.full((1, 31), 1, np.int8))]])
def test_what_is_no_demonstration_is_refused(pairs: list[Any]) -> None:
    with pytest.raises(CodecError, match=r"at least one|not an ARC grid"):
        make_codec().encode_prompt(pairs)


@pytest.mark.parametrize("name", TOKENIZERS)
def test_programs_come_back_canonical(name: str) -> None:
    codec = make_codec(name)
    ids = codec.encode_program("x1 = hmirror(I)\nx7 = vmirror(I)\nO = vconcat(x7,  I)")
    assert ids[-1] == codec.eos
    assert ids[:-1].count(codec.eos) == 0
    assert ids[: len(codec.program_prefix)] == codec.program_prefix
    assert codec.decode([*ids, 5, 6]).text == "x1 = vmirror(I)\nO = vconcat(x1, I)"
    for text in texts()[:50]:
        assert codec.decode(codec.encode_program(text)).text == text


def test_a_program_of_more_variables_than_a_policy_writes_is_an_error() -> None:
    codec = make_codec()
    lines = ["x1 = rot90(I)", *(f"x{k + 1} = rot90(x{k})" for k in range(1, 64))]
    longest, longer = ("\n".join([*lines[:n], f"O = rot90(x{n})"]) for n in (63, 64))
    assert codec.decode(codec.encode_program(longest)).text == longest
    for wrong in (lambda: codec.encode_program(longer), lambda: codec.decode([*codec.ids_of(longer), codec.eos])):
        with pytest.raises(ProgramError, match="more than the 63 variables that a policy writes"):
            wrong()


def test_a_prompt_can_have_fewer_demonstrations_the_first_that_fit() -> None:
    codec = make_codec()
    pairs = [(np.full((side, side), side, np.int8), np.zeros((1, 1), np.int8)) for side in (1, 2, 3)]
    fewer = TextCodec(codec.tokenizer, codec.max_prompt_tokens, codec.is_seq2seq, demonstrations=2)
    assert fewer.encode_prompt(pairs) == codec.encode_prompt(pairs[:2])


def test_a_program_that_has_no_end_or_does_not_parse_is_an_error() -> None:
    codec = make_codec()
    ids = codec.encode_program("O = hmirror(I)")
    with pytest.raises(ProgramError, match="end in the middle"):
        codec.decode(ids[:-1])
    with pytest.raises(ProgramError, match="unknown function"):
        codec.decode([*codec.ids_of("O = hmirrors(I)"), codec.eos])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3x3", "begins with"),
        ("3x31 background=0", "1 to 30 rows"),
        ("3x3 background=0 1,1", "expected `colour=row,column`"),
        ("3x3 background=0 1=1,1 ", "expected `colour=row,column`"),
        ("3x3 background=0 1=1,3", "the cell 1,3 is outside its grid of 3x3"),
    ],
)
def test_a_text_that_is_no_grid_says_why(text: str, message: str) -> None:
    with pytest.raises(CodecError, match=re.escape(message)):
        read_grid(text)


def test_a_tokenizer_that_loses_line_breaks_is_refused() -> None:
    class Careless:
        def __init__(self) -> None:
            self.known = roberta_tokenizer()
            self.eos_token_id = 2

        def __call__(self, text: str, **options: Any) -> Any:
            return self.known(text.replace("\n", " "), **options)

        def decode(self, ids: list[int], **options: Any) -> str:
            return self.known.decode(ids, **options)

    with pytest.raises(CodecError, match="does not give texts back"):
        TextCodec(Careless(), 512, is_seq2seq=True)


def test_tokens_by_id_have_a_hash_and_gaps_have_names() -> None:
    codec = make_codec()
    assert codec.tokens[codec.eos] == "</s>"
    assert len(codec.tokens) == len(codec.tokenizer)
    assert codec.vocabulary_hash == make_codec().vocabulary_hash != make_codec("qwen").vocabulary_hash
