"""The folder of a profile, see `engine.commands.profile`: no tasks, but where the interpreter's time went."""

from __future__ import annotations

from pathlib import Path

from engine.errors import UsageError
from engine.profiling.comparison import read_profile
from report.model import PROFILE, Source


def is_profile(path: Path) -> bool:
    """Whether a folder is of a profile."""
    return (path / "profile.json").is_file()


def read_profile_folder(path: Path) -> Source:
    """What a profile says. Raises `UsageError` for a file that is damaged."""
    profile = read_profile(path)
    try:
        facts = {
            "of": str(profile["file"]),
            "programs": f"{len(profile['programs']):,}",
            "runs": f"{profile['runs']:,}, {profile['repeats']} times",
            "us a run": f"{1e6 * profile['seconds'] / profile['runs']:,.2f}",
            "left out": str(len(profile["errors"])),
        }
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise UsageError(
            f"{path / 'profile.json'}: no profile ({error!r}); write it again with codeit profile"
        ) from None
    return Source(
        name=path.resolve().name, path=path, kind=PROFILE, task_set="", puzzles=(), results={}, summary={},
        facts=facts, profile=profile,
    )  # fmt: skip
