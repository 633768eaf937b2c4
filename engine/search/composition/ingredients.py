"""What composition is made of: each can be left out, to see what it is worth."""

from __future__ import annotations

from enum import StrEnum


class Ingredient(StrEnum):
    """Something that composition can do without."""

    MINED = "mined"
    """macros of the seeds' programs and of those found"""
    PATTERNS = "patterns"
    """macros that are there from the start"""
    COLORS = "colors"
    """colours in slots of macros where no program has them: without, a pattern with slots is of no use"""
    DEPTH = "depth"
    """macros applied to what macros gave"""
    SYMMETRIES = "symmetries"
    """macros on the turned input, outputs that are right when turned"""
    COLOR_MAPS = "color-maps"
    PAIR_TABLES = "pair-tables"
    STACKS = "stacks"
