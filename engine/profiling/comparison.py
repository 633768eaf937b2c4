"""Two profiles beside each other: before and after a change, one version and another.

`comparison.json`: {"profiles": [path, path], "runs": [number, number], "us_per_run": [number, number],
"primitives": [{"name", "us_per_run": [..], "share": [..], "calls_per_run": [..], "ns_per_call": [..], "ratio"}, ...],
"programs": [{"task", "program", "us_per_run": [..], "fuel_per_run": [..], "ratio"}, ...], "alone": [number, number]}.
Pairs are of the first and the second profile; a ratio is of the second's time a call (of a program: a run) over the
first's, null where one has none; `alone` counts programs that only one has. What costs most comes first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from engine.errors import UsageError
from engine.files import read_json

Profile = Mapping[str, Any]


def read_profile(path: Path) -> Profile:
    """The profile in a folder, or a file. Raises `UsageError` where it is none."""
    file = path / "profile.json" if path.is_dir() else path
    profile = read_json(file)
    if not isinstance(profile, dict) or not {"primitives", "programs", "runs", "repeats"} <= profile.keys():
        raise UsageError(f"{file} is no profile: right is a folder that `codeit profile` wrote, or its profile.json")
    return profile


def compare(first: Profile, second: Profile, names: tuple[str, str]) -> dict[str, Any]:
    """The comparison of two profiles."""
    both = (first, second)
    return {
        "profiles": list(names),
        "runs": [profile["runs"] for profile in both],
        "us_per_run": [1e6 * profile["seconds"] / profile["runs"] for profile in both],
        "primitives": sorted(_primitives(both), key=lambda row: -max(row["us_per_run"])),
        "programs": sorted(_programs(both), key=lambda row: -max(row["us_per_run"])),
        "alone": [len(_keys(first) - _keys(second)), len(_keys(second) - _keys(first))],
    }


def _primitives(both: tuple[Profile, Profile]) -> Iterable[dict[str, Any]]:
    rows = [{row["name"]: row for row in profile["primitives"]} for profile in both]
    runs = [profile["runs"] * profile["repeats"] for profile in both]
    whole = [max(sum(row["own_seconds"] for row in profile["primitives"]), 1e-12) for profile in both]
    for name in dict.fromkeys([*rows[0], *rows[1]]):
        seconds = [side[name]["own_seconds"] if name in side else 0.0 for side in rows]
        calls = [side[name]["calls"] if name in side else 0 for side in rows]
        each = [1e9 * s / c if c else None for s, c in zip(seconds, calls, strict=True)]
        yield {
            "name": name,
            "us_per_run": [1e6 * s / n for s, n in zip(seconds, runs, strict=True)],
            "share": [s / w for s, w in zip(seconds, whole, strict=True)],
            "calls_per_run": [c / n for c, n in zip(calls, runs, strict=True)],
            "ns_per_call": each,
            "ratio": _ratio(*each),
        }


def _programs(both: tuple[Profile, Profile]) -> Iterable[dict[str, Any]]:
    rows = [{_key(row): row for row in profile["programs"]} for profile in both]
    for key, first in rows[0].items():
        if key in rows[1]:
            pair = first, rows[1][key]
            times = [row["us_per_run"] for row in pair]
            yield {
                "task": key[0],
                "program": key[1],
                "us_per_run": times,
                "fuel_per_run": [row["fuel_per_run"] for row in pair],
                "ratio": _ratio(*times),
            }


def _keys(profile: Profile) -> set[tuple[str | None, str]]:
    return {_key(row) for row in profile["programs"]}


def _key(row: Mapping[str, Any]) -> tuple[str | None, str]:
    return row.get("task"), row["program"]


def _ratio(first: float | None, second: float | None) -> float | None:
    return second / first if first and second is not None else None
