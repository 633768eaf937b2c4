"""Values that lie in an arena which is never reset, each once: equal values have one handle. Compiled.

What a call leaves behind beside its value is overwritten: a new value is moved down to where the call began.
"""

from __future__ import annotations

import numpy as np

from interpreter.runtime import layout
from interpreter.runtime.arena import PLENTY
from interpreter.runtime.blocks import area
from interpreter.runtime.hash_table import find_slot
from interpreter.runtime.native import inline
from interpreter.runtime.ordering import CLOSURE_WORDS, fingerprint, mix, same
from interpreter.runtime.values import CLOSURE, GRID, handle, is_inline, offset, tag

TOP, FUEL, SIZE = layout.TOP, layout.FUEL, layout.SIZE

# A slot of a table of values, none of them inline: fingerprint and handle.
KNOWN_VALUE = np.dtype([("key", np.int64), ("value", np.int64)])


@inline
def is_free(table, at):
    return table[at].value == 0


@inline
def parts_fingerprint(A, block):
    """A fingerprint of a closure of values that are there once each."""
    return mix(mix(mix(mix(A[block]) + A[block + 1]) + A[block + 2]) + A[block + 3])


@inline
def alike(A, x, y):
    """Whether two values that have the same fingerprint are equal; closures are if they are made alike."""
    if tag(x) != CLOSURE or tag(y) != CLOSURE:
        return same(A, x, y)
    equal = True
    for k in range(CLOSURE_WORDS):
        equal &= A[offset(x) + k] == A[offset(y) + k]
    return equal


@inline
def holds_alike(table, at, entry):
    A, x, key = entry
    return table[at].key == key and alike(A, x, table[at].value)


@inline
def payload(A, x):
    """How many words after the first a block has that is no closure."""
    return 1 + area(A, offset(x)) if tag(x) == GRID else A[offset(x)]


@inline
def is_flat(A, x):
    """Whether a value, inline or not, refers to no blocks but its own."""
    if is_inline(x) or tag(x) == GRID:
        return True
    if tag(x) == CLOSURE:
        return False
    nested = 0
    for k in range(1, A[offset(x)] + 1):
        nested += not is_inline(A[offset(x) + k])
    return nested == 0


@inline
def copied(A, x, at):
    """Copy the block of a value to `at`, with room for no more; the number of words."""
    words = payload(A, x)
    A[at] = words - (tag(x) == GRID)  # the capacity
    for k in range(words + 1):
        A[at + 1 + k] = A[offset(x) + k]
    return words + 2


@inline
def moved_down(A, x, mark):
    """A fresh value moved to `mark`, over what was allocated on the way to it; as it is if its items have items."""
    block = offset(x)
    if block < mark:  # a part of an older value
        A[TOP] = mark
        return x
    if tag(x) == CLOSURE:
        return x
    words = 2 + payload(A, x)
    nested = not is_flat(A, x)
    if nested:
        for k in range(1, A[block] + 1):
            item = A[block + k]
            if offset(item) > mark and not is_inline(item):
                if not is_flat(A, item):
                    return x
                words += 2 + payload(A, item)
    top = A[TOP]
    if words >= top - mark or top + words > A[SIZE]:
        return x
    A[TOP] = top + words
    end = top + copied(A, x, top)
    if nested:
        for k in range(1, A[block] + 1):
            item = A[block + k]
            if offset(item) > mark and not is_inline(item):
                A[top + 1 + k] = handle(tag(item), mark + end + 1 - top)
                end += copied(A, item, end)
    for k in range(words):
        A[mark + k] = A[top + k]
    A[TOP] = mark + words
    return handle(tag(x), mark + 1)


@inline
def unique(A, table, x, mark):
    """The value equal to `x` that came first, and whether that is `x`; what was allocated since `mark` goes if it can.

    `table` has a KNOWN_VALUE for each value, not inline, that came first.
    """
    if is_inline(x):
        A[TOP] = mark
        return x, False
    A[FUEL] = PLENTY
    key = parts_fingerprint(A, offset(x)) if tag(x) == CLOSURE else fingerprint(A, x)
    at, found = find_slot(table, key, is_free, holds_alike, (A, x, key))
    if found:
        A[TOP] = mark
        return table[at].value, False
    x = moved_down(A, x, mark)
    table[at].key = key
    table[at].value = x
    return x, True
