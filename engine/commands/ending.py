"""What a run, a search and an evaluation end in: their report. The package that makes it is found by name, since it
stands on this one."""

from __future__ import annotations

from pathlib import Path
from pkgutil import resolve_name


def end_in_report(folder: Path) -> None:
    """Write the report of a folder whose work is done, and print its path as the last line."""
    resolve_name("report.commands:end_in_report")(folder)
