"""Codecs: grids and programs as the tokens that a policy reads and writes.

The one of compact policies is here, that of pretrained ones in `trainer.text.codec`. A compact prompt is a list of
demonstrations and `<bos>`, after which the policy writes the program:

    <in> h3 w7 bg0 r0 n2 c1 k5 n4 r2 k1  <out> h3 w3 bg0 ...  <in> ...  <edit> r0 c2 k3  <bos>

A grid is its height, width, background and content. The background is the most frequent colour, the smaller
one of a tie, and the content is whatever is not background: bands of equal neighbouring rows from top to
bottom (`r` the first row, `n` the number of rows), each with its runs of one colour from left to right (`c` the
column, `k` the colour, `n` the number of cells). What can be inferred is left out: an `n` of 1, and the
column of a run that starts at the left border or where the run before it ended.

An output of the input's shape may be written as `<edit>` and the content of the cells that changed, and it is
where that is shorter than `<out>` and the whole grid. Both directions are exact.

Program tokens come first in the vocabulary, so that their ids are those of `interpreter.language.vocabulary`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Literal, Protocol

import numpy as np

from interpreter.encoding.grids import GridTokens
from interpreter.grids import MAX_COLOR, MAX_SIDE, Grid, is_valid
from interpreter.language.program import Program, parse
from interpreter.language.vocabulary import BOS, PROGRAM_TOKENS, detokenize, tokenize
from trainer.errors import CodecError, PromptTooLong
from trainer.examples import Example

# The values of each family of grid tokens: token `h3` is the value 3 of the family `h`.
FAMILIES: dict[str, range] = {
    "h": range(1, MAX_SIDE + 1),
    "w": range(1, MAX_SIDE + 1),
    "bg": range(MAX_COLOR + 1),
    "r": range(MAX_SIDE),
    "c": range(MAX_SIDE),
    "k": range(MAX_COLOR + 1),
    "n": range(2, MAX_SIDE + 1),
}
MARKS = ("<in>", "<out>", "<edit>")
UNCHANGED = -1

Pair = tuple[Grid, Grid]
# Trained from scratch and decoder-only; pretrained, encoder-decoder or decoder-only.
PolicyKind = Literal["compact", "seq2seq", "causal"]


def vocabulary_hash(tokens: Sequence[str]) -> str:
    """The identity of a vocabulary: sha256 of its tokens in order, hexadecimal."""
    return hashlib.sha256("\n".join(tokens).encode()).hexdigest()


class Codec(Protocol):
    """Prompts and programs of one kind of policy, as token ids and back."""

    kind: PolicyKind
    max_prompt_tokens: int
    demonstrations: int | None
    """Of a prompt at most; None: as many as fit."""
    tokens: tuple[str, ...]
    """By id."""
    vocabulary_hash: str

    def encode_prompt(self, pairs: Sequence[Pair]) -> list[int]:
        """The prompt of demonstrations (input, output), shortened by whole demonstrations until it fits."""

    def encode_program(self, text: str) -> list[int]:
        """The ids of a program in canonical form, with its end. Raises `ProgramError`."""

    def decode(self, ids: Sequence[int]) -> Program:
        """The canonical program that ids write, up to the first end. Raises `ProgramError`."""

    def example(self, pairs: Sequence[Pair], text: str) -> Example:
        """The example that teaches to answer demonstrations with a program."""


def keep_fitting(lengths: Sequence[int], fits: Callable[[list[int]], bool]) -> list[int]:
    """Indices of the demonstrations that a prompt keeps; none where not even the shortest fits.

    Demonstrations leave whole until the others fit: the longest first, the later of equals.
    """
    kept = list(range(len(lengths)))
    while kept and not fits(kept):
        kept.remove(max(kept, key=lambda index: (lengths[index], index)))
    return kept


def check_pairs(pairs: Sequence[Pair]) -> None:
    """Raise `CodecError` for no demonstration or an invalid grid."""
    if not pairs:
        raise CodecError("a prompt needs at least one demonstration")
    for grid in (grid for pair in pairs for grid in pair):
        if not is_valid(grid):
            raise CodecError(f"not an ARC grid: shape {grid.shape}, dtype {grid.dtype}")


def background_of(grid: Grid) -> int:
    """The most frequent colour, the smaller one of a tie."""
    return int(np.bincount(grid.ravel()).argmax())


class CompactCodec:
    """Prompts of at most `max_prompt_tokens` ids and, where that is given, `demonstrations`, and programs."""

    kind: PolicyKind = "compact"

    def __init__(self, max_prompt_tokens: int, demonstrations: int | None = None) -> None:
        families = [f"{family}{value}" for family, values in FAMILIES.items() for value in values]
        self.max_prompt_tokens = max_prompt_tokens
        self.demonstrations = demonstrations
        self.tokens: tuple[str, ...] = (*PROGRAM_TOKENS, *MARKS, *families)
        self.vocabulary_hash = vocabulary_hash(self.tokens)
        self._ids = {token: index for index, token in enumerate(self.tokens)}
        if len(self._ids) != len(self.tokens):
            raise ValueError("a grid token has the name of a program token")
        self._first = {family: self._ids[f"{family}{values[0]}"] - values[0] for family, values in FAMILIES.items()}
        self.grid_tokens = GridTokens(*(self._ids[mark] for mark in MARKS), *self._first.values(), BOS)
        """What `interpreter.encoding` needs to know of the vocabulary, which writes the same, compiled."""
        self._meaning = {self._ids[mark]: (mark, 0) for mark in MARKS} | {BOS: ("<bos>", 0)}
        for family, values in FAMILIES.items():
            self._meaning |= {self._first[family] + value: (family, value) for value in values}

    def encode_prompt(self, pairs: Sequence[Pair]) -> list[int]:
        """The prompt of demonstrations (input, output), ending in `<bos>`.

        Whole demonstrations are left out while it is longer than `max_prompt_tokens`, the longest first and the
        later of equals; then all after the first `demonstrations`. Raises `PromptTooLong` where none is left,
        `CodecError` for no demonstration or an invalid grid.
        """
        check_pairs(pairs)
        demonstrations = [self._demonstration(given, wanted) for given, wanted in pairs]
        lengths = [len(demonstration) for demonstration in demonstrations]
        room = self.max_prompt_tokens - 1
        kept = keep_fitting(lengths, lambda kept: sum(lengths[index] for index in kept) <= room)
        if not kept:
            raise PromptTooLong(
                f"the shortest demonstration takes {min(lengths) + 1} tokens, the prompt has {self.max_prompt_tokens}"
            )
        return [token for index in kept[: self.demonstrations] for token in demonstrations[index]] + [BOS]

    def decode_prompt(self, ids: Sequence[int]) -> list[Pair]:
        """The demonstrations of a prompt. Raises `CodecError`."""
        reader = _Reader(self._meaning, ids)
        pairs: list[Pair] = []
        while reader.take_if("<bos>") is None:
            reader.take("<in>")
            given = _read_grid(reader)
            if reader.take_if("<edit>") is not None:
                wanted = given.copy()
                _read_content(reader, wanted)
            else:
                reader.take("<out>")
                wanted = _read_grid(reader)
            pairs.append((given, wanted))
        reader.take_end()
        return pairs

    def encode_program(self, text: str) -> list[int]:
        """The ids of a program in canonical form, with `<eos>`. Raises `ProgramError`."""
        return tokenize(parse(text).pruned())

    def decode(self, ids: Sequence[int]) -> Program:
        """The canonical program of ids, up to and including the first `<eos>`. Raises `ProgramError`."""
        return detokenize(ids).pruned()

    def example(self, pairs: Sequence[Pair], text: str) -> Example:
        """The example that teaches to answer demonstrations with a program. Raises as the encoders do."""
        return Example(tuple(self.encode_prompt(pairs)), tuple(self.encode_program(text)))

    def _demonstration(self, given: Grid, wanted: Grid) -> list[int]:
        answer = [self._ids["<out>"], *self._grid(wanted)]
        if given.shape == wanted.shape:
            changed = np.where(given == wanted, UNCHANGED, wanted)
            answer = min([self._ids["<edit>"], *self._content(changed, UNCHANGED)], answer, key=len)
        return [self._ids["<in>"], *self._grid(given), *answer]

    def _grid(self, grid: Grid) -> list[int]:
        height, width = grid.shape
        background = background_of(grid)
        header = [self._first["h"] + height, self._first["w"] + width, self._first["bg"] + background]
        return header + self._content(grid, background)

    def _content(self, cells: Grid, background: int) -> list[int]:
        """Bands of equal rows, and in each its runs of colours other than `background`."""
        height, width = cells.shape
        tops = np.flatnonzero(np.append(True, (cells[1:] != cells[:-1]).any(axis=1)))
        band_heights = np.diff(tops, append=height)
        bands = cells[tops]
        starts = np.ones(bands.shape, bool)
        starts[:, 1:] = bands[:, 1:] != bands[:, :-1]
        positions = np.flatnonzero(starts)
        lengths = np.diff(positions, append=bands.size)
        colors = bands.ravel()[positions]
        kept = colors != background

        first, ids = self._first, []
        current, end = -1, 0
        runs = zip(positions[kept].tolist(), lengths[kept].tolist(), colors[kept].tolist(), strict=True)
        for position, length, color in runs:
            band, column = divmod(position, width)
            if band != current:
                ids.append(first["r"] + int(tops[band]))
                if band_heights[band] > 1:
                    ids.append(first["n"] + int(band_heights[band]))
                current, end = band, 0
            if column != end:
                ids.append(first["c"] + column)
            ids.append(first["k"] + color)
            if length > 1:
                ids.append(first["n"] + length)
            end = column + length
        return ids


def _read_grid(reader: _Reader) -> Grid:
    height, width, background = reader.take("h"), reader.take("w"), reader.take("bg")
    grid = np.full((height, width), background, np.int8)
    _read_content(reader, grid)
    return grid


def _read_content(reader: _Reader, grid: Grid) -> None:
    """Paint the bands and runs that follow onto `grid`."""
    height, width = grid.shape
    while (top := reader.take_if("r")) is not None:
        bottom, left = top + (reader.take_if("n") or 1), 0
        while (column := reader.take_if("c")) is not None or reader.next_is("k"):
            left = left if column is None else column
            color = reader.take("k")
            right = left + (reader.take_if("n") or 1)
            if bottom > height or right > width:
                raise CodecError(f"token {reader.position}: a run outside its grid of {height}x{width}")
            grid[top:bottom, left:right] = color
            left = right


class _Reader:
    """Takes ids in order as members of a family; anything unexpected is a `CodecError`."""

    def __init__(self, meaning: dict[int, tuple[str, int]], ids: Sequence[int]) -> None:
        self._tokens = [meaning.get(token, (f"id {token}", 0)) for token in ids]
        self.position = 0

    def next_is(self, family: str) -> bool:
        return self.position < len(self._tokens) and self._tokens[self.position][0] == family

    def take_if(self, family: str) -> int | None:
        """The value of the next token where it is of `family`, else None and nothing is taken."""
        if not self.next_is(family):
            return None
        self.position += 1
        return self._tokens[self.position - 1][1]

    def take(self, family: str) -> int:
        value = self.take_if(family)
        if value is None:
            found = self._tokens[self.position][0] if self.position < len(self._tokens) else "the end"
            raise CodecError(f"token {self.position}: expected {family}, found {found}")
        return value

    def take_end(self) -> None:
        if self.position != len(self._tokens):
            raise CodecError(f"token {self.position}: a prompt ends with <bos>")
