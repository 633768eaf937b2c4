"""How the command line reads its arguments: mistakes in one line, and numbers that say what they may be."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from engine.errors import UsageError

MAX_FUEL = 10**12
MAX_MINUTES = 10**6
_OWN = ("verb", "action", "run", "configurable")


class Parser(argparse.ArgumentParser):
    """argparse, with errors in one line, and without abbreviations: `--seed` is not `--seeds`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> None:
        raise UsageError(f"{message.removeprefix('argument ')} (see {self.prog} --help)")


Verbs = argparse._SubParsersAction  # what `add_subparsers` returns has no public name


def _whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """The type of an argument that is a whole number from `least` to `most`."""

    def number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be a whole number, not {text!r}") from None
        if value < least:
            raise argparse.ArgumentTypeError(f"must be at least {least}, not {value}")
        if most is not None and value > most:
            raise argparse.ArgumentTypeError(f"must be at most {most:,}, not {value:,}")
        return value

    return number


positive = _whole(1)
natural = _whole(0)
fuel = _whole(1, MAX_FUEL)


def minutes(text: str) -> float:
    """The type of an argument that is a time in minutes."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number of minutes, not {text!r}") from None
    if not 0 < value <= MAX_MINUTES:
        raise argparse.ArgumentTypeError(f"must be more than 0 minutes and at most {MAX_MINUTES:,}, not {text}")
    return value


def names(text: str) -> list[str]:
    """The type of an argument that is a list with commas."""
    return text.split(",")


def settings(options: argparse.Namespace) -> dict[str, Any]:
    """The arguments of a verb's own by name, without what the command line says to itself."""
    return {name: value for name, value in vars(options).items() if name not in _OWN}
