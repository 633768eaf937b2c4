"""The bench of search: what it says adds up."""

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
