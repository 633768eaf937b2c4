"""Several processes that train one policy: data parallel, each on a GPU of its own, or sharing the CPU.

Each holds a `Trainer` that `accelerate` connects with the others, gets the same examples, and learns from its share of
each update's batches. The first one answers, reports progress, evaluates and publishes. The sampler's process is not
one of them: vLLM wants torch.distributed for itself there. It can have the weights sent by the first one (`connect`,
`send_weights`), over whatever link the caller opens.

torch's `elastic.multiprocessing.start_processes` was tried for starting and watching and does not fit: every process is
given the pipes of all, so that none reports the death of a member; the parent's signal handlers are replaced and stay
so; an exception comes back as text in a file, when its process has ended; folders are left in /tmp.
"""

from __future__ import annotations

import os
import socket
import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import torch

from trainer.examples import Example, Examples
from trainer.processes import ProcessDied, died, spawn
from trainer.training import Progress, Trainer, TrainResult

# Seconds between looks at a process whose weights are being received.
WATCH = 0.5

Ask = Callable[[str, dict[str, Any]], None]
"""Has a step of a transfer done in the process that owns the group, and returns when it is."""


class Link(Protocol):
    """A training process's end of a connection on which its weights go to a sampler."""

    def send_weights(self) -> None:
        """Send all weights."""

    def shutdown(self) -> None:
        """Give back what the connection holds."""


OpenLink = Callable[[Trainer, Ask], Link]
"""Opens the link of a trainer; picklable."""


class Receiver(Protocol):
    """The other end of a link, in the process that owns the group."""

    def step(self, name: str, arguments: dict[str, Any]) -> None:
        """Do a step of a transfer."""

    def abort(self) -> None:
        """Make a step fail that waits for a process which has failed. Called in another thread."""


@dataclass(frozen=True)
class _Step:
    """What a member asks its parent to do."""

    name: str
    arguments: dict[str, Any]


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
    process raises is raised here and ends the group, as does `ProcessDied` for a process that died. A context manager.
    The GPU of the first process is number `first_device`.
    """

    def __init__(self, make: Callable[[], Trainer], processes: int, first_device: int = 0) -> None:
        port = free_port()
        self._calls = threading.Lock()
        self._members: list[tuple[BaseProcess, Connection]] = []
        try:
            for rank in range(processes):
                place = {"RANK": rank, "LOCAL_RANK": first_device + rank}
                size = {"WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes}
                address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
                self._members.append(spawn(_serve, make, place | size | address))
            self._answers(processes)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> TrainerGroup:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def train(self, examples: Sequence[Example], progress: Progress | None = None) -> TrainResult:
        return self._call("train", Examples.of(examples), progress=progress)

    def heldout_loss(self, examples: Sequence[Example]) -> float:
        return self._call("heldout_loss", Examples.of(examples), members=1)

    def publish(self, folder: Path, policy_version: int, later: bool = False) -> Path:
        return self._call("publish", folder, policy_version, later, members=1)

    def settle(self) -> None:
        self._call("settle", members=1)

    def resume(self, folder: Path) -> None:
        self._call("resume", folder)

    def connect(self, open_link: OpenLink, receiver: Receiver) -> None:
        """Open a link from the first process, in place of an earlier one."""
        self._call("connect", open_link, members=1, receiver=receiver)

    def send_weights(self, receiver: Receiver) -> None:
        """Have the first process send its weights over its link."""
        self._call("send_weights", members=1, receiver=receiver)

    def close(self) -> None:
        """End the processes. May be called twice."""
        members, self._members = self._members, []  # another thread may close, too
        for process, connection in members:
            connection.close()
            process.terminate()
        for process, _ in members:
            process.join()

    def _call(
        self,
        method: str,
        *arguments: Any,
        members: int | None = None,
        progress: Progress | None = None,
        receiver: Receiver | None = None,
    ) -> Any:
        """The first member's answer to a method of the first `members` (default: all)."""
        with self._calls:  # a sampler that connects anew waits until an epoch is over
            if not self._members:
                raise RuntimeError("this group of trainers is closed")
            try:
                for rank, (_, connection) in enumerate(self._members[:members]):
                    try:
                        connection.send((method, arguments))
                    except OSError:  # it died while it had nothing to do
                        raise self._died(rank) from None
                return self._answers(members or len(self._members), progress, receiver)
            except BaseException:
                self.close()
                raise

    def _answers(self, members: int, progress: Progress | None = None, receiver: Receiver | None = None) -> Any:
        """Wait until the first `members` have answered; the first one's answer."""
        pending = {connection: rank for rank, (_, connection) in enumerate(self._members[:members])}
        first = None
        while pending:
            for connection in wait(list(pending)):
                rank = pending[connection]
                try:
                    message = connection.recv()
                except (EOFError, OSError):
                    raise self._died(rank) from None
                if isinstance(message, _Step):
                    self._do(message, rank, receiver)
                    continue
                if isinstance(message, _Progress):
                    if progress is not None:
                        progress(message.done, message.total)
                    continue
                if message.error is not None:
                    raise message.error
                del pending[connection]
                first = message.value if rank == 0 else first
        return first

    def _do(self, step: _Step, rank: int, receiver: Receiver) -> None:
        """Do what a member asks for, which waits until it is done, and must not if it dies or gives up meanwhile."""
        process, connection = self._members[rank]
        done = threading.Event()

        def watch() -> None:
            while not done.wait(WATCH):
                if connection.poll() or not process.is_alive():
                    receiver.abort()
                    return

        watching = threading.Thread(target=watch, daemon=True)
        watching.start()
        try:
            receiver.step(step.name, step.arguments)
        except Exception as error:
            reason = self._failure(rank)
            if reason is None:
                raise
            raise reason from error
        finally:
            done.set()
            watching.join()
        with suppress(OSError):  # of a process that died, which shows next
            connection.send(_Answer())

    def _failure(self, rank: int) -> Exception | None:
        """Why a member that should wait does not; None if it does."""
        _, connection = self._members[rank]
        try:
            return connection.recv().error if connection.poll() else None
        except (EOFError, OSError):
            return self._died(rank)

    def _died(self, rank: int) -> ProcessDied:
        return died(f"training process {rank} of {len(self._members)}", self._members[rank][0])


