"""Values that lie in an arena which is never reset, each once: equal values have one handle. Compiled.

What a call leaves behind beside its value is overwritten: a new value is moved down to where the call began.
"""

from __future__ import annotations

from interpreter.runtime import layout
from interpreter.runtime.blocks import area
from interpreter.runtime.native import inline
from interpreter.runtime.ordering import fingerprint, mix, same
from interpreter.runtime.values import CLOSURE, GRID, handle, is_inline, offset, tag

TOP, FUEL, SIZE = layout.TOP, layout.FUEL, layout.SIZE
PLENTY = 1 << 40  # fuel for comparing


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
    for k in range(4):
        equal &= A[offset(x) + k] == A[offset(y) + k]
    return equal


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

    `table` has a row for each value, not inline, that came first: its fingerprint and its handle.
    """
    if is_inline(x):
        A[TOP] = mark
        return x, False
    A[FUEL] = PLENTY
    key = parts_fingerprint(A, offset(x)) if tag(x) == CLOSURE else fingerprint(A, x)
    last = table.shape[0] - 1
    at = key & last
    while table[at, 1] != 0:
        if table[at, 0] == key and alike(A, x, table[at, 1]):
            A[TOP] = mark
            return table[at, 1], False
        at = (at + 1) & last
    x = moved_down(A, x, mark)
    table[at, 0] = key
    table[at, 1] = x
    return x, True
