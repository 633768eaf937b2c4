"""The verbs `report` and `show`, and what other verbs end in."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from engine.commands.options.report import ReportOptions, ShowOptions
from engine.errors import UsageError
from engine.progress import console
from report.terminal import show_task
from report.watch import watch
from report.writing import write_report

log = logging.getLogger(__name__)


def report(options: ReportOptions) -> None:
    """Write the report of some folders, or serve it as it changes."""
    if not options.folders:
        raise UsageError(
            "name a DIR: the folder of a run, a search, an evaluation or a profile (see codeit report --help)"
        )
    if options.watch:
        watch(options.folders, options.port)
        return
    file = write_report(options.folders, options.out)
    sys.stdout.write(f"{file}\n")


def show(options: ShowOptions) -> None:
    """Draw a task in the terminal."""
    show_task(options)


def end_in_report(folder: Path) -> None:
    """Write the report of a folder whose work is done, and say where it is.

    The work stands, whatever happens here: what keeps the report from being written is said in one line.
    """
    try:
        file = write_report([folder])
    except (UsageError, OSError) as error:
        log.warning("no report was written: %s; later: codeit report %s", error, folder)
        return
    console.print(f"report: {file}", highlight=False, soft_wrap=True)
