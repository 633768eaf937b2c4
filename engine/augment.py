"""Variants of a task: its grids turned, mirrored, or in other colours.

Whether a program means the same on a variant is not for this module to guess: it does where it commutes with the
transform, P(t(I)) = t(P(I)), which running it tells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from engine.tasks import Task
from interpreter.grids import MAX_COLOR, Grid

ColorChoice = Literal["none", "keep-0", "all"]

IDENTITY = "identity"
# The symmetries of a rectangle, by the names of the primitives that they are.
SYMMETRIES: dict[str, Callable[[Grid], Grid]] = {
    IDENTITY: lambda grid: grid,
    "rot90": lambda grid: grid[::-1].T,
    "rot180": lambda grid: grid[::-1, ::-1],
    "rot270": lambda grid: grid.T[::-1],
    "hmirror": lambda grid: grid[::-1],
    "vmirror": lambda grid: grid[:, ::-1],
    "dmirror": lambda grid: grid.T,
    "cmirror": lambda grid: grid[::-1, ::-1].T,
}
COLORS = tuple(range(MAX_COLOR + 1))
MAX_VARIANTS = 16  # of a task; all of them lie in the memory of the pool
# Draws for each variant wanted: some leave the grids as they are, or as another variant has them.
TRIES = 4


@dataclass(frozen=True)
class Transform:
    """One of the eight symmetries, then colour c becomes `colors[c]`, a permutation of the ten."""

    symmetry: str = IDENTITY
    colors: tuple[int, ...] = COLORS

    def __call__(self, grid: Grid) -> Grid:
        """The transformed grid, a new array."""
        return np.array(self.colors, np.int8)[np.ascontiguousarray(SYMMETRIES[self.symmetry](grid))]

    @property
    def name(self) -> str:
        """Such as `rot90`, `colors-0213456789`, or both with `~` between."""
        parts = [self.symmetry] if self.symmetry != IDENTITY else []
        if self.colors != COLORS:
            parts.append("colors-" + "".join(map(str, self.colors)))
        return "~".join(parts) or IDENTITY

    def task(self, task: Task) -> Task:
        """The variant of a task, under the id `<task>~<name>`."""
        grids = (task.inputs, task.outputs, task.test_inputs, task.test_outputs)
        changed = (tuple(None if grid is None else self(grid) for grid in part) for part in grids)
        return Task(f"{task.id}~{self.name}", *changed)

    def commutes(self, outputs: Sequence[Grid | None], variant_outputs: Sequence[Grid | None]) -> bool:
        """Whether a program's outputs on a task's variant are those on the task, transformed.

        A program that gives no grid on one must give none on the other.
        """
        return all(
            (a is None and b is None) or (a is not None and b is not None and np.array_equal(self(a), b))
            for a, b in zip(outputs, variant_outputs, strict=True)
        )


def draw_transform(generator: np.random.Generator, colors: ColorChoice) -> Transform:
    """A symmetry, a permutation of the colours, or both, each as often. "keep-0" leaves colour 0 where it is."""
    kinds = ("symmetry",) if colors == "none" else ("symmetry", "colors", "both")
    kind = kinds[generator.integers(len(kinds))]
    symmetry = IDENTITY if kind == "colors" else [*SYMMETRIES][generator.integers(1, len(SYMMETRIES))]
    if kind == "symmetry":
        return Transform(symmetry)
    fixed = COLORS[:1] if colors == "keep-0" else ()
    return Transform(symmetry, (*fixed, *generator.permutation(COLORS[len(fixed) :]).tolist()))


def draw_variants(task: Task, n: int, generator: np.random.Generator, colors: ColorChoice) -> dict[Transform, Task]:
    """Up to `n` variants of a task whose demonstration inputs differ from its own and from each other's."""
    known = {_content(task)}
    variants: dict[Transform, Task] = {}
    for _ in range(TRIES * n):
        if len(variants) == n:
            break
        transform = draw_transform(generator, colors)
        variant = transform.task(task)
        if _content(variant) not in known:
            known.add(_content(variant))
            variants[transform] = variant
    return variants


def _content(task: Task) -> tuple[tuple[tuple[int, ...], bytes], ...]:
    return tuple((grid.shape, grid.tobytes()) for grid in task.inputs)
