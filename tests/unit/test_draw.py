"""Draws without replacement in proportion to priority, and eviction."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay import Origin
from replay.draw import PRIORITY_FLOOR, Priorities, weighted_order
from replay.experience import Rank


def key(number: int) -> bytes:
    return number.to_bytes(16, "little")  # most end in zero bytes, which must survive


def priorities_of(priorities: list[float], origin: Origin = Origin.POLICY) -> Priorities:
    return Priorities.of((key(number), Rank(number, priority, origin)) for number, priority in enumerate(priorities))


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
    priorities = priorities_of([0.0, 1.0, 0.0, 1.0])
    drawn = priorities.draw(np.random.default_rng(1), 3, Origin.POLICY)
    assert set(drawn[:2]) == {key(1), key(3)}
    assert drawn[2] in (key(0), key(2))


def test_equal_zero_priorities_are_drawn_evenly() -> None:
    priorities = priorities_of([0.0] * 10)
    generator = np.random.default_rng(2)
    counts = dict.fromkeys(map(key, range(10)), 0)
    for _ in range(2000):
        for drawn in priorities.draw(generator, 3, Origin.POLICY):
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
    priorities = Priorities.of((key(i), Rank(i, priority, origin)) for i, (priority, origin) in enumerate(entries))
    for wanted in Origin:
        candidates = {key(i) for i, (_, origin) in enumerate(entries) if origin == wanted}
        drawn = priorities.draw(np.random.default_rng(seed), n, wanted)
        assert len(drawn) == len(set(drawn)) == min(n, len(candidates))
        assert set(drawn) <= candidates
        assert priorities.counts()[wanted] == len(candidates)


def test_the_same_seed_draws_the_same_whatever_the_order_of_reading() -> None:
    ranks = [(key(i), Rank(i, (i % 5) / 4, Origin.POLICY)) for i in range(100)]
    draws = [Priorities.of(order).draw(np.random.default_rng(7), 20, Origin.POLICY) for order in (ranks, ranks[::-1])]
    assert draws[0] == draws[1]


def test_a_negative_number_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="cannot draw -1"):
        priorities_of([1.0]).draw(np.random.default_rng(0), -1, Origin.POLICY)


def test_a_million_entries_are_drawn_from() -> None:
    weights = np.tile([0.0, 0.25, 0.5, 1.0], 250_000) + PRIORITY_FLOOR
    drawn = weighted_order(np.random.default_rng(4), weights, 90_000)
    assert len(np.unique(drawn)) == 90_000
    assert weights[drawn].mean() > 0.6


def test_the_lowest_priority_goes_first_and_the_oldest_among_equals() -> None:
    priorities, evicted = priorities_of([0.5, 0.0, 1.0, 0.0, 0.0]).evict(3)
    assert evicted == {key(1), key(3)}
    assert priorities.entries["key"].tolist() == [key(0), key(2), key(4)]


def test_nothing_is_evicted_below_the_capacity() -> None:
    priorities = priorities_of([0.5, 0.0])
    for capacity in (None, 2, 3):
        kept, evicted = priorities.evict(capacity)
        assert (len(kept), evicted) == (2, set())


def test_entries_come_and_go_by_insertion() -> None:
    priorities = priorities_of([0.1, 0.2, 0.3]).without([1])
    assert priorities.next_insertion == 3
    priorities = priorities.with_entries([(key(9), Rank(3, 0.9, Origin.MUTATED))])
    assert priorities.entries["key"].tolist() == [key(0), key(2), key(9)]
    assert priorities.counts() == {Origin.POLICY: 2, Origin.MUTATED: 1, Origin.SEARCH: 0}
    assert Priorities.of(()).next_insertion == 0
