"""Numbers, pairs, truth values and Python's `<`. Arithmetic works on integers, on pairs, and on one of each."""

from interpreter.primitives.table import prim
from interpreter.primitives.types import Any, Boolean, Integer, Numerical, Pair, Tuple
from interpreter.runtime.blocks import append, block_of, capacity, finish_tuple, items, new_items, push, truth
from interpreter.runtime.native import inline, outlined
from interpreter.runtime.ordering import compare_nested, same
from interpreter.runtime.values import (
    DEPTH,
    HELPER_COST,
    MAX_DEPTH,
    SCAN_SHIFT,
    TOO_DEEP,
    TOP,
    TYPE_MISMATCH,
    ZERO_DIVISION,
    as_integer,
    boolean,
    burn,
    cell_of,
    column_of,
    fail,
    int_of,
    integer,
    is_integer,
    is_pair,
    is_set,
    offset,
    pair_of,
    row_of,
    small,
)

ADD, SUBTRACT, MULTIPLY, DIVIDE = range(4)


# ------------------------------------------------------------------------------------------- helpers


@inline
def operate(A, operation, a, b):
    if operation == ADD:
        return a + b
    if operation == SUBTRACT:
        return a - b
    if operation == MULTIPLY:
        return a * b
    if b == 0:
        fail(A, ZERO_DIVISION)
        return 0
    return a // b


@inline
def components(x):
    """Row and column of a pair; an integer stands for both."""
    if is_pair(x):
        return row_of(x), column_of(x)
    return int_of(x), int_of(x)


@inline
def is_numeric(x):
    return is_integer(x) or is_pair(x)


@inline
def numeric(A, operation, a, b):
    """Apply an operation to integers, and to pairs component by component."""
    if is_integer(a) and is_integer(b):
        return integer(A, operate(A, operation, int_of(a), int_of(b)))
    if is_numeric(a) and is_numeric(b):
        ai, aj = components(a)
        bi, bj = components(b)
        return pair_of(A, operate(A, operation, ai, bi), operate(A, operation, aj, bj))
    return tuple_of(A, operate_parts(A, operation, a, b, 0), operate_parts(A, operation, a, b, 1))


@outlined
def operate_parts(A, operation, a, b, k):
    """Apply an operation to item `k` of each, as Python does: `+` joins tuples, `*` repeats them."""
    x = component(A, a, k)
    y = component(A, b, k)
    if is_integer(x) and is_integer(y):
        return integer(A, operate(A, operation, int_of(x), int_of(y)))
    if is_set(x) or is_set(y):
        return fail(A, TYPE_MISMATCH)
    if operation == ADD:
        return finish_tuple(A, joined(A, x, y))
    if operation != MULTIPLY:
        return fail(A, TYPE_MISMATCH)
    return finish_tuple(A, repeated(A, y, int_of(x)) if is_integer(x) else repeated(A, x, as_integer(A, y)))


@outlined
def component(A, x, k):
    """Item `k` (0 or 1) of a tuple of two or more items; an integer is all of its parts."""
    if is_integer(x):
        return x
    if is_pair(x):
        return small(row_of(x) if k == 0 else column_of(x))
    block = block_of(A, x)
    if is_set(x) or A[block] < 2:
        return fail(A, TYPE_MISMATCH)
    return A[block + 1 + k]


@outlined
def joined(A, a, b):
    """A fresh block of the items of `a` and those of `b`."""
    left = items(A, a)
    right = items(A, b)
    block = append(A, new_items(A, A[left] + A[right]), left)
    return append(A, block, right)


@outlined
def repeated(A, x, n):
    """A fresh block of the items of `x`, `n` times over."""
    source = items(A, x)
    block = new_items(A, max(n * A[source], 0))
    while A[block] < capacity(A, block):
        append(A, block, source)
    return block


@outlined
def tuple_of(A, a, b):
    """The tuple of two values."""
    if is_integer(a) and is_integer(b):
        return pair_of(A, int_of(a), int_of(b))
    if is_integer(a) and is_pair(b):
        return cell_of(A, int_of(a), row_of(b), column_of(b))
    block = new_items(A, 2)
    push(A, block, a)
    push(A, block, b)
    return finish_tuple(A, block)


@inline
def rank(A, a, b):
    """`compare`, without the call where the handles decide."""
    return 0 if a == b else compare_nested(A, a, b)


@inline
def less(A, a, b):
    """Python's `a < b` as 0 or 1: numbers, tuples item by item, sets by inclusion; fails on mixed kinds."""
    return (1 if a < b else 0) if ordered_by_handle(a, b) else less_nested(A, a, b)


@inline
def ordered_by_handle(a, b):
    return (is_integer(a) and is_integer(b)) or (is_pair(a) and is_pair(b))


