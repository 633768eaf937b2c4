"""arc-dsl's own functions as the reference: what they make of a program, whatever the order of their sets.

Python iterates over a set in an order that hashes and history decide. A program is run in that natural order, and in
some more in which `frozenset` and `set` of arc-dsl's module are subclasses that iterate in another order, the grid
language's own among them. A result that is the same in all of them does not depend on the order.

Runs happen in worker processes that hold nothing but arc-dsl, bounded in time and memory; one that dies is replaced.
Programs come over as tuples of names; each line is looked up and called, nothing is evaluated.
"""

from __future__ import annotations

import importlib
import multiprocessing
import resource
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import FrameType, ModuleType, TracebackType
from typing import Any

from bench.baselines.checkout import importable, require

SECONDS = 1.0  # of a run in Python's own order; in a permuted one, which costs more, SLOWER times that
SLOWER = 4
MEMORY = 2 << 30  # bytes of address space of a worker
PATIENCE = 60.0  # seconds after which a worker is stuck in a call that no alarm interrupts
MAX_SIDE, MAX_COLOR = 30, 9  # of a valid grid; spelled out, because a worker imports nothing of the interpreter

Names = tuple[tuple[str, ...], ...]  # a program: a function's name and its arguments' on each line
PythonGrid = tuple[tuple[int, ...], ...]


class Kind(StrEnum):
    """How the reference ended."""

    GRID = "grid"
    NO_GRID = "no_grid"  # a value that is no valid grid
    FAILED = "failed"  # an exception
    ORDER = "order"  # not the same in every order of sets
    TIMEOUT = "timeout"


@dataclass(frozen=True)
class Verdict:
    """What the reference made of a program on an input.

    Of a failure: the `line`, from 1; the `calls` of arc-dsl's functions inside one another, outermost first; the kinds
    of the `arguments` of the innermost; the `error`, an exception's name; its `message`. Of a value that is no valid
    grid, the `message` says what it is.
    """

    kind: Kind
    grid: PythonGrid | None = None
    line: int = 0
    calls: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    error: str = ""
    message: str = ""

    @property
    def primitive(self) -> str:
        """The function that failed."""
        return self.calls[-1] if self.calls else ""


class OutOfTime(BaseException):
    """The alarm rang. No `Exception`, so that nothing takes it for a failure of the program."""


# ------------------------------------------------------------------------------------- orders of sets


def _canonical(items: Iterator[Any]) -> list[Any]:
    """The items in the order of the grid language, which is that of `interpreter.runtime.ordering.compare`."""
    return sorted(items, key=_key)


def _key(x: Any) -> tuple:
    """Numbers, pairs, cells, functions, grids, tuples, sets, each in their own order; functions by name."""
    if not isinstance(x, (int, tuple, frozenset, set)):
        return (0,) if x is None else (4, getattr(x, "__name__", ""))
    if isinstance(x, int):
        return (1, x)
    if isinstance(x, (frozenset, set)):
        return (7, sorted(map(_key, (frozenset if isinstance(x, frozenset) else set).__iter__(x))))
    if len(x) == 2 and isinstance(x[0], int):
        if isinstance(x[1], int):
            return (2, x)
        if is_pair(x[1]):
            return (3, x[1], x[0])
    if is_table(x):
        return (5, len(x), len(x[0]), x)
    return (6, [_key(item) for item in x])


def _by_salt(salt: int, reverse: bool) -> Callable[[Iterator[Any]], list[Any]]:
    """An order that the salt decides, or its reverse: no choice of two falls out the same in both."""
    return lambda items: sorted(items, key=lambda item: hash((salt, item)), reverse=reverse)


# The orders that a program is run in: Python's own, that of the grid language, some others.
ORDERS = (None, _canonical, *(_by_salt(salt, reverse) for salt in (1, 2) for reverse in (False, True)))
_order = _canonical  # of the sets below


