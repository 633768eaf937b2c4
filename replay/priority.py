"""What experiences are drawn by: terms of a priority, its exponent, or its rank.

With the defaults the weight of an experience is its demonstration performance, plus a floor, as in the paper. The terms
are those of the official code, where only performance has a weight above 0. Rank, exponent and importance are those of
prioritized experience replay (Schaul et al., arXiv 1511.05952).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from replay.draw import PRIORITY_FLOOR, Fields

# Where a term ends: a program of so many characters is as long as any longer one (about 100 tokens of CodeT5's, as the
# official code has it), an experience of this meta-iteration as young as any later one.
LONGEST, YOUNGEST = 300, 100

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Priorities:
    """The weights of experiences, a function of stored fields.

    The mean of three terms from 0 to 1, by their shares: demonstration performance, recency (the meta-iteration that
    found it) and brevity (few characters). To it comes a floor, and the sum is raised to `exponent`: 0 draws evenly.
    `by_rank` takes 1 / rank instead of the sum, the largest first; equal ones share the mean of their ranks.
    """

    exponent: float = 1.0
    by_rank: bool = False
    performance: float = 1.0
    recency: float = 0.0
    brevity: float = 0.0

    def __call__(self, fields: Fields) -> Numbers:
        priorities = self._priorities(fields)
        bases = 1 / ranks(priorities) if self.by_rank else priorities + PRIORITY_FLOOR
        return bases if self.exponent == 1.0 else bases**self.exponent

    def _priorities(self, fields: Fields) -> Numbers:
        if not self.recency and not self.brevity:
            return fields["priority"]
        terms = self.performance * fields["priority"]
        if self.recency:
            terms = terms + self.recency * np.minimum(fields["meta_iteration"] / YOUNGEST, 1.0)
        if self.brevity:
            terms = terms + self.brevity * (1 - np.minimum(fields["characters"] / LONGEST, 1.0))
        return terms / (self.performance + self.recency + self.brevity)


def ranks(values: Numbers) -> Numbers:
    """The rank of each value, from 1 for the largest; equal ones have the mean of their ranks."""
    _, groups, counts = np.unique(-values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[groups]


def importance(chances: Numbers, exponent: float) -> Numbers:
    """Weights of losses that take back a share of what uneven drawing does, at most 1: with `exponent` 1 the mean loss
    of what was drawn is, but for a factor, one of all that could be drawn; with 0 every weight is 1."""
    if not exponent or not len(chances):
        return np.ones(len(chances))
    weights = chances**-exponent
    return weights / weights.max()
