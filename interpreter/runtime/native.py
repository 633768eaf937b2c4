"""Compilation: the one place that talks to Numba and LLVM.

What is compiled is registered here by a decorator in its module:

    @outlined     a helper with a loop, reached through an address in the arena header, as every primitive is
    @addressed    what else the header has an address of
    @entry        what Python calls, of one signature
    @inline       a helper that is compiled with its callers, as @specialized is

`warm_up` compiles or loads all of a group; a single one is when it is first asked for. Numba's own cache does not see
edits in other files, so compiled code is kept by `cache` under a key of all that decides it: of any function the
versions, the processor, Numba's switches and how it is compiled here; of one its `fingerprint`, so that an edit costs
the functions that it reaches. Words of the header depend on the sources alone, never on the order of imports.

`CODEIT_CHECKED=1` selects the checked build, in which every read must lie below the top of the heap, and no write may
touch a constant of the header, an address or what is above the top; a violation ends the run with the outcome
`internal_error`; it has a cache of its own.
"""

from __future__ import annotations

import logging
import pickle
import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from threading import RLock
from typing import Any

import llvmlite
import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import boolean, int8, int16, int32, int64, njit, typeof, types, uint8
from numba.core.caching import NullCache
from numba.core.ccallback import CFunc
from numba.core.compiler import CompileResult
from numba.core.registry import cpu_target
from numba.core.serialize import dumps

from interpreter.runtime import layout
from interpreter.runtime.compiled.cache import Store, key_of
from interpreter.runtime.compiled.fingerprints import fingerprint
from interpreter.runtime.pointers import (
    ARENA,
    CHECKED,
    WORD,
    arena_pointer,
    cells_pointer,
    indirect1,
    indirect2,
    indirect3,
    indirect4,
    indirect6,
    ticks,
    words_pointer,
)

__all__ = [
    "BYTES", "CELLS", "CHECKED", "LEARNING", "MACHINE", "ROW", "SEARCH", "SHAPES", "SYMBOLS", "TABLE", "TRUTHS",
    "Addressed", "CompilationError", "Entry", "addressed", "arena_pointer", "cells_pointer", "check_convention",
    "entry", "header", "indirect1", "indirect2", "indirect3", "indirect4", "indirect6", "inline", "int64",
    "is_complete", "outlined", "registered", "specialized", "ticks", "warm_up", "words_pointer",
]  # fmt: skip

log = logging.getLogger(__name__)

