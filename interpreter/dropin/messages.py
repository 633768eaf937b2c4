"""Calling one function value from outside: values cross the border of the arena as a message of int64 words.

A message is values in postfix order, so that neither side needs recursion to read it. A word is

    an inline value   its handle: None, a number, a pair, a cell, a primitive
    TUPLE n, SET n    the tuple or set of the n values before it
    CLOSURE kind      the closure of the values before it, 2 or 3 as `kind` says
    GRID shape        a grid, height << SIDE_BITS | width; its cells follow as plain numbers, row-major

with the tags of `interpreter.runtime.values`. Nothing outside knows how a block looks, and representation and order
are the machine's: what arrives is finished by the same functions as what a primitive makes. The same closure
twice in one message is one value.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from interpreter.machine.machine import DEFAULT_FUEL, DEFAULT_WORDS, new_arena
from interpreter.runtime import layout
from interpreter.runtime.arena import load_grid, reset
from interpreter.runtime.blocks import allocate, area, finish_tuple, get, new_items, push
from interpreter.runtime.calls import CHAIN, FORK, call_line, call_primitive, closure
from interpreter.runtime.native import ROW, arena_pointer, entry, inline, int64
from interpreter.runtime.ordering import finish_set, same
from interpreter.runtime.outcome import Outcome
from interpreter.runtime.values import (
    CLOSURE,
    GRID,
    MAX_DEPTH,
    NOTHING,
    OUT_OF_MEMORY,
    SET,
    TOO_DEEP,
    TUPLE,
    burn,
    fail,
    handle,
    is_inline,
    offset,
    tag,
)

SIDE_BITS = 28
SIDE_MASK = (1 << SIDE_BITS) - 1
FUEL, ERROR = layout.FUEL, layout.ERROR


def remembered_by(kind):
    """How many values a closure of this kind remembers."""
    return 3 if kind == CHAIN or kind == FORK else 2


parts_of = inline(remembered_by)  # the same in compiled code


# ------------------------------------------------------------------------------------------- reading


@inline
def read_container(A, word, stack, first):
    """The tuple or set of the values `stack[first:]`, as many as `word` says."""
    block = new_items(A, offset(word))
    for k in range(offset(word)):
        push(A, block, stack[first + k])
    return finish_set(A, block) if tag(word) == SET else finish_tuple(A, block)


@inline
def read_closure(A, kind, stack, first, latest):
    """The closure of the values `stack[first:]`: an equal one of this message, or a new one.

    The message's closures are a list: the word before each points at the one before it, `latest` at the last.
    """
    third = stack[first + 2] if parts_of(kind) == 3 else 0
    known = latest
    while known != 0 and burn(A, 1):
        alike = A[known] == kind and same(A, A[known + 1], stack[first]) and same(A, A[known + 2], stack[first + 1])
        if alike and (third == 0 or same(A, A[known + 3], third)):
            return handle(CLOSURE, known)
        known = A[known - 1]
    link = allocate(A, 1)
    if link == 0:
        return NOTHING
    A[link] = latest
    return closure(A, kind, stack[first], stack[first + 1], third)


@inline
def read_message(A, words, stack):
    """Put the values of a message onto `stack`; returns how many they are. Stops after a failure."""
    top = 0
    k = 0
    latest = 0
    while k < len(words) and A[ERROR] == 0:
        word = words[k]
        k += 1
        value = word
        if tag(word) == GRID:
            height, width = (word >> SIDE_BITS) & SIDE_MASK, word & SIDE_MASK
            value = load_grid(A, words, k, height, width)
            k += height * width
        elif tag(word) == TUPLE or tag(word) == SET:
            top -= offset(word)
            value = read_container(A, word, stack, top)
        elif tag(word) == CLOSURE:
            top -= parts_of(offset(word))
            value = read_closure(A, offset(word), stack, top, latest)
            latest = max(latest, offset(value)) if value != NOTHING else latest
        stack[top] = value
        top += 1
    return top


# ------------------------------------------------------------------------------------------- writing


@inline
def write_grid(A, grid, height, width, message, end):
    """Write a grid block before `message[end]`; returns where it starts."""
    start = end - height * width
    for k in range(height * width):
        message[start + k] = get(A, grid, k)
    message[start - 1] = handle(GRID, (height << SIDE_BITS) | width)
    return start - 1


@inline
def write_message(A, value, message):
    """Write `value` to the end of `message`; returns where it starts. Fails where it is too large or too deep.

    Written backwards, from a stack of (value, depth) at the beginning of `message`.
    """
    end = len(message)
    message[0] = value
    message[1] = 0
    top = 2
    while top > 0 and A[ERROR] == 0:
        top -= 2
        x = message[top]
        depth = message[top + 1] + 1
        block = offset(x)
        count = 0
        first = block + 1
        room = 1
        if tag(x) == GRID:
            room = 1 + area(A, block)
        elif not is_inline(x):
            count = parts_of(A[block]) if tag(x) == CLOSURE else A[block]
            room = 1 + 2 * count
        if depth > MAX_DEPTH:
            fail(A, TOO_DEEP)
        elif room > end - top:
            fail(A, OUT_OF_MEMORY)
        elif tag(x) == GRID:
            end = write_grid(A, block, A[block], A[block + 1], message, end)
        else:
            end -= 1
            message[end] = x if is_inline(x) else handle(tag(x), A[block] if tag(x) == CLOSURE else count)
            for k in range(count):
                message[top] = A[first + k]
                message[top + 1] = depth
                top += 2
    return end


# ------------------------------------------------------------------------------------------- calling


@entry(ROW, ROW, ROW, int64)
def call_message(arena, words, message, fuel):
    """Call the first value of `words` with the others. Where in `message` the result starts, or minus the outcome."""
    A = arena_pointer(arena.ctypes.data)
    reset(A)
    A[FUEL] = fuel
    for k in range(1, layout.MAX_ARITY + 1):
        message[k] = NOTHING
    n = read_message(A, words, message) - 1
    f, a, b, c, d = message[0], message[1], message[2], message[3], message[4]
    result = NOTHING
    if A[ERROR] == 0:
        result = call_line(call_primitive, A, f, n, a, b, c, d)
    start = write_message(A, result, message) if A[ERROR] == 0 else 0
    return start if A[ERROR] == 0 else -A[ERROR]


class Caller:
    """An arena for single calls. Not for use by two threads at once.

    A message, in or out, has at most `words` words.
    """

    def __init__(self, fuel: int = DEFAULT_FUEL, words: int = DEFAULT_WORDS) -> None:
        self.fuel = fuel
        self._arena = new_arena(words)
        self._message = np.empty(words, np.int64)
        self._call = call_message.compiled()

    def call(self, words: npt.NDArray[np.int64]) -> tuple[Outcome, list[int]]:
        """Call the first value of a message with the one to four others: the outcome, and the result's message.

        The message is trusted: `conversion` makes it. Raises `MemoryError` where it has too many words.
        """
        if len(words) > len(self._message):
            raise MemoryError(f"the arguments take {len(words):,} words, the machine has {len(self._message):,}")
        start = self._call(self._arena, words, self._message, self.fuel)
        if start < 0:
            return Outcome(-start), []
        return Outcome.OK, self._message[start:].tolist()
