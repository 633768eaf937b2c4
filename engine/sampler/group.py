"""Several processes that sample, each with an engine of its own: for a small policy the host is the bottleneck.

A step of an engine is some milliseconds of Python, whatever the device; a GPU that is done in one of them takes the
steps of several processes, and so do the cores of a CPU. Samples depend on their request's seed alone, so that it does
not matter which process draws them, up to the rounding of matrix products. Prompts are dealt out in turn, with all of
their samples, which share the prompt's cache.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from engine.sampler.base import CheckpointSampler
from engine.sampler.config import SamplerConfig
from engine.sampler.protocol import Sample, Sampler, SampleRequest
from engine.sampler.published import Published
from trainer.processes import died, spawn

# A process sends what is finished after so many samples or seconds.
_SENT_TOGETHER, _SENT_AFTER = 32, 0.2
_STOP = "stop"
OpenSampler = Callable[[Path, SamplerConfig, int], Sampler]
"""Opens the sampler of one process; picklable."""
_PATIENCE = 10.0  # seconds that a process has to close its engine


@dataclass(frozen=True)
class _Done:
    """A process has done what it was told, or could not."""

    error: Exception | None = None


class SamplerGroup(CheckpointSampler):
    """A `Sampler` of `processes`. What one of them raises is raised here and closes all, as does `ProcessDied` for one
    that died. See `open_sampler`."""

    def __init__(self, open_one: OpenSampler, checkpoint: Path, config: SamplerConfig, max_model_len: int) -> None:
        super().__init__(checkpoint, config, max_model_len)
        alone = self._config.model_copy(update={"processes": 1})
        self._members: list[tuple[BaseProcess, Connection]] = []
        self._waiting: dict[Connection, int] = {}  # members that are at work, with their number
        try:
            for _ in range(self._config.processes):
                self._members.append(spawn(_serve, open_one, checkpoint, alone, max_model_len))
            self._expect(range(len(self._members)))
            self._finish()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        super().close()
        for _, connection in self._members:
            connection.close()  # which ends a process that is idle, or sends next
        for process, _ in self._members:
            process.join(_PATIENCE)
            process.terminate()
            process.join()
        self._members, self._waiting = [], {}

    def _load(self, published: Published) -> None:
        for _, connection in self._members:
            self._tell(connection, published.folder)
        self._expect(range(len(self._members)))
        self._finish()
        self._published = published

    def _stream(self, requests: Sequence[SampleRequest]) -> Iterator[Sample]:
        count = min(len(self._members), len(requests))
        for number in range(count):
            self._tell(self._members[number][1], requests[number::count])
        self._expect(range(count))
        try:
            while self._waiting:
                for number, samples in self._receive():
                    yield from (replace(sample, request=number + count * sample.request) for sample in samples)
        finally:
            for connection in self._waiting:
                with suppress(OSError):
                    connection.send(_STOP)
            self._finish()

    def _tell(self, connection: Connection, message: Any) -> None:
        with suppress(OSError):  # of a process that died, which shows when it is waited for
            connection.send(message)

    def _expect(self, numbers: Sequence[int]) -> None:
        self._waiting = {self._members[number][1]: number for number in numbers}

    def _finish(self) -> None:
        """Wait until nobody is at work, and drop what still comes."""
        while self._waiting:
            list(self._receive())

    def _receive(self) -> Iterator[tuple[int, list[Sample]]]:
        """What members at work have to say: their number and samples."""
        for connection in wait(list(self._waiting)):
            number = self._waiting[connection]
            try:
                message = connection.recv()
            except (EOFError, OSError):
                self._fail(died(f"sampling process {number} of {len(self._members)}", self._members[number][0]))
            except Exception as error:  # its exception cannot be made here again
                self._fail(RuntimeError(f"sampling process {number} of {len(self._members)} failed: {error}"))
            if not isinstance(message, _Done):
                yield number, message
                continue
            if message.error is not None:
                self._fail(message.error)
            del self._waiting[connection]

    def _fail(self, error: Exception) -> None:
        self.close()
        raise error


def _serve(
    connection: Connection, open_one: OpenSampler, checkpoint: Path, config: SamplerConfig, max_model_len: int
) -> None:
    """A member's life: sample or swap as it is told, until the parent hangs up."""
    with suppress(EOFError, OSError), ExitStack() as stack:
        try:
            sampler = stack.enter_context(open_one(checkpoint, config, max_model_len))
        except Exception as error:  # the parent raises it
            connection.send(_failure(error))
            return
        connection.send(_Done())
        while True:
            message = connection.recv()
            if message == _STOP:
                continue  # it crossed our last word
            try:
                if isinstance(message, Path):
                    sampler.swap(message)
                else:
                    _sample(connection, sampler, message)
                answer = _Done()
            except Exception as error:  # the parent raises it
                answer = _failure(error)
            connection.send(answer)


def _sample(connection: Connection, sampler: Sampler, requests: Sequence[SampleRequest]) -> None:
    """Send samples as they finish, until all are there or the parent wants no more."""
    finished: list[Sample] = []
    sent = time.monotonic()
    with closing(sampler.sample(requests)) as samples:
        for sample in samples:
            finished.append(sample)
            if len(finished) == _SENT_TOGETHER or time.monotonic() - sent > _SENT_AFTER:
                connection.send(finished)
                finished, sent = [], time.monotonic()
                if connection.poll():
                    break
    connection.send(finished)


def _failure(error: Exception) -> _Done:
    error.add_note(f"in a sampling process:\n{traceback.format_exc()}")
    return _Done(error)