_OPTIONS = {"error_model": "numpy", "nogil": True}
# What only compiled code calls needs no way in from Python or C; these would be a fifth of all compilation.
_WITHIN = {**_OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def inline(function: Callable) -> Callable:
    """A helper that is compiled together with each of its callers, and into them where LLVM sees fit."""
    return njit(**_WITHIN)(function)


def specialized(function: Callable) -> Callable:
    """A helper that is compiled into each of its callers in any case, for the constants that it gets there."""
    return njit(forceinline=True, **_WITHIN)(function)


# ------------------------------------------------------------------------------------- what is compiled

# Groups: what runs programs, what makes them, what learns from them.
MACHINE, SEARCH, LEARNING = "machine", "search", "learning"
TESTED = ("0.65", "0.68")  # versions of Numba; what decides is `check_convention`
# Switches of Numba that change the machine code.
SWITCHES = ("OPT", "BOUNDSCHECK", "LOOP_VECTORIZE", "SLP_VECTORIZE", "DEBUGINFO_DEFAULT")
# Types of arrays, for signatures.
ROW, TABLE, SHAPES, SYMBOLS = int64[::1], int64[:, ::1], int32[:, ::1], int16[:, ::1]
CELLS, BYTES, TRUTHS = int8[::1], uint8[::1], boolean[::1]

_lock = RLock()


class CompilationError(RuntimeError):
    """Nothing can be compiled here; the message says why, and what to do."""


# Sources, relative to this folder, that decide how all functions are compiled.
_FOUNDATION = ("layout.py", "native.py", "pointers.py")


@cache
def store() -> Store:
    """Where the code of these versions, processor and build is kept."""
    versions = f"{numba.__version__} {llvmlite.__version__} {np.__version__} {platform.python_version()}"
    processor = cpu_target.target_context.codegen().magic_tuple()
    switches = [f"{name}={getattr(numba.config, name, None)}" for name in SWITCHES]
    folder = Path(__file__).parent
    key = key_of(folder, [versions, *map(str, processor), *switches], _FOUNDATION)
    return Store.open(f"{key}{'-checked' if CHECKED else ''}")


class _Kept(NullCache):
    """Numba's view of the store: the code of one function for arguments of these types."""

    def __init__(self, function: Callable, arguments: tuple) -> None:
        name = f"{function.__module__.removeprefix('interpreter.')}.{function.__qualname__}"
        self._name = f"{name}-{fingerprint(function, arguments)}"

    def is_there(self) -> bool:
        return store().has(self._name)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        target_context.refresh()
        code = store().read(self._name)
        return None if code is None else CompileResult._rebuild(target_context, *pickle.loads(code))

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            store().write(self._name, dumps(data._reduce()))
        except OSError as error:
            if not self.is_there():
                raise
            log.warning("%s was damaged and is compiled for this process alone: %s", self._name, error.strerror)


def _refuse_interpreted() -> None:
    if numba.config.DISABLE_JIT:
        raise CompilationError("NUMBA_DISABLE_JIT is set, but there is nothing here that is not compiled: unset it")


@dataclass(eq=False)
class Addressed:
    """`int64 function(arena, word * arity)`, compiled for calls by `indirect1` to `indirect6`.

    `word` of the header holds `8 * address + arity` of a primitive, the address of others.
    """

    function: Callable
    word: int | None = None
    is_primitive: bool = False
    group: str = MACHINE
    _compiled: CFunc | None = field(default=None, repr=False)  # its address is good as long as this is there

    @cached_property
    def kept(self) -> _Kept:
        return _Kept(self.function, self.arguments)

    @property
    def arguments(self) -> tuple:
        """Their types."""
        return (ARENA, *[int64] * self.arity)

    @property
    def arity(self) -> int:
        return self.function.__code__.co_argcount - 1

    @property
    def address(self) -> int:
        """Of the machine code. Compiles it, or loads it."""
        compiled = self.compiled()
        # The function within the C wrapper, whose calls would cost as much again.
        address = compiled._library.get_pointer_to_function(compiled.native_name.removeprefix("cfunc."))
        return address or _unknown_convention(f"no function of the name {compiled.native_name!r}")

    def compiled(self) -> CFunc:
        if self._compiled is None:
            with _lock:
                self._compiled = self._compiled or self._compile()
        return self._compiled

    def _compile(self) -> CFunc:
        _refuse_interpreted()
        compiled = CFunc(self.function, (self.arguments, int64), locals={}, options={"error_model": "numpy"})
        compiled._cache = self.kept
        compiled.compile()
        return compiled


@dataclass(eq=False)
class Entry:
    """A function that Python calls, of one signature. Without the GIL."""

    function: Callable
    types: Callable[[], tuple]
    group: str
    _compiled: Any = field(default=None, repr=False)

    @cached_property
    def kept(self) -> _Kept:
        return _Kept(self.function, self.types())

    def compiled(self) -> Any:
        """What to call. Compiles it, or loads it."""
        if self._compiled is None:
            with _lock:
                self._compiled = self._compiled or self._compile()
        return self._compiled

    def _compile(self) -> Any:
        _refuse_interpreted()
        compiled = njit(**_OPTIONS)(self.function)
        compiled._cache = self.kept
        compiled.compile(self.types())
        compiled.disable_compile()
        return compiled


_HEADER: dict[int, Addressed] = {}
_OTHERS: list[Addressed | Entry] = []


def entry(*signature: Any, group: str = MACHINE) -> Callable[[Callable], Entry]:
    """A function that Python calls as `f.compiled()(...)`; `signature`: the types of its arguments, or one function
    that gives arguments of these types."""

    def types_() -> tuple:
        if len(signature) == 1 and not isinstance(signature[0], types.Type):
            return tuple(typeof(argument) for argument in signature[0]())
        return signature

    def register(function: Callable) -> Entry:
        _OTHERS.append(Entry(function, types_, group))
        return _OTHERS[-1]

    return register


def addressed(word: int | None = None, is_primitive: bool = False) -> Callable[[Callable], Addressed]:
    """A function whose address the header holds at `word`; without `word`, whoever wants it asks for its address."""

    def register(function: Callable) -> Addressed:
        one = Addressed(function, word, is_primitive)
        if word is not None and header.cache_info().currsize:
            raise RuntimeError(f"{function.__name__} comes too late: arenas are without its address")
        if word is None:
            _OTHERS.append(one)
        elif word in _HEADER:
            raise RuntimeError(f"{_HEADER[word].function.__name__} and {function.__name__} are both at word {word}")
        else:
            _HEADER[word] = one
        return one

    return register


_helpers: dict[str, int] = {}  # how many each module has


def outlined(function: Callable) -> Callable:
    """A helper compiled once and called through the address table; for what contains a loop.

    Each caller re-optimises what it inlines, so outlining is what keeps compilation short.
    """
    module = function.__module__.removeprefix("interpreter.")
    if module not in layout.HELPER_MODULES:
        raise RuntimeError(f"{module} has outlined helpers: enter it at the end of layout.HELPER_MODULES")
    number = _helpers[module] = _helpers.get(module, -1) + 1
    if number == layout.MAX_HELPERS:
        raise RuntimeError(f"{module} has more than {layout.MAX_HELPERS} outlined helpers: raise layout.MAX_HELPERS")
    word = layout.HELPERS + layout.HELPER_MODULES.index(module) * layout.MAX_HELPERS + number
    stubs = {
        1: lambda A, a: indirect1(A[word], A, a),
        2: lambda A, a, b: indirect2(A[word], A, a, b),
        3: lambda A, a, b, c: indirect3(A[word], A, a, b, c),
        4: lambda A, a, b, c, d: indirect4(A[word], A, a, b, c, d),
    }
    return inline(stubs[addressed(word)(function).arity])


@cache
def header() -> npt.NDArray[np.int64]:
    """The header of an arena, with all addresses. Compiles or loads what they are of."""
    with _lock:
        check_convention()
        words = np.zeros(layout.HEAP, np.int64)
        for word, one in _HEADER.items():
            words[word] = (one.address << layout.ARITY_BITS) | one.arity if one.is_primitive else one.address
        return words


def is_complete(group: str) -> bool:
    """Whether there is native code of all that is registered of a group."""
    return all(one.kept.is_there() for one in registered(group))


def registered(group: str) -> list[Addressed | Entry]:
    """What there is of a group, of the modules that are imported."""
    return [one for one in (*_HEADER.values(), *_OTHERS) if one.group == group]


def warm_up(group: str) -> None:
    """Compile or load what is registered of a group."""
    if group == MACHINE:
        header()
    for one in _OTHERS:
        if one.group == group:
            one.compiled()


# ------------------------------------------------------------------------------------------- the convention


def _unknown_convention(what: str) -> Any:
    versions = " and ".join(f"{version}.x" for version in TESTED)
    raise CompilationError(
        f"numba {numba.__version__} calls compiled functions in another way than this version of codeit ({what}); "
        f"tested are numba {versions}: install one of them"
    )


_BASE, _GIVEN = 7_000_000, (1, 2, 3, 4, 5, 6)


@addressed()
def _take1(A, a):
    return A[layout.FUEL] + a


@addressed()
def _take2(A, a, b):
    return A[layout.FUEL] + a + 10 * b


@addressed()
def _take3(A, a, b, c):
    return A[layout.FUEL] + a + 10 * b + 100 * c


@addressed()
def _take4(A, a, b, c, d):
    return A[layout.FUEL] + a + 10 * b + 100 * c + 1000 * d


@addressed()
def _take6(A, a, b, c, d, e, f):
    return A[layout.FUEL] + a + 10 * b + 100 * c + 1000 * d + 10000 * e + 100000 * f


@entry(ROW, ROW, ROW)
def _call_each(arena, addresses, results):
    A = arena_pointer(arena.ctypes.data)
    results[0] = indirect1(addresses[0], A, 1)
    results[1] = indirect2(addresses[1], A, 1, 2)
    results[2] = indirect3(addresses[2], A, 1, 2, 3)
    results[3] = indirect4(addresses[3], A, 1, 2, 3, 4)
    results[4] = indirect6(addresses[4], A, 1, 2, 3, 4, 5, 6)


_TAKERS = (_take1, _take2, _take3, _take4, _take6)


def check_convention() -> None:
    """Call a function of each arity as compiled code does. Raises `CompilationError` if Numba's convention, which it
    does not promise to keep, is another than `pointers` has it: by its declaration, then by results."""
    _refuse_interpreted()
    try:
        for one in _TAKERS:
            words = [WORD] * one.arity
            declared = cpu_target.target_context.call_conv.get_function_type(int64, (ARENA, *[int64] * one.arity))
            if declared.return_type != ir.IntType(32) or list(declared.args[2:]) != [WORD.as_pointer(), *words]:
                _unknown_convention(f"a function of {one.arity} words is {declared}")
        results, expected = _called(), [one.function({layout.FUEL: _BASE}, *_GIVEN[: one.arity]) for one in _TAKERS]
    except (AttributeError, TypeError) as error:  # what is used here is not public
        _unknown_convention(str(error))
    if results != expected:
        _unknown_convention(f"{results} instead of {expected}")


def _called() -> list[int]:
    """What compiled code gets from the functions of each arity."""
    arena, results = np.zeros(layout.HEAP, np.int64), np.zeros(len(_TAKERS), np.int64)
    arena[layout.FUEL] = _BASE
    _call_each.compiled()(arena, np.array([one.address for one in _TAKERS], np.int64), results)
    return results.tolist()
