"""All native code, compiled or loaded together: this imports every module with entry points.

There are three groups, because a user who only runs programs need not wait for what makes them:

    MACHINE   primitives, batches, profile, screening, kinds, digests, the drop-in, traces
    SEARCH    mutation, enumeration, fits
    LEARNING  experiences as tokens

Warm them in a parent before it starts threads or workers; what is not warmed is compiled when it is first used.
"""

from __future__ import annotations

from interpreter.dropin import messages, trace
from interpreter.encoding import examples
from interpreter.enumeration import enumerator
from interpreter.fitting import layers, tables
from interpreter.machine import call_tree, kinds, machine, screening
from interpreter.mutation import generation
from interpreter.runtime import digests, native
from interpreter.runtime.native import LEARNING, MACHINE, SEARCH, CompilationError

__all__ = ["LEARNING", "MACHINE", "SEARCH", "CompilationError", "is_compiled", "warm_up"]

ENTRY_MODULES = (
    call_tree, digests, enumerator, examples, generation, kinds, layers, machine, messages, screening, tables, trace,
)  # fmt: skip


def is_compiled(*groups: str) -> bool:
    """Whether there is native code of these groups (default: of all) for these sources and versions.

    Raises `OSError` for a cache that cannot be trusted, and `CompilationError` where nothing can be compiled.
    """
    return all(native.is_complete(group) for group in groups or (MACHINE, SEARCH, LEARNING))


def warm_up(*groups: str) -> None:
    """Compile or load all native code of these groups (default: of all) now.

    Raises `OSError` where it cannot be kept, `CompilationError` where nothing can be compiled.
    """
    for group in groups or (MACHINE, SEARCH, LEARNING):
        native.warm_up(group)
