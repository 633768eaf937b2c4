"""The canonical order of values: comparing, fingerprints, sorting, searching, and sets, which depend on it."""

from __future__ import annotations

from interpreter.runtime.blocks import allocate, area, finish_tuple
from interpreter.runtime.native import inline, outlined
from interpreter.runtime.values import (
    CELL,
    CELL_COLUMN,
    CHECK_SHIFT,
    CLOSURE,
    COORDINATE_BITS,
    COORDINATE_MASK,
    DEPTH,
    GRID,
    HELPER_COST,
    MAX_DEPTH,
    PAIR,
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
        burn(A, 1)
        return -1 if a < b else 1
    p = offset(a)
    q = offset(b)
    words = area(A, p) if tag(a) == GRID else min(A[p], A[q])
    if not burn(A, HELPER_COST + (words >> SCAN_SHIFT)):
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


# ------------------------------------------------------------------------------------- fingerprints

# Odd constants with well-spread bits: the golden ratio, and the multipliers of splitmix64 (Steele et al. 2014).
GOLDEN, FIRST, SECOND = -0x61C8864680B583EB, -0x40A7B892E31B1A47, -0x6B2FB644ECCEEE15
CLOSURE_WORDS = 4  # kind, first, second, third


@inline
def mix(word):
    """A well-spread word for each word, one to one."""
    word = (word ^ ((word >> 30) & 0x3FFFFFFFF)) * FIRST
    word = (word ^ ((word >> 27) & 0x1FFFFFFFFF)) * SECOND
    return word ^ ((word >> 31) & 0x1FFFFFFFF)


@inline
def mix_at(word, place):
    """A well-spread word for a word and its place among others."""
    return mix(word + place * GOLDEN)


@outlined
def fingerprint(A, x):
    """A 64-bit hash of a value's structure, the same for equal values wherever they lie; 0 after a failure.

    Unequal values differ but for chance. Words are mixed and summed, so that a processor takes many at once.
    """
    if is_inline(x):
        return mix(x)
    block = offset(x)
    words = 1 + A[block]
    if tag(x) == GRID:
        words = 2 + area(A, block)
    elif tag(x) == CLOSURE:
        words = CLOSURE_WORDS
    if not burn(A, 1 + (words >> SCAN_SHIFT)):
        return 0
    if A[DEPTH] >= MAX_DEPTH:
        fail(A, TOO_DEEP)
        return 0
    total = tag(x)
    A[DEPTH] += 1
    if tag(x) == GRID:
        for k in range(words):
            total += mix_at(A[block + k], k)
    else:
        for k in range(words):  # the first is a length or a kind, which looks like an inline value
            word = A[block + k]
            total += mix_at(word if is_inline(word) else fingerprint(A, word), k)
    A[DEPTH] -= 1
    return mix(total)


# ----------------------------------------------------------------------------- sorting and searching

SHORT = 20  # so many items or fewer are sorted by insertion
SPARSE = 8  # a box with more places than this for each item is not worth laying out


@outlined
def sort(A, block):
    """Sort a block's items canonically, in place; returns 0."""
    n = A[block]
    simple = True  # all inline, in order by handle
    descents = 0
    for k in range(1, n + 1):
        simple &= is_inline(A[block + k])
    for k in range(1, n):
        descents += A[block + k] > A[block + k + 1]
    if simple and 2 * descents > n:
        descents = reverse_descents(A, block, n)
    if simple and (descents == 0 or n <= SHORT):
        if descents > 0:
            insertion_sort(A, block, n)
        return 0
    mark = A[TOP]
    scratch = allocate(A, n)
    if scratch != 0:
        if simple:
            merge_sort(A, block + 1, scratch, n, True)
        else:
            merge_sort(A, block + 1, scratch, n, False)
        A[TOP] = mark
    return 0


@inline
def reverse_descents(A, block, n):
    """Turn each descending run of inline items round, as rows of a mirrored patch are; the number of descents left."""
    descents = 0
    low = 1
    while low <= n:
        high = low
        while high < n and A[block + high] > A[block + high + 1]:
            high += 1
        following = high + 1
        while low < high:
            A[block + low], A[block + high] = A[block + high], A[block + low]
            low += 1
            high -= 1
        low = following
    for k in range(1, n):
        descents += A[block + k] > A[block + k + 1]
    return descents


@inline
def merge_sort(A, items, scratch, n, simple):
    """Merge neighbouring ascending runs of `n` words, from `items` to `scratch` and back, until one is left."""
    source = items
    target = scratch
    runs = 2
    while runs > 1 and burn(A, n):
        runs = 0
        low = 0
        while low < n:
            middle = run_end(A, source, low, n, simple)
            high = run_end(A, source, middle, n, simple)
            merge_runs(A, source, target, low, middle, high, simple)
            low = high
            runs += 1
        source, target = target, source
    if source != items:
        for k in range(n):
            A[items + k] = A[source + k]


@inline
def run_end(A, source, low, n, simple):
    """Where the ascending run that starts at `low` ends."""
    end = min(low + 1, n)
    while end < n and ascends(A, A[source + end - 1], A[source + end], simple):
        end += 1
    return end


@inline
def merge_runs(A, source, target, low, middle, high, simple):
    """Merge the runs low..middle - 1 and middle..high - 1; no branch depends on which item is the smaller."""
    left = low
    right = middle
    while left < middle and right < high:
        x = A[source + left]
        y = A[source + right]
        first = ascends(A, x, y, simple)
        A[target + left + right - middle] = x if first else y
        left += first
        right += not first
    for k in range(left, middle):
        A[target + k + high - middle] = A[source + k]
    for k in range(right, high):
        A[target + k] = A[source + k]


@inline
def ascends(A, x, y, simple):
    """Whether `x` may stand before `y`."""
    return x <= y if simple else x == y or compare_nested(A, x, y) <= 0


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
    n = A[block]
    if not burn(A, n >> CHECK_SHIFT):
        return -1
    if is_inline(x):
        for k in range(n):
            if A[block + 1 + k] == x:
                return k
        return -1
    for k in range(n):
        if same(A, A[block + 1 + k], x):
            return k
    return -1


# ---------------------------------------------------------------------------------------------- sets


@outlined
def finish_set(A, block):
    """The value of a block as a SET: sorts the items canonically, in place, and drops repeated ones."""
    n = A[block]
    if ascends_strictly(A, block, n) or (n > SHORT and gather(A, block, n)):
        return handle(SET, block)
    sort(A, block)
    kept = 0
    for k in range(n):
        x = A[block + 1 + k]
        if kept > 0 and same(A, A[block + kept], x):
            continue
        A[block + 1 + kept] = x
        kept += 1
    if kept > 0:
        A[block] = kept
    return handle(SET, block)


@inline
def ascends_strictly(A, block, n):
    """Whether the items of a block are inline, in canonical order and without repetition."""
    wrong = 0
    for k in range(1, n + 1):
        wrong += not is_inline(A[block + k])
    for k in range(1, n):
        wrong += A[block + k] >= A[block + k + 1]
    return wrong == 0


@inline
def gather(A, block, n):
    """Order `n` cells, or locations, of a small box and drop repeated ones, by putting each into its place in a grid.

    False, with the block as it was, for other items, for a large box and for two colours at one location.
    """
    kind = tag(A[block + 1])
    if kind != CELL and kind != PAIR:
        return False
    shift = CELL_COLUMN if kind == CELL else 0
    row_shift = shift + COORDINATE_BITS
    mixed = 0
    top = left = COORDINATE_MASK
    bottom = right = 0
    for k in range(1, n + 1):
        x = A[block + k]
        mixed += tag(x) != kind
        i = (x >> row_shift) & COORDINATE_MASK
        j = (x >> shift) & COORDINATE_MASK
        top = min(top, i)
        bottom = max(bottom, i)
        left = min(left, j)
        right = max(right, j)
    width = right - left + 1
    places = (bottom - top + 1) * width
    if mixed > 0 or places > SPARSE * n:
        return False
    mark = A[TOP]
    grid = allocate(A, places)
    if grid == 0:
        return False
    for k in range(places):
        A[grid + k] = 0
    clash = 0
    for k in range(1, n + 1):
        x = A[block + k]
        i = (x >> row_shift) & COORDINATE_MASK
        j = (x >> shift) & COORDINATE_MASK
        at = grid + (i - top) * width + j - left
        clash += A[at] != 0 and A[at] != x
        A[at] = x
    if clash == 0:
        A[block] = compacted(A, grid, places, block + 1)
    A[TOP] = mark
    return clash == 0


@inline
def compacted(A, source, n, target):
    """Copy those of the `n` words at `source` that are not 0 to `target`; their number."""
    count = 0
    for k in range(n):
        x = A[source + k]
        if x != 0:
            A[target + count] = x
            count += 1
    return count


@inline
def ordered_set(block):
    """The SET of a block whose items are already in canonical order, without repetition."""
    return handle(SET, block)


@inline
def finish_like(A, x, block):
    """The value of a block as a container of the type of `x`: Python's `type(x)(...)`."""
    return finish_set(A, block) if is_set(x) else finish_tuple(A, block)