def _keeping_type(base: type) -> type:
    """A subclass of a set type whose operators and methods give the subclass again, as those of `base` give `base`."""

    def keeping(name: str) -> Callable:
        operation = getattr(base, name)

        def method(self: Any, *others: Any) -> Any:
            result = operation(self, *others)
            return result if result is NotImplemented else type(self)(result)

        return method

    names = ("__and__", "__or__", "__sub__", "__xor__", "union", "intersection", "difference", "symmetric_difference")
    return type(base.__name__, (base,), {name: keeping(name) for name in (*names, "copy")})


class PermutedFrozenset(_keeping_type(frozenset)):
    """A frozenset that iterates in a permuted order, always the same one."""

    def __iter__(self) -> Iterator[Any]:
        if "order" not in self.__dict__:
            self.order = _order(super().__iter__())
        return iter(self.order)


class PermutedSet(_keeping_type(set)):
    """A set that iterates in a permuted order."""

    def __iter__(self) -> Iterator[Any]:
        return iter(_order(super().__iter__()))


def _set_order(module: ModuleType, order: Callable[[Iterator[Any]], list[Any]] | None) -> None:
    """Make the functions of a module use sets of an order; None is Python's own."""
    global _order
    for name, type_ in (("frozenset", PermutedFrozenset), ("set", PermutedSet)):
        if order is None:
            vars(module).pop(name, None)
        else:
            vars(module)[name] = type_
    _order = order or _canonical


# --------------------------------------------------------------------------------------- one program


def judge(dsl: ModuleType, names: dict[str, Any], program: Names, grid: PythonGrid, seconds: float) -> Verdict:
    """Run a program in every order of sets, until one differs from the first."""
    first = None
    for order in ORDERS:
        _set_order(dsl, order)
        verdict = _run(dsl, names, program, grid, seconds if order is None else SLOWER * seconds)
        if verdict.kind is Kind.TIMEOUT:
            return verdict
        if first is None:
            first = verdict
        elif verdict.grid != first.grid:
            return Verdict(Kind.ORDER)
    assert first is not None
    return first


def _run(dsl: ModuleType, names: dict[str, Any], program: Names, grid: PythonGrid, seconds: float) -> Verdict:
    values = {**names, "I": grid}
    number = 0
    try:
        with _alarm(seconds):
            for number, (function, *arguments) in enumerate(program, 1):
                values[f"x{number}"] = values[function](*[values[name] for name in arguments])
            result = values[f"x{len(program)}"]
            return Verdict(Kind.GRID, result) if is_valid(result) else Verdict(Kind.NO_GRID, message=kind_of(result))
    except OutOfTime:
        return Verdict(Kind.TIMEOUT)
    except Exception as error:  # whatever a program can raise is how it fails
        calls, arguments = _where(error, dsl)
        return Verdict(Kind.FAILED, None, number, calls, arguments, type(error).__name__, str(error)[:200])


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _ring(_signal: int, _frame: FrameType | None) -> None:
    raise OutOfTime


def _where(error: Exception, dsl: ModuleType) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The calls of arc-dsl's functions that an exception came out of, and the arguments of the innermost."""
    calls: list[str] = []
    arguments: tuple[str, ...] = ()
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename == dsl.__file__ and not code.co_name.startswith("<"):
            calls.append(code.co_name)
            given = trace.tb_frame.f_locals
            arguments = tuple(kind_of(given[name]) for name in code.co_varnames[: code.co_argcount] if name in given)
        trace = trace.tb_next
    return tuple(calls[:20] + calls[20:][-5:]), arguments


def is_pair(value: object) -> bool:
    """Whether a value is a tuple of two integers."""
    return isinstance(value, tuple) and len(value) == 2 and all(isinstance(part, int) for part in value)


def is_table(value: object) -> bool:
    """Whether a value is a tuple of equally long, non-empty tuples of integers."""
    return (
        isinstance(value, tuple)
        and len(value) > 0
        and all(isinstance(row, tuple) and len(row) == len(value[0]) > 0 for row in value)
        and all(isinstance(cell, int) for row in value for cell in row)
    )


