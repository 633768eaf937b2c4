"""What a meta-iteration learns from: draws from replay, by the section `replay` of the configuration."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.config import ReplayConfig
from replay.draw import Weight
from replay.experience import Origin
from replay.priority import Priorities, importance
from replay.rows import ORIGINS, Rows
from replay.store import ReplayStore


@dataclass(frozen=True)
class Drawn:
    """Experiences to learn from, and the weights of their losses (None: all 1).

    `matching` is the share of those that match a demonstration among the policy's that were drawn, learned from or not;
    None where none was."""

    rows: Rows
    weights: npt.NDArray[np.float64] | None
    matching: float | None

    def columns(self) -> dict[str, float | None]:
        """The columns of the metrics that say what was drawn; null where nothing of the kind was."""
        programs = self.rows.programs()
        return {
            "drawn_matching": None if self.matching is None else round(self.matching, 4),
            "drawn_distinct": round(len(set(programs)) / len(programs), 4) if programs else None,
        }


def draw(store: ReplayStore, generator: np.random.Generator, config: ReplayConfig, heldout: Container[str]) -> Drawn:
    """Draw as many experiences of each origin as `config` says, without those whose programs are held out."""
    draws = (
        (Origin.POLICY, config.draw_policy),
        (Origin.MUTATED, config.draw_mutated),
        (Origin.SEARCH, config.draw_search),
    )
    parts = [store.race_rows(generator, n, origin, weight_of(config, origin), config.task_cap) for origin, n in draws]
    drawn = Rows.concatenate([rows for rows, _ in parts])
    trains = np.array([program not in heldout for program in drawn.programs()], bool)
    learned = trains & teaches(drawn, config.relabel)
    chances = np.concatenate([chance for _, chance in parts])[learned]
    weights = importance(chances, config.importance) if config.importance else None
    found = drawn.ranks["priority"][trains & (drawn.ranks["origin"] == ORIGINS.index(Origin.POLICY))]
    return Drawn(drawn.take(learned), weights, float((found > 0).mean()) if len(found) else None)


def weight_of(config: ReplayConfig, origin: Origin) -> Weight:
    """What experiences of an origin are drawn by."""
    if origin is Origin.MUTATED and not config.prioritize_mutated:
        return Priorities(exponent=0.0)
    return Priorities(
        config.priority_exponent, config.priority_by_rank, config.performance_weight, config.recency_weight,
        config.brevity_weight,
    )  # fmt: skip


def teaches(rows: Rows, relabelled: bool) -> npt.NDArray[np.bool_]:
    """Whether experiences are learned from: without relabelling, the policy's and those of search must be right on all
    demonstrations."""
    mutated = rows.ranks["origin"] == ORIGINS.index(Origin.MUTATED)
    return relabelled | mutated | (rows.ranks["priority"] == 1.0)
