"""Mistakes of the user: one line that says what is wrong and what would be right; exit status 2."""

from __future__ import annotations


class UsageError(ValueError):
    """Something that the user can put right; the command line prints it and exits with status 2."""