@outlined
def less_nested(A, a, b):
    """`less`, outlined: it is needed within itself."""
    if ordered_by_handle(a, b):
        return 1 if a < b else 0
    if is_set(a) and is_set(b):
        return is_proper_subset(A, offset(a), offset(b))
    if is_set(a) or is_set(b):
        fail(A, TYPE_MISMATCH)
        return 0
    if A[DEPTH] >= MAX_DEPTH:
        fail(A, TOO_DEEP)
        return 0
    mark = A[TOP]
    A[DEPTH] += 1
    result = tuple_less(A, block_of(A, a), block_of(A, b))
    A[DEPTH] -= 1
    A[TOP] = mark
    return result


@inline
def tuple_less(A, p, q):
    if not burn(A, HELPER_COST + (min(A[p], A[q]) >> SCAN_SHIFT)):
        return 0
    for k in range(1, min(A[p], A[q]) + 1):
        if not same(A, A[p + k], A[q + k]):
            return less_nested(A, A[p + k], A[q + k])
    return 1 if A[p] < A[q] else 0


@inline
def is_proper_subset(A, p, q):
    if not burn(A, HELPER_COST + (A[q] >> 1)):
        return 0
    at = 1
    for k in range(1, A[p] + 1):
        while at <= A[q] and rank(A, A[q + at], A[p + k]) < 0:
            at += 1
        if at > A[q] or not same(A, A[q + at], A[p + k]):
            return 0
    return 1 if A[p] < A[q] else 0


# ------------------------------------------------------------------------------------------- numbers


@prim
def identity(A, x: Any) -> Any:
    """`x` itself."""
    return x


@prim
def add(A, a: Numerical, b: Numerical) -> Numerical:
    """Sum."""
    return numeric(A, ADD, a, b)


@prim
def subtract(A, a: Numerical, b: Numerical) -> Numerical:
    """Difference."""
    return numeric(A, SUBTRACT, a, b)


@prim
def multiply(A, a: Numerical, b: Numerical) -> Numerical:
    """Product."""
    return numeric(A, MULTIPLY, a, b)


@prim
def divide(A, a: Numerical, b: Numerical) -> Numerical:
    """Quotient, rounded down."""
    return numeric(A, DIVIDE, a, b)


@prim
def invert(A, x: Numerical) -> Numerical:
    """`x` with its sign changed."""
    return numeric(A, SUBTRACT, small(0), x)


@prim
def double(A, x: Numerical) -> Numerical:
    """Twice `x`."""
    return numeric(A, MULTIPLY, x, small(2))


@prim
def halve(A, x: Numerical) -> Numerical:
    """Half of `x`, rounded down."""
    return numeric(A, DIVIDE, x, small(2))


@prim
def increment(A, x: Numerical) -> Numerical:
    """`x` plus one."""
    return numeric(A, ADD, x, small(1))


@prim
def decrement(A, x: Numerical) -> Numerical:
    """`x` minus one."""
    return numeric(A, SUBTRACT, x, small(1))


@prim
def sign(A, x: Numerical) -> Numerical:
    """-1, 0 or 1 by the sign of `x`."""
    if is_integer(x):
        return small(sign_of(int_of(x)))
    i = as_integer(A, component(A, x, 0))
    j = as_integer(A, component(A, x, 1))
    return pair_of(A, sign_of(i), sign_of(j))


@inline
def sign_of(v):
    return (v > 0) - (v < 0)


@prim
def crement(A, x: Numerical) -> Numerical:
    """`x` one step further from zero; zero stays."""
    return numeric(A, ADD, x, sign(A, x))


# -------------------------------------------------------------------------------------- truth values


@prim
def even(A, x: Integer) -> Boolean:
    """Whether `x` is even."""
    return boolean(as_integer(A, x) & 1 == 0)


@prim
def positive(A, x: Integer) -> Boolean:
    """Whether `x` is greater than zero."""
    return boolean(as_integer(A, x) > 0)


@prim
def greater(A, a: Integer, b: Integer) -> Boolean:
    """Whether `a` is greater than `b`, as Python orders them."""
    return small(less(A, b, a))


@prim
def equality(A, a: Any, b: Any) -> Boolean:
    """Whether `a` and `b` are equal."""
    return boolean(same(A, a, b))


@prim
def flip(A, condition: Boolean) -> Boolean:
    """Logical not."""
    return boolean(not truth(A, condition))


@prim
def both(A, a: Boolean, b: Boolean) -> Boolean:
    """Logical and: `a` if it is false, else `b`."""
    return b if truth(A, a) else a


@prim
def either(A, a: Boolean, b: Boolean) -> Boolean:
    """Logical or: `a` if it is true, else `b`."""
    return a if truth(A, a) else b


@prim
def branch(A, condition: Boolean, a: Any, b: Any) -> Any:
    """`a` if `condition` is true, else `b`."""
    return a if truth(A, condition) else b


# --------------------------------------------------------------------------------------------- pairs


@prim
def astuple(A, a: Any, b: Any) -> Tuple:
    """The tuple of `a` and `b`."""
    return tuple_of(A, a, b)


@prim
def toivec(A, i: Integer) -> Pair:
    """The vertical vector (`i`, 0)."""
    return tuple_of(A, i, small(0))


@prim
def tojvec(A, j: Integer) -> Pair:
    """The horizontal vector (0, `j`)."""
    return tuple_of(A, small(0), j)
