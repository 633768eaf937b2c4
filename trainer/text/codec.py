"""The text codec: the paper's sparse text (CodeIt, section 3), for policies with a tokenizer of their own.

A prompt is one line of inputs and one of outputs; the program is canonical text:

    3x3 background=0 1=0,1 2,2 4=1,1|2x5 background=0
    3x3 background=0 4=1,1|2x5 background=7 0=0,0
    x1 = hmirror(I)
    O = vconcat(x1, I)

A grid is its height x width, its most frequent colour (the smaller one of a tie) and, colour by colour in order, the
`row,column` of all other cells in reading order. Both directions are exact. The paper cuts each line off at 512
tokens; here whole demonstrations leave, the longest text first, until both lines have `max_prompt_tokens` together.

What the tokenizer puts in front of a text (CodeT5's <s>) goes in front of the prompt and, for an encoder-decoder
policy, of the program, as in the paper. A decoder-only policy reads one text, so its prompt ends with a line break.

With CodeT5's tokenizer a prompt of the 400 ARC-AGI-1 evaluation tasks has 763 tokens in the median; 33% fit 512, 63%
fit 1,024 and 84% fit 2,048 as they are, and shortened to 1,024 all but 31 tasks keep a demonstration (80% of all
demonstrations). The compact codec's median is 252; 95% fit 1,024 and 98% fit 2,048. Of arc-dsl's solver programs 95.5%
have at most 447 tokens, 96.5% at most 512.

The tokenizer is given: this module needs neither torch nor transformers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import takewhile
from typing import Any, Protocol

import numpy as np

from interpreter.grids import MAX_SIDE, Grid
from interpreter.language.program import Program, ProgramError, parse
from interpreter.language.vocabulary import check_tokens
from trainer.codec import Pair, PolicyKind, background_of, check_pairs, keep_fitting, vocabulary_hash
from trainer.errors import CodecError, PromptTooLong
from trainer.examples import Example

NEXT_GRID = "|"
NEXT_LINE = "\n"

_SIZE = re.compile(r"(\d{1,2})x(\d{1,2})")
_BACKGROUND = re.compile(r"background=(\d)")
_CELL = re.compile(r"(?:(\d)=)?(\d{1,2}),(\d{1,2})")
# What a tokenizer has to give back as it was.
_PROBE = "3x3 background=0 1=0,1 12,2|1x1 background=9\nx1 = fill(I, ZERO, x10)\nO = x1(I)"


class Tokenizer(Protocol):
    """What the codec needs of a tokenizer of transformers."""

    eos_token_id: int | None

    def __call__(self, text: str, **options: Any) -> Mapping[str, list[int]]: ...

    def decode(self, token_ids: list[int], **options: Any) -> str: ...

    def get_vocab(self) -> dict[str, int]: ...

    def save_pretrained(self, save_directory: Any) -> Any: ...


class TextCodec:
    """Prompts of at most `max_prompt_tokens` ids, and programs, for an encoder-decoder or a decoder-only policy.

    Raises `CodecError` for a tokenizer that has no end-of-sequence token or cannot write these texts.
    """

    def __init__(
        self, tokenizer: Tokenizer, max_prompt_tokens: int, is_seq2seq: bool, demonstrations: int | None = None
    ) -> None:
        if tokenizer.eos_token_id is None:
            raise CodecError("the tokenizer has no end-of-sequence token")
        self.tokenizer = tokenizer
        self.max_prompt_tokens = max_prompt_tokens
        self.demonstrations = demonstrations
        self.is_seq2seq = is_seq2seq
        self.kind: PolicyKind = "seq2seq" if is_seq2seq else "causal"
        self.eos: int = tokenizer.eos_token_id
        if (written := self.text_of(self.ids_of(_PROBE))) != _PROBE:
            raise CodecError(f"the tokenizer does not give texts back as they were: {_PROBE!r} becomes {written!r}")
        around = tokenizer("", verbose=False)["input_ids"]
        self._prefix = list(takewhile(lambda token: token != self.eos, around))

    @cached_property
    def tokens(self) -> tuple[str, ...]:
        """The tokenizer's vocabulary by id; an id without a token is `<unused id>`."""
        names = {index: token for token, index in self.tokenizer.get_vocab().items()}
        return tuple(names.get(index, f"<unused {index}>") for index in range(max(names) + 1))

    @cached_property
    def vocabulary_hash(self) -> str:
        return vocabulary_hash(self.tokens)

    @property
    def program_prefix(self) -> list[int]:
        """The ids that every program begins with."""
        return self._prefix if self.is_seq2seq else []

    def encode_prompt(self, pairs: Sequence[Pair]) -> list[int]:
        """The prompt of demonstrations (input, output), shortened by whole demonstrations until it fits, then to the
        first `demonstrations`.

        Raises `PromptTooLong` where none is left, `CodecError` for no demonstration or an invalid grid.
        """
        check_pairs(pairs)
        texts = [(write_grid(given), write_grid(wanted)) for given, wanted in pairs]
        lengths = [len(given) + len(wanted) for given, wanted in texts]
        prompts: list[list[int]] = []

        def fits(kept: list[int]) -> bool:
            prompts.append(self._prompt([texts[index] for index in kept]))
            return len(prompts[-1]) <= self.max_prompt_tokens

        kept = keep_fitting(lengths, fits)
        if not kept:
            raise PromptTooLong(
                f"the shortest demonstration takes {len(prompts[-1])} tokens, the prompt has {self.max_prompt_tokens}"
            )
        first = kept[: self.demonstrations]
        return prompts[-1] if first == kept else self._prompt([texts[index] for index in first])

    def decode_prompt(self, ids: Sequence[int]) -> list[Pair]:
        """The demonstrations of a prompt. Raises `CodecError`."""
        lines = self.text_of(ids).removesuffix("" if self.is_seq2seq else NEXT_LINE).split(NEXT_LINE)
        if len(lines) != 2:
            raise CodecError(f"a prompt is a line of inputs and one of outputs, not {len(lines)} lines")
        given, wanted = ([read_grid(text) for text in line.split(NEXT_GRID)] for line in lines)
        if len(given) != len(wanted):
            raise CodecError(f"{len(given)} inputs but {len(wanted)} outputs")
        return list(zip(given, wanted, strict=True))

    def encode_program(self, text: str) -> list[int]:
        """The ids of a program in canonical form, with its end. Raises `ProgramError`."""
        program = parse(text).pruned()
        check_tokens(program)
        return [*self.program_prefix, *self.ids_of(program.text), self.eos]

    def decode(self, ids: Sequence[int]) -> Program:
        """The canonical program of ids up to the first end-of-sequence token. Raises `ProgramError`."""
        written = list(takewhile(lambda token: token != self.eos, ids))
        if len(written) == len(ids):
            raise ProgramError(1, "the tokens end in the middle of the program")
        program = parse(self.text_of(written)).pruned()
        check_tokens(program)
        return program

    def example(self, pairs: Sequence[Pair], text: str) -> Example:
        """The example that teaches to answer demonstrations with a program. Raises as the encoders do."""
        return Example(tuple(self.encode_prompt(pairs)), tuple(self.encode_program(text)))

    def ids_of(self, text: str) -> list[int]:
        """The ids of a text, without special tokens."""
        return self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]

    def text_of(self, ids: Sequence[int]) -> str:
        """The text of ids, special tokens left out."""
        return self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)

    def _prompt(self, texts: Sequence[tuple[str, str]]) -> list[int]:
        lines = [NEXT_GRID.join(line) for line in zip(*texts, strict=True)]
        return [*self._prefix, *self.ids_of(NEXT_LINE.join(lines) + ("" if self.is_seq2seq else NEXT_LINE))]


