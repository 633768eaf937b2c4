"""A machine that keeps account: calls, time, fuel and words of every primitive, by what called it.

It runs the same compiled primitives as `Machine` and gives the same results; only where it calls one, it goes through
`call_tree`. What `compose` and other closures cost themselves is time of the primitive that calls them.

Taking account costs about as much as a small primitive. `ProfiledMachine` measures that beforehand, on a long program
of `identity`, and takes it off; a time that would be negative, or less than that of its parts, is raised to it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from interpreter.grids import GridTable
from interpreter.language.bytecode import Code
from interpreter.language.program import Line, Program
from interpreter.machine.call_tree import (
    CALLS,
    CHILD,
    INVOKERS,
    MAX_NODES,
    NEXT,
    NODE,
    OPCODE,
    WORDS,
    profiled_batch,
    read_ticks,
)
from interpreter.machine.machine import DEFAULT_FUEL, DEFAULT_WORDS, Machine, Runs
from interpreter.primitives import PRIMITIVES
from interpreter.runtime import layout


@dataclass
class Node:
    """Calls of a primitive by one caller: how many, and their `seconds`, `fuel` and `words`, with all below them."""

    name: str
    calls: int = 0
    seconds: float = 0.0
    fuel: int = 0
    words: int = 0
    children: dict[str, Node] = field(default_factory=dict)

    def own(self, measure: str) -> float:
        """What of a measure (`seconds`, `fuel` or `words`) is not its children's."""
        return getattr(self, measure) - sum(getattr(child, measure) for child in self.children.values())

    def add(self, other: Node) -> None:
        """Add another tree to this one, node by node."""
        self.calls += other.calls
        self.seconds += other.seconds
        self.fuel += other.fuel
        self.words += other.words
        for name, child in other.children.items():
            self.children.setdefault(name, Node(name)).add(child)

    def walk(self, above: tuple[str, ...] = ()) -> Iterator[tuple[Node, tuple[str, ...]]]:
        """All nodes below this one, each with the names of those above it."""
        for child in self.children.values():
            yield child, above
            yield from child.walk((*above, child.name))


class ProfiledMachine(Machine):
    """A machine whose `profile` also tells what a batch was spent on."""

    def __init__(self, fuel: int = DEFAULT_FUEL, words: int = DEFAULT_WORDS) -> None:
        super().__init__(fuel, words)
        self._run_batch = profiled_batch.compiled()
        self._tree = np.zeros(MAX_NODES * NODE, np.int64)
        self._arena[layout.PROFILE] = self._tree.ctypes.data
        for word, invoker in INVOKERS.items():
            self._arena[word] = invoker.address
        self._names = list(PRIMITIVES)
        self._second = _ticks_a_second(self)
        self.inside, self.around = 0.0, 0.0  # seconds that taking account adds to a call and to its caller
        self.inside, self.around = _overhead(self)

    def profile(self, code: Code, grids: GridTable, jobs: npt.NDArray[np.int32]) -> tuple[Runs, Node]:
        """Run `jobs`; the results, and the tree of calls below a node for the whole batch."""
        tree = self._tree
        tree[:NODE] = 0
        tree[NEXT] = 1
        start = time.perf_counter()
        runs = self.run(code, grids, jobs)
        seconds = time.perf_counter() - start
        root = self._node(0, "all")
        cost = sum(node.calls for node, _ in root.walk()) * (self.inside + self.around)
        root.calls = len(jobs)
        root.seconds = max(seconds - cost, sum(child.seconds for child in root.children.values()))
        root.fuel = int(runs.fuel.sum())
        root.words = sum(child.words for child in root.children.values())
        return runs, root

    def _node(self, at: int, name: str) -> Node:
        """The tree below a node of the array, without the cost of taking account."""
        node = Node(name)
        below = 0  # calls below
        child = int(self._tree[at + CHILD])
        while child:
            part = self._node(child, self._names[self._tree[child + OPCODE]])
            node.children[part.name] = part
            below += part.calls + sum(inner.calls for inner, _ in part.walk())
            child = int(self._tree[child + NEXT])
        if at:
            node.calls, counted, node.fuel, node.words = (int(v) for v in self._tree[at + CALLS : at + WORDS + 1])
            seconds = counted / self._second - node.calls * self.inside - below * (self.inside + self.around)
            node.seconds = max(seconds, sum(child.seconds for child in node.children.values()), 0.0)
        return node


def _ticks_a_second(machine: ProfiledMachine) -> float:
    """How fast the counter counts: a long batch by both clocks."""
    code, grids, jobs = _identities(1)
    read = read_ticks.compiled()
    start, counted = time.perf_counter(), read()
    while time.perf_counter() - start < 0.05:
        machine.run(code, grids, jobs)
    return (read() - counted) / (time.perf_counter() - start)


def _overhead(machine: ProfiledMachine) -> tuple[float, float]:
    """Seconds that taking account adds to a call's own time, and to that of what surrounds it."""
    plain = Machine(machine.fuel)
    few, many = _identities(1), _identities(61)
    calls = 60 * len(many[2])  # more
    inside, around = [], []
    for _ in range(9):
        taken = (_timed(machine.run, *many) - _timed(machine.run, *few)) / calls
        bare = (_timed(plain.run, *many) - _timed(plain.run, *few)) / calls
        node = machine.profile(*many)[1].children["identity"]
        inside.append(node.seconds / node.calls - bare)
        around.append(taken - bare - inside[-1])
    return max(median(inside), 0.0), max(median(around), 0.0)


def _timed(work: Callable[..., object], *arguments: Any) -> float:
    start = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - start


def _identities(lines: int) -> tuple[Code, GridTable, npt.NDArray[np.int32]]:
    """A batch of a program of so many lines of `identity`."""
    code = Code.assemble([Program((Line("identity", ("ONE",)),) * lines)])
    return code, GridTable.pack([np.zeros((1, 1), np.int8)]), np.zeros((500, 2), np.int32)
