"""The bank of an enumeration: its terms as arrays, their values and kinds, what fits where. Compiled.

A term is a call of a production (see `productions`) with cheaper terms, or a leaf. Its value is the tuple of its
values on the inputs. All values of all inputs lie in one arena that is never reset, each once: equal values have the
same handle, so that equal terms have equal rows of handles, and a value is an output where the handles are equal.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from interpreter.enumeration.productions import (
    ALIKE,
    CALL,
    CHOICE,
    CONDITION,
    DATA,
    EACH,
    INTO_ITEMS,
    KEY,
    NUMBERS,
    OF_ITEMS,
    PAIRED,
    UNARY,
)
from interpreter.grids import MAX_SIDE
from interpreter.machine.kinds import (
    ANY,
    BINARY,
    BOOLEAN,
    CELL,
    EMPTY_SET,
    GRID,
    INDICES,
    INDICES_SET,
    INTEGER_SET,
    OBJECT,
    OBJECTS,
    OTHER_SET,
    OTHER_TUPLE,
    PAIR,
    TERNARY,
    kind_of,
)
from interpreter.runtime import values
from interpreter.runtime.calls import CHAIN, COMPOSE, FORK, LEFT_BIND, MATCHER, POWER, RIGHT_BIND
from interpreter.runtime.hash_table import find_slot
from interpreter.runtime.layout import MAX_ARITY
from interpreter.runtime.native import inline, specialized
from interpreter.runtime.ordering import mix
from interpreter.runtime.values import int_of, offset, tag

LARGEST = 100  # of the integers that are kept, in size
SKIPS = 5  # 2^5 combinations that do not fit count as one that is tried

GROWING, BANK_FULL, ARENA_FULL, ENDED = range(4)  # stages

# How a term is made.
CALL_OF = np.dtype([("production", np.int32), ("arguments", np.int32, MAX_ARITY)])
# A call that is right on some demonstrations, or on all.
FOUND = np.dtype(
    [("production", np.int64), ("arguments", np.int64, MAX_ARITY), ("right", np.int64), ("cost", np.int64)]
)
STATE = np.dtype(
    [
        # What is tried: calls that cost `level`, of one production, whose arguments share the rest as `split` says;
        # `choice` is the next argument of each place, as an index into the bank's list of the place.
        ("level", np.int64),
        ("production", np.int64),
        ("split", np.int64, MAX_ARITY),
        ("choice", np.int64, MAX_ARITY),
        ("is_open", np.int64),  # whether the split has arguments left
        ("stage", np.int64),
        # How many there are: calls tried, those that failed, terms, values, leaves entered, solutions, near misses.
        ("tried", np.int64),
        ("failed", np.int64),
        ("kept", np.int64),
        ("values", np.int64),
        ("leaves", np.int64),
        ("solutions", np.int64),
        ("near", np.int64),
        # Limits.
        ("max_cost", np.int64),
        ("call_fuel", np.int64),
    ]
)


class Bank(NamedTuple):
    """The arrays of an enumeration of n terms at most on d demonstrations; integers of 64 bits but where said.

    `values` (n, d); `calls` (n,) of CALL_OF; `traits` (n,) of TRAITS; `lists` int32 (places, n): the terms that may
    stand at a place, cheapest first; `bounds` (places, costs): where those of a cost start; `counts` (places,);
    `known` (slots,) of KNOWN_VALUE; `index` int32 (slots,): terms by their values, -1 where there is none; `targets`
    (d,): the outputs; `solutions`, `near` (m,) of FOUND; `state`: one STATE.
    """

    productions: np.ndarray
    places: np.ndarray
    leaf_costs: np.ndarray
    values: np.ndarray
    calls: np.ndarray
    traits: np.ndarray
    lists: np.ndarray
    bounds: np.ndarray
    counts: np.ndarray
    known: np.ndarray
    index: np.ndarray
    targets: np.ndarray
    solutions: np.ndarray
    near: np.ndarray
    state: np.record


# --------------------------------------------------------------------------------------------- kinds


@inline
def coarse_kind_of(A, x):
    """`kind_of`, with one kind for all sets that no declared type names."""
    kind = kind_of(A, x)
    return OTHER_SET if kind == INTEGER_SET or kind == INDICES_SET else kind


@inline
def are_numbers(a, b):
    return (NUMBERS >> a) & (NUMBERS >> b) & 1 != 0


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
        return (1 << OTHER_TUPLE) | (1 << PAIR)
    if kind == PAIR:
        return NUMBERS
    if (kind == OTHER_SET or kind == OTHER_TUPLE) and A[offset(x)] > 0:
        item = 1 << coarse_kind_of(A, A[offset(x) + 1])
        return NUMBERS if item & NUMBERS != 0 else item & DATA
    return 0


@inline
def is_wanted(A, x):
    """Whether a value is worth keeping: grids and numbers that are too large are not."""
    if tag(x) == values.GRID:
        return A[offset(x)] <= MAX_SIDE and A[offset(x) + 1] <= MAX_SIDE
    return tag(x) != values.INTEGER or -LARGEST <= int_of(x) <= LARGEST


# -------------------------------------------------------------------------------------------- traits


@specialized
def fits(rule, traits, a, b, c):
    """Whether the arguments of a call, of which a, b and c are the first three, fit together."""
    if rule == EACH:
        return traits[a].takes[0] & traits[b].items != 0
    if rule == CONDITION:
        return traits[b].takes[0] & traits[a].items != 0 and traits[b].gives & (1 << BOOLEAN) != 0
    if rule == KEY:
        return traits[b].takes[0] & traits[a].items != 0 and traits[b].gives & (NUMBERS | (1 << PAIR)) != 0
    if rule == ALIKE:
        return traits[a].kind == traits[b].kind
    if rule == CHOICE:
        return traits[b].kind == traits[c].kind
    if rule == OF_ITEMS:
        return traits[a].items & (1 << traits[b].kind) != 0
    if rule == INTO_ITEMS:
        return traits[b].items & (1 << traits[a].kind) != 0
    if rule == PAIRED:
        return traits[a].takes[0] & traits[b].items != 0 and traits[a].takes[1] & traits[c].items != 0
    return functions_fit(rule, traits, a, b, c)


@specialized
def functions_fit(rule, traits, a, b, c):
    """`fits`, where a function is made or a variable is called.

    Of all closures, what a power gives alone is not a cheaper term already.
    """
    if rule == COMPOSE:
        return traits[a].takes[0] & traits[b].gives != 0
    if rule == CHAIN:
        return traits[a].takes[0] & traits[b].gives != 0 and traits[b].takes[0] & traits[c].gives != 0
    if rule == FORK:
        return (
            traits[a].takes[0] & traits[b].gives != 0
            and traits[a].takes[1] & traits[c].gives != 0
            and traits[b].takes[0] & traits[c].takes[0] != 0
        )
    if rule == MATCHER:
        return traits[a].gives & (1 << traits[b].kind) != 0
    if rule == LEFT_BIND:
        return traits[a].takes[0] & (1 << traits[b].kind) != 0
    if rule == RIGHT_BIND:
        return traits[a].takes[2 if traits[a].kind == TERNARY else 1] & (1 << traits[b].kind) != 0
    if rule == POWER:
        return traits[a].takes[0] & traits[a].gives != 0 and traits[a].is_power == 0
    if rule == CALL:
        return traits[a].is_power != 0 and traits[a].takes[0] & (1 << traits[b].kind) != 0
    return True


@inline
def describe_function(rule, made, a, b, c):
    """Fill the traits of a closure of terms with the traits a, b and c."""
    made.kind = UNARY
    made.gives = 1 << BOOLEAN if rule == MATCHER else a.gives
    takes = a.takes[0]
    if rule == COMPOSE:
        takes = b.takes[0]
    elif rule == CHAIN:
        takes = c.takes[0]
    elif rule == FORK:
        takes = b.takes[0] & c.takes[0]
    elif rule == LEFT_BIND:
        takes = a.takes[1]
    made.takes[0] = takes
    if rule == POWER:
        made.is_power = 1
    if (rule == LEFT_BIND or rule == RIGHT_BIND) and a.kind == TERNARY:
        made.kind = BINARY
        made.takes[1] = a.takes[2] if rule == LEFT_BIND else a.takes[1]


@specialized
def describe(A, bank, n):
    """Fill the traits of term `n`, data, from its values; False if they are of no kind, or of several."""
    kind = ANY
    items = 0
    for d in range(bank.values.shape[1]):
        x = bank.values[n, d]
        seen = coarse_kind_of(A, x)
        if seen == EMPTY_SET:  # it may be of any
            continue
        if DATA & (1 << seen) == 0 or (kind != ANY and seen != kind and not are_numbers(kind, seen)):
            return False
        kind = max(kind, seen)
        if items == 0:
            items = item_kinds(A, x, seen)
    if kind == ANY:
        return False
    bank.traits[n].kind = kind
    bank.traits[n].items = items
    return True


# ---------------------------------------------------------------------------------------------- bank


@specialized
def values_hash(values, n):
    h = 0
    for d in range(values.shape[1]):
        h = mix(h + values[n, d])
    return h


@inline
def is_free(index, at):
    return index[at] < 0


@inline
def holds_equal(index, at, entry):
    values, n = entry
    equal = True
    for d in range(values.shape[1]):
        equal &= values[index[at], d] == values[n, d]
    return equal


@specialized
def find_term(bank, n):
    """The slot of the index for term `n`: that of an equal term, or a free one; and whether there is an equal term."""
    return find_slot(bank.index, values_hash(bank.values, n), is_free, holds_equal, (bank.values, n))


@inline
def enter(bank, n):
    """Let term `n` stand wherever it may."""
    bit = 1 << bank.traits[n].kind
    for place in range(bank.places.shape[0]):
        if bank.places[place] & bit != 0:
            bank.lists[place, bank.counts[place]] = n
            bank.counts[place] += 1


@inline
def enter_leaves(bank):
    """Enter the leaves that cost what the level costs."""
    state = bank.state
    while state.leaves < bank.leaf_costs.shape[0] and bank.leaf_costs[state.leaves] <= state.level:
        enter(bank, state.leaves)
        state.leaves += 1


@inline
def note(bank, production, a, b, c, d, right):
    """Record a call that is right on some demonstrations, or on all."""
    state = bank.state
    if right == bank.targets.shape[0]:
        record_found(bank.solutions[state.solutions], production, a, b, c, d, right, state.level)
        state.solutions += 1
        return
    at = state.near
    if at == bank.near.shape[0]:
        at = 0
        for k in range(1, bank.near.shape[0]):
            if bank.near[k].right < bank.near[at].right:
                at = k
        if bank.near[at].right >= right:
            return
    else:
        state.near += 1
    record_found(bank.near[at], production, a, b, c, d, right, state.level)


@inline
def record_found(row, production, a, b, c, d, right, cost):
    record_call(row, production, a, b, c, d)
    row.right = right
    row.cost = cost


@inline
def record_call(row, production, a, b, c, d):
    row.production = production
    row.arguments[0] = a
    row.arguments[1] = b
    row.arguments[2] = c
    row.arguments[3] = d
