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
    return race(generator, weights, n)[0]


def race(
    generator: np.random.Generator,
    weights: npt.NDArray[np.float64],
    n: int,
    groups: npt.NDArray[np.integer] | None = None,
    most: int | None = None,
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    """As `weighted_order`, and for each draw the chance that it had; with `most`, at most so many of a group.

    A group that has given its most is drawn from no more, the others go on as they were. The chance of an item is that
    of its time to be below the first time that was too late for it, 1 where none was: the sum of 1 / chance over what
    was drawn estimates the number of items without bias (Cohen and Kaplan, 2007, on bottom-k sketches).
    """
    times = generator.standard_exponential(len(weights)) / weights
    limits = np.full(len(times), np.inf)
    entered = np.arange(len(times))
    if groups is not None and most is not None:
        entered, limits = _first_of_groups(times, groups, most)
    if n < len(entered):
        order = np.argpartition(times[entered], n)
        limits = np.minimum(limits, times[entered[order[n]]])
        entered = entered[order[:n]]
    drawn = entered[np.argsort(times[entered])]
    return drawn, -np.expm1(-weights[drawn] * limits[drawn])


def _first_of_groups(
    times: npt.NDArray[np.float64], groups: npt.NDArray[np.integer], most: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    """Indices of the `most` smallest times of each group, ascending, and for every item the next one of its group."""
    order = np.lexsort((times, groups))
    _, starts, counts = np.unique(groups[order], return_index=True, return_counts=True)
    places = np.arange(len(order)) - np.repeat(starts, counts)
    following = np.full(len(starts), np.inf)
    is_full = counts > most
    following[is_full] = times[order[starts[is_full] + most]]
    limits = np.empty(len(times))
    limits[order] = np.repeat(following, counts)
    return np.sort(order[places < most]), limits


def victims(priorities: npt.NDArray[np.float64], n: int) -> npt.NDArray[np.intp]:
    """Indices of the `n` that go: the lowest priorities, of equal ones the first."""
    limit = np.partition(priorities, n - 1)[n - 1]
    lower = np.flatnonzero(priorities < limit)
    return np.concatenate([lower, np.flatnonzero(priorities == limit)[: n - len(lower)]])
