"""The bench of search: what it says adds up."""

import pytest

from bench import eval as eval_bench
from bench import search


def test_all_ways_of_screening_agree_and_are_timed(monkeypatch):
    monkeypatch.setattr(search, "CANDIDATES", 3000)
    monkeypatch.setattr(search, "SCREENED", 1000)
    result = search.measure(solvers=None, tasks=3, repeats=1)  # raises where two ways give different grids
    assert result["programs"] == 1000
    assert result["tasks"] == 3
    assert result["candidates"] == 3000 <= result["attempts"]
    assert 0 < result["grids_share"] < 1
    shares = [result[f"lines_{name}_share"] for name in ("run", "common", "remembered")]
    assert all(0 < share < 1 for share in shares)
    assert sum(shares) <= 1.001
    for name in ("alone", "equal_calls", "two_threads"):
        assert result[f"runs_per_s_{name}"] > 0


def test_the_bench_of_evaluation_times_both_ways_on_the_same_programs():
    result = eval_bench.measure(solvers=None, programs=300, tasks=5, workers=1, repeats=1)
    assert (result["programs"], result["tasks"]) == (300, 5)
    assert result["speed_share"] == pytest.approx(result["screening_s"] / result["evaluation_s"], abs=0.1)
    assert result["ranked"] >= result["solved"]
    assert result["screened_per_s_evaluation"] > 0
