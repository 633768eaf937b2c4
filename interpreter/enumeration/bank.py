"""The terms of an enumeration as arrays: values, kinds, what fits where. Compiled.

A term is a call of a form (see `productions`) with cheaper terms, or a leaf. Its value is the tuple of its
values on the inputs. All values of all inputs lie in one arena that is never reset, each once: equal values have the
same handle, so that equal terms have equal rows of handles, and a value is an output where the handles are equal.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from interpreter.enumeration.productions import (
    ALIKE,
    BINARY,
    BOOLEAN,
    CALL,
    CELL,
    CHAIN,
    CHOICE,
    COMPOSE,
    CONDITION,
    EACH,
    FORK,
    GRID,
    INDICES,
    INTEGER,
    INTO_ITEMS,
    KEY,
    LEFT_BIND,
    MATCHER,
    NUMBERS,
    OBJECT,
    OBJECTS,
    OF_ITEMS,
    PAIR,
    PAIRED,
    POWER,
    RIGHT_BIND,
    SET,
    TERNARY,
    TUPLE,
    UNARY,
)  # fmt: skip
from interpreter.grids import MAX_SIDE
from interpreter.runtime import values
from interpreter.runtime.native import inline
from interpreter.runtime.ordering import mix
from interpreter.runtime.values import int_of, offset, tag

LARGEST = 100  # of the integers that are kept, in size
SKIPS = 5  # 2^5 combinations that do not fit count as one that is tried

# Words of `state`.
(LEVEL, FORM, OPEN, PART, AT, TRIED, FAILED, KEPT, VALUES, LEAVES, SOLUTIONS, NEAR, STAGE, MAX_COST, CALL_FUEL) = (
    0, 1, 2, 3, 7, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20,
)  # fmt: skip
STATE_WORDS = 21
GROWING, BANK_FULL, ARENA_FULL, ENDED = range(4)  # stages

# Traits of a term: its kind, the kinds of its items; of a function: kinds returned and taken, and, where that is one
# kind at most, whether it is a power.
KIND, ITEMS, GIVES, TAKES = range(4)
POWERED = TAKES + 2
TRAITS = 6


class Terms(NamedTuple):
    """The arrays of an enumeration of n terms at most on d demonstrations; integers of 64 bits but where said.

    `bank` (n, d): values; `calls` int32 (n, 5): form and arguments; `traits` int32 (n, 6); `lists` int32 (places, n):
    the terms that may stand at a place, cheapest first; `bounds` (places, costs): where those of a cost start;
    `counts` (places,); `table` (slots, 2): fingerprint and value; `index` int32 (slots,): terms by their values;
    `targets` (d,): the outputs; `solutions`, `near` (m, 7): form, arguments, demonstrations right, cost.
    """

    forms: np.ndarray
    places: np.ndarray
    leaf_costs: np.ndarray
    bank: np.ndarray
    calls: np.ndarray
    traits: np.ndarray
    lists: np.ndarray
    bounds: np.ndarray
    counts: np.ndarray
    table: np.ndarray
    index: np.ndarray
    targets: np.ndarray
    solutions: np.ndarray
    near: np.ndarray
    state: np.ndarray


# --------------------------------------------------------------------------------------------- kinds


@inline
def kind_of(A, x):
    """The kind of a value; -1 for an empty set, which may be of any, -2 for None."""
    t = tag(x)
    if t == values.INTEGER:
        return BOOLEAN if 0 <= int_of(x) <= 1 else INTEGER
    if t == values.SET:
        return set_kind(A, offset(x))
    if t == values.PAIR:
        return PAIR
    if t == values.CELL:
        return CELL
    if t == values.GRID:
        return GRID
    return TUPLE if t == values.TUPLE else -2


@inline
def set_kind(A, block):
    if A[block] == 0:
        return -1
    item = A[block + 1]
    if tag(item) == values.PAIR:
        return INDICES
    if tag(item) == values.CELL:
        return OBJECT
    if tag(item) == values.SET and A[offset(item)] > 0 and tag(A[offset(item) + 1]) == values.CELL:
        return OBJECTS
    return SET


@inline
def item_kinds(A, x, kind):
    """The kinds of the items of a value of a kind."""
    if kind == INDICES:
        return 1 << PAIR
    if kind == OBJECT:
        return 1 << CELL
    if kind == OBJECTS:
        return 1 << OBJECT
    if kind == GRID:
        return (1 << TUPLE) | (1 << PAIR)
    if kind == PAIR:
        return NUMBERS
    if (kind == SET or kind == TUPLE) and A[offset(x)] > 0:
        item = kind_of(A, A[offset(x) + 1])
        if item == BOOLEAN or item == INTEGER:
            return NUMBERS
        return 1 << item if item >= 0 else 0
    return 0


@inline
def is_wanted(A, x):
    """Whether a value is worth keeping: grids and numbers that are too large are not."""
    if tag(x) == values.GRID:
        return A[offset(x)] <= MAX_SIDE and A[offset(x) + 1] <= MAX_SIDE
    return tag(x) != values.INTEGER or -LARGEST <= int_of(x) <= LARGEST


# -------------------------------------------------------------------------------------------- traits


@inline
def fits(rule, traits, a, b, c):
    """Whether the arguments of a call fit together."""
    if rule == EACH:
        return traits[a, TAKES] & traits[b, ITEMS] != 0
    if rule == CONDITION:
        return traits[b, TAKES] & traits[a, ITEMS] != 0 and traits[b, GIVES] & (1 << BOOLEAN) != 0
    if rule == KEY:
        return traits[b, TAKES] & traits[a, ITEMS] != 0 and traits[b, GIVES] & (NUMBERS | (1 << PAIR)) != 0
    if rule == ALIKE:
        return traits[a, KIND] == traits[b, KIND]
    if rule == CHOICE:
        return traits[b, KIND] == traits[c, KIND]
    if rule == OF_ITEMS:
        return traits[a, ITEMS] & (1 << traits[b, KIND]) != 0
    if rule == INTO_ITEMS:
        return traits[b, ITEMS] & (1 << traits[a, KIND]) != 0
    if rule == PAIRED:
        return traits[a, TAKES] & traits[b, ITEMS] != 0 and traits[a, TAKES + 1] & traits[c, ITEMS] != 0
    return functions_fit(rule, traits, a, b, c)


@inline
def functions_fit(rule, traits, a, b, c):
    """`fits`, where a function is made or a variable is called.

    Of all closures, what a power gives alone is not a cheaper term already.
    """
    if rule == COMPOSE:
        return traits[a, TAKES] & traits[b, GIVES] != 0
    if rule == CHAIN:
        return traits[a, TAKES] & traits[b, GIVES] != 0 and traits[b, TAKES] & traits[c, GIVES] != 0
    if rule == FORK:
        meets = traits[a, TAKES] & traits[b, GIVES] != 0 and traits[a, TAKES + 1] & traits[c, GIVES] != 0
        return meets and traits[b, TAKES] & traits[c, TAKES] != 0
    if rule == MATCHER:
        return traits[a, GIVES] & (1 << traits[b, KIND]) != 0
    if rule == LEFT_BIND:
        return traits[a, TAKES] & (1 << traits[b, KIND]) != 0
    if rule == RIGHT_BIND:
        return traits[a, TAKES + 1 + (traits[a, KIND] == TERNARY)] & (1 << traits[b, KIND]) != 0
    if rule == POWER:
        return traits[a, TAKES] & traits[a, GIVES] != 0 and traits[a, POWERED] == 0
    if rule == CALL:
        return traits[a, POWERED] != 0 and traits[a, TAKES] & (1 << traits[b, KIND]) != 0
    return True


@inline
def describe_function(rule, traits, n, a, b, c):
    """Fill the traits of term `n`, a closure of the terms a, b and c."""
    traits[n, KIND] = UNARY
    traits[n, GIVES] = 1 << BOOLEAN if rule == MATCHER else traits[a, GIVES]
    takes = traits[a, TAKES]
    if rule == COMPOSE:
        takes = traits[b, TAKES]
    elif rule == CHAIN:
        takes = traits[c, TAKES]
    elif rule == FORK:
        takes = traits[b, TAKES] & traits[c, TAKES]
    elif rule == LEFT_BIND:
        takes = traits[a, TAKES + 1]
    traits[n, TAKES] = takes
    if rule == POWER:
        traits[n, POWERED] = 1
    if (rule == LEFT_BIND or rule == RIGHT_BIND) and traits[a, KIND] == TERNARY:
        traits[n, KIND] = BINARY
        traits[n, TAKES + 1] = traits[a, TAKES + 2 if rule == LEFT_BIND else TAKES + 1]


@inline
def describe(A, terms, n):
    """Fill the traits of term `n`, data, from its values; False if they are of no kind, or of several."""
    kind = -1
    items = 0
    for d in range(terms.bank.shape[1]):
        x = terms.bank[n, d]
        seen = kind_of(A, x)
        if seen == -1:
            continue
        numbers = seen <= INTEGER and 0 <= kind <= INTEGER
        if seen < 0 or (kind >= 0 and seen != kind and not numbers):
            return False
        kind = max(kind, seen)
        if items == 0:
            items = item_kinds(A, x, seen)
    terms.traits[n, KIND] = kind
    terms.traits[n, ITEMS] = items
    return kind >= 0


# ---------------------------------------------------------------------------------------------- bank


@inline
def values_hash(bank, n):
    h = 0
    for d in range(bank.shape[1]):
        h = mix(h + bank[n, d])
    return h


@inline
def slot_of(terms, n):
    """The slot of the index for term `n`: that of an equal term, or a free one."""
    bank = terms.bank
    last = terms.index.shape[0] - 1
    at = values_hash(bank, n) & last
    while terms.index[at] >= 0:
        other = terms.index[at]
        equal = True
        for d in range(bank.shape[1]):
            equal &= bank[other, d] == bank[n, d]
        if equal:
            return at
        at = (at + 1) & last
    return at


@inline
def enter(terms, n):
    """Let term `n` stand wherever it may."""
    bit = 1 << terms.traits[n, KIND]
    for place in range(terms.places.shape[0]):
        if terms.places[place] & bit != 0:
            terms.lists[place, terms.counts[place]] = n
            terms.counts[place] += 1


@inline
def enter_leaves(terms):
    """Enter the leaves that cost what the level costs."""
    state = terms.state
    while state[LEAVES] < terms.leaf_costs.shape[0] and terms.leaf_costs[state[LEAVES]] <= state[LEVEL]:
        enter(terms, state[LEAVES])
        state[LEAVES] += 1


@inline
def note(terms, form, a, b, c, d, right):
    """Record a call that is right on some demonstrations, or on all."""
    state = terms.state
    if right == terms.targets.shape[0]:
        record(terms.solutions, state[SOLUTIONS], form, a, b, c, d, right, state[LEVEL])
        state[SOLUTIONS] += 1
        return
    at = state[NEAR]
    if at == terms.near.shape[0]:
        at = 0
        for k in range(1, terms.near.shape[0]):
            if terms.near[k, 5] < terms.near[at, 5]:
                at = k
        if terms.near[at, 5] >= right:
            return
    else:
        state[NEAR] += 1
    record(terms.near, at, form, a, b, c, d, right, state[LEVEL])


@inline
def record(rows, at, form, a, b, c, d, right, cost):
    rows[at, 0] = form
    rows[at, 1] = a
    rows[at, 2] = b
    rows[at, 3] = c
    rows[at, 4] = d
    rows[at, 5] = right
    rows[at, 6] = cost
