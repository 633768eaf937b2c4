"""The growth of an enumeration: calls in order of cost, each tried, kept if it gives something new. Compiled.

The position is in `state`: level (a total cost), form, how the level's cost is split over the places, an index for
each place. It can stop anywhere and go on. A level reads only lists that are complete.

While the bank grows, new terms are kept. When the bank or the arena is full, only calls that may return a grid are
tried, and compared with the outputs at once.
"""

from __future__ import annotations

import numpy as np

from interpreter.enumeration.bank import (
    ARENA_FULL,
    AT,
    BANK_FULL,
    CALL_FUEL,
    ENDED,
    FAILED,
    FORM,
    GROWING,
    KEPT,
    LEVEL,
    MAX_COST,
    OPEN,
    PART,
    SKIPS,
    SOLUTIONS,
    STAGE,
    TRIED,
    VALUES,
    describe,
    describe_function,
    enter,
    enter_leaves,
    fits,
    is_wanted,
    note,
    slot_of,
)  # fmt: skip
from interpreter.enumeration.productions import ARITY, COMPOSE, COST, GRID, PLACES, POWER, RETURNED, RULE, WORD
from interpreter.runtime import blocks, calls, layout, values
from interpreter.runtime.blocks import area
from interpreter.runtime.interning import FUEL, PLENTY, SIZE, TOP, unique
from interpreter.runtime.native import arena_pointer, cells_pointer, inline
from interpreter.runtime.ordering import same
from interpreter.runtime.values import offset, tag

DEPTH, ERROR = layout.DEPTH, layout.ERROR

# --------------------------------------------------------------------------------------------- trying


@inline
def call_form(A, terms, form, a, b, c, d, pair):
    """The value of a call on one demonstration's input."""
    bank = terms.bank
    A[FUEL] = terms.state[CALL_FUEL]
    word = terms.forms[form, WORD]
    arity = terms.forms[form, ARITY]
    if word == 0:
        return calls.indirect6(
            A[calls.INVOKE], A, bank[a, pair], arity - 1, bank[b, pair], bank[c, pair], bank[d, pair], values.NOTHING
        )
    return calls.call_primitive(A, offset(word), arity, bank[a, pair], bank[b, pair], bank[c, pair], bank[d, pair])


@inline
def recover(A, mark):
    """The arena as it was before a call that failed, or whose value is not kept."""
    A[ERROR] = 0
    A[DEPTH] = 0
    A[TOP] = mark


@inline
def try_last(A, terms, form, a, b, c, d):
    """Compare what a call gives with the outputs, up to the first that is wrong; nothing is kept."""
    right = 0
    mark = A[TOP]
    wrong = False
    while not wrong and right < terms.targets.shape[0]:
        x = call_form(A, terms, form, a, b, c, d, right)
        wrong = A[ERROR] != 0
        if not wrong:
            A[FUEL] = PLENTY
            wrong = tag(x) != values.GRID or not same(A, x, terms.targets[right])
        recover(A, mark)
        right += not wrong
    if right > 0:
        note(terms, form, a, b, c, d, right)


@inline
def try_term(A, terms, form, a, b, c, d):
    """Enter a call as a term if it gives something new on all demonstrations."""
    state = terms.state
    n = state[KEPT]
    right = 0
    for pair in range(terms.targets.shape[0]):
        mark = A[TOP]
        x = call_form(A, terms, form, a, b, c, d, pair)
        if A[ERROR] != 0 or not is_wanted(A, x):
            recover(A, mark)
            state[FAILED] += 1
            return
        x, is_new = unique(A, terms.table, x, mark)
        state[VALUES] += is_new
        terms.bank[n, pair] = x
        right += x == terms.targets[pair]
    at = slot_of(terms, n)
    if terms.index[at] >= 0:
        return
    terms.traits[n] = 0
    rule = terms.forms[form, RULE]
    if COMPOSE <= rule <= POWER:
        describe_function(rule, terms.traits, n, a, b, c)
    elif not describe(A, terms, n):
        return
    record_call(terms.calls, n, form, a, b, c, d)
    terms.index[at] = n
    enter(terms, n)
    state[KEPT] += 1
    if right > 0:
        note(terms, form, a, b, c, d, right)


@inline
def record_call(rows, n, form, a, b, c, d):
    rows[n, 0] = form
    rows[n, 1] = a
    rows[n, 2] = b
    rows[n, 3] = c
    rows[n, 4] = d


@inline
def look_at_limits(A, terms):
    """Enter the stage in which nothing is kept where the bank or the arena is full."""
    state = terms.state
    pairs = terms.targets.shape[0]
    if state[KEPT] + 1 >= terms.bank.shape[0]:
        state[STAGE] = BANK_FULL
    elif A[SIZE] - A[TOP] < pairs * state[CALL_FUEL] or 2 * (state[VALUES] + pairs) > terms.table.shape[0]:
        state[STAGE] = ARENA_FULL


# ---------------------------------------------------------------------------------------------- order


@inline
def next_split(terms):
    """Move to the next way of sharing out the level's cost over the places of the form; False after the last."""
    state = terms.state
    last = PART + terms.forms[state[FORM], ARITY] - 1
    for part in range(last - 1, PART - 1, -1):
        if state[last] > 0:
            state[part] += 1
            state[last] -= 1
            return True
        state[last] += state[part]
        state[part] = 0
    return False


