"""Functions as values, and functions of containers that call them."""

from interpreter.primitives.arithmetic import less
from interpreter.primitives.containers import extreme, finish_part, flatten
from interpreter.primitives.table import prim
from interpreter.primitives.types import Any, Container, Function, Integer, Set, Tuple
from interpreter.runtime.blocks import append, capacity, finish_tuple, item_at, items, new_items, push, truth
from interpreter.runtime.calls import (
    CALL_COST,
    CHAIN,
    COMPOSE,
    FORK,
    LEFT_BIND,
    MATCHER,
    POWER,
    RIGHT_BIND,
    call1,
    call2,
    closure,
)
from interpreter.runtime.native import outlined
from interpreter.runtime.ordering import finish_like, finish_set
from interpreter.runtime.values import (
    CHECK_SHIFT,
    EMPTY,
    EMPTY_CONTAINER,
    OUT_OF_RANGE,
    TUPLE,
    TYPE_MISMATCH,
    as_integer,
    burn,
    fail,
    failed,
    handle,
    is_function,
    small,
)

# ------------------------------------------------------------------------------------------- helpers


@outlined
def each(A, function, block):
    """A fresh block of what `function` gives for each item of a block."""
    results = new_items(A, A[block])
    for k in range(1, capacity(A, results) + 1):
        push(A, results, call1(A, function, A[block + k]))
    return results


@outlined
def each_pair(A, function, a, b):
    """A fresh block of what `function` gives for the items of `a` and `b` in the same place."""
    left = items(A, a)
    right = items(A, b)
    results = new_items(A, min(A[left], A[right]))
    for k in range(1, capacity(A, results) + 1):
        push(A, results, call2(A, function, A[left + k], A[right + k]))
    return results


@outlined
def satisfying(A, source, condition):
    """A fresh block of the items of a block that satisfy `condition`."""
    kept = new_items(A, A[source])
    for k in range(1, A[source] + 1):
        if truth(A, call1(A, condition, A[source + k])):
            push(A, kept, A[source + k])
    return kept


@outlined
def sort_by(A, block, keys):
    """Sort a block and its keys in place by Python's order of the keys; equal keys keep their order."""
    for k in range(1, min(A[block], A[keys])):
        item = A[block + 1 + k]
        key = A[keys + 1 + k]
        low = 0
        high = k
        while low < high:
            middle = (low + high) // 2
            if less(A, key, A[keys + 1 + middle]) == 1:
                high = middle
            else:
                low = middle + 1
        if not burn(A, CALL_COST + ((k - low) >> CHECK_SHIFT)):
            break
        for j in range(k, low, -1):
            A[block + 1 + j] = A[block + j]
            A[keys + 1 + j] = A[keys + j]
        A[block + 1 + low] = item
        A[keys + 1 + low] = key
    return block


@outlined
def best_value(A, x, function, largest):
    """The largest (1) or smallest (0) value of `function` on the items of `x`; on 0 where there are none."""
    block = items(A, x)
    if A[block] == 0:
        return call1(A, function, small(0))
    values = each(A, function, block)
    return item_at(A, values, extreme(A, values, largest))


@outlined
def best_item(A, x, function, largest):
    """The first item of `x` with the largest (1) or smallest (0) value of `function`."""
    block = items(A, x)
    return item_at(A, block, extreme(A, each(A, function, block), largest))


# -------------------------------------------------------------------------------- choosing and ordering


@prim
def order(A, container: Container, key: Function) -> Tuple:
    """The items as a tuple sorted by `key`; equal ones keep their order."""
    source = items(A, container)
    block = append(A, new_items(A, A[source]), source)
    return finish_tuple(A, sort_by(A, block, each(A, key, source)))


@prim
def valmax(A, container: Container, function: Function) -> Integer:
    """The largest value of `function` on the items; its value on 0 if there are none."""
    return best_value(A, container, function, 1)


@prim
def valmin(A, container: Container, function: Function) -> Integer:
    """The smallest value of `function` on the items; its value on 0 if there are none."""
    return best_value(A, container, function, 0)


@prim
def argmax(A, container: Container, function: Function) -> Any:
    """The first item for which `function` is largest."""
    return best_item(A, container, function, 1)


