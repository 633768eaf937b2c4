"""Calling function values: primitives and closures.

`invoke` is compiled on its own (and once more for one argument and for two, as nearly all calls have), and reached
through the arena header, so that primitives that call functions (`apply`, `compose`, ...) and closures that call
primitives need no mutual recursion at compile time.
"""

from __future__ import annotations

from interpreter.runtime import layout
from interpreter.runtime.blocks import allocate
from interpreter.runtime.native import (
    addressed,
    indirect1,
    indirect2,
    indirect3,
    indirect4,
    indirect6,
    inline,
    specialized,
)
from interpreter.runtime.ordering import same
from interpreter.runtime.values import (
    ARITY_MISMATCH,
    CLOSURE,
    ERROR,
    NOTHING,
    PRIMITIVE,
    TOO_DEEP,
    TYPE_MISMATCH,
    boolean,
    burn,
    fail,
    handle,
    int_of,
    offset,
    tag,
)

COMPOSE, CHAIN, FORK, MATCHER, RIGHT_BIND, LEFT_BIND, POWER = range(7)
# Closures by the name of the primitive that makes them.
CLOSURES = {
    "compose": COMPOSE, "chain": CHAIN, "fork": FORK, "matcher": MATCHER, "rbind": RIGHT_BIND, "lbind": LEFT_BIND,
    "power": POWER,
}  # fmt: skip

INVOKE, INVOKE_1, INVOKE_2 = layout.INVOKE, layout.INVOKE_1, layout.INVOKE_2
FUEL, DEPTH, PRIMITIVE_TABLE = layout.FUEL, layout.DEPTH, layout.PRIMITIVE_TABLE
CALL_COST, MAX_DEPTH = layout.CALL_COST, layout.MAX_DEPTH
ARITY_BITS, ARITY_MASK = layout.ARITY_BITS, (1 << layout.ARITY_BITS) - 1


@inline
def call1(A, f, a):
    """Call function value `f` with one argument; NOTHING after a failure."""
    return indirect2(A[INVOKE_1], A, f, a)


@inline
def call2(A, f, a, b):
    """Call function value `f` with two arguments; NOTHING after a failure."""
    return indirect3(A[INVOKE_2], A, f, a, b)


@inline
def call3(A, f, a, b, c):
    return indirect6(A[INVOKE], A, f, 3, a, b, c, 0)


@inline
def call4(A, f, a, b, c, d):
    return indirect6(A[INVOKE], A, f, 4, a, b, c, d)


@inline
def closure(A, kind, first, second, third):
    """A function value that remembers three values."""
    block = allocate(A, 4)
    if block == 0:
        return NOTHING
    A[block] = kind
    A[block + 1] = first
    A[block + 2] = second
    A[block + 3] = third
    return handle(CLOSURE, block)


@specialized
def call_primitive(A, opcode, n, a, b, c, d):
    """Call primitive `opcode` with its `n` arguments; fails if its arity is another."""
    entry = A[PRIMITIVE_TABLE + opcode]
    address = entry >> ARITY_BITS
    if entry & ARITY_MASK != n:
        return fail(A, ARITY_MISMATCH)
    if n == 1:
        return indirect1(address, A, a)
    if n == 2:
        return indirect2(address, A, a, b)
    if n == 3:
        return indirect3(address, A, a, b, c)
    return indirect4(address, A, a, b, c, d)


@specialized
def call_bound(A, f, fixed, left, n, a, b, c):
    """Call `f` with `n` arguments and `fixed` before them (`left`) or after them."""
    if n == 1:
        return call2(A, f, fixed, a) if left else call2(A, f, a, fixed)
    if n == 2:
        return call3(A, f, fixed, a, b) if left else call3(A, f, a, b, fixed)
    if n == 3:
        return call4(A, f, fixed, a, b, c) if left else call4(A, f, a, b, c, fixed)
    return fail(A, ARITY_MISMATCH)


@specialized
def call_closure(A, block, n, a, b, c):
    kind = A[block]
    f = A[block + 1]
    g = A[block + 2]
    if kind == RIGHT_BIND or kind == LEFT_BIND:
        return call_bound(A, f, g, kind == LEFT_BIND, n, a, b, c)
    if n != 1:
        return fail(A, ARITY_MISMATCH)
    if kind == COMPOSE:
        return call1(A, f, call1(A, g, a))
    if kind == CHAIN:
        return call1(A, f, call1(A, g, call1(A, A[block + 3], a)))
    if kind == FORK:
        left = call1(A, g, a)
        return call2(A, f, left, call1(A, A[block + 3], a))
    if kind == MATCHER:
        return boolean(same(A, call1(A, f, a), g))
    for _ in range(int_of(g)):
        a = call1(A, f, a)
        if A[ERROR] != 0:
            break
    return a


@specialized
def call_value(call, A, f, n, a, b, c, d):
    """Call any function value with `n` arguments, primitives by way of `call`; NOTHING after a failure."""
    if not burn(A, CALL_COST):
        return NOTHING
    if A[DEPTH] >= MAX_DEPTH:
        return fail(A, TOO_DEEP)
    A[DEPTH] += 1
    if tag(f) == PRIMITIVE:
        result = call(A, offset(f), n, a, b, c, d)
    elif tag(f) == CLOSURE:
        result = call_closure(A, offset(f), n, a, b, c)
    else:
        result = fail(A, TYPE_MISMATCH)
    A[DEPTH] -= 1
    return result if A[ERROR] == 0 else NOTHING


@specialized
def call_line(call, A, f, n, a, b, c, d):
    """Call any function value from outside of all primitives, as a line of a program does; primitives by way of `call`.

    This is the one rule of what such a call costs: CALL_COST, beside what the function does.
    """
    if tag(f) == PRIMITIVE:
        A[FUEL] -= CALL_COST
        return call(A, offset(f), n, a, b, c, d)
    return indirect6(A[INVOKE], A, f, n, a, b, c, d)


@addressed(INVOKE)
def invoke(A, f, n, a, b, c, d):
    return call_value(call_primitive, A, f, n, a, b, c, d)


@addressed(INVOKE_1)
def invoke_1(A, f, a):
    return call_value(call_primitive, A, f, 1, a, 0, 0, 0)


@addressed(INVOKE_2)
def invoke_2(A, f, a, b):
    return call_value(call_primitive, A, f, 2, a, b, 0, 0)
