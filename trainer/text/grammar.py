"""The grammar of programs over the pieces of a tokenizer: what a `text` policy may write next.

Canonical text is a sequence of slots, and each slot takes one of a set of words:

    target `x1 = ` | `O = `     head `objects(` | ...     argument `I, ` | `I)` | ...     break, a line feed

No word is the beginning of another one of its slot, so characters alone say where a program stands. A piece may end
inside a word or span slots; it is allowed if all its characters can be written. So every sample that ends is a program,
with any tokenizer and in any way of cutting the text into pieces.

Pieces are taken from those that canonical programs are made of (the paper's allowed tokens) and single characters, so
that something may always follow. Near `max_tokens` a new line must be the last; a program that is still too long does
not end, which the sampler reports as not finished. Types are not looked at. Pure and torch-free. `batch` runs many
programs at once.
"""

from __future__ import annotations

import string
from collections.abc import Iterator
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from interpreter.language.grammar import GrammarError, Mask
from interpreter.language.vocabulary import VARIABLES
from interpreter.primitives import CONSTANTS, PRIMITIVES
from interpreter.runtime import layout
from trainer.text.codec import TextCodec

_CHARACTERS = string.ascii_letters + string.digits + "_ =(),\n"
# Masks kept at most; more is forgotten all at once.
_CACHED = 1 << 15


class Slot(IntEnum):
    """What is being written."""

    TARGET = 0
    HEAD = 1
    ARGUMENT = 2
    BREAK = 3
    END = 4  # nothing but the end-of-sequence token


class Place(NamedTuple):
    """Where a text stands; hashable."""

    slot: Slot = Slot.TARGET
    written: str = ""
    """The beginning of the slot's word."""
    variables: int = 0
    """Defined so far."""
    least: int = 0
    """Arguments that the line still needs."""
    most: int = 0
    """Arguments that the line may still have."""
    last: bool = False
    """Whether the line defines `O`."""
    closing: bool = False
    """Whether a new line must be the last."""


class TextState(NamedTuple):
    """Where a program stands after `used` tokens; hashable."""

    place: Place
    used: int


class Branch:
    """A beginning that pieces have in common: what they go on with, and which are this whole beginning."""

    def __init__(self) -> None:
        self.longer: dict[str, Branch] = {}
        self.tokens: list[int] = []

    @classmethod
    def of(cls, pieces: dict[int, str]) -> Branch:
        """All pieces, by their characters."""
        root = cls()
        for token, text in pieces.items():
            branch = root
            for character in text:
                branch = branch.longer.setdefault(character, cls())
            branch.tokens.append(token)
        return root

    def fitting(self, place: Place) -> Iterator[int]:
        """The pieces that can be written where this beginning has been; what no program has is not followed."""
        yield from self.tokens
        for character, branch in self.longer.items():
            after = read(place, character)
            if after is not None:
                yield from branch.fitting(after)


