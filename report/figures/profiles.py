"""Plots of profiles: where the interpreter's time goes, by primitive and by program; two of them side by side.

Their tables are those of the terminal (`engine.profiling.listing`), with the text of programs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.errors import UsageError
from engine.profiling.comparison import compare
from engine.profiling.listing import Listing, comparison_listings, profile_listings
from report.figures.drawing import SERIES, Plot, brief, canvas
from report.model import Source

Row = Mapping[str, Any]
BARS = 12
ROWS = 200  # of a table


def profile_plots(profiles: Sequence[Source]) -> Iterator[Plot]:
    """The plots of one profile, or of two side by side. Raises `UsageError` for more, or data of another form."""
    if len(profiles) > 2:
        raise UsageError(f"two profiles stand side by side, not {len(profiles)}: name fewer")
    try:
        yield from list(_alone(profiles[0]) if len(profiles) == 1 else _beside(*profiles) if profiles else ())
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
        names = " and ".join(str(source.path / "profile.json") for source in profiles)
        raise UsageError(f"{names}: no such profile ({error!r}); write it again with codeit profile") from None


def _alone(source: Source) -> Iterator[Plot]:
    profile = source.profile
    rows = profile["primitives"]
    primitives, programs = profile_listings(profile)
    microseconds = 1e6 / (profile["runs"] * profile["repeats"])
    times = [[row["own_seconds"] * microseconds for row in rows]]
    yield _plot("Time by primitive", primitives, [row["name"] for row in rows], times, [source.name])
    times = [[row["us_per_run"] for row in profile["programs"]]]
    yield _plot("Time by program", _with_texts(programs, profile["programs"]), _first(programs), times, [source.name])


def _beside(first: Source, second: Source) -> Iterator[Plot]:
    names = (first.name, second.name)
    comparison = compare(first.profile, second.profile, names)
    legend = [f"{letter} {name}" for letter, name in zip("AB", names, strict=True)]
    primitives, programs = comparison_listings(comparison)
    rows = comparison["primitives"]
    yield _plot("Time by primitive", primitives, [row["name"] for row in rows], _both(rows), legend)
    if rows := comparison["programs"]:
        yield _plot("Time by program", _with_texts(programs, rows), _first(programs), _both(rows), legend)


def _both(rows: Sequence[Row]) -> list[list[float]]:
    return [[row["us_per_run"][side] for row in rows] for side in range(2)]


def _first(listing: Listing) -> list[str]:
    return [row[0] for row in listing.rows]


def _with_texts(listing: Listing, programs: Sequence[Row]) -> Listing:
    rows = ((*row, program["program"].replace("\n", "; ")) for row, program in zip(listing.rows, programs, strict=True))
    return Listing(listing.title, (*listing.columns, "text"), tuple(rows))


def _plot(title: str, listing: Listing, names: Sequence[str], times: Sequence[Sequence[float]], who: list[str]) -> Plot:
    """Bars of the microseconds a run of the first rows, one of each profile, and the whole table."""
    names = names[:BARS]
    with canvas(f"{title}: microseconds a run") as drawn:
        height = 0.8 / len(times)
        for side, (name, color) in enumerate(zip(who, SERIES, strict=False)):
            places = [place + side * height for place in range(len(names))]
            drawn.axes.barh(places, times[side][:BARS], height, color=color, label=brief(name))
        drawn.axes.set_yticks([place + 0.4 - height / 2 for place in range(len(names))], names)
        drawn.axes.invert_yaxis()
        drawn.axes.grid(axis="y", visible=False)
        drawn.axes.grid(axis="x", visible=True)
        drawn.axes.set_xlabel("microseconds a run")
        if len(times) > 1:
            drawn.axes.figure.legend(loc="outside upper left", ncols=2)
    return Plot(title, listing.title, drawn.svg, listing.columns, listing.rows[:ROWS])
