"""`codeit bench learning`: what it measures and on what."""

from __future__ import annotations

from typing import Any

import pytest

from bench import learning
from engine.errors import UsageError

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = [
    "--trainer.policy", "compact-tiny", "--seeds.limit", "20", "--fill.mutants", "300", "--fill.heldout", "10",
    "--replay.draw-policy", "0", "--replay.draw-mutated", "50", "--trainer.learning-rate", "3e-3",
    "--interpreter.workers", "1",
]  # fmt: skip


def test_it_trains_on_other_tasks_than_it_is_judged_on(monkeypatch: pytest.MonkeyPatch) -> None:
    filled: list[set[str]] = []
    solved: list[str] = []

    def fill(seeds: Any, *rest: Any) -> Any:
        filled.append({seed.task for seed in seeds})
        return original_fill(seeds, *rest)

    def solution(seed: Any, task: Any) -> Any:
        solved.append(seed.task)
        return original_solution(seed, task)

    original_fill, original_solution = learning.fill, learning.solution
    monkeypatch.setattr(learning, "fill", fill)
    monkeypatch.setattr(learning, "solution", solution)
    result = learning.measure(None, 8, SMALL)
    assert len(filled[0]) > 2 * len(set(solved)) > 0
    assert filled[0].isdisjoint(solved)
    curve = result["curve"]
    assert result["cpu_s"] >= 8
    assert result["examples"] > curve[0]["examples"] > 0
    for loss in ("heldout_loss", "heldout_tasks_loss"):
        assert 0 < curve[-1][loss] < curve[0][loss]


def test_options_without_effect_are_refused() -> None:
    for option in ("--sampler.n-samples", "--trainer.processes", "--loop.threads"):
        with pytest.raises(UsageError, match=f"{option} has no effect"):
            learning.measure(None, 1, [option, "2"])
