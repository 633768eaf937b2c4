"""Ways to do the same work, timed in turns, so that what else the machine does meets all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

Lengths = Sequence[int]


@dataclass(frozen=True)
class Rate:
    """What one way achieved in one turn."""

    samples: float
    tokens: float

    @classmethod
    def of(cls, draw: Callable[[], Lengths]) -> Rate:
        """Samples and tokens a second of `draw`, which returns the tokens of each sample."""
        start = time.perf_counter()
        lengths = draw()
        seconds = time.perf_counter() - start
        return cls(len(lengths) / seconds, sum(lengths) / seconds)


def in_turns(ways: dict[str, Callable[[], Lengths]], repeats: int) -> dict[str, list[Rate]]:
    """The rates of each way, a turn each in every round."""
    rounds = [{name: Rate.of(draw) for name, draw in ways.items()} for _ in range(repeats)]
    return {name: [rates[name] for rates in rounds] for name in ways}


def tokens_per_s(rates: Sequence[Rate]) -> float:
    """Tokens a second, median of the rounds."""
    return median(rate.tokens for rate in rates)


def ratio(rates: Sequence[Rate], baseline: Sequence[Rate]) -> float:
    """Tokens a second over those of another way, median of the rounds."""
    return round(median(a.tokens / b.tokens for a, b in zip(rates, baseline, strict=True)), 2)
