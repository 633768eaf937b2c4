"""Tuples and sets of anything. Sets are iterated in canonical order; pairs, cells and grids are tuples too."""

from interpreter.primitives.arithmetic import joined, less, rank, tuple_of
from interpreter.primitives.table import prim
from interpreter.primitives.types import Any, Boolean, Container, Integer, Set, Tuple
from interpreter.runtime.blocks import append, block_of, capacity, finish_tuple, item_at, items, length, new_items, push
from interpreter.runtime.native import inline, outlined
from interpreter.runtime.ordering import find, finish_like, finish_set, ordered_set, same, sort
from interpreter.runtime.values import (
    SCAN_SHIFT,
    TYPE_MISMATCH,
    ZERO_DIVISION,
    as_integer,
    boolean,
    burn,
    column_of,
    fail,
    failed,
    int_of,
    integer,
    is_integer,
    is_pair,
    is_set,
    offset,
    row_of,
    small,
)

# ------------------------------------------------------------------------------------------- helpers


@inline
def finish_part(A, x, block):
    """The value of a block with some items of `x`, in their order, as a container of the type of `x`."""
    return ordered_set(block) if is_set(x) else finish_tuple(A, block)


@outlined
def select(A, x, other, wanted):
    """The items of `x` that are (`wanted` = 1) or are not (0) in `other`, as a container of the type of `x`."""
    source = items(A, x)
    rest = items(A, other) if A[source] > 0 else source
    kept = new_items(A, A[source])
    in_order = is_set(x) and is_set(other)
    end = A[rest]
    at = 1
    for k in range(1, A[source] + 1):
        item = A[source + k]
        if in_order:
            while at <= end and rank(A, A[rest + at], item) < 0:
                at += 1
            found = at <= end and same(A, A[rest + at], item)
        else:
            found = find(A, rest, item) >= 0
        if found == (wanted == 1):
            push(A, kept, item)
    return finish_part(A, x, kept)


@outlined
def without(A, value, x):
    """The items of `x` that differ from `value`, as a container of the type of `x`."""
    source = items(A, x)
    kept = new_items(A, A[source])
    for k in range(1, A[source] + 1):
        if not same(A, A[source + k], value):
            push(A, kept, A[source + k])
    return finish_part(A, x, kept)


@outlined
def union(A, left, right):
    """The set of the items of two blocks in canonical order."""
    block = new_items(A, A[left] + A[right])
    i = 1
    j = 1
    while i <= A[left] or j <= A[right]:
        side = order_of(A, left, i, right, j)
        push(A, block, A[left + i] if side <= 0 else A[right + j])
        i += side <= 0
        j += side >= 0
    return ordered_set(block)


@inline
def order_of(A, left, i, right, j):
    """How item `i` of one block and item `j` of another compare; a block that has ended comes last."""
    if i > A[left]:
        return 1
    return -1 if j > A[right] else rank(A, A[left + i], A[right + j])


@outlined
def flatten(A, like, block):
    """The items of the items of a block, as a container of the type of `like`."""
    total = 0
    for k in range(1, A[block] + 1):
        total += length(A, A[block + k])
    merged = new_items(A, total)
    for k in range(1, A[block] + 1):
        if failed(A):
            break
        append(A, merged, items(A, A[block + k]))
    return finish_like(A, like, merged)


@outlined
def extreme(A, block, largest):
    """Index of the first largest (1) or smallest (0) item of a block, as Python orders them; 0 if there is none."""
    burn(A, A[block] >> SCAN_SHIFT)
    best = 0
    for k in range(1, A[block]):
        if failed(A):
            break
        x = A[block + 1 + k]
        y = A[block + 1 + best]
        if (less(A, y, x) if largest == 1 else less(A, x, y)) == 1:
            best = k
    return best


@outlined
def common(A, x, most):
    """The item of a tuple that occurs most (1) or least (0) often; ties to the canonically first."""
    source = items(A, x)
    if is_set(x) and A[source] > 0:
        return fail(A, TYPE_MISMATCH)
    sorted_items = append(A, new_items(A, A[source]), source)
    sort(A, sorted_items)
    best = 0
    best_count = 0
    count = 0
    for k in range(A[sorted_items]):
        count += 1
        if k + 1 < A[sorted_items] and same(A, A[sorted_items + 1 + k], A[sorted_items + 2 + k]):
            continue
        if best_count == 0 or (count > best_count if most == 1 else count < best_count):
            best = k
            best_count = count
        count = 0
    return item_at(A, sorted_items, best)


# -------------------------------------------------------------------------------------- set operations


@prim
def contained(A, value: Any, container: Container) -> Boolean:
    """Whether `value` is an item of `container`."""
    return boolean(find(A, block_of(A, container), value) >= 0)


@prim
def combine(A, a: Container, b: Container) -> Container:
    """The items of `a` and those of `b`, as a container of the type of `a`."""
    if is_set(a) and is_set(b):
        return union(A, items(A, a), items(A, b))
    return finish_like(A, a, joined(A, a, b))


