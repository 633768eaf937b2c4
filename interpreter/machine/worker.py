"""The processes of a pool: how one is started, and what it does.

A worker is a new Python that imports the interpreter and nothing of the program that started it, so that a pool works
in a script without a `__main__` guard, in a notebook, and from standard input. It ends when its pool hangs up.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection

from interpreter.machine.machine import Machine
from interpreter.machine.transport import SlotReader, receive_grids

# Chunks that a worker has at a time: the one that it runs, and the next.
SLOTS = 2

Life = Callable[[Connection, int, int], None]


def start(life: Life, fuel: int, words: int) -> tuple[subprocess.Popen[bytes], Connection]:
    """A new process that does `life`, a function of a module, with these limits; and the pipe to it."""
    ours, theirs = socket.socketpair()
    begin = f"from interpreter.machine.worker import begin; begin({theirs.fileno()})"
    command = [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}; {begin}"]
    # Ctrl-C is the parent's to handle: a worker inherits the mask, and so ignores it from its first moment.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        with theirs:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    connection = Connection(ours.detach())
    connection.send((life, fuel, words))
    return process, connection


def begin(descriptor: int) -> None:
    """What a new process does first and last."""
    connection = Connection(descriptor)
    life, fuel, words = connection.recv()
    life(connection, fuel, words)


def work(connection: Connection, fuel: int, words: int) -> None:
    """A worker's life: run what arrives until the parent hangs up."""
    try:
        grids = receive_grids(connection)
        machine = Machine(fuel, words)
        reader = SlotReader(connection)
        connection.send("ready")
        while True:
            request = connection.recv()
            code, jobs = reader.get(request)
            reader.answer(request, machine.run(code, grids, jobs))
            connection.send("done")
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