@prim
def argmin(A, container: Container, function: Function) -> Any:
    """The first item for which `function` is smallest."""
    return best_item(A, container, function, 0)


@prim
def sfilter(A, container: Container, condition: Function) -> Container:
    """The items that satisfy `condition`, as a container of the same type."""
    return finish_part(A, container, satisfying(A, items(A, container), condition))


@prim
def mfilter(A, container: Container, condition: Function) -> Set:
    """The items of the items that satisfy `condition`."""
    return flatten(A, container, satisfying(A, items(A, container), condition))


@prim
def extract(A, container: Container, condition: Function) -> Any:
    """The first item that satisfies `condition`."""
    block = items(A, container)
    for k in range(1, A[block] + 1):
        if truth(A, call1(A, condition, A[block + k])):
            return A[block + k]
    return fail(A, EMPTY_CONTAINER)


# ---------------------------------------------------------------------------------- making functions


@prim
def compose(A, outer: Function, inner: Function) -> Function:
    """The function `outer(inner(x))`."""
    return closure(A, COMPOSE, outer, inner, 0)


@prim
def chain(A, outer: Function, middle: Function, inner: Function) -> Function:
    """The function `outer(middle(inner(x)))`."""
    return closure(A, CHAIN, outer, middle, inner)


@prim
def fork(A, outer: Function, left: Function, right: Function) -> Function:
    """The function `outer(left(x), right(x))`."""
    return closure(A, FORK, outer, left, right)


@prim
def matcher(A, function: Function, target: Any) -> Function:
    """The function that tells whether `function(x)` equals `target`."""
    return closure(A, MATCHER, function, target, 0)


@prim
def rbind(A, function: Function, fixed: Any) -> Function:
    """`function` with its last argument fixed."""
    if not is_function(function):
        return fail(A, TYPE_MISMATCH)
    return closure(A, RIGHT_BIND, function, fixed, 0)


@prim
def lbind(A, function: Function, fixed: Any) -> Function:
    """`function` with its first argument fixed."""
    if not is_function(function):
        return fail(A, TYPE_MISMATCH)
    return closure(A, LEFT_BIND, function, fixed, 0)


@prim
def power(A, function: Function, n: Integer) -> Function:
    """`function` applied `n` times, at least once."""
    if as_integer(A, n) < 1:
        return fail(A, OUT_OF_RANGE)
    return function if n == small(1) else closure(A, POWER, function, n, 0)


# --------------------------------------------------------------------------------- applying functions


@prim
def apply(A, function: Function, container: Container) -> Container:
    """`function` of each item, as a container of the same type."""
    return finish_like(A, container, each(A, function, items(A, container)))


@prim
def rapply(A, functions: Container, value: Any) -> Container:
    """What each of `functions` gives for `value`, as a container of the same type."""
    source = items(A, functions)
    results = new_items(A, A[source])
    for k in range(1, capacity(A, results) + 1):
        push(A, results, call1(A, A[source + k], value))
    return finish_like(A, functions, results)


@prim
def mapply(A, function: Function, container: Container) -> Set:
    """`function` of each item, merged."""
    return flatten(A, container, each(A, function, items(A, container)))


@prim
def papply(A, function: Function, a: Tuple, b: Tuple) -> Tuple:
    """`function` of the items of `a` and `b` in the same place, as a tuple."""
    return finish_tuple(A, each_pair(A, function, a, b))


@prim
def mpapply(A, function: Function, a: Tuple, b: Tuple) -> Container:
    """`function` of the items of `a` and `b` in the same place, merged."""
    return flatten(A, handle(TUPLE, EMPTY), each_pair(A, function, a, b))


@prim
def prapply(A, function: Function, a: Container, b: Container) -> Set:
    """The set of what `function` gives for every item of `a` with every item of `b`."""
    right = items(A, b)
    left = items(A, a) if A[right] > 0 else right
    results = new_items(A, A[left] * A[right])
    for i in range(1, A[left] + 1):
        if failed(A):
            break
        for j in range(1, A[right] + 1):
            push(A, results, call2(A, function, A[left + i], A[right + j]))
    return finish_set(A, results)
