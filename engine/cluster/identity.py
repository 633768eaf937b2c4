"""What a node must have in common with the head: the same sources, and the same language in the same build."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from interpreter.runtime.compiled.cache import key_of
from interpreter.runtime.native import CHECKED

_ROOT = Path(__file__).parents[2]
_ROOMS = ("replay", "trainer", "engine")


@dataclass(frozen=True)
class Identity:
    """Hashes of what decides results. Processors may differ: each node has machine code of its own."""

    language: str
    """of the interpreter's sources, their build, and NumPy"""
    project: str
    """of all other sources that work on nodes"""

    def difference(self, head: Identity) -> str | None:
        """What a node lacks to work for a head; None where nothing is."""
        if self.language != head.language:
            return f"has another compiled language ({self.language}, here {head.language})"
        if self.project != head.project:
            return f"has another version of codeit ({self.project}, here {head.project})"
        return None


@cache
def own_identity() -> Identity:
    """That of this process."""
    build = "checked" if CHECKED else "plain"
    return Identity(
        key_of(_ROOT / "interpreter", [build, np.__version__]),
        key_of(_ROOT / _ROOMS[0], [key_of(_ROOT / room, []) for room in _ROOMS[1:]]),
    )