class _Member:
    """What a training process does: the methods of its trainer, and those of its link."""

    def __init__(self, trainer: Trainer, rank: int, connection: Connection) -> None:
        self._trainer = trainer
        self._rank = rank
        self._connection = connection
        self._link: Link | None = None

    def call(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """The answer to a message of the parent."""
        if name == "connect":
            return self._connect(*arguments)
        if name == "send_weights":
            return self._link.send_weights()
        options = {"progress": self._report} if self._rank == 0 and name == "train" else {}
        return getattr(self._trainer, name)(*arguments, **options)

    def _connect(self, open_link: OpenLink) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.shutdown()
        self._link = open_link(self._trainer, self._ask)

    def _ask(self, name: str, arguments: dict[str, Any]) -> None:
        """Returns when the step is done; if it fails, the parent ends this process."""
        self._connection.send(_Step(name, arguments))
        self._connection.recv()

    def _report(self, done: int, total: int) -> None:
        self._connection.send(_Progress(done, total))


def _serve(connection: Connection, make: Callable[[], Trainer], environment: dict[str, Any]) -> None:
    """A member's life: do what arrives until the parent hangs up, or is gone."""
    os.environ |= {name: str(value) for name, value in environment.items()}
    torch.set_num_threads(max(1, torch.get_num_threads() // environment["WORLD_SIZE"]))
    member: _Member | None = None
    name, arguments = "", ()
    while True:
        try:
            if member is None:
                value, member = None, _Member(make(), environment["RANK"], connection)
            else:
                value = member.call(name, arguments)
            answer = _Answer(value)
        except Exception as error:  # the parent raises it
            error.add_note(f"in training process {environment['RANK']}:\n{traceback.format_exc()}")
            answer = _Answer(error=error)
        try:
            connection.send(answer)
            name, arguments = connection.recv()
        except (EOFError, OSError):
            return


def free_port() -> int:
    """A port of this machine that nobody listens on at the moment."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
