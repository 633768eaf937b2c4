"""Python values as messages of the machine (see `interpreter.dropin.messages`), and back.

    int, bool            an integer; comes back as int
    tuple, list          a pair, a cell, a grid or any other tuple; comes back as tuple
    frozenset, set       a set; comes back as frozenset
    Function             a primitive or a closure
    None                 None

A list as an argument may stand for a set, see `of_list`. Anything else, however deep inside, is a `TypeError`, a number
that the machine cannot hold an `OverflowError`, and both say where the value is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np

from interpreter.dropin.messages import SIDE_BITS, SIDE_MASK, remembered_by
from interpreter.runtime.values import (
    CELL,
    CELL_COLUMN,
    CLOSURE,
    COLOR_BIAS,
    COLOR_LIMIT,
    COLOR_MASK,
    COORDINATE_BIAS,
    COORDINATE_BITS,
    COORDINATE_MASK,
    GRID,
    INTEGER,
    INTEGER_BIAS,
    INTEGER_LIMIT,
    MAX_DEPTH,
    NOTHING,
    PAIR,
    PAYLOAD,
    PRIMITIVE,
    SET,
    SHIFT,
    TUPLE,
)

MAX_WORDS = 1 << 22  # of one message, so that a value of many shared parts does not fill the memory


@dataclass(frozen=True)
class Function:
    """A function of the language as a value: its word in a message, and what it remembers.

    Two functions are equal when they are made alike.
    """

    word: int
    remembered: tuple[Any, ...] = ()


class Misfit(Exception):
    """A value that the machine cannot hold: the exception to raise, the reason, and the way to it, innermost first."""

    def __init__(self, kind: type[Exception], reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason
        self.way: list[str] = []

    def exception(self, where: str) -> Exception:
        """What to raise, naming `where`."""
        return self.kind(f"{', '.join([where, ' of '.join(self.way)] if self.way else [where])}: {self.reason}")


# ---------------------------------------------------------------------------------------- to messages


def append_value(words: list[int], value: Any, depth: int = 0) -> None:
    """Append the message of `value` to `words`. Raises `Misfit`."""
    kind = type(value)
    if kind is int:
        words.append(_integer_word(value))
    elif kind is tuple:
        _append_tuple(words, value, depth)
    elif kind is frozenset:
        _append_set(words, value, depth)
    elif isinstance(value, Function):
        _append_items(words, value.remembered, depth, "remembered value {}")
        words.append(value.word)
    elif value is None:
        words.append(NOTHING)
    elif isinstance(value, (bool, int, np.integer)):
        words.append(_integer_word(int(value)))
    elif isinstance(value, (tuple, list)):
        _append_tuple(words, tuple(value), depth)
    elif isinstance(value, (set, frozenset)):
        _append_set(words, value, depth)
    else:
        raise _misfit(value)


def of_list(value: list[Any], is_set: bool) -> Any:
    """What a list as an argument stands for: the set of its items, or the tuple, where lists inside are tuples, too.

    Raises `Misfit` for a list of lists as a set: arc-dsl takes neither a grid of lists for a grid, nor its rows for
    cells in any useful way.
    """
    if not is_set:
        return tuple(value)
    if any(isinstance(item, list) for item in value):
        raise Misfit(TypeError, "the language has no list of lists here; a grid is a tuple of tuples")
    try:
        return frozenset(frozenset(item) if isinstance(item, set) else item for item in value)
    except TypeError:
        raise Misfit(TypeError, "the items of a set must be ints, tuples, frozensets or functions") from None


def _misfit(value: Any) -> Misfit:
    if callable(value):
        name = getattr(value, "__qualname__", type(value).__qualname__)
        return Misfit(
            TypeError,
            f"{name} is Python code, which the machine cannot call; a function must be a primitive, or made from "
            "primitives by compose, chain, fork, lbind, rbind, matcher or power",
        )
    kind = type(value).__qualname__
    return Misfit(TypeError, f"the language has no {kind}; a value must be an int, bool, tuple, frozenset or function")


def _integer_word(v: int) -> int:
    if not -INTEGER_LIMIT <= v <= INTEGER_LIMIT:
        raise Misfit(OverflowError, f"an integer must lie within ±{INTEGER_LIMIT:,}")
    return (INTEGER << SHIFT) | (v + INTEGER_BIAS)


def _pair_payload(i: int, j: int) -> int:
    if not (-COORDINATE_BIAS <= i < COORDINATE_BIAS and -COORDINATE_BIAS <= j < COORDINATE_BIAS):
        raise Misfit(OverflowError, f"both parts of a pair of integers must lie within ±{COORDINATE_BIAS:,}")
    return ((i + COORDINATE_BIAS) << COORDINATE_BITS) | (j + COORDINATE_BIAS)


def _cell_word(color: int, i: int, j: int) -> int:
    if not -COLOR_BIAS <= color <= COLOR_LIMIT:
        raise Misfit(OverflowError, f"the colour of a cell must lie in {-COLOR_BIAS}..{COLOR_LIMIT}, not {color}")
    return (CELL << SHIFT) | (_pair_payload(i, j) << CELL_COLUMN) | (color + COLOR_BIAS)


def _append_tuple(words: list[int], value: tuple[Any, ...], depth: int) -> None:
    if len(value) == 2 and type(value[0]) is int:
        a, b = value
        if type(b) is int:
            words.append((PAIR << SHIFT) | _pair_payload(a, b))
            return
        if type(b) is tuple and len(b) == 2 and type(b[0]) is int and type(b[1]) is int:
            words.append(_cell_word(a, *b))
            return
    if value and type(value[0]) is tuple and _append_grid(words, value):
        return
    _append_items(words, value, depth, "item {}")
    words.append((TUPLE << SHIFT) | len(value))


def _append_grid(words: list[int], rows: tuple[Any, ...]) -> bool:
    """Append `rows` as a grid if it is one of plain ints that fit; the machine finishes any other tuple."""
    width = len(rows[0])
    if set(map(type, rows)) != {tuple} or set(map(len, rows)) != {width}:
        return False
    cells = list(chain.from_iterable(rows))
    if set(map(type, cells)) != {int}:
        return False
    limit = COORDINATE_BIAS - 1 if width == 2 else INTEGER_LIMIT  # a row of two is a pair
    if min(cells) < -limit or max(cells) > limit:
        return False
    words.append((GRID << SHIFT) | (len(rows) << SIDE_BITS) | width)
    words.extend(cells)
    return True


def _append_set(words: list[int], value: frozenset[Any] | set[Any], depth: int) -> None:
    _append_items(words, value, depth, "an item")
    words.append((SET << SHIFT) | len(value))


def _append_items(words: list[int], items: Sequence[Any] | frozenset[Any] | set[Any], depth: int, name: str) -> None:
    if depth >= MAX_DEPTH:
        raise Misfit(ValueError, f"values are nested more than {MAX_DEPTH} deep")
    for index, item in enumerate(items):
        try:
            append_value(words, item, depth + 1)
        except Misfit as misfit:
            misfit.way.append(name.format(index))
            raise
    if len(words) > MAX_WORDS:
        raise Misfit(MemoryError, f"the value takes more than {MAX_WORDS:,} words")


# -------------------------------------------------------------------------------------- from messages


@lru_cache(1 << 14)
def _pair(payload: int) -> tuple[int, int]:
    return (payload >> COORDINATE_BITS) - COORDINATE_BIAS, (payload & COORDINATE_MASK) - COORDINATE_BIAS


@lru_cache(1 << 16)
def _cell(payload: int) -> tuple[int, tuple[int, int]]:
    return (payload & COLOR_MASK) - COLOR_BIAS, _pair(payload >> CELL_COLUMN)


def value_of(
    words: list[int],
    function: Callable[[int, tuple[Any, ...]], Function],
    set_of: Callable[[list[Any]], Any] = frozenset,
) -> Any:
    """The value of a message of one value.

    `function` makes a `Function` of its word and what it remembers, `set_of` a set of its items in canonical order.
    """
    stack: list[Any] = []
    k = 0
    while k < len(words):
        word = words[k]
        k += 1
        tag, payload = word >> SHIFT, word & PAYLOAD
        if tag == CELL:
            stack.append(_cell(payload))
        elif tag == PAIR:
            stack.append(_pair(payload))
        elif tag == INTEGER:
            stack.append(payload - INTEGER_BIAS)
        elif tag == GRID:
            width = payload & SIDE_MASK
            end = k + (payload >> SIDE_BITS) * width
            stack.append(tuple([tuple(words[start : start + width]) for start in range(k, end, width)]))
            k = end
        elif tag == TUPLE:
            stack.append(tuple(_taken(stack, payload)))
        elif tag == SET:
            stack.append(set_of(_taken(stack, payload)))
        elif tag == CLOSURE:
            stack.append(function(word, tuple(_taken(stack, remembered_by(payload)))))
        else:
            stack.append(function(word, ()) if tag == PRIMITIVE else None)
    return stack[0]


def _taken(stack: list[Any], n: int) -> list[Any]:
    """The last `n` values of `stack`, which loses them."""
    first = len(stack) - n
    items = stack[first:]
    del stack[first:]
    return items
