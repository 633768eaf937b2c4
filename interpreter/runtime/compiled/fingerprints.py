"""What decides the machine code of a function, as a hash: a change elsewhere leaves its compiled code good.

Numba freezes what a function reads when it compiles it. So its code follows from its own bytecode and constants, and
from those of every function that it reaches: by a global name, as an attribute of one of our modules, or as a variable
of the function around it. Neither comments nor docstrings nor the place in a file change anything. What `pointers` does
in LLVM is not looked into: whoever keeps code has a hash of that source beside this one. Of types, named tuples have
more to them than Numba writes: where they are declared, and the order of their fields.
"""

from __future__ import annotations

import hashlib
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from interpreter.runtime import pointers

_OURS = __name__.partition(".")[0]


def fingerprint(function: Callable, types: tuple) -> str:
    """A hash of all that a function consists of that is compiled for arguments of these types, 16 hex digits.

    Raises `TypeError` where it reads a value that is no function, module or constant.
    """
    reached, numbers = [function], {function: 0}
    digest = hashlib.sha256(repr([_type(one) for one in types]).encode())
    for one in reached:  # which grows
        written, read = _described(one)
        digest.update(written)
        for value in read:
            if value not in numbers:
                numbers[value] = len(reached)
                reached.append(value)
            digest.update(b"%d " % numbers[value])
    return digest.hexdigest()[:16]


def _type(one: Any) -> Any:
    """What stands for a type of Numba."""
    if not hasattr(one, "instance_class"):
        return repr(one)
    return _declared(one.instance_class), [_type(member) for member in one.types]


def _declared(named: type) -> tuple[str, str, tuple[str, ...]]:
    """What stands for a class of named tuples."""
    return named.__module__, named.__qualname__, named._fields


@cache
def _described(function: Callable) -> tuple[bytes, list[Callable]]:
    """What a function says itself, constants that it reads included, and the functions that it reads, in order."""
    plain = getattr(function, "py_func", function)  # a helper's own function: `inline` and `specialized` wrap it
    options = sorted(getattr(function, "targetoptions", {}).items())
    codes = _codes(plain)
    written: list = [options, plain.__defaults__, *(_written(code, plain.__doc__) for code in codes)]
    functions: list[Callable] = []
    for name, value in _read(plain):
        try:
            written.append((name, _standing_for(value, functions)))
        except TypeError as error:
            raise TypeError(f"{plain.__module__}.{plain.__qualname__} reads {name}, {error}") from None
    return repr(written).encode(), functions


def _standing_for(value: Any, functions: list[Callable]) -> Any:
    """What stands for a value that is read. Functions are added to those there are."""
    if isinstance(value, FunctionType) or hasattr(value, "py_func"):
        functions.append(value)
        return "function"
    if isinstance(value, ModuleType) or getattr(value, "__module__", None) == pointers.__name__:  # an intrinsic
        return type(value).__name__, value.__name__
    if isinstance(value, tuple):
        declared = _declared(type(value)) if hasattr(value, "_fields") else ()
        return declared, [_standing_for(one, functions) for one in value]
    if isinstance(value, int | float | str | np.generic):
        return type(value).__name__, repr(value)
    raise TypeError(f"a {type(value).__name__}: compiled code reads functions, modules, constants and tuples of these")


def _codes(function: FunctionType) -> list[CodeType]:
    """Its code, and that of functions written inside it."""
    found = [function.__code__]
    for code in found:
        found += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return found


def _written(code: CodeType, docstring: str | None) -> tuple:
    """What code says itself."""
    constants = [constant for constant in code.co_consts if not isinstance(constant, CodeType)]
    if constants and constants[0] == docstring:
        del constants[0]
    arguments = code.co_varnames[: code.co_argcount]
    return code.co_code, code.co_exceptiontable, constants, code.co_names, code.co_freevars, arguments


def _read(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """What a function reads of what is around it, by name; what has the name of an attribute counts, too."""
    around = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    cells = {name: cell.cell_contents for name, cell in around}
    for code in _codes(function):
        yield from _named((*cells, *code.co_names), ChainMap(cells, function.__globals__))


def _named(names: tuple[str, ...], space: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in names:
        if name in space:
            value = space[name]
            yield name, value
            if isinstance(value, ModuleType) and value.__name__.partition(".")[0] == _OURS:
                yield from _named(tuple(other for other in names if other != name), vars(value))
