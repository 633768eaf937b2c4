"""The report of one folder or several, as a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.files import check_ours, make_folder, write_text
from report.page import render
from report.sources.reading import read_sources

_GENERATOR = '<meta name="generator" content="codeit '


def write_report(folders: Sequence[Path], out: Path | None = None) -> Path:
    """Write `report/index.html` into the first folder (or `out`) and return its path; it is there whole or not at all.

    Raises `UsageError` for a folder that is none of ours, or damaged, and where it cannot be written: another report is
    replaced, and no other file.
    """
    folder = out or folders[0] / "report"
    file = folder / "index.html"
    check_ours(file, _GENERATOR)
    page = render(read_sources(folders))
    make_folder(folder)
    write_text(file, page)
    return file
