"""The growth of an enumeration: calls in order of cost, each tried, kept if it gives something new. Compiled.

The position is in `state`: level (a total cost), production, how the level's cost is split over the places, an index
for each place. It can stop anywhere and go on. A level reads only lists that are complete.

While the bank grows, new terms are kept. When the bank or the arena is full, only calls that may return a grid are
tried, and compared with the outputs at once.

What runs for each call is `specialized`: to hand the bank to a function of its own costs more than a small primitive,
because every one of its arrays is counted as used, and then as used no more.
"""

from __future__ import annotations

import numpy as np

from interpreter.enumeration.bank import (
    ARENA_FULL,
    BANK_FULL,
    ENDED,
    GROWING,
    SKIPS,
    describe,
    describe_function,
    enter,
    enter_leaves,
    find_term,
    fits,
    is_wanted,
    note,
    record_call,
)
from interpreter.machine.kinds import GRID
from interpreter.runtime import layout, values
from interpreter.runtime.arena import PLENTY, go_back, load_grid, reset
from interpreter.runtime.calls import POWER, call_line, call_primitive
from interpreter.runtime.interning import unique
from interpreter.runtime.layout import MAX_ARITY
from interpreter.runtime.native import arena_pointer, cells_pointer, inline, specialized
from interpreter.runtime.ordering import same
from interpreter.runtime.values import tag

TOP, FUEL, ERROR, SIZE = layout.TOP, layout.FUEL, layout.ERROR, layout.SIZE

# --------------------------------------------------------------------------------------------- trying


@specialized
def call_production(A, bank, production, a, b, c, d, pair):
    """The value of a call on one demonstration's input."""
    values = bank.values
    f = bank.productions[production].word
    n = bank.productions[production].arity
    if f == 0:  # what is called is the first argument
        f = values[a, pair]
        n -= 1
        a, b, c = b, c, d
    A[FUEL] = bank.state.call_fuel
    return call_line(call_primitive, A, f, n, values[a, pair], values[b, pair], values[c, pair], values[d, pair])


@specialized
def try_last(A, bank, production, a, b, c, d):
    """Compare what a call gives with the outputs, up to the first that is wrong; nothing is kept."""
    right = 0
    mark = A[TOP]
    wrong = False
    while not wrong and right < bank.targets.shape[0]:
        x = call_production(A, bank, production, a, b, c, d, right)
        wrong = A[ERROR] != 0
        if not wrong:
            A[FUEL] = PLENTY
            wrong = tag(x) != values.GRID or not same(A, x, bank.targets[right])
        go_back(A, mark)
        right += not wrong
    if right > 0:
        note(bank, production, a, b, c, d, right)


@specialized
def try_term(A, bank, production, a, b, c, d):
    """Enter a call as a term if it gives something new on all demonstrations."""
    state = bank.state
    n = state.kept
    right = 0
    for pair in range(bank.targets.shape[0]):
        mark = A[TOP]
        x = call_production(A, bank, production, a, b, c, d, pair)
        if A[ERROR] != 0 or not is_wanted(A, x):
            go_back(A, mark)
            state.failed += 1
            return
        x, is_new = unique(A, bank.known, x, mark)
        state.values += is_new
        bank.values[n, pair] = x
        right += x == bank.targets[pair]
    at, found = find_term(bank, n)
    if found:
        return
    rule = bank.productions[production].rule
    if rule <= POWER:  # it makes a closure
        describe_function(rule, bank.traits[n], bank.traits[a], bank.traits[b], bank.traits[c])
    elif not describe(A, bank, n):
        return
    record_call(bank.calls[n], production, a, b, c, d)
    bank.index[at] = n
    enter(bank, n)
    state.kept += 1
    if right > 0:
        note(bank, production, a, b, c, d, right)


@specialized
def look_at_limits(A, bank):
    """Enter the stage in which nothing is kept where the bank or the arena is full."""
    state = bank.state
    pairs = bank.targets.shape[0]
    if state.kept + 1 >= bank.values.shape[0]:
        state.stage = BANK_FULL
    elif A[SIZE] - A[TOP] < pairs * state.call_fuel or 2 * (state.values + pairs) > bank.known.shape[0]:
        state.stage = ARENA_FULL


# ---------------------------------------------------------------------------------------------- order


@inline
def next_split(bank):
    """Move to the next way of sharing out the level's cost over the places of the production; False after the last."""
    split = bank.state.split
    last = bank.productions[bank.state.production].arity - 1
    for place in range(last - 1, -1, -1):
        if split[last] > 0:
            split[place] += 1
            split[last] -= 1
            return True
        split[last] += split[place]
        split[place] = 0
    return False


