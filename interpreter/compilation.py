"""All native code, compiled or loaded together: this imports every module with entry points.

There are three groups, because a user who only runs programs need not wait for what makes them:

    MACHINE   primitives, batches, profile, screening, kinds, digests, the drop-in, traces
    SEARCH    mutation, enumeration, fits, the masks of the grammar and the noise of samples
    LEARNING  experiences as tokens

Warm them in a parent before it starts threads or workers; what is not warmed is compiled when it is first used.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from interpreter.dropin import messages, trace
from interpreter.encoding import examples
from interpreter.enumeration import enumerator
from interpreter.fitting import layers, tables
from interpreter.language import grammar_batch, noise
from interpreter.machine import call_tree, kinds, machine, screening
from interpreter.machine.pool import default_workers
from interpreter.mutation import generation
from interpreter.runtime import digests, native
from interpreter.runtime.native import LEARNING, MACHINE, SEARCH, CompilationError

__all__ = ["LEARNING", "MACHINE", "SEARCH", "CompilationError", "is_compiled", "warm_up"]

ENTRY_MODULES = (
    call_tree, digests, enumerator, examples, generation, grammar_batch, kinds, layers, machine, messages, noise,
    screening, tables, trace,
)  # fmt: skip
MAX_PARTS = 8  # processes that compile: each needs 300 MB, and does anew what its part shares with others


def is_compiled(*groups: str) -> bool:
    """Whether there is native code of these groups (default: of all) for these sources and versions.

    Raises `OSError` for a cache that cannot be trusted, and `CompilationError` where nothing can be compiled.
    """
    return all(native.is_complete(group) for group in groups or (MACHINE, SEARCH, LEARNING))


def warm_up(*groups: str) -> None:
    """Compile or load all native code of these groups (default: of all) now, compiling on all processors.

    Raises `OSError` where it cannot be kept, `CompilationError` where nothing can be compiled.
    """
    groups = groups or (MACHINE, SEARCH, LEARNING)
    missing = [group for group in groups if not native.is_complete(group)]
    parts = min(default_workers(), MAX_PARTS)
    if missing and parts > 1:
        _compile_side_by_side(missing, parts)
    for group in groups:
        native.warm_up(group)


def compile_part(group: str, part: int, parts: int) -> None:
    """Compile or load one of `parts` parts of a group, of about as much code each.

    Functions of a module, which share most helpers, are together.
    """
    ones = sorted(native.registered(group), key=lambda one: one.function.__module__)
    sizes = np.cumsum([len(one.function.__code__.co_code) for one in ones])
    for one, end in zip(ones, sizes, strict=True):
        if (end - 1) * parts // sizes[-1] == part:
            one.compiled()


def _compile_side_by_side(groups: Sequence[str], parts: int) -> None:
    """Fill the cache by processes, each with a part of each group; they end with this one.

    What one of them cannot do is left to whoever loads the code, and says what is wrong.
    """
    root = str(Path(__file__).parents[1])
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _PART, root, str(part), str(parts), *groups],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for part in range(parts)
    ]  # fmt: skip
    try:
        for process in processes:
            process.wait()
    finally:
        for process in processes:
            process.kill()
            process.communicate()


# Its standard input is closed when the parent ends, however that happens.
_PART = """
import os, sys, threading
threading.Thread(target=lambda: (os.read(0, 1), os._exit(1)), daemon=True).start()
root, part, parts, *groups = sys.argv[1:]
sys.path.insert(0, root)
from interpreter import compilation
for group in groups:
    compilation.compile_part(group, int(part), int(parts))
"""