def write_grid(grid: Grid) -> str:
    """The sparse text of a valid grid."""
    background = background_of(grid)
    words = [f"{grid.shape[0]}x{grid.shape[1]}", f"background={background}"]
    for color in np.unique(grid).tolist():
        if color != background:
            cells = " ".join(f"{row},{column}" for row, column in np.argwhere(grid == color).tolist())
            words.append(f"{color}={cells}")
    return " ".join(words)


def read_grid(text: str) -> Grid:
    """The grid of a sparse text. Raises `CodecError` for one that `write_grid` would not write."""
    words = text.split(" ")
    size, background = _SIZE.fullmatch(words[0]), _BACKGROUND.fullmatch(" ".join(words[1:2]))
    if size is None or background is None:
        raise CodecError(f"a grid begins with `3x3 background=0`, not {text[:40]!r}")
    height, width = int(size[1]), int(size[2])
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise CodecError(f"a grid has 1 to {MAX_SIDE} rows and columns, not {height}x{width}")
    grid = np.full((height, width), int(background[1]), np.int8)
    color: int | None = None
    for word in words[2:]:
        cell = _CELL.fullmatch(word)
        if cell is None or (color is None and cell[1] is None):
            raise CodecError(f"expected `colour=row,column` or `row,column`, not {word!r}")
        color = color if cell[1] is None else int(cell[1])
        row, column = int(cell[2]), int(cell[3])
        if row >= height or column >= width:
            raise CodecError(f"the cell {row},{column} is outside its grid of {height}x{width}")
        grid[row, column] = color
    return grid
