"""Draws without replacement in proportion to priority, and eviction."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay import Origin
from replay.draw import PRIORITY_FLOOR, Fields, by_demonstrations, victims, weighted_order
from replay.index import Change, Entries, Index
from replay.keys import KeyTable
from replay.rows import ORIGINS, RANK


def key(number: int) -> bytes:
    return number.to_bytes(16, "little")  # most end in zero bytes, which must survive


def entries_of(
    numbers: list[int], priorities: list[float], origins: list[Origin] | None = None, first: int | None = None
) -> Entries:
    """Entries with the keys of `numbers`, inserted in order of these, or one after the other from `first` on."""
    ranks = np.zeros(len(numbers), RANK)
    ranks["key"] = np.frombuffer(b"".join(map(key, numbers)), RANK["key"])
    ranks["insertion"] = numbers if first is None else range(first, first + len(numbers))
    ranks["priority"] = priorities
    ranks["origin"] = [ORIGINS.index(origin) for origin in origins or [Origin.POLICY] * len(numbers)]
    return Entries(ranks, np.zeros(len(numbers), np.int64), np.arange(len(numbers)))


def index_of(priorities: list[float], origins: list[Origin] | None = None) -> Index:
    return Index([entries_of(list(range(len(priorities))), priorities, origins)])


def drawn_keys(index: Index, seed: int | np.random.Generator, n: int, origin: Origin = Origin.POLICY) -> list[bytes]:
    generator = np.random.default_rng(seed)
    return index.keys(index.draw(generator, n, origin, by_demonstrations)).tolist()


def changed(index: Index, removed: list[int], added: Entries | None = None) -> Index:
    """The index after a commit that removes slots and adds entries."""
    none = np.zeros(0, np.int64)
    index.apply(Change(np.array(removed, np.int64), none, none, none, added or entries_of([], [])))
    return index


def test_draws_follow_the_law_of_drawing_one_by_one() -> None:
    weights = np.array([0.1, 0.2, 0.7])
    generator = np.random.default_rng(0)
    draws = 30_000
    seen: dict[tuple[int, ...], int] = {}
    for _ in range(draws):
        order = tuple(weighted_order(generator, weights, 2).tolist())
        seen[order] = seen.get(order, 0) + 1
    for first, second in permutations(range(3), 2):
        expected = weights[first] * weights[second] / (1 - weights[first])
        assert seen[first, second] / draws == pytest.approx(expected, abs=0.01)


def test_a_priority_of_zero_is_drawn_when_nothing_else_is_left() -> None:
    drawn = drawn_keys(index_of([0.0, 1.0, 0.0, 1.0]), 1, 3)
    assert set(drawn[:2]) == {key(1), key(3)}
    assert drawn[2] in (key(0), key(2))


def test_equal_zero_priorities_are_drawn_evenly() -> None:
    index = index_of([0.0] * 10)
    generator = np.random.default_rng(2)
    counts = dict.fromkeys(map(key, range(10)), 0)
    for _ in range(2000):
        for drawn in drawn_keys(index, generator, 3):
            counts[drawn] += 1
    assert min(counts.values()) > 500
    assert max(counts.values()) < 700


def test_the_floor_keeps_a_small_chance() -> None:
    weights = np.array([1.0] + [0.0] * 1000) + PRIORITY_FLOOR
    generator = np.random.default_rng(3)
    firsts = [int(weighted_order(generator, weights, 1)[0]) for _ in range(3000)]
    assert 0 < sum(first != 0 for first in firsts) < 30


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.25, 1.0]), st.sampled_from(Origin)), max_size=40),
    st.integers(0, 50),
    st.integers(0, 1000),
)
def test_draws_are_distinct_and_of_the_origin_and_as_many_as_there_are(
    entries: list[tuple[float, Origin]], n: int, seed: int
) -> None:
    index = index_of([priority for priority, _ in entries], [origin for _, origin in entries])
    for wanted in Origin:
        candidates = {key(i) for i, (_, origin) in enumerate(entries) if origin == wanted}
        drawn = drawn_keys(index, seed, n, wanted)
        assert len(drawn) == len(set(drawn)) == min(n, len(candidates))
        assert set(drawn) <= candidates
        assert index.counts()[wanted] == len(candidates)


def test_the_same_seed_draws_the_same_whatever_the_order_of_reading() -> None:
    numbers, priorities = list(range(100)), [(i % 5) / 4 for i in range(100)]
    parts = [entries_of(numbers[:60], priorities[:60]), entries_of(numbers[60:], priorities[60:])]
    assert drawn_keys(Index(parts), 7, 20) == drawn_keys(Index(parts[::-1]), 7, 20)


def test_weights_are_a_function_of_any_stored_fields() -> None:
    index = index_of([0.0, 1.0, 0.0, 1.0])

    def latest(fields: Fields) -> np.ndarray:
        return np.where(fields["insertion"] == 2, 1.0, 1e-12) + 0 * fields["meta_iteration"]

    assert index.keys(index.draw(np.random.default_rng(0), 1, Origin.POLICY, latest)).tolist() == [key(2)]
    with pytest.raises(KeyError, match="no stored field 'age': there are insertion, priority"):
        index.draw(np.random.default_rng(0), 1, Origin.POLICY, lambda fields: fields["age"])


def test_a_negative_number_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="cannot draw -1"):
        drawn_keys(index_of([1.0]), 0, -1)


def test_a_million_entries_are_drawn_from() -> None:
    weights = np.tile([0.0, 0.25, 0.5, 1.0], 250_000) + PRIORITY_FLOOR
    drawn = weighted_order(np.random.default_rng(4), weights, 90_000)
    assert len(np.unique(drawn)) == 90_000
    assert weights[drawn].mean() > 0.6


def test_the_lowest_priority_goes_first_and_the_oldest_among_equals() -> None:
    none, nothing = np.zeros(0, np.int64), np.zeros(0)
    index = index_of([0.5, 0.0, 1.0, 0.0, 0.0])
    assert sorted(index.evicted(none, nothing, 3)) == [1, 3]
    assert sorted(index.evicted(np.array([1]), nothing, 3)) == [3]  # with what goes anyway
    assert sorted(index.evicted(none, np.array([0.0, 0.25]), 3)) == [1, 3, 4, 5]  # 5 is the first that comes
    for capacity in (None, 5, 6):
        assert index.evicted(none, nothing, capacity).tolist() == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.data())
def test_victims_are_the_first_of_a_stable_order(priorities: list[float], data: st.DataObject) -> None:
    n = data.draw(st.integers(1, len(priorities)))
    expected = sorted(range(len(priorities)), key=priorities.__getitem__)[:n]
    assert sorted(victims(np.array(priorities), n).tolist()) == sorted(expected)


def test_entries_come_and_go() -> None:
    index = changed(index_of([0.1, 0.2, 0.3]), [1], entries_of([9], [0.9], [Origin.MUTATED], first=3))
    assert index.next_insertion == 4
    assert index.keys(np.flatnonzero(index.alive())).tolist() == [key(0), key(2), key(9)]
    assert index.counts() == {Origin.POLICY: 2, Origin.MUTATED: 1, Origin.SEARCH: 0}
    assert Index().next_insertion == len(Index()) == 0


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=30), st.integers(0, 4))
def test_keys_are_found_after_any_commits(steps: list[tuple[int, int]], looked_up_after: int) -> None:
    index, model, number = Index(), list[int](), 0  # oldest first
    for step, (come, go) in enumerate(steps):
        if step >= looked_up_after:
            index.find(np.zeros(0, RANK["key"]))  # from now on there is a table
        slots = np.flatnonzero(index.alive())[:go].tolist()
        numbers = list(range(number, number + 100 * come))
        changed(index, slots, entries_of(numbers, [0.5] * len(numbers), first=number))
        number += len(numbers)
        model = model[go:] + numbers
        wanted = np.frombuffer(b"".join(map(key, range(number + 1))), RANK["key"])
        slots = index.find(wanted)
        assert np.flatnonzero(slots >= 0).tolist() == model
        assert index.keys(slots[slots >= 0]).tolist() == [key(k) for k in model]
        assert len(index) == len(model)
        assert sum(index.live.values()) == len(model)


def test_a_table_finds_keys_whose_places_are_taken() -> None:
    """All of them belong to one slot."""
    first = np.zeros(500, np.uint64)
    second = np.arange(500, dtype=np.uint64)
    table = KeyTable(500)
    table.enter(first, np.arange(500))
    found = table.find(first, second[::-1], (first, second), lambda places: places != 7)
    assert found.tolist() == [k if k != 7 else -1 for k in reversed(range(500))]
