"""Where the grid language knowingly parts ways with arc-dsl: rules that name primitives and a condition.

The documentation lists them, and the differential fuzzer (`codeit bench differential`) explains with them that one side
gives a grid where the other fails. The order of sets is no rule: programs that depend on it are not compared.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """A rule: for `primitives`, under a `condition`, arc-dsl does what `theirs` says and this language `ours`."""

    name: str
    primitives: str
    condition: str
    theirs: str
    ours: str


DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        "nesting",
        "`power`, and what calls functions",
        "Python's stack of about 1,000 calls is used up",
        "fails",
        "a power is a loop; calls may nest 128 deep",
    ),
    Difference("memory", "any", "a value is too large for Python's memory", "fails", "goes on within its own limits"),
    Difference(
        "range",
        "any",
        "an integer, coordinate, or colour of a cell is beyond the limits above",
        "goes on",
        "`out_of_range`",
    ),
    Difference("fuel", "any", "a run needs more fuel, memory or depth than it has", "goes on", "a typed outcome"),
    Difference(
        "tables",
        "`mostcolor`, `leastcolor`, `palette`, `objects`, `frontiers`, `compress`, `asindices`, `hsplit`, `vsplit`, "
        "`switch`, `move`",
        "the grid is a container of containers that is no grid: cells that are no integers, rows of several lengths, "
        "sets",
        "indexes what it gets",
        "`type_mismatch`, but where rows of integers only need to be cut to the first",
    ),
    Difference(
        "unread pairs",
        "`crop`, `canvas`, `vupscale`, `hupscale` and others",
        "a number or pair of the wrong kind is never used, because there are no rows",
        "goes on",
        "`type_mismatch`",
    ),
)