class TextGrammar:
    """The state machine of programs of at most `max_tokens` tokens; `ids` (k,) are all that may ever be written."""

    def __init__(self, codec: TextCodec, max_tokens: int) -> None:
        self.max_tokens = max_tokens
        self.eos = codec.eos
        self._prefix = tuple(codec.program_prefix)
        self._pieces = _pieces(codec)
        self.ids: npt.NDArray[np.int64] = np.array(sorted({*self._pieces, *self._prefix, self.eos}), np.int64)
        # Two of the longest lines: one that has begun, and `O`.
        longest = max(len(codec.ids_of(line)) for line in _longest_lines())
        self._reserve = min(2 * longest + 1, max_tokens // 2)
        self._branches = Branch.of(self._pieces)
        self._masks: dict[int | Place, Mask] = {}

    def start(self) -> TextState:
        return TextState(Place(), 0)

    def advance(self, state: TextState, token: int) -> TextState:
        """The state after one more token. Raises `GrammarError` for one that is not allowed."""
        used = state.used + 1
        if state.used < len(self._prefix):
            if token != self._prefix[state.used]:
                raise GrammarError(f"id {token} where every program begins with {self._prefix[state.used]}")
            return TextState(state.place, used)
        if token == self.eos and self.allowed(state)[self.ids == token].any():
            return TextState(Place(Slot.END), used)
        place = read(state.place, self._pieces.get(token, "\0"))
        if place is None:
            raise GrammarError(f"id {token} ({self._pieces.get(token)!r}) cannot follow: {state.place}")
        if place.slot is not Slot.TARGET or not place.written:  # a target that has begun is not taken back
            place = place._replace(closing=self.is_closing(used))
        return TextState(place, used)

    def is_closing(self, used: int) -> bool:
        """Whether a line that is begun after `used` tokens must be the last."""
        return used + self._reserve >= self.max_tokens

    def situation(self, state: TextState) -> int | Place:
        """What decides, together with `is_closing` of the next length, how a program may go on from a state."""
        return state.used if state.used < len(self._prefix) else state.place

    def allowed(self, state: TextState) -> Mask:
        """Which of `ids` may come next: (k,) bool."""
        key = self.situation(state)
        mask = self._masks.get(key)
        if mask is None:
            if len(self._masks) >= _CACHED:
                self._masks.clear()
            mask = self._masks[key] = self._mask(key)
        return mask

    def _mask(self, key: int | Place) -> Mask:
        if isinstance(key, int):
            return self.ids == self._prefix[key]
        fitting = list(self._branches.fitting(key))
        # The end, too, where a tokenizer has no piece that could follow: then the text is no program.
        mask = np.zeros(len(self.ids), np.bool_)
        mask[np.searchsorted(self.ids, fitting or [self.eos])] = True
        return mask


def read(place: Place, text: str) -> Place | None:
    """Where a text stands after some more characters; None where they cannot be written."""
    for character in text:
        words, beginnings = _words(place.slot, place.variables, place.least, place.most, place.closing)
        written = place.written + character
        if written in words:
            place = _after(place, written)
        elif written in beginnings:
            place = place._replace(written=written)
        else:
            return None
    return place


def _after(place: Place, word: str) -> Place:
    """Where a text stands after a whole word."""
    name = word.strip(" =(),\n")
    if place.slot is Slot.TARGET:
        return place._replace(slot=Slot.HEAD, written="", last=name == "O")
    if place.slot is Slot.HEAD:
        least, most = (PRIMITIVES[name].arity,) * 2 if name in PRIMITIVES else (1, layout.MAX_ARITY)
        return place._replace(slot=Slot.ARGUMENT, written="", least=least, most=most)
    if place.slot is Slot.ARGUMENT and not word.endswith(")"):
        return place._replace(written="", least=max(place.least - 1, 0), most=place.most - 1)
    if place.slot is Slot.ARGUMENT and place.last:
        return Place(Slot.END)
    if place.slot is Slot.ARGUMENT:
        return place._replace(slot=Slot.BREAK, written="", variables=place.variables + 1, least=0, most=0)
    return place._replace(slot=Slot.TARGET, written="")


@lru_cache(maxsize=1024)
def _words(slot: Slot, variables: int, least: int, most: int, closing: bool) -> tuple[frozenset[str], frozenset[str]]:
    """The words of a slot, and all their beginnings."""
    known = VARIABLES[:variables]
    if slot is Slot.TARGET:
        may_go_on = variables < len(VARIABLES) and not closing
        words = {f"{target} = " for target in ("O", *VARIABLES[variables:][:may_go_on])}
        if variables == 0:
            words |= {f" {word}" for word in words}  # some tokenizers begin every text with a space
    elif slot is Slot.HEAD:
        words = {f"{name}(" for name in (*PRIMITIVES, *known)}
    elif slot is Slot.ARGUMENT:
        ends = [end for end, possible in ((", ", most > 1), (")", least <= 1)) if possible]
        words = {name + end for name in ("I", *CONSTANTS, *PRIMITIVES, *known) for end in ends}
    elif slot is Slot.BREAK:
        words = {"\n"}
    else:
        words = set()
    return frozenset(words), frozenset(word[:end] for word in words for end in range(1, len(word)))


def _pieces(codec: TextCodec) -> dict[int, str]:
    """The text of each token that programs are made of, or that is a single character of theirs."""
    found = {token for text in (*_examples(), *_CHARACTERS) for token in codec.ids_of(text)}
    anchor = codec.ids_of("O")
    start = len(codec.text_of(anchor))  # a token's text can depend on whether it is the first
    texts = {token: codec.text_of([*anchor, token])[start:] for token in sorted(found)}
    return {token: text for token, text in texts.items() if text and set(text) <= set(_CHARACTERS)}


def _examples() -> Iterator[str]:
    """Texts that have every name in every place where it can stand in a program."""
    heads = [*((name, p.arity) for name, p in PRIMITIVES.items())]
    heads += [(variable, arity) for variable in VARIABLES for arity in range(1, layout.MAX_ARITY + 1)]
    for name, arity in heads:
        call = f"{name}({', '.join(['I'] * arity)})"
        yield f"{call}\nx1 = {call}\nO = {call}"
    for name in ("I", *CONSTANTS, *PRIMITIVES, *VARIABLES):
        yield f"O = fill({name}, {name}, {name})\nx1 = flip({name})"
    for variable in VARIABLES:
        yield f"{variable} = fill(I, I, I)\n{variable} = flip(I)\nO = flip(I)"
    for target in ("O", "x1"):
        for name in (*PRIMITIVES, *VARIABLES):
            yield f"{target} = {name}("


def _longest_lines() -> Iterator[str]:
    """A line of each primitive, with long names as arguments."""
    for name, primitive in PRIMITIVES.items():
        yield f"{VARIABLES[-1]} = {name}({', '.join(VARIABLES[-1:] * primitive.arity)})\n"
