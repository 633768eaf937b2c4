"""Several processes that train one policy: data parallel, each on a GPU of its own, or sharing the CPU.

Each holds a `Trainer` that `accelerate` connects with the others, gets the same examples, and learns from its share of
each update's batches. The first one answers, reports progress, evaluates and publishes. The sampler's process is not
one of them: vLLM wants torch.distributed for itself there.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from trainer.codec import Example
from trainer.training import Progress, Trainer, TrainResult


@dataclass(frozen=True)
class _Progress:
    done: int
    total: int


@dataclass(frozen=True)
class _Answer:
    """What a call returned, or the exception that it raised."""

    value: Any = None
    error: Exception | None = None


class TrainerGroup:
    """`processes` trainers that learn as one does which accumulates that many batches, up to rounding.

    `make` makes a trainer, the same in each process, and must be picklable. Methods are those of `Trainer`; what a
    process raises is raised here and ends the group, as does RuntimeError for a process that died. A context manager.
    """

    def __init__(self, make: Callable[[], Trainer], processes: int) -> None:
        context = multiprocessing.get_context("spawn")
        port = _free_port()
        self._members: list[tuple[BaseProcess, Connection]] = []
        try:
            for rank in range(processes):
                ours, theirs = context.Pipe()
                place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes}
                address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
                process = context.Process(target=_serve, args=(theirs, make, place | address), daemon=True)
                # Ctrl-C is the parent's to handle.
                mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
                try:
                    process.start()
                finally:
                    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
                theirs.close()
                self._members.append((process, ours))
            self._answers(processes)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> TrainerGroup:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def train(self, examples: Sequence[Example], progress: Progress | None = None) -> TrainResult:
        return self._call("train", examples, progress=progress)

    def heldout_loss(self, examples: Sequence[Example]) -> float:
        return self._call("heldout_loss", examples, members=1)

    def publish(self, folder: Path, policy_version: int) -> Path:
        return self._call("publish", folder, policy_version, members=1)

    def resume(self, folder: Path) -> None:
        self._call("resume", folder)

    def close(self) -> None:
        """End the processes. May be called twice."""
        for process, connection in self._members:
            connection.close()
            process.terminate()
        for process, _ in self._members:
            process.join()
        self._members = []

    def _call(self, method: str, *arguments: Any, members: int | None = None, progress: Progress | None = None) -> Any:
        """The first member's answer to a method of the first `members` (default: all)."""
        if not self._members:
            raise RuntimeError("this group of trainers is closed")
        try:
            for _, connection in self._members[:members]:
                connection.send((method, arguments))
            return self._answers(members or len(self._members), progress)
        except BaseException:
            self.close()
            raise

    def _answers(self, members: int, progress: Progress | None = None) -> Any:
        """Wait until the first `members` have answered; the first one's answer."""
        pending = {connection: rank for rank, (_, connection) in enumerate(self._members[:members])}
        first = None
        while pending:
            for connection in wait(list(pending)):
                rank = pending[connection]
                try:
                    message = connection.recv()
                except (EOFError, OSError):
                    raise RuntimeError(f"training process {rank} of {len(self._members)} died") from None
                if isinstance(message, _Progress):
                    if progress is not None:
                        progress(message.done, message.total)
                    continue
                if message.error is not None:
                    raise message.error
                del pending[connection]
                first = message.value if rank == 0 else first
        return first


def _serve(connection: Connection, make: Callable[[], Trainer], environment: dict[str, Any]) -> None:
    """A member's life: do what arrives until the parent hangs up."""
    os.environ |= {name: str(value) for name, value in environment.items()}
    torch.set_num_threads(max(1, torch.get_num_threads() // environment["WORLD_SIZE"]))
    is_first = environment["RANK"] == 0

    def report(done: int, total: int) -> None:
        connection.send(_Progress(done, total))

    trainer: Trainer | None = None
    name, arguments = "", ()
    while True:
        try:
            if trainer is None:
                value, trainer = None, make()
            else:
                options = {"progress": report} if is_first and name == "train" else {}
                value = getattr(trainer, name)(*arguments, **options)
            answer = _Answer(value)
        except Exception as error:  # the parent raises it
            answer = _Answer(error=error)
        try:
            connection.send(answer)
            name, arguments = connection.recv()
        except (EOFError, OSError):
            return


def _free_port() -> int:
    """A port of this machine that nobody listens on at the moment."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
