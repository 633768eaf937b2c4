"""The grammar of program tokens as arrays: which tokens may follow is a look-up of bit sets.

A set of tokens is a row of WORDS words, token t the bit `t & 63` of word `t >> 6`. What may come next is

    at a line       `starts`, without what lacks an argument (`lacking`) among what is at hand
    at a callee     the variables that may be functions
    at an argument  `arguments` of the wanted type, and the variables that may be of it

so that compiled code, or tensor operations over many rows at once, need no more than gathers, shifts, and, or. A word
is an int64, because tensors have no shifts of unsigned ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from interpreter.language.grammar import HEADS, IMMEDIATES, without_others
from interpreter.language.vocabulary import LAST_LINE, PROGRAM_TOKENS
from interpreter.primitives.types import Any, Function, Grid, Type, may_be
from interpreter.runtime import layout

Integers = npt.NDArray[np.int64]

WORD_BITS = 64


def words_of(tokens: int) -> int:
    """The words that a set of so many tokens takes."""
    return -(-tokens // WORD_BITS)


WORDS = words_of(len(PROGRAM_TOKENS))
TYPES = tuple(Type)
# A callee is wanted like an argument, but there are no constants of it: an index after those of the types.
CALLEE = len(TYPES)
# Tokens that may follow the head of a line: none, up to a callee and the most arguments.
ROOMS = 2 + layout.MAX_ARITY


class Tables(NamedTuple):
    """The grammar, with types or without."""

    starts: Integers
    """(2, ROOMS, WORDS): the heads of a line that is the last or not and has some room; `O` where it is not."""
    lacking: Integers
    """(len(TYPES) + 1, WORDS): the heads that are not possible where nothing of a type (or no callee) is at hand."""
    arguments: Integers
    """(len(TYPES), WORDS): what may be of a type and is no variable."""
    parameters: Integers
    """(tokens, MAX_ARITY): the type of each argument of a head."""
    arity: Integers
    """(tokens,): the arguments of a head; 0 of what is none."""
    is_call: Integers
    """(tokens,): whether a callee comes before the arguments."""
    gives: Integers
    """(tokens,): a bit for each type that the variable may be which a head defines, and for CALLEE."""
    can_lack: int
    """Such bits of what nothing but variables is."""


@cache
def tables(typed: bool, primitives: frozenset[str] | None = None) -> Tables:
    """The grammar as arrays; without types, everything may be `Any`; with some primitives, without the others."""
    heads, immediates = without_others(HEADS, primitives), without_others(IMMEDIATES, primitives)
    heads = heads if typed else {token: head._replace(returns=Any) for token, head in heads.items()}
    wanted = {token: head.parameters if typed else (Any,) * len(head.parameters) for token, head in heads.items()}
    parameters, arity, is_call, gives = np.zeros((4, len(PROGRAM_TOKENS), layout.MAX_ARITY), np.int64)
    for token, head in heads.items():
        parameters[token, : len(wanted[token])] = [TYPES.index(type_) for type_ in wanted[token]]
        arity[token, 0], is_call[token, 0] = len(wanted[token]), head.is_call
        gives[token, 0] = sum(1 << k for k, type_ in enumerate((*TYPES, Function)) if may_be(head.returns, type_))
    starts = [
        [
            _bits(
                token
                for token, head in heads.items()
                if arity[token, 0] + head.is_call <= room and (not typed or not is_last or may_be(head.returns, Grid))
            )
            | _bits([LAST_LINE] * (not is_last))
            for room in range(ROOMS)
        ]
        for is_last in (False, True)
    ]
    lacking = [_bits(token for token in heads if type_ in wanted[token]) for type_ in TYPES]
    lacking.append(_bits(token for token, head in heads.items() if head.is_call))
    arguments = [_bits(token for token, type_ in immediates.items() if may_be(type_, place)) for place in TYPES]
    return Tables(
        np.array(starts), np.array(lacking), np.array(arguments), parameters,
        *(column[:, 0].copy() for column in (arity, is_call, gives)),
        sum(1 << k for k, bits in enumerate((*arguments, np.zeros(1))) if not bits.any()),
    )  # fmt: skip


def _bits(tokens: Iterable[int]) -> Integers:
    """A set of tokens as a row of words."""
    members = np.zeros(WORDS * WORD_BITS, np.bool_)
    members[list(tokens)] = True
    return pack(members)


def pack(members: npt.NDArray[np.bool_]) -> Integers:
    """Rows of truth values (..., bits) as rows of words (..., words), the last of which is filled with zeros."""
    missing = -members.shape[-1] % WORD_BITS
    padded = np.pad(members, [(0, 0)] * (members.ndim - 1) + [(0, missing)])
    return np.packbits(padded, axis=-1, bitorder="little").view("<i8").astype(np.int64)
