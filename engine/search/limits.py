"""When a search ends: at a number of programs or of runs, or after a time, whatever comes first."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Spent:
    """What a search has cost so far, over all its parts."""

    programs: int = 0
    runs: int = 0
    """of a program on a grid"""
    seconds: float = 0.0


@dataclass(frozen=True)
class Limits:
    """What a search may cost in all; None where that does not matter."""

    programs: int | None = None
    runs: int | None = None
    seconds: float | None = None

    def are_reached(self, spent: Spent) -> bool:
        """Whether one of the limits is."""
        return any(now >= most for _, now, most in self._pairs(spent, spent))

    def share(self, start: Spent, now: Spent) -> float | None:
        """How much is done of the way from `start` to the limit that is nearest, 0..1; None where there is none."""
        shares = [(done - begun) / max(most - begun, 1e-9) for begun, done, most in self._pairs(start, now)]
        return min(max(shares), 1.0) if shares else None

    def left(self, start: Spent, now: Spent) -> str:
        """The time that is left, for people; empty where nothing says it."""
        share = self.share(start, now)
        if not share:
            return ""
        return f"{(now.seconds - start.seconds) * (1 / share - 1) / 60:.1f} min left"

    def _pairs(self, start: Spent, now: Spent) -> list[tuple[float, float, float]]:
        """Of each limit that there is, what was spent before, what is spent now, and the limit."""
        names = ("programs", "runs", "seconds")
        given = [(getattr(start, name), getattr(now, name), getattr(self, name)) for name in names]
        return [one for one in given if one[2] is not None]