def is_valid(value: object) -> bool:
    """Whether a value is an ARC grid: 1..30 equally long rows of 1..30 colours 0..9."""
    return (
        is_table(value)
        and len(value) <= MAX_SIDE
        and len(value[0]) <= MAX_SIDE
        and all(0 <= cell <= MAX_COLOR for row in value for cell in row)
    )


def kind_of(value: object) -> str:
    """A value's kind in a word or two: int, pair, cell, grid, tuple of 3, set of 2, function, None."""
    if isinstance(value, (bool, int)) or value is None:
        return repr(value) if value is None or abs(value) < 1 << 40 else "int"
    if callable(value):
        return "function"
    if isinstance(value, (set, frozenset)):
        return f"set of {len(value)} ({kind_of(next(iter(value)))}, ...)" if value else "set of 0"
    if not isinstance(value, tuple):
        return type(value).__name__
    if is_pair(value):
        return "pair"
    if len(value) == 2 and isinstance(value[0], int) and is_pair(value[1]):
        return "cell"
    if is_table(value):
        return "grid"
    return f"tuple of {len(value)}" + (f" ({kind_of(value[0])}, ...)" if value else "")


# ------------------------------------------------------------------------------------------- workers


class Reference:
    """Worker processes that run programs on arc-dsl's functions. Close it, or use it as a context manager."""

    def __init__(self, checkout: Path, processes: int = 1, seconds: float = SECONDS) -> None:
        """Raises `UsageError` for what is no checkout of arc-dsl."""
        for file in ("dsl.py", "constants.py"):
            require(checkout, file, "arc-dsl")
        self._start_with = (str(checkout.resolve()), seconds)
        self._context = multiprocessing.get_context("spawn")
        self._workers = [self._start() for _ in range(processes)]

    def __enter__(self) -> Reference:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def judge(self, work: Sequence[tuple[Names, PythonGrid]]) -> list[Verdict]:
        """The verdicts on programs and inputs, in order; one that a worker dies of is a failure."""
        verdicts: list[Verdict | None] = [None] * len(work)
        todo = deque(range(len(work)))
        busy: dict[Connection, tuple[int, float]] = {}
        while todo or busy:
            for _, connection in self._workers:
                if connection not in busy and todo:
                    number = todo.popleft()
                    connection.send(work[number])
                    busy[connection] = (number, time.monotonic() + PATIENCE)
            for connection in wait(list(busy), 1.0):
                number, _ = busy.pop(connection)
                try:
                    verdicts[number] = connection.recv()
                except (EOFError, OSError):
                    verdicts[number] = Verdict(Kind.FAILED, error="Died")
                    self._replace(connection)
            for connection in [one for one, (_, deadline) in busy.items() if time.monotonic() > deadline]:
                verdicts[busy.pop(connection)[0]] = Verdict(Kind.TIMEOUT)
                self._replace(connection)
        return verdicts

    def close(self) -> None:
        """End the workers. Idempotent."""
        for process, connection in self._workers:
            connection.close()
            process.kill()
            process.join()
        self._workers.clear()

    def _start(self) -> tuple[multiprocessing.process.BaseProcess, Connection]:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(theirs, *self._start_with), daemon=True)
        process.start()
        theirs.close()
        return process, ours

    def _replace(self, dead: Connection) -> None:
        number = [connection for _, connection in self._workers].index(dead)
        process, connection = self._workers[number]
        connection.close()
        process.kill()
        process.join()
        self._workers[number] = self._start()


def _work(connection: Connection, checkout: str, seconds: float) -> None:
    """A worker's life: judge what arrives until the parent hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, _ring)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with importable(Path(checkout)):
        dsl, constants = importlib.import_module("dsl"), importlib.import_module("constants")
    names = {**vars(constants), **vars(dsl)}
    while True:
        try:
            program, grid = connection.recv()
        except (EOFError, OSError):
            return
        try:
            verdict = judge(dsl, names, program, grid, seconds)
        except OutOfTime:  # it rang while the alarm was being put off
            verdict = Verdict(Kind.TIMEOUT)
        connection.send(verdict)
