"""Compiled edits of a program that lies in a buffer: what mutation is made of.

A buffer holds `rows` (as in `Symbols`) and the `kinds` of its lines. Edits keep it a program: a line uses
only what stands before it. An edit that finds nothing to do, or no room, says so with a False.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from interpreter.language.symbols import COLUMNS, FIRST_CONSTANT, FIRST_VARIABLE, INPUT
from interpreter.language.vocabulary import PROGRAM_TOKENS, TOKEN_IDS, VARIABLES
from interpreter.machine.kinds import ANY, FITS, FUNCTION, KIND_OF_TOKEN, KINDS, RETURNS, TYPES
from interpreter.primitives import CONSTANTS, PRIMITIVES
from interpreter.primitives.types import may_be
from interpreter.runtime import layout
from interpreter.runtime.native import inline
from interpreter.runtime.ordering import mix, mix_at

FIRST_PRIMITIVE = FIRST_CONSTANT + len(CONSTANTS)
MAX_LINES = len(VARIABLES) + 1  # mutants are what a policy can write


class Lists(NamedTuple):
    """Lists of tokens: row k of `items` has `counts[k]` of them."""

    items: npt.NDArray[np.int16]
    counts: npt.NDArray[np.int64]


class Tables(NamedTuple):
    """What the edits know of the language."""

    parameters: npt.NDArray[np.int8]  # of (tokens, 4): the number of the type that a primitive declares for a place
    arity: npt.NDArray[np.int8]
    returns: npt.NDArray[np.int8]
    kind: npt.NDArray[np.int8]  # of a token that stands as an argument
    fits: npt.NDArray[np.bool_]  # see `kinds.FITS`
    constants: Lists  # by type: the constants that fit
    makers: Lists  # by kind: the primitives that are declared to return it, or something that may be it
    peers: Lists  # by token: the primitives that may take a primitive's place where it is an argument
    primitives: npt.NDArray[np.int16]  # all that may be written


def _lists(rows: list[list[int]]) -> Lists:
    items = np.zeros((len(rows), max(1, *map(len, rows))), np.int16)
    for row, tokens in zip(items, rows, strict=True):
        row[: len(tokens)] = tokens
    return Lists(items, np.array([len(tokens) for tokens in rows], np.int64))


def _peers(token: str, names: Collection[str]) -> list[int]:
    """The other primitives with as many parameters, whose types overlap with those of `token` one by one."""
    one = PRIMITIVES.get(token)
    return [] if one is None else [
        TOKEN_IDS[other.name]
        for other in map(PRIMITIVES.__getitem__, names)
        if other is not one and other.arity == one.arity and may_be(other.returns, one.returns)
        and all(may_be(a, b) for a, b in zip(other.parameters, one.parameters, strict=True))
    ]  # fmt: skip


def tables(primitives: Collection[str] | None = None) -> Tables:
    """The tables, made from the primitive table; with `primitives`, no others are written."""
    names = [name for name in PRIMITIVES if primitives is None or name in primitives]
    parameters = np.zeros((len(PROGRAM_TOKENS), layout.MAX_ARITY), np.int8)
    arity = np.zeros(len(PROGRAM_TOKENS), np.int8)
    for primitive in PRIMITIVES.values():
        token = TOKEN_IDS[primitive.name]
        arity[token] = primitive.arity
        parameters[token, : primitive.arity] = [TYPES.index(type_) for type_ in primitive.parameters]
    constant_ids = [TOKEN_IDS[name] for name in CONSTANTS]
    primitive_ids = [TOKEN_IDS[name] for name in names]
    return Tables(
        parameters,
        arity,
        RETURNS,
        KIND_OF_TOKEN,
        FITS,
        constants=_lists([[t for t in constant_ids if FITS[KIND_OF_TOKEN[t], type_]] for type_ in range(len(TYPES))]),
        makers=_lists([[t for t in primitive_ids if FITS[kind, RETURNS[t]]] for kind in range(len(KINDS))]),
        peers=_lists([_peers(token, names) for token in PROGRAM_TOKENS]),
        primitives=np.array(sorted(primitive_ids), np.int16),
    )


class Buffer(NamedTuple):
    """A program that is being changed, with room for the longest, and for a choice of tokens."""

    rows: npt.NDArray[np.int16]
    kinds: npt.NDArray[np.int8]
    choice: npt.NDArray[np.int16]
    renamed: npt.NDArray[np.int64]

    @classmethod
    def new(cls) -> Buffer:
        return cls(
            np.zeros((MAX_LINES + 1, COLUMNS), np.int16),
            np.zeros(MAX_LINES + 1, np.int8),
            np.zeros(len(PROGRAM_TOKENS), np.int16),
            np.zeros(MAX_LINES + 1, np.int64),
        )


# --------------------------------------------------------------------------------------------- chance


@inline
def draw(state, n):
    """A number from 0 to n - 1; `state` is that of a xorshift64* generator (Vigna 2016), which is never 0."""
    x = state[0]
    x ^= (x >> 12) & 0xFFFFFFFFFFFFF
    x ^= x << 25
    x ^= (x >> 27) & 0x1FFFFFFFFF
    state[0] = x
    return ((((x * 0x2545F4914F6CDD1D) >> 33) & 0x7FFFFFFF) * n) >> 31


@inline
def chance(state, share):
    """True in `share` of all calls."""
    return draw(state, 1 << 30) < share * (1 << 30)


# ------------------------------------------------------------------------------------------- choosing


@inline
def is_variable(token):
    return FIRST_VARIABLE <= token < FIRST_CONSTANT


@inline
def kind_of(t, buffer, token):
    """The kind of what a token stands for as an argument."""
    return buffer.kinds[token - FIRST_VARIABLE] if is_variable(token) else t.kind[token]


@inline
def variables(t, buffer, line, wanted, kind):
    """Put `I` and the variables before `line` that fit a type, and are of a kind unless that is negative, into the
    choice; their number."""
    n = 0
    for k in range(-1, line):
        token = INPUT if k < 0 else FIRST_VARIABLE + k
        own = kind_of(t, buffer, token)
        if t.fits[own, wanted] and (kind < 0 or own == kind):
            buffer.choice[n] = token
            n += 1
    return n


@inline
def constants(t, buffer, n, wanted, kind):
    """Add the constants that fit a type, and are of a kind unless that is negative, to `n` in the choice."""
    for k in range(t.constants.counts[wanted]):
        token = t.constants.items[wanted, k]
        if kind < 0 or t.kind[token] == kind:
            buffer.choice[n] = token
            n += 1
    return n


@inline
def any_argument(t, buffer, state, line, wanted):
    """A token that may stand where a type is wanted in `line`, or 0. Half of the time a variable, if one fits."""
    n = variables(t, buffer, line, wanted, -1)
    if n == 0 or draw(state, 2) == 0:
        if wanted == FUNCTION:
            return t.primitives[draw(state, len(t.primitives))]
        before = n
        n = constants(t, buffer, n, wanted, -1)
        if n > before:
            return buffer.choice[before + draw(state, n - before)]
    return buffer.choice[draw(state, n)] if n > 0 else 0


@inline
def write_call(t, buffer, state, line, kind):
    """Write a new call that may give a kind into `line`; False where there is none."""
    n = t.makers.counts[kind]
    if n == 0:
        return False
    function = t.makers.items[kind, draw(state, n)]
    for column in range(COLUMNS):
        buffer.rows[line, column] = 0
    buffer.rows[line, 0] = function
    buffer.rows[line, 1] = t.arity[function]
    for place in range(t.arity[function]):
        argument = any_argument(t, buffer, state, line, t.parameters[function, place])
        if argument == 0:
            return False
        buffer.rows[line, 2 + place] = argument
    buffer.kinds[line] = kind
    return True


# --------------------------------------------------------------------------------------------- editing


@inline
def make_room(buffer, lines, at, n):
    """Move the lines from `at` on down by `n`, and rename what they define; False where the program gets too long."""
    if lines + n > MAX_LINES:
        return False
    for k in range(lines - 1, at - 1, -1):
        buffer.kinds[k + n] = buffer.kinds[k]
        for column in range(COLUMNS):
            token = buffer.rows[k, column]
            moved = column != 1 and is_variable(token) and token >= FIRST_VARIABLE + at
            buffer.rows[k + n, column] = token + n if moved else token
    return True


@inline
def wanted_type(t, buffer, line, place):
    """The number of the type that is declared for a place; Any where a variable is called."""
    function = buffer.rows[line, 0]
    return ANY if is_variable(function) else t.parameters[function, place]


@inline
def replace_argument(t, buffer, state, lines, new_line):
    """One argument by another that fits; with a chance of `new_line`, by a new line. The number of lines, or 0."""
    line = draw(state, lines)
    place = draw(state, buffer.rows[line, 1])
    old = buffer.rows[line, 2 + place]
    kind = kind_of(t, buffer, old)
    if old >= FIRST_PRIMITIVE:
        n = t.peers.counts[old]
        if n == 0:
            return 0
        buffer.rows[line, 2 + place] = t.peers.items[old, draw(state, n)]
        return lines
    if chance(state, new_line):
        if kind == FUNCTION or not make_room(buffer, lines, line, 1) or not write_call(t, buffer, state, line, kind):
            return 0
        buffer.rows[line + 1, 2 + place] = FIRST_VARIABLE + line
        return lines + 1
    wanted = wanted_type(t, buffer, line, place)
    exact = kind if wanted == ANY else -1
    n = constants(t, buffer, variables(t, buffer, line, wanted, exact), wanted, exact)
    new = buffer.choice[draw(state, n)] if n > 0 else old
    buffer.rows[line, 2 + place] = new
    return 0 if new == old else lines


@inline
def replace_constant(t, buffer, state, lines):
    """One constant by another of its kind. The number of lines, or 0 where there is none."""
    total = 0
    for k in range(lines):
        for place in range(buffer.rows[k, 1]):
            total += FIRST_CONSTANT <= buffer.rows[k, 2 + place] < FIRST_PRIMITIVE
    if total == 0:
        return 0
    chosen = draw(state, total)
    for k in range(lines):
        for place in range(buffer.rows[k, 1]):
            old = buffer.rows[k, 2 + place]
            if FIRST_CONSTANT <= old < FIRST_PRIMITIVE:
                if chosen == 0:
                    n = constants(t, buffer, 0, ANY, t.kind[old])
                    new = buffer.choice[draw(state, n)]
                    buffer.rows[k, 2 + place] = new
                    return 0 if new == old else lines
                chosen -= 1
    return 0


@inline
def takes(t, buffer, function, line):
    """Whether a primitive takes the arguments of a line."""
    if t.arity[function] != buffer.rows[line, 1]:
        return False
    for place in range(t.arity[function]):
        if not t.fits[kind_of(t, buffer, buffer.rows[line, 2 + place]), t.parameters[function, place]]:
            return False
    return True


@inline
def replace_function(t, buffer, state, lines):
    """One function by another that takes the same arguments and may give the same kind. The number of lines, or 0."""
    line = draw(state, lines)
    old = buffer.rows[line, 0]
    if is_variable(old):
        return 0
    kind = buffer.kinds[line]
    n = 0
    for k in range(t.makers.counts[kind]):
        function = t.makers.items[kind, k]
        if function != old and takes(t, buffer, function, line):
            buffer.choice[n] = function
            n += 1
    if n == 0:
        return 0
    buffer.rows[line, 0] = buffer.choice[draw(state, n)]
    return lines


@inline
def replace_definition(t, buffer, state, lines):
    """The definition of one line by a new call of its kind. The number of lines, or 0."""
    line = draw(state, lines)
    kind = buffer.kinds[line]
    return lines if kind != FUNCTION and write_call(t, buffer, state, line, kind) else 0


@inline
def cut(t, buffer, state, lines):
    """One line out: what used it uses something earlier of its kind. The number of lines, or 0."""
    line = draw(state, lines)
    n = variables(t, buffer, line, ANY, buffer.kinds[line])
    if n == 0:
        return 0
    new = buffer.choice[draw(state, n)]
    if line == lines - 1:  # the program now ends where `new` is defined
        return new - FIRST_VARIABLE + 1 if new != INPUT else 0
    for k in range(line + 1, lines):
        for column in range(COLUMNS):
            if column != 1 and buffer.rows[k, column] == FIRST_VARIABLE + line:
                buffer.rows[k, column] = new
    return lines


@inline
def splice(t, buffer, state, lines, rows, kinds, first, n):
    """The lines that another program of `n` lines, from row `first` on, takes to one of the same kind, in place of the
    definition of one line. The number of lines, or 0."""
    line = draw(state, lines)
    source = -1
    seen = 0
    for k in range(n):  # one of them, each with the same chance
        if kinds[first + k] == buffer.kinds[line]:
            seen += 1
            if draw(state, seen) == 0:
                source = k
    if source < 0 or not make_room(buffer, lines, line, source):
        return 0
    for k in range(source + 1):  # the last one takes the place of the old definition
        buffer.kinds[line + k] = kinds[first + k]
        for column in range(COLUMNS):
            token = rows[first + k, column]
            moved = column != 1 and is_variable(token)
            buffer.rows[line + k, column] = token + line if moved else token
    return lines + source


# ----------------------------------------------------------------------------------------------- result


@inline
def prune(buffer, lines):
    """Drop the lines that the last one does not need and number the others anew; how many are left."""
    needed = buffer.renamed
    for k in range(lines):
        needed[k] = 0
    needed[lines - 1] = 1
    for k in range(lines - 1, -1, -1):
        if needed[k]:
            for column in range(COLUMNS):
                if column != 1 and is_variable(buffer.rows[k, column]):
                    needed[buffer.rows[k, column] - FIRST_VARIABLE] = 1
    kept = 0
    for k in range(lines):
        if needed[k]:
            for column in range(COLUMNS):
                token = buffer.rows[k, column]
                named = column != 1 and is_variable(token)
                buffer.rows[kept, column] = FIRST_VARIABLE + needed[token - FIRST_VARIABLE] if named else token
            buffer.kinds[kept] = buffer.kinds[k]
            needed[k] = kept
            kept += 1
    return kept


@inline
def hash_lines(rows, first, lines):
    """A 64-bit hash of lines, never 0."""
    total = lines
    for k in range(lines):
        word = 0
        for column in range(COLUMNS):  # six numbers of 10 bits each
            word = (word << 10) | rows[first + k, column]
        total += mix_at(word, k)
    return mix(total) | 1
