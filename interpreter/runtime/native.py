"""Compilation: the one place that talks to Numba and LLVM.

Every primitive and every outlined helper is compiled as a cached function and reached through an
address table in the arena header. Calls that stay inside one function are `@inline` helpers.

The cache folder is keyed by a hash of all of the interpreter's sources and of the versions that
produce machine code, because Numba's own cache does not see edits in other files. Set `CODEIT_CACHE`
to move it. `CODEIT_CHECKED=1` selects the checked build, in which every read must lie below the top of the
heap, and no write may touch a constant of the header, an address or what is above the top;
a violation ends the run with the outcome `internal_error`; it has a cache of its own.
"""

from __future__ import annotations

import hashlib
import operator
import os
import platform
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import llvmlite
import numba
import numpy as np
from llvmlite import ir
from numba import int8, int64, njit, types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

from interpreter.runtime import layout

CHECKED = os.environ.get("CODEIT_CHECKED", "") == "1"


def cache_folder() -> Path:
    """The folder of compiled code for exactly these sources, versions and build."""
    digest = hashlib.sha256()
    root = Path(__file__).parents[1]
    for source in sorted(root.rglob("*.py")):
        digest.update(source.relative_to(root).as_posix().encode() + b"\0" + source.read_bytes())
    digest.update(f"{numba.__version__} {llvmlite.__version__} {np.__version__} {platform.python_version()}".encode())
    base = Path(os.environ.get("CODEIT_CACHE") or Path.home() / ".cache" / "codeit")
    return base / f"numba-{digest.hexdigest()[:16]}{'-checked' if CHECKED else ''}"


def use_cache_folder() -> None:
    """Make Numba compile into `cache_folder`. Raises `OSError`, naming CODEIT_CACHE, where it cannot be written.

    Without it Numba would fall back to a cache beside the sources, which does not see edits in other files.
    """
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        message = f"cannot write compiled code to {folder}: set CODEIT_CACHE to a folder that can be written"
        raise OSError(error.errno, message) from None
    numba.config.CACHE_DIR = str(folder)


_word = ir.IntType(64)
_OPTIONS = {"error_model": "numpy", "nogil": True}


class CheckedPointer(types.Type):
    """An arena pointer whose every access is compared with the arena's size."""

    def __init__(self) -> None:
        super().__init__("CheckedPointer")


@register_model(CheckedPointer)
class _CheckedPointerModel(models.PrimitiveModel):
    def __init__(self, manager, fe_type) -> None:
        super().__init__(manager, fe_type, _word.as_pointer())


RAW = types.CPointer(int64)
ARENA = CheckedPointer() if CHECKED else RAW


@intrinsic
def _raw(typing_context, arena):
    return RAW(arena), lambda context, builder, signature, args: args[0]


@overload(operator.getitem)
def _checked_get(arena, index):
    if not isinstance(arena, CheckedPointer):
        return None

    def get(arena, index):
        raw = _raw(arena)
        if index < 0 or index >= max(raw[layout.TOP], layout.HEAP):
            raw[layout.ERROR] = layout.VIOLATION
            return 0
        return raw[index]

    return get


@overload(operator.setitem)
def _checked_set(arena, index, value):
    if not isinstance(arena, CheckedPointer):
        return None

    def put(arena, index, value):
        raw = _raw(arena)
        constant = index == layout.SIZE or layout.EMPTY - 1 <= index < layout.REGISTERS
        table = layout.PRIMITIVE_TABLE <= index < layout.HEAP
        if index < 0 or constant or table or index >= max(raw[layout.TOP], layout.HEAP):
            raw[layout.ERROR] = layout.VIOLATION
        else:
            raw[index] = value

    return put


@intrinsic
def arena_pointer(typing_context, address):
    """The arena at a machine address (of an int64 array)."""

    def generate(context, builder, signature, args):
        return builder.inttoptr(args[0], _word.as_pointer())

    return ARENA(int64), generate


@intrinsic
def words_pointer(typing_context, address):
    """A pointer to words outside of the arena at a machine address; never checked."""
    return RAW(int64), lambda context, builder, signature, args: builder.inttoptr(args[0], _word.as_pointer())


