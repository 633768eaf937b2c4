"""A sampler of several machines: replicas of one policy, each on a GPU or on a share of a node's processors.

As in `engine.sampler.group`, prompts are dealt out in turn, and a sample depends on the seed of its request alone, so
that it does not matter who draws it, up to the rounding of matrix products. New weights are one object, which each node
fetches once; every sample says the version that it was drawn with. What a replica that died had not sampled is drawn by
the others, and it is started again with the weights of the day where its node is still there.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError

from engine.cluster import patience
from engine.cluster.identity import own_identity
from engine.cluster.nodes import Room, living_nodes, reason_of
from engine.cluster.replica import Answer, Replica, read_weights
from engine.errors import UsageError
from engine.sampler.base import CheckpointSampler
from engine.sampler.config import SamplerConfig
from engine.sampler.protocol import Sample, SampleRequest
from engine.sampler.published import Published

log = logging.getLogger(__name__)

AHEAD = 2  # answers that are asked of a replica at a time
STARTS = 3  # of a replica that dies before it is ready
TRIES = 3  # of a request whose replica dies: one can be killed from outside, too


@dataclass(eq=False)
class _Seat:
    """A room and the replica in it: it has `requests`, by their numbers, and answers are on their way."""

    room: Room
    actor: Any = None
    starts: int = 0
    started: float = 0.0
    hello: ray.ObjectRef | None = None
    requests: list[int] = field(default_factory=list)
    answers: deque[ray.ObjectRef] = field(default_factory=deque)
    deadline: float = 0.0


class Replicas(CheckpointSampler):
    """A `Sampler` whose replicas are in `rooms`. Raises `UsageError` where one of them cannot be opened."""

    def __init__(self, rooms: Sequence[Room], checkpoint: Path, config: SamplerConfig, max_model_len: int) -> None:
        super().__init__(checkpoint, config, max_model_len)
        self._asked = config  # what each replica makes of "auto" is its own
        self._seats = [_Seat(room) for room in rooms]
        self._weights = [ray.put(read_weights(checkpoint))]
        self._wanted: Sequence[SampleRequest] = ()
        try:
            for seat in self._seats:
                self._start(seat)
            while starting := [seat for seat in self._seats if seat.hello is not None]:
                ray.wait([seat.hello for seat in starting], num_returns=1, timeout=patience.LOOK)
                for seat in starting:
                    self._greet(seat)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        super().close()
        closing = [seat.actor.close.remote() for seat in self._seats if seat.actor is not None and seat.hello is None]
        if closing:
            ray.wait(closing, num_returns=len(closing), timeout=patience.CLOSE)
        for seat in self._seats:
            if seat.actor is not None:
                ray.kill(seat.actor)
            seat.room.leave()
        self._seats = []

    def _load(self, published: Published) -> None:
        self._weights = [ray.put(read_weights(published.folder))]
        self._published = published
        swaps = [(seat, seat.actor.swap.remote(self._weights)) for seat in self._seats if seat.hello is None]
        for seat, answer in swaps:
            try:
                _, version = ray.get(answer, timeout=patience.WORK)
            except RayTaskError as error:
                raise error.as_instanceof_cause() from None
            except (GetTimeoutError, RayError) as error:
                self._lose(seat, f"{type(error).__name__} while it took new weights")
                continue
            if version != published.policy_version:
                raise RuntimeError(f"{seat.room.node} has version {version}, not {published.policy_version}")
        self._need_somebody()

    def _stream(self, requests: Sequence[SampleRequest]) -> Iterator[Sample]:
        self._wanted = requests
        seen: set[tuple[int, int]] = set()
        ready = [seat for seat in self._seats if seat.hello is None]
        for number, seat in enumerate(ready):
            self._give(seat, list(range(number, len(requests), len(ready))))
        left = [] if ready else list(range(len(requests)))  # what nobody has who is ready
        lost: Counter[int] = Counter()  # how often a replica died that had a request
        try:
            while left or any(seat.requests for seat in self._seats):
                for seat in self._seats:
                    if left and seat.hello is None and not seat.requests:
                        self._give(seat, left)
                        left = []
                for seat, answer in self._answers():
                    if answer is None:
                        again = [number for number in seat.requests if self._is_wanted(number, seen)]
                        lost.update(again)
                        if any(lost[number] == TRIES for number in again):
                            raise UsageError(
                                f"{seat.room.node} cannot sample: {TRIES} replicas died of the same prompts (too "
                                "little memory, say); the run goes on with --resume"
                            )
                        left += again
                        seat.requests = []
                        continue
                    samples, is_last = answer
                    numbers = seat.requests
                    if is_last:
                        seat.requests = []
                        seat.answers.clear()
                    for sample in samples:
                        one = replace(sample, request=numbers[sample.request])
                        if (one.request, one.index) not in seen:
                            seen.add((one.request, one.index))
                            yield one
                self._need_somebody()
        finally:
            for seat in self._seats:
                if seat.requests:
                    seat.actor.stop.remote()
                    seat.requests = []
                seat.answers.clear()

    def _is_wanted(self, number: int, seen: set[tuple[int, int]]) -> bool:
        """Whether a request has samples that are not there yet."""
        return any((number, index) not in seen for index in range(self._wanted[number].n))

    # ------------------------------------------------------------------------------------------ replicas

    def _start(self, seat: _Seat) -> None:
        room = seat.room
        options = {**room.options(), "max_restarts": 0, "max_task_retries": 0}
        seat.actor = ray.remote(Replica).options(**options).remote(
            self._weights, self._asked, self._max_model_len, max(int(room.cpus), 1)
        )  # fmt: skip
        seat.hello, seat.started = seat.actor.identity.remote(), time.monotonic()
        seat.starts += 1

    def _greet(self, seat: _Seat) -> None:
        """See whether a replica has become ready; one that was started with weights of another day takes today's."""
        done, _ = ray.wait([seat.hello], timeout=0)
        if not done:
            if overdue := seat.room.overdue(seat.started):
                raise UsageError(overdue)
            return
        try:
            identity, version = ray.get(seat.hello)
        except RayTaskError as error:
            raise error.as_instanceof_cause() from None
        except RayError as error:
            said = reason_of(error)
            if seat.starts == STARTS or "Error:" in said:
                raise UsageError(f"{seat.room.node} cannot sample: {said}") from None
            self._lose(seat, said)
            return
        difference = identity.difference(own_identity())
        if difference:
            raise UsageError(f"{seat.room.node} {difference}: install the same on all nodes")
        if version != self.policy_version:
            seat.hello = seat.actor.swap.remote(self._weights)
            return
        seat.hello, seat.starts = None, 0

    def _give(self, seat: _Seat, numbers: list[int]) -> None:
        seat.requests = numbers
        if numbers:
            seat.actor.begin.remote([self._wanted[number] for number in numbers])
            seat.answers = deque(seat.actor.more.remote() for _ in range(AHEAD))
            seat.deadline = time.monotonic() + patience.WORK

    def _answers(self) -> Iterator[tuple[_Seat, Answer | None]]:
        """Wait for something to happen: answers of replicas, or None of one that has died."""
        waiting = [seat.answers[0] for seat in self._seats if seat.requests]
        waiting += [seat.hello for seat in self._seats if seat.hello is not None]
        ray.wait(waiting, num_returns=1, timeout=patience.LOOK)
        for seat in list(self._seats):
            if seat.hello is not None:
                self._greet(seat)
            elif seat.requests and ray.wait([seat.answers[0]], timeout=0)[0]:
                yield seat, self._answer(seat)
            elif seat.requests and time.monotonic() > seat.deadline:
                self._lose(seat, f"it has not answered for {patience.WORK:.0f} s")
                yield seat, None

    def _answer(self, seat: _Seat) -> Answer | None:
        try:
            answer = ray.get(seat.answers.popleft())
        except RayTaskError as error:
            raise error.as_instanceof_cause() from None
        except RayError as error:
            self._lose(seat, type(error).__name__)
            return None
        seat.answers.append(seat.actor.more.remote())
        seat.deadline = time.monotonic() + patience.WORK
        return answer

    def _lose(self, seat: _Seat, why: str) -> None:
        """A replica is gone; another takes its place where the node is still there."""
        log.warning("a replica of the sampler on %s is gone (%s)", seat.room.node, why)
        with suppress(RayError):
            ray.kill(seat.actor)
        seat.answers.clear()
        if seat.room.node.id in {node.id for node in living_nodes()}:
            self._start(seat)
        else:
            seat.room.leave()
            self._seats.remove(seat)

    def _need_somebody(self) -> None:
        if not self._seats:
            raise UsageError("the cluster has no node left that samples: continue with --resume")
