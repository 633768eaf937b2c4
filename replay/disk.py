"""Whether a disk is full, which libraries that write say in words of their own or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path

NO_ROOM = 1 << 20  # bytes that are left on a disk that counts as full


def is_full(path: Path) -> bool:
    """Whether there is no room where `path` lies."""
    return shutil.disk_usage(path).free < NO_ROOM
