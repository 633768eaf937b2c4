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
NO_FUNCTION = -1
_PRIME, _HASH_BITS = 1_000_003, (1 << 32) - 1
_SPACE, _EQUALS, _OPEN, _CLOSE, _COMMA, _LINE_END, _ZERO, _X, _O = (ord(c) for c in " =(),\n0xO")


class Names(NamedTuple):
    """All names but variables: `slots` (a hash table of indices, -1 for none), `text` of name k from `starts[k]` on,
    its token, and its arity where it is a primitive, else `NO_FUNCTION`."""

    slots: npt.NDArray[np.int16]
    text: npt.NDArray[np.uint8]
    starts: npt.NDArray[np.int64]
    tokens: npt.NDArray[np.int32]
    arities: npt.NDArray[np.int8]


@cache
def names() -> Names:
    """The names of the language."""
    known = ["I", *CONSTANTS, *PRIMITIVES]
    slots = np.full(SLOTS, -1, np.int16)
    for number, name in enumerate(known):
        at = _hash(name.encode()) & (SLOTS - 1)
        while slots[at] >= 0:
            at = (at + 1) & (SLOTS - 1)
        slots[at] = number
    assert 2 * len(known) < SLOTS
    arities = [PRIMITIVES[name].arity if name in PRIMITIVES else NO_FUNCTION for name in known]
    return Names(
        slots,
        np.frombuffer("".join(known).encode(), np.uint8).copy(),
        np.cumsum([0, *map(len, known)]),
        np.array([TOKEN_IDS[name] for name in known], np.int32),
        np.array(arities, np.int8),
    )


def _hash(name: bytes) -> int:
    """As `_hash_at` has it."""
    value = 0
    for byte in name:
        value = (value * _PRIME + byte) & _HASH_BITS
    return value


@inline
def _hash_at(text, start, end):
    value = 0
    for at in range(start, end):
        value = (value * _PRIME + text[at]) & _HASH_BITS
    return value


@inline
def _is_free(slots, at):
    return slots[at] < 0


@inline
def _holds(slots, at, entry):
    text, start, end, names = entry
    first = names.starts[slots[at]]
    if names.starts[slots[at] + 1] - first != end - start:
        return False
    for k in range(end - start):
        if names.text[first + k] != text[start + k]:
            return False
    return True


@inline
def _name_end(text, at, end):
    """Behind the letters, digits and underscores from `at` on."""
    while at < end:
        c = text[at]
        if not (97 <= c <= 122 or 48 <= c <= 57 or 65 <= c <= 90 or c == 95):
            break
        at += 1
    return at


@inline
def _variable(text, start, end):
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
def write_program(text, start, end, names, used, out):
    """Write the tokens of a canonical program, <eos> included, and return how many; `NOT_CANONICAL` for another text.

    `used` is room for a truth value a variable, `out` for `MAX_PROGRAM_TOKENS`.
    """
    n, at = 0, start
    for line in range(MAX_VARIABLES + 1):
        stop = _name_end(text, at, end)
        is_last = stop - at == 1 and text[at] == _O
        if not is_last and (_variable(text, at, stop) != line + 1):
            return NOT_CANONICAL
        if stop + 3 > end or text[stop] != _SPACE or text[stop + 1] != _EQUALS or text[stop + 2] != _SPACE:
            return NOT_CANONICAL
        if is_last:
            out[n] = LAST_LINE
            n += 1
        head, arguments, arity = n, -1, NO_FUNCTION
        at = stop + 3
        while True:  # the function, then its arguments
            stop = _name_end(text, at, end)
            if stop == at or stop >= end or arguments == MAX_ARITY:
                return NOT_CANONICAL
            variable = _variable(text, at, stop)
            if variable > line:
                return NOT_CANONICAL
            if variable > 0:
                used[variable - 1] = True
                if arguments < 0:
                    n += 1  # the call, whose number of arguments is known when they are
                out[n] = FIRST_VARIABLE + variable - 1
            else:
                slot, found = find_slot(
                    names.slots, _hash_at(text, at, stop), _is_free, _holds, (text, at, stop, names)
                )
                if not found:
                    return NOT_CANONICAL
                name = names.slots[slot]
                if arguments < 0:
                    arity = names.arities[name]
                    if arity == NO_FUNCTION:
                        return NOT_CANONICAL
                out[n] = names.tokens[name]
            n += 1
            arguments += 1
            c = text[stop]
            at = stop + 1
            if arguments == 0:
                if c != _OPEN:
                    return NOT_CANONICAL
            elif c == _CLOSE:
                break
            elif c != _COMMA or at >= end or text[at] != _SPACE:
                return NOT_CANONICAL
            else:
                at += 1
        if arity == NO_FUNCTION:
            out[head] = FIRST_CALL + arguments - 1
        elif arguments != arity:
            return NOT_CANONICAL
        used[line] = False
        if is_last:
            if at != end:
                return NOT_CANONICAL
            for variable in range(line):
                if not used[variable]:
                    return NOT_CANONICAL
            out[n] = EOS
            return n + 1
        if at >= end or text[at] != _LINE_END:
            return NOT_CANONICAL
        at += 1
    return NOT_CANONICAL
