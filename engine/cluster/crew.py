"""Work of a search, an evaluation or a run, spread over a cluster: one member a node, each with some items ahead.

What a batch shares goes into Ray's object store once; a message to a member names it and holds its items. A member has
at most `AHEAD` messages, so that neither questions nor answers pile up. Ray starts a member whose process dies again,
and asks it again; a node that is gone leaves its messages to the others; one that comes joins at the next batch.
"""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError

from engine.cluster import patience
from engine.cluster.identity import Identity, own_identity
from engine.cluster.member import AHEAD, Member, Reference
from engine.cluster.nodes import Node, Room, living_nodes, reason_of
from engine.cluster.packing import pack, unpack
from engine.errors import UsageError
from engine.search.workers import Portable

log = logging.getLogger(__name__)

MESSAGES = 8  # of a batch, for each thread: more balance the load better, and cost more
TRIES = 3  # of a message: a member can be killed from outside, too


class Lost(UsageError):
    """Work that took its process with it, however often it was tried."""


class Refused(UsageError):
    """A node that cannot be a member; the message names it."""


@dataclass(eq=False)
class _Message:
    """Items of a batch, by their numbers, on their way."""

    numbers: Sequence[int]
    items: list[Any]
    tries: int = 0


@dataclass(eq=False)
class _Hand:
    """A member as the head sees it: it is `ready` once its identity is known, and has the messages `busy`."""

    node: Node
    room: Room
    threads: int
    actor: Any
    started: float
    hello: ray.ObjectRef
    ready: bool = False
    busy: dict[ray.ObjectRef, tuple[_Message, float]] = field(default_factory=dict)