@inline
def next_production(bank):
    """Move to the next production that the level's cost allows, and after the last one to the next level."""
    state = bank.state
    while state.stage != ENDED:
        state.production += 1
        if state.production == bank.productions.shape[0]:
            next_level(bank)
        production = bank.productions[state.production]
        rest = state.level - production.cost
        if rest >= 0 and (state.stage == GROWING or may_end(bank, state.production)):
            for place in range(MAX_ARITY):
                state.split[place] = 0
            state.split[production.arity - 1] = rest
            return


@inline
def next_level(bank):
    state = bank.state
    state.production = 0
    if state.level == state.max_cost:
        state.stage = ENDED
        return
    state.level += 1
    for place in range(bank.places.shape[0]):
        bank.bounds[place, state.level] = bank.counts[place]
    enter_leaves(bank)


@specialized
def may_end(bank, production):
    """Whether a production may return a grid."""
    return bank.productions[production].returned & (1 << GRID) != 0


@inline
def place_bounds(bank, first, last):
    """Fill where the arguments of each place start and end; False where a place has none."""
    state = bank.state
    production = bank.productions[state.production]
    empty = False
    for k in range(MAX_ARITY):
        first[k] = 0
        last[k] = 1  # a place that the production does not have: one argument, which is not looked at
        if k < production.arity:
            place = production.places[k]
            first[k] = bank.bounds[place, state.split[k]]
            last[k] = bank.bounds[place, state.split[k] + 1]
            empty |= first[k] >= last[k]
    return not empty


@inline
def open_split(bank, first, last):
    """Find the next combination of production and costs that has arguments, and stand before its first ones."""
    state = bank.state
    while state.stage != ENDED:
        if not next_split(bank):
            next_production(bank)
        if state.stage != ENDED and place_bounds(bank, first, last):
            for k in range(MAX_ARITY):
                state.choice[k] = first[k]
            state.is_open = 1
            return


@specialized
def step(state, first, last):
    """Move to the next arguments, the last place first; closes the split after the last ones."""
    for k in range(MAX_ARITY - 1, -1, -1):
        state.choice[k] += 1
        if state.choice[k] < last[k]:
            return
        state.choice[k] = first[k]
    state.is_open = 0


@specialized
def argument(bank, production, k):
    return bank.lists[bank.productions[production].places[k], bank.state.choice[k]]


def advance(arena, bank, limit):
    """Try about `limit` calls more; stops early at each solution, and at the end of the enumeration."""
    A = arena_pointer(arena.ctypes.data)
    state = bank.state
    first = np.zeros(MAX_ARITY, np.int64)
    last = np.zeros(MAX_ARITY, np.int64)
    solutions = state.solutions
    skipped = 0
    if state.is_open != 0:
        place_bounds(bank, first, last)
    end = state.tried + limit
    while state.tried < end and state.solutions == solutions:
        if state.is_open == 0:
            open_split(bank, first, last)
            if state.stage == ENDED:
                break
        production = state.production
        a = argument(bank, production, 0)
        b = argument(bank, production, 1)
        c = argument(bank, production, 2)
        d = argument(bank, production, 3)
        step(state, first, last)
        if not fits(bank.productions[production].rule, bank.traits, a, b, c):
            skipped += 1
            state.tried += skipped & ((1 << SKIPS) - 1) == 0
            continue
        state.tried += 1
        if state.stage == GROWING:
            try_term(A, bank, production, a, b, c, d)
            look_at_limits(A, bank)
        else:
            try_last(A, bank, production, a, b, c, d)
        if state.stage != GROWING and not may_end(bank, production):
            state.is_open = 0


def begin(arena, bank, cells, starts, shapes):
    """Put the inputs and then the outputs into the arena; term 0 becomes the input, the leaves enter the bank.

    The bank holds the values of the other leaves already.
    """
    A = arena_pointer(arena.ctypes.data)
    reset(A)
    A[FUEL] = PLENTY
    pairs = bank.targets.shape[0]
    for k in range(2 * pairs):
        mark = A[TOP]
        grid = load_grid(A, cells_pointer(cells.ctypes.data + starts[k]), 0, shapes[k, 0], shapes[k, 1])
        x, is_new = unique(A, bank.known, grid, mark)
        bank.state.values += is_new
        if k < pairs:
            bank.values[0, k] = x
        else:
            bank.targets[k - pairs] = x
    for n in range(bank.leaf_costs.shape[0]):
        at, found = find_term(bank, n)
        if not found:
            bank.index[at] = n
    bank.state.production = -1
    enter_leaves(bank)
