"""Priorities: what experiences are drawn by, how often each is, and what weights take that back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config import ReplayConfig
from engine.loop.drawing import weight_of
from replay import Origin
from replay.draw import PRIORITY_FLOOR, by_demonstrations, race
from replay.priority import LONGEST, YOUNGEST, Priorities, importance, ranks

FIELDS = {
    "priority": np.array([0.0, 0.25, 0.5, 0.5, 1.0]),
    "meta_iteration": np.array([0, 50, 100, 7, 200]),
    "characters": np.array([30, 300, 3000, 150, 60]),
}
# The 99.9% quantile of chi-square with 4 degrees of freedom: the seeds below stay far under it.
CRITICAL = 18.5


def frequencies_fit(weights: np.ndarray, draws: int = 20_000) -> bool:
    """Whether first draws are in proportion to weights, by Pearson's chi-square."""
    generator = np.random.default_rng(11)
    counts = np.bincount([race(generator, weights, 1)[0][0] for _ in range(draws)], minlength=len(weights))
    expected = draws * weights / weights.sum()
    return bool(((counts - expected) ** 2 / expected).sum() < CRITICAL)


@pytest.mark.parametrize(
    "priorities",
    [
        Priorities(recency=1.0),
        Priorities(brevity=0.5),
        Priorities(exponent=0.3, recency=0.2, brevity=0.2),
        Priorities(exponent=0.0),
        Priorities(by_rank=True),
        Priorities(by_rank=True, exponent=0.5),
    ],
)
def test_frequencies_are_in_proportion_to_weights(priorities: Priorities) -> None:
    assert frequencies_fit(priorities(FIELDS))


def test_a_wrong_law_is_noticed() -> None:
    weights = Priorities(recency=1.0)(FIELDS)
    generator = np.random.default_rng(11)
    counts = np.bincount([race(generator, weights**1.2, 1)[0][0] for _ in range(20_000)], minlength=5)
    expected = 20_000 * weights / weights.sum()
    assert ((counts - expected) ** 2 / expected).sum() > CRITICAL


def test_by_default_it_is_the_papers() -> None:
    paper = weight_of(ReplayConfig(), Origin.POLICY)
    assert np.array_equal(paper(FIELDS), by_demonstrations(FIELDS))
    assert np.array_equal(paper(FIELDS), FIELDS["priority"] + PRIORITY_FLOOR)
    assert weight_of(ReplayConfig(), Origin.MUTATED) == paper


def test_mutants_alone_can_be_drawn_evenly() -> None:
    config = ReplayConfig(prioritize_mutated=False)
    assert set(weight_of(config, Origin.MUTATED)(FIELDS)) == {1.0}
    assert weight_of(config, Origin.SEARCH) == weight_of(config, Origin.POLICY) == Priorities()


def test_the_exponent_is_one_of_the_priority() -> None:
    assert Priorities(exponent=2.0)(FIELDS) == pytest.approx((FIELDS["priority"] + PRIORITY_FLOOR) ** 2)
    assert set(Priorities(exponent=0.0)(FIELDS)) == {1.0}


def test_terms_are_a_mean_and_end_where_they_say() -> None:
    young = Priorities(performance=0.0, recency=1.0)(FIELDS) - PRIORITY_FLOOR
    assert young == pytest.approx([0.0, 0.5, 1.0, 7 / YOUNGEST, 1.0])
    short = Priorities(performance=0.0, brevity=2.0)(FIELDS) - PRIORITY_FLOOR
    assert short == pytest.approx([1 - 30 / LONGEST, 0.0, 0.0, 0.5, 1 - 60 / LONGEST])
    both = Priorities(performance=1.0, recency=3.0)(FIELDS) - PRIORITY_FLOOR
    assert both == pytest.approx((FIELDS["priority"] + 3 * young) / 4)


def test_equal_ones_share_their_ranks() -> None:
    assert ranks(np.array([0.0, 0.5, 1.0, 0.5, 0.0, 0.0])).tolist() == [5.0, 2.5, 1.0, 2.5, 5.0, 5.0]
    assert Priorities(by_rank=True)(FIELDS) == pytest.approx([1 / 5, 1 / 4, 1 / 2.5, 1 / 2.5, 1.0])


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from([1e-6, 0.25, 1.0]), st.integers(0, 4)), max_size=40),
    st.integers(0, 50),
    st.integers(1, 6),
    st.integers(0, 1000),
)
def test_a_cap_is_a_cap_and_nothing_is_drawn_twice(
    items: list[tuple[float, int]], n: int, most: int, seed: int
) -> None:
    weights, groups = np.array([w for w, _ in items], float), np.array([g for _, g in items], int)
    drawn, chances = race(np.random.default_rng(seed), weights, n, groups, most)
    counts = np.bincount(groups, minlength=5)
    assert len(set(drawn.tolist())) == len(drawn) == min(n, int(np.minimum(counts, most).sum()))
    assert np.bincount(groups[drawn], minlength=5).max(initial=0) <= most
    assert ((chances > 0) & (chances <= 1)).all()
    plain, _ = race(np.random.default_rng(seed), weights, len(items))
    capped = [k for k in plain.tolist() if (groups[plain[: plain.tolist().index(k)]] == groups[k]).sum() < most]
    assert drawn.tolist() == capped[:n]  # of each task the first, in the order of a draw without a cap


def test_nothing_starves() -> None:
    """Where there is room for most, those of the lowest weight come, too, and evenly."""
    weights = Priorities()({"priority": np.repeat([1.0, 0.0], [20, 80])})
    generator = np.random.default_rng(5)
    counts = np.zeros(100)
    for _ in range(400):
        counts[race(generator, weights, 60)[0]] += 1
    assert (counts[:20] == 400).all()
    assert 150 < counts[20:].min() <= counts[20:].max() < 250


@pytest.mark.parametrize("most", [None, 3])
def test_chances_estimate_how_many_there_were(most: int | None) -> None:
    weights, groups = np.repeat([0.1, 0.5, 1.0], 20), np.tile(np.arange(12), 5)
    generator = np.random.default_rng(8)
    estimates = [(1 / race(generator, weights, 25, groups, most)[1]).sum() for _ in range(2000)]
    assert np.mean(estimates) == pytest.approx(60, rel=0.03)
    assert race(generator, weights, 60)[1].tolist() == [1.0] * 60


def test_importance_takes_back_what_the_draw_does() -> None:
    chances = np.array([1.0, 0.5, 0.1])
    assert importance(chances, 0.0).tolist() == [1.0, 1.0, 1.0]
    assert importance(chances, 1.0) == pytest.approx([0.1, 0.2, 1.0])
    assert importance(chances, 0.5) == pytest.approx(np.sqrt([0.1, 0.2, 1.0]))
    assert importance(np.zeros(0), 1.0).tolist() == []


def test_a_weighted_mean_of_draws_is_that_of_all() -> None:
    """With exponent 1 the weighted mean of what was drawn is near the mean of all that could be."""
    weights = np.linspace(0.05, 1.0, 200)
    values = weights * 3  # what drawing by weight overestimates
    generator = np.random.default_rng(2)
    plain, mended = [], []
    for _ in range(400):
        drawn, chances = race(generator, weights, 60)
        factor = importance(chances, 1.0)
        plain.append(values[drawn].mean())
        mended.append((factor * values[drawn]).sum() / factor.sum())
    assert np.mean(plain) > 1.15 * values.mean()
    assert np.mean(mended) == pytest.approx(values.mean(), rel=0.04)
