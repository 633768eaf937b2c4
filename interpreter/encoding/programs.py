"""Canonical texts of programs as their tokens, compiled.

Only what `parse(text).pruned().text` gives back as it was is read here; anything else is left to the parser, which
knows what is wrong with it. Names are looked up in a table of hashes that is made from the vocabulary.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from interpreter.language.vocabulary import CALLS, EOS, LAST_LINE, TOKEN_IDS, VARIABLES
from interpreter.primitives import CONSTANTS, PRIMITIVES
from interpreter.runtime import layout
from interpreter.runtime.hash_table import find_slot
from interpreter.runtime.native import inline

NOT_CANONICAL = -1
# A line has a call, a function, and arguments; `O` and the end come on top.
MAX_PROGRAM_TOKENS = (len(VARIABLES) + 1) * (2 + layout.MAX_ARITY) + 2
FIRST_CALL, FIRST_VARIABLE = TOKEN_IDS[CALLS[0]], TOKEN_IDS[VARIABLES[0]]
MAX_VARIABLES = len(VARIABLES)
MAX_ARITY = layout.MAX_ARITY
SLOTS = 1024
MAX_NAME = 16  # characters
NO_FUNCTION, ANY_ARITY = -1, -2
UNKNOWN = -1
_SPACE, _EQUALS, _OPEN, _CLOSE, _COMMA, _LINE_END, _ZERO, _X, _O = (ord(c) for c in " =(),\n0xO")


class Names(NamedTuple):
    """All names but variables: `slots` (a hash table of indices, -1 for none), of name k its characters as two words
    (see `words_of`), its token, and its arity where it is a primitive, else `NO_FUNCTION`."""

    slots: npt.NDArray[np.int16]
    words: npt.NDArray[np.int64]
    """(names, 2)"""
    tokens: npt.NDArray[np.int32]
    arities: npt.NDArray[np.int8]


@cache
def names() -> Names:
    """The names of the language."""
    known = ["I", *CONSTANTS, *PRIMITIVES]
    words = np.array([words_of(name.encode()) for name in known], np.int64)
    slots = np.full(SLOTS, -1, np.int16)
    for number, (low, high) in enumerate(words.tolist()):
        at = home_of(low, high)
        while slots[at] >= 0:
            at = (at + 1) & (SLOTS - 1)
        slots[at] = number
    assert 2 * len(known) < SLOTS
    assert max(map(len, known)) <= MAX_NAME
    arities = [PRIMITIVES[name].arity if name in PRIMITIVES else NO_FUNCTION for name in known]
    tokens = np.array([TOKEN_IDS[name] for name in known], np.int32)
    return Names(slots, words, tokens, np.array(arities, np.int8))


def words_of(name: bytes) -> tuple[int, int]:
    """The characters of a name as two words: the last eight, and the eight before."""
    return int.from_bytes(name[-8:]), int.from_bytes(name[:-8])


def home_of(low: int, high: int) -> int:
    """Where a name belongs in the table."""
    mixed = low ^ (low >> 9) ^ (low >> 22) ^ (low >> 37) ^ (high << 3)
    return mixed & (SLOTS - 1)


home_at = inline(home_of)


@inline
def is_free(slots, at):
    return slots[at] < 0


@inline
def holds(slots, at, entry):
    low, high, names = entry
    name = slots[at]
    return names.words[name, 0] == low and names.words[name, 1] == high


@inline
def read_name(text, at, end):
    """Behind the letters, digits and underscores from `at` on, and the last sixteen of them as two words."""
    low, high = 0, 0
    while at < end:
        c = np.int64(text[at])
        if not (97 <= c <= 122 or 48 <= c <= 57 or 65 <= c <= 90 or c == 95):
            break
        high = high << 8 | low >> 56
        low = low << 8 | c
        at += 1
    return at, low, high


@inline
def variable(text, start, end):
    """The number of a variable, x1 and on; 0 for what is none that has a token."""
    if end - start < 2 or end - start > 3 or text[start] != _X or text[start + 1] == _ZERO:
        return 0
    number = 0
    for at in range(start + 1, end):
        digit = np.int64(text[at]) - _ZERO
        if digit < 0 or digit > 9:
            return 0
        number = 10 * number + digit
    return number if number <= MAX_VARIABLES else 0


@inline
def look_up(text, start, end, low, high, line, names):
    """The token of a name that a line may use, its arity, and its number where it is a variable; else `UNKNOWN`."""
    number = variable(text, start, end)
    if number > 0:
        return (FIRST_VARIABLE + number - 1 if number <= line else UNKNOWN), ANY_ARITY, number
    slot, found = find_slot(names.slots, home_at(low, high), is_free, holds, (low, high, names))
    if not found or end - start > MAX_NAME:
        return UNKNOWN, NO_FUNCTION, 0
    name = names.slots[slot]
    return np.int64(names.tokens[name]), np.int64(names.arities[name]), 0


@inline
def write_call(text, at, end, line, names, used, out, n):
    """Append the call from `at` on to the `n` tokens of `out`. Where it ends, and how many tokens, or
    `NOT_CANONICAL`."""
    stop, low, high = read_name(text, at, end)
    token, arity, number = look_up(text, at, stop, low, high, line, names)
    if token == UNKNOWN or arity == NO_FUNCTION or stop >= end or text[stop] != _OPEN:
        return at, NOT_CANONICAL
    head, arguments, at = n, 0, stop + 1
    if number > 0:
        used[number - 1] = True
        n += 1  # the call comes first, whose number of arguments is known when they are
    out[n] = token
    n += 1
    while arguments < MAX_ARITY:
        stop, low, high = read_name(text, at, end)
        token, _, number = look_up(text, at, stop, low, high, line, names)
        if token == UNKNOWN or stop >= end:
            return at, NOT_CANONICAL
        if number > 0:
            used[number - 1] = True
        out[n] = token
        n += 1
        arguments += 1
        if text[stop] == _CLOSE:
            if arity == ANY_ARITY:
                out[head] = FIRST_CALL + arguments - 1
            return stop + 1, n if arity in (ANY_ARITY, arguments) else NOT_CANONICAL
        if text[stop] != _COMMA or stop + 1 >= end or text[stop + 1] != _SPACE:
            return at, NOT_CANONICAL
        at = stop + 2
    return at, NOT_CANONICAL


@inline
def are_used(used, variables):
    """Whether a later line uses each of the variables: then `O` needs all lines."""
    first = 0
    while first < variables and used[first]:
        first += 1
    return first == variables


@inline
def write_program(text, start, end, names, used, out):
    """Write the tokens of a canonical program, <eos> included, and return how many; `NOT_CANONICAL` for another text.

    `used` is room for a truth value a line, `out` for `MAX_PROGRAM_TOKENS`.
    """
    n, at = 0, start
    for line in range(MAX_VARIABLES + 1):
        stop, _, _ = read_name(text, at, end)
        is_last = stop - at == 1 and text[at] == _O
        if not is_last and variable(text, at, stop) != line + 1:
            return NOT_CANONICAL
        if stop + 3 > end or text[stop] != _SPACE or text[stop + 1] != _EQUALS or text[stop + 2] != _SPACE:
            return NOT_CANONICAL
        if is_last:
            out[n] = LAST_LINE
            n += 1
        at, n = write_call(text, stop + 3, end, line, names, used, out, n)
        if n == NOT_CANONICAL:
            return NOT_CANONICAL
        used[line] = False
        if is_last:
            out[n] = EOS
            return n + 1 if at == end and are_used(used, line) else NOT_CANONICAL
        if at >= end or text[at] != _LINE_END:
            return NOT_CANONICAL
        at += 1
    return NOT_CANONICAL
