"""`codeit bench learning`: what it measures and on what."""

from __future__ import annotations

from typing import Any

import pytest

from bench import learning
from engine.errors import UsageError
from engine.loop.beginning import Beginning

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = [
    "--trainer.policy", "compact-tiny", "--seeds.limit", "20", "--fill.mutants", "300", "--fill.heldout", "10",
    "--replay.draw-policy", "0", "--replay.draw-mutated", "50", "--trainer.learning-rate", "3e-3",
    "--interpreter.workers", "1",
]  # fmt: skip


def test_it_trains_on_other_tasks_than_it_is_judged_on(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Beginning] = []

    def fill(beginning: Beginning, *rest: Any) -> Any:
        begun.append(beginning)
        return original_fill(beginning, *rest)

    original_fill = learning.fill
    monkeypatch.setattr(learning, "fill", fill)
    result = learning.measure(None, 8, SMALL)
    filled, judged = {seed.task for seed in begun[0].seeds}, {one.task for one in begun[0].kept}
    assert len(filled) > 2 * len(judged) > 0
    assert filled.isdisjoint(judged)
    assert judged.isdisjoint(begun[0].training_tasks)
    curve = result["curve"]
    assert result["cpu_s"] >= 8
    assert result["examples"] > curve[0]["examples"] > 0
    for loss in ("heldout_loss", "heldout_tasks_loss"):
        assert 0 < curve[-1][loss] < curve[0][loss]


def test_options_without_effect_are_refused() -> None:
    replay = ("--replay.capacity", "--replay.importance")
    for option in ("--sampler.n-samples", "--trainer.processes", "--loop.threads", *replay):
        with pytest.raises(UsageError, match=f"{option} has no effect"):
            learning.measure(None, 1, [option, "1"])
