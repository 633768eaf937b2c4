"""Tables of a profile, as text: what the terminal and the report show of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Row = tuple[str, ...]


@dataclass(frozen=True)
class Listing:
    """A table; the first column names a primitive or a program, the others are right-aligned numbers."""

    title: str
    columns: Row
    rows: tuple[Row, ...]

    def table(self, top: int) -> Any:
        """The first `top` rows, as rich draws them."""
        from rich.table import Table

        table = Table(*self.columns, title=self.title)
        table.columns[0].no_wrap = True
        for column in table.columns[1:]:
            column.justify = "right"
        for row in self.rows[:top]:
            table.add_row(*row)
        return table


def profile_listings(result: Mapping[str, Any]) -> Iterator[Listing]:
    """The primitives of a profile by their own time, and its programs by theirs."""
    runs = result["runs"] * result["repeats"]
    whole = max(sum(row["own_seconds"] for row in result["primitives"]), 1e-12)
    yield Listing(
        f"primitives, without what they call: {totals(result)}",
        ("primitive", "time", "us/run", "calls/run", "ns/call", "fuel/run", "words/run"),
        tuple(
            (
                row["name"], f"{row['own_seconds'] / whole:.1%}", f"{1e6 * row['own_seconds'] / runs:.3f}",
                f"{row['calls'] / runs:.2f}", f"{1e9 * row['own_seconds'] / row['calls']:.0f}",
                f"{row['own_fuel'] / runs:,.1f}", f"{row['own_words'] / runs:,.1f}",
            )
            for row in result["primitives"]
        ),
    )  # fmt: skip
    yield Listing(
        "programs by their time",
        ("program", "us/run", "runs", "fuel/run", "words/run", "outcomes"),
        tuple(
            (
                f"line {row['line']}" + (f" ({row['task']})" if "task" in row else ""), f"{row['us_per_run']:.2f}",
                f"{row['runs']}", f"{row['fuel_per_run']:,.0f}", f"{row['words_per_run']:,.0f}",
                ", ".join(f"{label} {count}" for label, count in row["outcomes"].items()),
            )
            for row in result["programs"]
        ),
    )  # fmt: skip


def totals(result: Mapping[str, Any]) -> str:
    """How much a profile is of: programs, runs, time."""
    what = f"{len(result['programs'])} programs, {result['runs']} runs in {1e3 * result['seconds']:.1f} ms"
    return f"{what}, {result['repeats']} times"


def comparison_listings(result: Mapping[str, Any]) -> Iterator[Listing]:
    """The primitives of two profiles, and the programs that both have; what costs most comes first."""
    a, b = result["profiles"]
    times = " and ".join(f"{time:.2f}" for time in result["us_per_run"])
    yield Listing(
        f"A {a}, B {b}: {times} us a run",
        ("primitive", "us/run A", "B", "calls/run A", "B", "ns/call A", "B", "B / A"),
        tuple(
            (row["name"], *_cells(row, "us_per_run", 3), *_cells(row, "calls_per_run", 2),
             *_cells(row, "ns_per_call", 0), _number(row["ratio"], 2))
            for row in result["primitives"]
        ),
    )  # fmt: skip
    alone = ", ".join(f"{count} in {name} alone" for count, name in zip(result["alone"], "AB", strict=True) if count)
    yield Listing(
        f"programs in both{': ' + alone if alone else ''}",
        ("program", "us/run A", "B", "fuel/run A", "B", "B / A"),
        tuple(
            ((row["task"] or row["program"].split("\n")[-1])[:40], *_cells(row, "us_per_run", 2),
             *_cells(row, "fuel_per_run", 0), _number(row["ratio"], 2))
            for row in result["programs"]
        ),
    )  # fmt: skip


def _cells(row: Mapping[str, Any], name: str, digits: int) -> list[str]:
    return [_number(value, digits) for value in row[name]]


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"