class Crew:
    """Members on all nodes that have processors. Close it.

    `threads` of each node: None is one a processor. What replicas of a sampler have `taken` of a node's processors, by
    id, is not asked of Ray again: they sample while nobody searches, and the programs of samples take little.
    """

    def __init__(self, threads: int | None, groups: Sequence[str], taken: dict[str, float]) -> None:
        self._threads, self._groups, self._taken = threads, groups, taken
        self._hands: dict[str, _Hand] = {}
        self._refused: set[str] = set()
        self._looked = -math.inf
        self._alive: set[str] = set()
        self._constant: tuple[Any, Reference] | None = None
        self._batch: tuple[Any, Reference] | None = None
        try:
            self._look()
            self._wait_for_all()
            if not self._hands:
                raise UsageError("no node of the cluster has a processor that is free for running programs")
        except BaseException:
            self.close()
            raise

    @property
    def threads(self) -> int:
        """How many run programs."""
        return sum(hand.threads for hand in self._hands.values() if hand.ready)

    @property
    def nodes(self) -> list[Node]:
        """Those that run programs."""
        return [hand.node for hand in self._hands.values() if hand.ready]

    def close(self) -> None:
        """End the members. Idempotent."""
        for hand in list(self._hands.values()):
            self._part(hand)
        self._constant = self._batch = None

    def run(self, limits: tuple[int, ...], work: Portable, items: Iterable[Any]) -> Iterator[tuple[int, Any]]:
        """The number and the result of each item, as they are done. Raises what the work raises.

        `limits` are those of `Workers`: fuel of screens, fuel and words of machines.
        """
        self._look()
        self._constant = self._put(self._constant, work.constant)
        self._batch = self._put(self._batch, work.batch)
        shared = limits, work.function, self._constant[1], self._batch[1]
        messages = deque(self._cut(list(items)))
        gone = math.inf  # when somebody has to be there again
        try:
            while messages or any(hand.busy for hand in self._hands.values()):
                self._send(shared, messages)
                for message, answer in self._answers():
                    if answer is None:
                        messages.appendleft(self._again(message))
                    else:
                        yield from zip(message.numbers, answer, strict=True)
                if self._hands:
                    gone = math.inf
                elif gone == math.inf:
                    gone = time.monotonic() + patience.NODES
                elif time.monotonic() > gone:
                    raise UsageError(
                        f"the cluster has no node left that runs programs: waited {patience.NODES:.0f} s for one; "
                        "what is found so far is safe: continue with --resume"
                    )
        finally:
            for hand in self._hands.values():
                hand.busy.clear()

    # ------------------------------------------------------------------------------------------ messages

    def _put(self, before: tuple[Any, Reference] | None, value: Any) -> tuple[Any, Reference]:
        """A value with its place in the object store; the same one is put there once."""
        return before if before is not None and before[0] is value else (value, [ray.put(pack(value))])

    def _cut(self, items: list[Any]) -> Iterator[_Message]:
        """The messages of a batch. Neighbours in different ones: what is alike takes long in the same places."""
        count = min(len(items), MESSAGES * max(self.threads, 1))
        for first in range(count):
            numbers = range(first, len(items), count)
            yield _Message(numbers, [items[number] for number in numbers])

    def _send(self, shared: tuple[Any, ...], messages: deque[_Message]) -> None:
        """Give members what they can take, a message each in turn."""
        for _ in range(AHEAD):
            for hand in self._hands.values():
                if messages and hand.ready and len(hand.busy) < AHEAD:
                    message = messages.popleft()
                    answer = hand.actor.work.remote(*shared, pack(message.items))
                    hand.busy[answer] = message, time.monotonic() + patience.WORK

    def _answers(self) -> Iterator[tuple[_Message, list[Any] | None]]:
        """Wait for something to happen: messages with their results, or None where they have to be sent again."""
        waiting = [answer for hand in self._hands.values() for answer in hand.busy]
        waiting += [hand.hello for hand in self._hands.values() if not hand.ready]
        if waiting:
            ray.wait(waiting, num_returns=1, timeout=patience.LOOK, fetch_local=False)
        else:
            time.sleep(patience.LOOK)
        for hand in list(self._hands.values()):
            if not hand.ready:
                self._greet(hand)
            done, _ = ray.wait(list(hand.busy), num_returns=len(hand.busy), timeout=0) if hand.busy else ([], [])
            for answer in done:
                message, _ = hand.busy.pop(answer)
                yield message, self._result(hand, answer)
            overdue = [message for message, deadline in hand.busy.values() if deadline < time.monotonic()]
            if overdue:
                log.warning("%s has not answered for %.0f s: its work is done again", hand.node, patience.WORK)
                yield from self._replaced(hand)
        for hand in self._gone():
            yield from self._lost(hand)

    def _result(self, hand: _Hand, answer: ray.ObjectRef) -> list[Any] | None:
        try:
            return unpack(ray.get(answer, timeout=patience.WORK))
        except RayTaskError as error:
            raise error.as_instanceof_cause() from None
        except RayError as error:  # of a process that died more often than Ray asks again, or of an answer that is lost
            log.warning("%s: %s: some work is done again", hand.node, type(error).__name__)
            return None

    def _again(self, message: _Message) -> _Message:
        message.tries += 1
        if message.tries == TRIES:
            raise Lost(
                f"items {list(message.numbers)} of a batch were lost {TRIES} times, with their process; what was found "
                "is kept: continue with --resume"
            )
        return message

    def _lost(self, hand: _Hand) -> Iterator[tuple[_Message, None]]:
        """A node that is gone: its messages."""
        messages = [message for message, _ in hand.busy.values()]
        self._part(hand)
        yield from ((message, None) for message in messages)

    def _replaced(self, hand: _Hand) -> Iterator[tuple[_Message, None]]:
        """A member that stands still is ended, and another takes its place at the next look."""
        yield from self._lost(hand)
        self._looked = -math.inf

    # ------------------------------------------------------------------------------------------- members

    def _look(self) -> None:
        """See which nodes there are, now and then, and ask new ones to join."""
        if time.monotonic() - self._looked < patience.LOOK:
            return
        self._looked = time.monotonic()
        nodes = living_nodes()
        self._alive = {node.id for node in nodes}
        for node in nodes:
            free = node.cpus - self._taken.get(node.id, 0)
            if node.id not in self._hands and node.id not in self._refused and free > 0:
                self._hands[node.id] = self._hire(node, min(self._threads or free, free))

    def _gone(self) -> list[_Hand]:
        """Members whose node is not there any more."""
        self._look()
        gone = [hand for hand in self._hands.values() if hand.node.id not in self._alive]
        for hand in gone:
            log.warning("%s is gone: its work is done by others", hand.node)
        return gone

    def _hire(self, node: Node, cpus: float) -> _Hand:
        room = Room.on(node, cpus)
        threads = self._threads or node.cpus
        actor = ray.remote(Member).options(
            **room.options(), max_restarts=-1, max_task_retries=TRIES - 1, max_concurrency=AHEAD,
        ).remote(threads, self._groups)  # fmt: skip
        return _Hand(node, room, threads, actor, time.monotonic(), actor.identity.remote())

    def _wait_for_all(self) -> None:
        """Until those who were asked are ready, or their nodes are gone. Raises `Refused` for one that cannot be."""
        while waiting := [hand for hand in self._hands.values() if not hand.ready]:
            ray.wait([hand.hello for hand in waiting], num_returns=1, timeout=patience.LOOK)
            for hand in waiting:
                self._check(hand)
            for hand in self._gone():
                self._part(hand)

    def _greet(self, hand: _Hand) -> None:
        """The same for one that joined later: it is left out, and said so."""
        try:
            self._check(hand)
        except Refused as error:
            log.warning("%s: it is left out", error)
            self._refused.add(hand.node.id)
            self._part(hand)

    def _check(self, hand: _Hand) -> None:
        """See whether a member has become ready. Raises `Refused`."""
        done, _ = ray.wait([hand.hello], timeout=0)
        if not done:
            if overdue := hand.room.overdue(hand.started):
                raise Refused(overdue)
            return
        difference = _identity(hand).difference(own_identity())
        if difference:
            raise Refused(f"{hand.node} {difference}: install the same on all nodes")
        hand.ready = True

    def _part(self, hand: _Hand) -> None:
        self._hands.pop(hand.node.id, None)
        ray.kill(hand.actor)
        hand.room.leave()


def _identity(hand: _Hand) -> Identity:
    try:
        return ray.get(hand.hello)
    except RayTaskError as error:
        raise Refused(f"{hand.node} cannot run programs: {error.cause}") from None
    except RayActorError as error:
        said = reason_of(error)
        if "ModuleNotFoundError" in said or "ImportError" in said or "AttributeError" in said:
            said = f"no codeit, or another version of it ({said}): install the same on all nodes"
        raise Refused(f"{hand.node} cannot run programs: {said}") from None
