"""Draws from what is stored, in proportion to weights, and eviction by priority.

A weight is a function of fields that are stored beside every experience (`replay.rows.RANK`), so that drawing by
something else rewrites nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

PRIORITY_FLOOR = 1e-6
"""added to every priority, so that programs that match nothing are drawn too, rarely"""

Fields = Mapping[str, npt.NDArray]
"""a column of each field, an entry an experience"""
Weight = Callable[[Fields], npt.NDArray[np.float64]]
"""the positive weights of experiences; only those that can be drawn are asked for"""


def by_demonstrations(fields: Fields) -> npt.NDArray[np.float64]:
    """In proportion to demonstration performance, as in the paper."""
    return fields["priority"] + PRIORITY_FLOOR


def weighted_order(generator: np.random.Generator, weights: npt.NDArray[np.float64], n: int) -> npt.NDArray[np.intp]:
    """Indices of up to `n` draws without replacement in proportion to positive `weights`, in order of the draw.

    Each draw is in proportion to the weights of what is left. With E exponential, the n smallest E / weight are
    exactly such a sequence (Efraimidis and Spirakis, 2006), in time linear in the number of weights.
    """
    times = generator.standard_exponential(len(weights)) / weights
    first = np.argpartition(times, n)[:n] if n < len(times) else np.arange(len(times))
    return first[np.argsort(times[first])]


def victims(priorities: npt.NDArray[np.float64], n: int) -> npt.NDArray[np.intp]:
    """Indices of the `n` that go: the lowest priorities, of equal ones the first."""
    limit = np.partition(priorities, n - 1)[n - 1]
    lower = np.flatnonzero(priorities < limit)
    return np.concatenate([lower, np.flatnonzero(priorities == limit)[: n - len(lower)]])
