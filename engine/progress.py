"""What a user sees while a run goes on: rich bars on a terminal, one line a meta-iteration elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from engine.errors import UsageError

console = Console(stderr=True, markup=False, emoji=False)  # what users name is text


def compile_interpreter(search: bool = False, learning: bool = False) -> None:
    """Compile the interpreter if its cache lacks it, with `search` also what makes programs, with `learning` what
    stores and learns from them, and say so, because that takes a while. Raises `UsageError` where it cannot be done."""
    from interpreter import compilation  # deferred: Numba is slow to import

    chosen = {compilation.MACHINE: True, compilation.SEARCH: search, compilation.LEARNING: learning}
    groups = [group for group, wanted in chosen.items() if wanted]
    try:
        missing = [group for group in groups if not compilation.is_compiled(group)]
        if missing:
            duration = "a minute" if len(missing) > 1 else "half a minute"
            console.print(f"compiling the interpreter, once for this version: about {duration}")
        compilation.warm_up(*groups)
    except OSError as error:
        raise UsageError(error.strerror or str(error)) from None
    except compilation.CompilationError as error:
        raise UsageError(str(error)) from None


class Display:
    """Bars for the phases of a run; without a terminal, nothing but `say`."""

    def __init__(self) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=console,
            disable=not console.is_terminal,
            transient=True,
            speed_estimate_period=3600,  # a meta-iteration can take many minutes
        )
        self._overall = None

    def __enter__(self) -> Display:
        self._progress.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()

    def say(self, text: str) -> None:
        """A line that stays, in any output."""
        console.print(text, highlight=False, soft_wrap=True)

    def overall(self, description: str, done: int, total: int | None, note: str = "") -> None:
        """Set the bar of the whole work."""
        if self._overall is None:
            self._overall = self._progress.add_task(description, total=total, note=note)
        self._progress.update(self._overall, description=description, completed=done, total=total, note=note)

    @contextmanager
    def phase(self, description: str, total: int | None = None) -> Iterator[Callable[..., None]]:
        """A bar for one phase; yields `update(done, total=None, note="")`."""
        bar = self._progress.add_task(f"  {description}", total=total, note="")

        def update(done: int, total: int | None = None, note: str = "") -> None:
            self._progress.update(bar, completed=done, note=note, **({} if total is None else {"total": total}))

        try:
            yield update
        finally:
            self._progress.remove_task(bar)
