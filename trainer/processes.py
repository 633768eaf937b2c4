"""Processes that work for this one and end with it: an own interpreter each, and a pipe to it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import Any

# A fork would take the parent's threads and GPU for its own.
CONTEXT: BaseContext = multiprocessing.get_context("spawn")
_REAPED = 1.0  # seconds in which the system says how a process ended


def spawn(serve: Callable[..., None], *arguments: Any) -> tuple[BaseProcess, Connection]:
    """Start a process that calls `serve` with its end of a pipe and picklable arguments; our end of the pipe.

    Ctrl-C is this process's to handle, not the other's.
    """
    ours, theirs = CONTEXT.Pipe()
    process = CONTEXT.Process(target=_serve, args=(serve, theirs, *arguments), daemon=True)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    theirs.close()
    return process, ours


class ProcessDied(RuntimeError):
    """A process that works for this one has ended before its time."""


class LinkError(RuntimeError):
    """Training processes and the engine that samples are in the middle of a transfer, and neither can go on."""


def died(what: str, process: BaseProcess) -> ProcessDied:
    """What to raise of a process that has hung up, called `what`."""
    process.join(_REAPED)
    status = process.exitcode
    how = ""
    if status is not None:
        how = f" (killed by signal {-status}: too little memory, say)" if status < 0 else f" (exit status {status})"
    return ProcessDied(f"{what} died{how}")


def _serve(serve: Callable[..., None], connection: Connection, *arguments: Any) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    serve(connection, *arguments)


def _end_with_parent() -> None:
    """End this process as soon as its parent is gone, whatever it is doing: a killed run leaves nothing behind."""
    wait([multiprocessing.parent_process().sentinel])
    os._exit(1)