@prim
def intersection(A, a: Set, b: Set) -> Set:
    """The items that are in both sets; of two integers their bits in common."""
    if is_integer(a) and is_integer(b):
        return integer(A, int_of(a) & int_of(b))
    if not is_set(a) or not is_set(b):
        return fail(A, TYPE_MISMATCH)
    return select(A, a, b, 1)


@prim
def difference(A, a: Set, b: Set) -> Set:
    """The items of `a` that are not in `b`."""
    return select(A, a, b, 0)


@prim
def initset(A, value: Any) -> Set:
    """The set of one item."""
    block = new_items(A, 1)
    push(A, block, value)
    return ordered_set(block)


@prim
def insert(A, value: Any, container: Set) -> Set:
    """A set with `value` as a further item."""
    if not is_set(container):
        return fail(A, TYPE_MISMATCH)
    return union(A, items(A, container), offset(initset(A, value)))


@prim
def remove(A, value: Any, container: Container) -> Container:
    """`container` without the items that equal `value`."""
    return without(A, value, container)


@prim
def dedupe(A, container: Tuple) -> Tuple:
    """A tuple without repeated items: the first of equal ones stays."""
    source = items(A, container)
    if is_set(container) and A[source] > 0:
        return fail(A, TYPE_MISMATCH)
    kept = new_items(A, A[source])
    for k in range(1, A[source] + 1):
        if find(A, kept, A[source + k]) < 0:
            push(A, kept, A[source + k])
    return finish_tuple(A, kept)


@prim
def merge(A, containers: Container) -> Container:
    """The items of all items, as a container of the type of the outer one."""
    return flatten(A, containers, items(A, containers))


@prim
def product(A, a: Container, b: Container) -> Set:
    """The set of all tuples of an item of `a` and one of `b`."""
    right = items(A, b)
    left = items(A, a) if A[right] > 0 else right
    block = new_items(A, A[left] * A[right])
    for i in range(1, A[left] + 1):
        if failed(A):
            break
        for j in range(1, A[right] + 1):
            push(A, block, tuple_of(A, A[left + i], A[right + j]))
    return finish_set(A, block)


# ------------------------------------------------------------------------------------- item by item


@prim
def size(A, container: Container) -> Integer:
    """The number of items."""
    return integer(A, length(A, container))


@prim
def sizefilter(A, container: Container, n: Integer) -> Set:
    """The set of the items that have `n` items."""
    source = items(A, container)
    kept = new_items(A, A[source])
    for k in range(1, A[source] + 1):
        if integer(A, length(A, A[source + k])) == n:
            push(A, kept, A[source + k])
    return finish_set(A, kept)


@prim
def first(A, container: Container) -> Any:
    """The first item."""
    if is_pair(container):
        return small(row_of(container))
    return item_at(A, block_of(A, container), 0)


@prim
def last(A, container: Container) -> Any:
    """The last item."""
    if is_pair(container):
        return small(column_of(container))
    block = block_of(A, container)
    return item_at(A, block, A[block] - 1)


@prim
def other(A, container: Container, value: Any) -> Any:
    """The first item that differs from `value`."""
    return first(A, without(A, value, container))


@prim
def maximum(A, container: Container) -> Integer:
    """The largest item, 0 if there is none."""
    block = items(A, container)
    return small(0) if A[block] == 0 else A[block + 1 + extreme(A, block, 1)]


@prim
def minimum(A, container: Container) -> Integer:
    """The smallest item, 0 if there is none."""
    block = items(A, container)
    return small(0) if A[block] == 0 else A[block + 1 + extreme(A, block, 0)]


@prim
def mostcommon(A, container: Container) -> Any:
    """The item of a tuple that occurs most often; of several the canonically first."""
    return common(A, container, 1)


@prim
def leastcommon(A, container: Container) -> Any:
    """The item of a tuple that occurs least often; of several the canonically first."""
    return common(A, container, 0)


# -------------------------------------------------------------------------------------------- tuples


@prim
def totuple(A, container: Set) -> Tuple:
    """The items in order, as a tuple."""
    if is_set(container):
        return finish_tuple(A, items(A, container))
    length(A, container)
    return container


@prim
def repeat(A, value: Any, n: Integer) -> Tuple:
    """The tuple of `n` times `value`."""
    block = new_items(A, max(as_integer(A, n), 0))
    for _ in range(capacity(A, block)):
        push(A, block, value)
    return finish_tuple(A, block)


@prim
def interval(A, start: Integer, stop: Integer, step: Integer) -> Tuple:
    """The numbers from `start` to before `stop`, by `step`."""
    low, high, stride = as_integer(A, start), as_integer(A, stop), as_integer(A, step)
    if stride == 0:
        return fail(A, ZERO_DIVISION)
    block = new_items(A, max(-((low - high) // stride), 0))
    for k in range(capacity(A, block)):
        push(A, block, integer(A, low + k * stride))
    return finish_tuple(A, block)


@prim
def pair(A, a: Tuple, b: Tuple) -> Tuple:
    """The tuple of the pairs of items in the same place; the longer one's rest is left out."""
    left = items(A, a)
    right = items(A, b)
    block = new_items(A, min(A[left], A[right]))
    for k in range(1, capacity(A, block) + 1):
        push(A, block, tuple_of(A, A[left + k], A[right + k]))
    return finish_tuple(A, block)
