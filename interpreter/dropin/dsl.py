"""A drop-in for arc-dsl: every primitive, constant and type as a Python name, run by the virtual machine.

    from interpreter.dsl import *

    grid = ((1, 2), (3, 4))
    assert hmirror(grid) == ((3, 4), (1, 2))
    largest = argmax(objects(grid, T, F, F), size)

Values are plain: ints, tuples, frozensets, and functions, which are primitives or what `compose`, `chain`, `fork`,
`lbind`, `rbind`, `matcher` and `power` make. What differs from arc-dsl:

    a list is taken for the tuple or set of its items, and what comes back is never a list
    a Python function as an argument is a `TypeError`, before anything runs
    a call that fails raises `MachineError`, which has the typed outcome, instead of many kinds of exception
    a call is bounded in fuel and memory, and numbers are bounded: see docs/language.md
    sets have a canonical order, so that `first(...)` or a tie in `argmax` may choose another item
    a truth value is a `bool` where the primitive is declared to return one, inside containers it is 0 or 1
    functions are equal where they are made alike

The machine is compiled or loaded at the first call. Each thread has its own.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from interpreter.dropin import arc_types as _arc_types
from interpreter.dropin.conversion import Function, Misfit, append_value, of_list, value_of
from interpreter.dropin.messages import Caller
from interpreter.primitives import CONSTANTS, PRIMITIVES, constant_type
from interpreter.primitives.table import Primitive as _Entry
from interpreter.primitives.types import Type
from interpreter.runtime import layout
from interpreter.runtime.calls import CLOSURES as _CLOSURES
from interpreter.runtime.outcome import Outcome
from interpreter.runtime.values import PAYLOAD, PRIMITIVE, SHIFT

__all__ = [*PRIMITIVES, *CONSTANTS, *_arc_types.__all__]

# The primitive that makes closures of each kind.
_MAKERS = {kind: name for name, kind in _CLOSURES.items()}


# Where arc-dsl looks for locations or cells, a list of them is a set; everywhere else it is a tuple.
_SETS = (Type.INDICES, Type.OBJECT, Type.OBJECTS, Type.PATCH, Type.ELEMENT, Type.PIECE)


class MachineError(Exception):
    """A call that failed: `name` is what was called, `outcome` how it ended."""

    def __init__(self, name: str, outcome: Outcome) -> None:
        super().__init__(name, outcome)
        self.name = name
        self.outcome = outcome

    def __str__(self) -> str:
        return f"{self.name}: {self.outcome.label}: {self.outcome.meaning}"


class PrimitiveFunction(Function):
    """A primitive as a Python callable, with its name, signature and meaning."""

    def __init__(self, entry: _Entry) -> None:
        super().__init__((PRIMITIVE << SHIFT) | entry.opcode)
        names = entry.source.__code__.co_varnames[1 : 1 + entry.arity]
        parameters = [
            inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=type_.value)
            for name, type_ in zip(names, entry.parameters, strict=True)
        ]
        signature = inspect.Signature(parameters, return_annotation=entry.returns.value)
        self.__dict__.update(
            __name__=entry.name,
            __qualname__=entry.name,
            __module__=__name__,
            __doc__=entry.meaning,
            __signature__=signature,
            names=names,
            takes_sets=[type_ in _SETS for type_ in entry.parameters],
            is_predicate=entry.returns is Type.BOOLEAN,
        )

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        if keywords or len(arguments) != len(self.names):
            arguments = self._bound(arguments, keywords)
        return _call(self, arguments, self.names)

    def _bound(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[Any, ...]:
        try:
            return self.__signature__.bind(*arguments, **keywords).args
        except TypeError as error:
            raise TypeError(f"{self.__name__}: {error}; right is {self.__name__}{self.__signature__}") from None

    def __repr__(self) -> str:
        return self.__name__

    def __reduce__(self) -> str:
        return self.__name__  # by name, because opcodes mean nothing in another process


class Closure(Function):
    """What a primitive such as `compose` makes: immutable, to be called with one to four arguments."""

    @property
    def maker(self) -> PrimitiveFunction:
        """The primitive that makes this function of the values it remembers."""
        return globals()[_MAKERS[self.word & PAYLOAD]]

    @property
    def is_predicate(self) -> bool:
        """Whether it returns what a primitive that is declared as Boolean does."""
        function: Any = self
        while isinstance(function, Closure):
            if function.maker.__name__ == "matcher":
                return True
            function = function.remembered[0]
        return isinstance(function, PrimitiveFunction) and function.is_predicate

    def __call__(self, *arguments: Any) -> Any:
        if not 1 <= len(arguments) <= layout.MAX_ARITY:
            raise TypeError(f"{self.maker}(...) takes 1 to {layout.MAX_ARITY} arguments, not {len(arguments)}")
        return _call(self, arguments, None)

    def __repr__(self) -> str:
        return f"{self.maker}({', '.join(map(repr, self.remembered))})"

    def __reduce__(self) -> tuple[Callable, tuple[Any, ...]]:
        return self.maker, self.remembered


class _Thread(threading.local):
    caller: Caller | None = None


_thread = _Thread()


def _call(function: PrimitiveFunction | Closure, arguments: tuple[Any, ...], names: tuple[str, ...] | None) -> Any:
    words = _message(function, arguments, names)
    caller = _thread.caller
    if caller is None:
        caller = _thread.caller = Caller()
    outcome, result = caller.call(np.array(words, np.int64))
    if outcome is not Outcome.OK:
        raise MachineError(_label(function), outcome)
    value = value_of(result, function_of)
    return bool(value) if function.is_predicate and type(value) is int and value in (0, 1) else value


def _message(function: Function, arguments: tuple[Any, ...], names: tuple[str, ...] | None) -> list[int]:
    """The words of a call. Raises what says which argument has no place in the machine."""
    words: list[int] = []
    where = "the function itself"
    try:
        append_value(words, function)
        for index, argument in enumerate(arguments):
            where = f"argument `{names[index]}`" if names else f"argument {index + 1}"
            if isinstance(argument, list):
                argument = of_list(argument, names is not None and function.takes_sets[index])
            append_value(words, argument)
    except Misfit as misfit:
        raise misfit.exception(f"{_label(function)}: {where}") from None
    return words


def _label(function: PrimitiveFunction | Closure) -> str:
    return function.__name__ if isinstance(function, PrimitiveFunction) else f"{function.maker}(...)"


def function_of(word: int, remembered: tuple[Any, ...]) -> Function:
    """The function of a word in a message and what it remembers: a primitive where that is nothing."""
    return Closure(word, remembered) if remembered else _BY_WORD[word]


_FUNCTIONS = {name: PrimitiveFunction(entry) for name, entry in PRIMITIVES.items()}
_BY_WORD = {function.word: function for function in _FUNCTIONS.values()}
_VALUES = {name: bool(v) if constant_type(name) is Type.BOOLEAN else v for name, v in CONSTANTS.items()}
_TYPES = {name: getattr(_arc_types, name) for name in _arc_types.__all__}
globals().update(_FUNCTIONS, **_VALUES, **_TYPES)
