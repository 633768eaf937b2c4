"""The canonical order of values: comparing, sorting, searching, and sets, which depend on it."""

from __future__ import annotations

from interpreter.blocks import allocate, area, finish_tuple
from interpreter.native import inline, outlined
from interpreter.values import (
    CLOSURE,
    DEPTH,
    GRID,
    MAX_DEPTH,
    SCAN_SHIFT,
    SET,
    TOO_DEEP,
    TOP,
    burn,
    fail,
    handle,
    is_inline,
    is_set,
    offset,
    tag,
)

# ----------------------------------------------------------------------------------------- comparing


@outlined
def compare(A, a, b):
    """Canonical total order of values: negative, zero or positive. Zero exactly where Python says `==`.

    Inline values by handle, then grids (height, width, cells), tuples and sets (lexicographic).
    """
    if a == b:
        return 0
    if is_inline(a) or is_inline(b) or tag(a) != tag(b) or tag(a) == CLOSURE:
        return -1 if a < b else 1
    p = offset(a)
    q = offset(b)
    words = area(A, p) if tag(a) == GRID else min(A[p], A[q])
    if not burn(A, 1 + (words >> SCAN_SHIFT)):
        return 0
    if tag(a) == GRID:
        for k in range(2 + area(A, p)):
            if A[p + k] != A[q + k]:
                return -1 if A[p + k] < A[q + k] else 1
        return 0
    if A[DEPTH] >= MAX_DEPTH:
        fail(A, TOO_DEEP)
        return 0
    A[DEPTH] += 1
    result = compare_items(A, p, q)
    A[DEPTH] -= 1
    return result


@inline
def compare_items(A, p, q):
    """Lexicographic `compare` of two blocks of items."""
    for k in range(1, min(A[p], A[q]) + 1):
        if A[p + k] != A[q + k]:
            c = compare_nested(A, A[p + k], A[q + k])
            if c != 0:
                return c
    return A[p] - A[q]


@inline
def compare_nested(A, a, b):
    """`compare`, without the call where a handle decides."""
    if is_inline(a) or is_inline(b):
        return -1 if a < b else 1
    return compare(A, a, b)


@inline
def same(A, a, b):
    """Python's `==`."""
    return a == b or (not is_inline(a) and not is_inline(b) and compare(A, a, b) == 0)


# ----------------------------------------------------------------------------- sorting and searching


@outlined
def sort(A, block):
    """Sort a block's items canonically, in place, by merging runs of a scratch copy; returns 0."""
    n = A[block]
    inline_only = True
    ascending = True
    for k in range(1, n + 1):
        if not is_inline(A[block + k]):
            inline_only = False
        if k > 1 and A[block + k - 1] > A[block + k]:
            ascending = False
    if inline_only and (ascending or n <= 20):
        if not ascending:
            insertion_sort(A, block, n)
        return 0
    mark = A[TOP]
    source = block + 1
    target = allocate(A, n)
    if target == 0:
        return 0
    width = 1
    while width < n:
        for low in range(0, n, 2 * width):
            middle = min(low + width, n)
            high = min(low + 2 * width, n)
            left = low
            right = middle
            for k in range(low, high):
                take_left = left < middle
                if take_left and right < high:
                    x = A[source + left]
                    y = A[source + right]
                    take_left = x == y or (x < y if inline_only else compare_nested(A, x, y) <= 0)
                if take_left:
                    A[target + k] = A[source + left]
                    left += 1
                else:
                    A[target + k] = A[source + right]
                    right += 1
        source, target = target, source
        width *= 2
    if source != block + 1:
        for k in range(n):
            A[block + 1 + k] = A[source + k]
    A[TOP] = mark
    return 0


@inline
def insertion_sort(A, block, n):
    """Sort inline items by handle."""
    for k in range(2, n + 1):
        x = A[block + k]
        j = k - 1
        while j >= 1 and A[block + j] > x:
            A[block + j + 1] = A[block + j]
            j -= 1
        A[block + j + 1] = x


@outlined
def find(A, block, x):
    """Index of an item equal to `x` in a block, or -1."""
    if not burn(A, A[block] >> SCAN_SHIFT):
        return -1
    for k in range(A[block]):
        if same(A, A[block + 1 + k], x):
            return k
    return -1


# ---------------------------------------------------------------------------------------------- sets


@outlined
def finish_set(A, block):
    """The value of a block as a SET: sorts the items canonically, in place, and drops repeated ones."""
    sort(A, block)
    kept = 0
    for k in range(A[block]):
        x = A[block + 1 + k]
        if kept > 0 and same(A, A[block + kept], x):
            continue
        A[block + 1 + kept] = x
        kept += 1
    if kept > 0:
        A[block] = kept
    return handle(SET, block)


@inline
def ordered_set(block):
    """The SET of a block whose items are already in canonical order, without repetition."""
    return handle(SET, block)


@inline
def finish_like(A, x, block):
    """The value of a block as a container of the type of `x`: Python's `type(x)(...)`."""
    return finish_set(A, block) if is_set(x) else finish_tuple(A, block)