@intrinsic
def ticks(typing_context):
    """The processor's cycle counter."""

    def generate(context, builder, signature, args):
        name = "llvm.readcyclecounter"
        function = builder.module.globals.get(name) or ir.Function(builder.module, ir.FunctionType(_word, []), name)
        return builder.call(function, [])

    return int64(), generate


@intrinsic
def cells_pointer(typing_context, address):
    """A pointer to int8 cells at a machine address; unlike an array's, its indices are never wrapped."""

    def generate(context, builder, signature, args):
        return builder.inttoptr(args[0], ir.IntType(8).as_pointer())

    return types.CPointer(int8)(int64), generate


def _call(arity: int) -> Callable:
    """Code generation of a call to a machine address, with the arena and `arity` words, as `compile_function` has it.

    Numba's own convention is `int32 f(int64 *result, void *exception, int64 *arena, int64 ...)`. The status and the
    exception stay unused, since compiled code raises none. Numba's C wrapper around it would cost as much as a call.
    """

    def generate(context, builder, signature, args):
        pointer, words = _word.as_pointer(), [_word] * arity
        function_type = ir.FunctionType(ir.IntType(32), [pointer, pointer, pointer, *words])
        result = cgutils.alloca_once(builder, _word)
        function = builder.inttoptr(args[0], function_type.as_pointer())
        builder.call(function, [result, pointer(None), *args[1:]])
        return builder.load(result)

    return generate


# One intrinsic an arity, because Numba reads the arity from the Python signature.
@intrinsic
def indirect1(typing_context, address, A, a):
    return int64(int64, ARENA, int64), _call(1)


@intrinsic
def indirect2(typing_context, address, A, a, b):
    return int64(int64, ARENA, int64, int64), _call(2)


@intrinsic
def indirect3(typing_context, address, A, a, b, c):
    return int64(int64, ARENA, int64, int64, int64), _call(3)


@intrinsic
def indirect4(typing_context, address, A, a, b, c, d):
    return int64(int64, ARENA, int64, int64, int64, int64), _call(4)


@intrinsic
def indirect6(typing_context, address, A, f, n, a, b, c, d):
    return int64(int64, ARENA, int64, int64, int64, int64, int64, int64), _call(6)


def inline(function: Callable) -> Callable:
    """A helper that is compiled together with each of its callers, and into them where LLVM sees fit."""
    return njit(**_OPTIONS)(function)


def specialized(function: Callable) -> Callable:
    """A helper that is compiled into each of its callers in any case, for the constants that it gets there."""
    return njit(forceinline=True, **_OPTIONS)(function)


# Outlined helpers by slot: name, source, number of word arguments.
OUTLINED: list[tuple[str, Callable, int]] = []


def outlined(function: Callable) -> Callable:
    """A helper compiled once and called through the address table; for what contains a loop.

    Each caller re-optimises what it inlines, so outlining is what keeps compilation short.
    """
    arity = function.__code__.co_argcount - 1
    slot = layout.HELPERS + len(OUTLINED)
    if len(OUTLINED) >= layout.MAX_HELPERS:
        raise RuntimeError(f"more than {layout.MAX_HELPERS} outlined helpers: raise layout.MAX_HELPERS")
    OUTLINED.append((function.__name__, function, arity))
    stubs = {
        1: lambda A, a: indirect1(A[slot], A, a),
        2: lambda A, a, b: indirect2(A[slot], A, a, b),
        3: lambda A, a, b, c: indirect3(A[slot], A, a, b, c),
        4: lambda A, a, b, c, d: indirect4(A[slot], A, a, b, c, d),
    }
    return inline(stubs[arity])


@dataclass(frozen=True)
class Compiled:
    """Machine code at `address`, which is there as long as this object is."""

    address: int
    library: object


def compile_function(function: Callable, arity: int) -> Compiled:
    """Compile `int64 f(arena, word * arity)`, or load it from the cache, for calls by `indirect1` to `indirect6`."""
    signature = int64(ARENA, *[int64] * arity)
    compiled = numba.cfunc(signature, cache=True, error_model="numpy")(function)
    name = compiled.native_name.removeprefix("cfunc.")  # of the function within the C wrapper
    return Compiled(compiled._library.get_pointer_to_function(name), compiled._library)
