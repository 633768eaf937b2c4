"""Checkouts of other projects: finding what is needed in them, and importing it for a while."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import UsageError


def require(checkout: Path, file: str, project: str) -> None:
    """Raise `UsageError` unless `checkout` holds `file`."""
    if not (checkout / file).is_file():
        raise UsageError(f"{checkout} is no checkout of {project}: it has no {file}")


@contextmanager
def importable(*folders: Path) -> Iterator[None]:
    """Within the context, imports look into `folders` first; modules that came from them are forgotten after it."""
    before = set(sys.modules)
    sys.path[:0] = [str(folder) for folder in folders]
    try:
        yield
    finally:
        del sys.path[: len(folders)]
        roots = tuple(f"{folder.resolve()}/" for folder in folders)
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if file is not None and str(Path(file).resolve()).startswith(roots):
                del sys.modules[name]
