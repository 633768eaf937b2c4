"""Which reader a folder is for, and by which names several are told apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.errors import UsageError
from engine.files import read_object
from engine.search.folder import is_search
from replay.experience import ReplayError
from report.figures.analyses import NAMES
from report.model import Source
from report.sources.evaluation import is_evaluation, read_evaluation
from report.sources.profile import is_profile, read_profile_folder
from report.sources.run import is_run, read_run
from report.sources.search import read_search

_READERS = (
    (is_run, read_run),
    (is_search, read_search),
    (is_evaluation, read_evaluation),
    (is_profile, read_profile_folder),
)


def read_source(path: Path) -> Source:
    """What a folder says. Raises `UsageError` where it is none that a report can show, or damaged."""
    if not path.is_dir():
        raise UsageError(f"{path}: no such folder")
    for is_kind, read in _READERS:
        if is_kind(path):
            try:
                return replace(read(path), analyses=_analyses(path))
            except ReplayError as error:
                raise UsageError(str(error)) from None
    raise UsageError(
        f"{path}: nothing to report; right is the folder of a run (config.toml), of a search (search.json), of an "
        "evaluation (summary.json and tasks/) or of a profile (profile.json)"
    )


def read_sources(paths: Sequence[Path]) -> list[Source]:
    """What folders say, under names that tell them apart."""
    names = distinct_names([path.resolve() for path in paths])
    return [replace(read_source(path), name=name) for path, name in zip(paths, names, strict=True)]


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """Of each absolute path the shortest end that is no end of another; the path itself where it has none."""
    names = []
    for path in paths:
        others = [other.parts for other in paths if other != path]
        ends = (path.parts[-length:] for length in range(1, len(path.parts)))
        own = next((end for end in ends if all(other[-len(end) :] != end for other in others)), None)
        names.append(str(path) if own is None else "/".join(own))
    return names


def _analyses(path: Path) -> dict[str, Mapping[str, Any]]:
    """What `codeit analyse` wrote of a folder, by name. Raises `UsageError` for a file that is damaged."""
    files = {name: path / "analysis" / f"{name}.json" for name in NAMES}
    return {name: read_object(file) for name, file in files.items() if file.is_file()}