@inline
def next_form(terms):
    """Move to the next form that the level's cost allows, and after the last one to the next level."""
    state = terms.state
    while state[STAGE] != ENDED:
        state[FORM] += 1
        if state[FORM] == terms.forms.shape[0]:
            next_level(terms)
        rest = state[LEVEL] - terms.forms[state[FORM], COST]
        if rest >= 0 and (state[STAGE] == GROWING or may_end(terms, state[FORM])):
            for part in range(PART, AT):
                state[part] = 0
            state[PART + terms.forms[state[FORM], ARITY] - 1] = rest
            return


@inline
def next_level(terms):
    state = terms.state
    state[FORM] = 0
    if state[LEVEL] == state[MAX_COST]:
        state[STAGE] = ENDED
        return
    state[LEVEL] += 1
    for place in range(terms.places.shape[0]):
        terms.bounds[place, state[LEVEL]] = terms.counts[place]
    enter_leaves(terms)


@inline
def may_end(terms, form):
    """Whether a form may return a grid."""
    return terms.forms[form, RETURNED] & (1 << GRID) != 0


@inline
def place_bounds(terms, first, last):
    """Fill where the arguments of each place start and end; False where a place has none."""
    state = terms.state
    form = state[FORM]
    empty = False
    for k in range(4):
        first[k] = 0
        last[k] = 1  # a place that the form does not have: one argument, which is not looked at
        if k < terms.forms[form, ARITY]:
            place = terms.forms[form, PLACES + k]
            first[k] = terms.bounds[place, state[PART + k]]
            last[k] = terms.bounds[place, state[PART + k] + 1]
            empty |= first[k] >= last[k]
    return not empty


@inline
def open_split(terms, first, last):
    """Find the next combination of form and costs that has arguments, and stand before its first ones."""
    state = terms.state
    while state[STAGE] != ENDED:
        if not next_split(terms):
            next_form(terms)
        if state[STAGE] != ENDED and place_bounds(terms, first, last):
            for k in range(4):
                state[AT + k] = first[k]
            state[OPEN] = 1
            return


@inline
def step(state, first, last):
    """Move to the next arguments, the last place first; closes the split after the last ones."""
    for k in range(3, -1, -1):
        state[AT + k] += 1
        if state[AT + k] < last[k]:
            return
        state[AT + k] = first[k]
    state[OPEN] = 0


@inline
def argument(terms, form, k):
    return terms.lists[terms.forms[form, PLACES + k], terms.state[AT + k]]


def advance(arena, terms, limit):
    """Try about `limit` calls more; stops early at each solution, and at the end of the enumeration."""
    A = arena_pointer(arena.ctypes.data)
    state = terms.state
    first = np.zeros(4, np.int64)
    last = np.zeros(4, np.int64)
    solutions = state[SOLUTIONS]
    skipped = 0
    if state[OPEN] != 0:
        place_bounds(terms, first, last)
    end = state[TRIED] + limit
    while state[TRIED] < end and state[SOLUTIONS] == solutions:
        if state[OPEN] == 0:
            open_split(terms, first, last)
            if state[STAGE] == ENDED:
                break
        form = state[FORM]
        a = argument(terms, form, 0)
        b = argument(terms, form, 1)
        c = argument(terms, form, 2)
        d = argument(terms, form, 3)
        step(state, first, last)
        if not fits(terms.forms[form, RULE], terms.traits, a, b, c):
            skipped += 1
            state[TRIED] += skipped & ((1 << SKIPS) - 1) == 0
            continue
        state[TRIED] += 1
        if state[STAGE] == GROWING:
            try_term(A, terms, form, a, b, c, d)
            look_at_limits(A, terms)
        else:
            try_last(A, terms, form, a, b, c, d)
        if state[STAGE] != GROWING and not may_end(terms, form):
            state[OPEN] = 0


def begin(arena, terms, cells, starts, shapes):
    """Put the inputs and then the outputs into the arena; term 0 becomes the input, the leaves enter the bank.

    The bank holds the values of the other leaves already.
    """
    A = arena_pointer(arena.ctypes.data)
    A[TOP] = layout.HEAP
    A[DEPTH] = 0
    A[ERROR] = 0
    A[FUEL] = PLENTY
    pairs = terms.targets.shape[0]
    for k in range(2 * pairs):
        mark = A[TOP]
        grid = blocks.new_grid(A, shapes[k, 0], shapes[k, 1])
        source = cells_pointer(cells.ctypes.data + starts[k])
        for cell in range(area(A, grid)):
            blocks.put(A, grid, cell, source[cell])
        x, is_new = unique(A, terms.table, blocks.finish_grid(A, grid), mark)
        terms.state[VALUES] += is_new
        if k < pairs:
            terms.bank[0, k] = x
        else:
            terms.targets[k - pairs] = x
    for n in range(terms.leaf_costs.shape[0]):
        at = slot_of(terms, n)
        if terms.index[at] < 0:
            terms.index[at] = n
    terms.state[FORM] = -1
    enter_leaves(terms)
